#include "config/function_config.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "config/key_reference.h"
#include "config/key_table.h"
#include "config/yaml_tree.h"

namespace fs::config {
namespace {

constexpr int64_t kDayMs = int64_t{24} * 3600 * 1000;
constexpr size_t kMaxTypeBytes = 64;

// A key without a value is a slip where every key is passed on: neither "empty" nor "not written" is safe to guess.
absl::Status RequireScalar(const Value& value, std::string_view advice) {
  if (value.node->kind == YamlNode::Kind::kScalar) return absl::OkStatus();
  if (value.node->kind == YamlNode::Kind::kNull) return value.Error("has no value; write one (\"\" for an empty text) or remove the key");
  return value.Error(fmt::format("must be a plain value, not {}; {}", KindName(value.node->kind), advice));
}

absl::Status AppendProperty(const Value& value, std::string_view key, bool is_runtime, Endpoint& endpoint) {
  FS_RETURN_IF_ERROR(RequireScalar(value, "write lists as the connector's client wants them, such as a,b"));
  endpoint.properties.push_back({.key = std::string(key),
                                 .value = value.node->text,
                                 .is_quoted = value.node->is_quoted,
                                 .is_runtime = is_runtime,
                                 .line = value.line});
  return absl::OkStatus();
}

// `type_key` is input-type or output-type.
absl::StatusOr<Endpoint> ReadEndpoint(const Value& value, std::string_view type_key) {
  if (value.node->kind != YamlNode::Kind::kMap) return value.MustBe(fmt::format("a map with {}", type_key));
  Endpoint endpoint;
  endpoint.path = value.path;
  endpoint.line = value.line;
  for (const YamlEntry& entry : value.node->entries) {
    const Value child = value.Child(entry);
    if (entry.key == type_key) {
      FS_ASSIGN_OR_RETURN(endpoint.type, ReadText(child, "a connector's name"));
      if (endpoint.type.empty() || endpoint.type.size() > kMaxTypeBytes) return child.MustBe("a connector's name");
    } else if (entry.key == "input-type" || entry.key == "output-type") {
      return child.Error(fmt::format("unknown key `{}` here; did you mean `{}`?", entry.key, type_key));
    } else if (entry.key == "runtime") {
      if (entry.value.kind == YamlNode::Kind::kNull) continue;
      if (entry.value.kind != YamlNode::Kind::kMap) return child.MustBe("a map of client properties");
      for (const YamlEntry& property : entry.value.entries) {
        FS_RETURN_IF_ERROR(AppendProperty(child.Child(property), property.key, true, endpoint));
      }
    } else {
      FS_RETURN_IF_ERROR(AppendProperty(child, entry.key, false, endpoint));
    }
  }
  if (endpoint.type.empty()) FS_RETURN_IF_ERROR(endpoint.CheckSlip(type_key));
  if (endpoint.type.empty()) return MissingKey(value, type_key, "a connector's name, such as kafka");
  return endpoint;
}

absl::Status ReadEndpoints(const Value& list, std::string_view type_key, std::vector<Endpoint>& endpoints) {
  if (list.node->kind != YamlNode::Kind::kSequence) return list.MustBe(fmt::format("a list of maps with {}", type_key));
  for (size_t i = 0; i < list.node->items.size(); ++i) {
    FS_ASSIGN_OR_RETURN(Endpoint endpoint, ReadEndpoint(list.Child(i), type_key));
    endpoints.push_back(std::move(endpoint));
  }
  return absl::OkStatus();
}

// ---- Readers for keys of their own kind.

Reader<FunctionConfig> Name() {
  return {"letters, digits, `.`, `_`, `-`; 1 to 255",
          [](const Value& value, FunctionConfig& config) -> absl::Status {
            FS_ASSIGN_OR_RETURN(config.name, ReadText(value, "a name"));
            return CheckName(config.name, fmt::format("{} (line {})", value.path, value.line));
          },
          nullptr};
}

const KeyTable<InputGroup>& InputGroupTable() {
  static const KeyTable<InputGroup> table = {{"inputs",
                                              {"list of inputs, one or more",
                                               [](const Value& value, InputGroup& group) -> absl::Status {
                                                 FS_RETURN_IF_ERROR(ReadEndpoints(value, "input-type", group.inputs));
                                                 if (group.inputs.empty())
                                                   return value.Error("must hold at least one input; remove the group or give it one");
                                                 return absl::OkStatus();
                                               },
                                               nullptr},
                                              true}};
  return table;
}

Reader<FunctionConfig> InputGroups() {
  return {"list of groups, one or more",
          [](const Value& value, FunctionConfig& config) -> absl::Status {
            if (value.node->kind != YamlNode::Kind::kSequence) return value.MustBe("a list of groups (`- inputs: [...]`)");
            if (value.node->items.empty()) return value.Error("must hold at least one group with an input");
            for (size_t i = 0; i < value.node->items.size(); ++i) {
              FS_RETURN_IF_ERROR(ReadMap(value.Child(i), InputGroupTable(), config.input_groups.emplace_back()));
            }
            return absl::OkStatus();
          },
          [](const std::string& path, std::vector<KeyDescription>& out) { Describe(path + "[]", InputGroupTable(), out); }};
}

Reader<FunctionConfig> Outputs() {
  return {"list of outputs", [](const Value& value, FunctionConfig& config) { return ReadEndpoints(value, "output-type", config.outputs); },
          nullptr};
}

Reader<FunctionConfig> InitConfig() {
  return {"map of plain values",
          [](const Value& value, FunctionConfig& config) -> absl::Status {
            if (value.node->kind != YamlNode::Kind::kMap) return value.MustBe("a map of plain values");
            for (const YamlEntry& entry : value.node->entries) {
              const Value child = value.Child(entry);
              FS_RETURN_IF_ERROR(
                  RequireScalar(child, "the function receives text: write it as one JSON text in quotes and parse it in init()"));
              config.init_config.emplace_back(entry.key, entry.value.text);
            }
            return absl::OkStatus();
          },
          nullptr};
}

Reader<FunctionConfig> ParallelismReader() {
  constexpr std::string_view kForm = "1 to 1024, or partitions";
  return {std::string(kForm),
          [kForm](const Value& value, FunctionConfig& config) -> absl::Status {
            if (value.node->kind == YamlNode::Kind::kScalar && value.node->text == "partitions") {
              config.parallelism = 0;
            } else {
              FS_ASSIGN_OR_RETURN(const int64_t number, ReadWhole(value, 1, 1024, kForm));
              config.parallelism = static_cast<uint32_t>(number);
            }
            if (config.parallelism != 1) {
              return Unimplemented("{} (line {}): this version runs one instance of each function; write 1, or remove the key", value.path,
                                   value.line);
            }
            return absl::OkStatus();
          },
          nullptr};
}

Reader<FunctionConfig> DeliveryReader() {
  Reader<FunctionConfig> reader = OneOf<FunctionConfig, Delivery>(
      &FunctionConfig::delivery, {{"exactly-once", Delivery::kExactlyOnce}, {"at-least-once", Delivery::kAtLeastOnce}});
  reader.read = [read = reader.read](const Value& value, FunctionConfig& config) {
    config.delivery_line = value.line;
    return read(value, config);
  };
  return reader;
}

Reader<OnError> DeadLetterOutput() {
  constexpr std::string_view kForm = "a whole number, 0 to 1000";
  return {std::string(kForm),
          [kForm](const Value& value, OnError& on_error) -> absl::Status {
            FS_ASSIGN_OR_RETURN(const int64_t channel, ReadWhole(value, 0, 1000, kForm));
            on_error.dead_letter_channel = static_cast<uint32_t>(channel);
            on_error.dead_letter_line = value.line;
            return absl::OkStatus();
          },
          nullptr};
}

// Either key may be the one that is given, and the other its default.
absl::Status CheckBackoff(const Value& value, absl::Duration backoff, absl::Duration backoff_max) {
  if (backoff_max >= backoff) return absl::OkStatus();
  const bool is_max_given = std::ranges::any_of(value.node->entries, [](const YamlEntry& entry) { return entry.key == "backoff_max_ms"; });
  const std::string both = fmt::format("backoff_max_ms ({}) must not be below backoff_ms ({})", backoff_max / absl::Milliseconds(1),
                                       backoff / absl::Milliseconds(1));
  return value.ErrorAt(is_max_given ? "backoff_max_ms" : "backoff_ms", both);
}

absl::Status CheckOnError(const Value& value, const OnError& on_error) {
  FS_RETURN_IF_ERROR(CheckBackoff(value, on_error.backoff, on_error.backoff_max));
  if (on_error.policy == ErrorPolicy::kRetry && on_error.retries > 0) {
    return value.ErrorAt(
        "retries",
        "policy retry tries again without end, so `retries` has no place; remove it, or choose what follows the retries: fail, skip or "
        "dead-letter");
  }
  if (on_error.policy == ErrorPolicy::kDeadLetter && !on_error.dead_letter_channel) {
    return MissingKey(value, "dead_letter_output", "the index of the output that takes what failed, 0 for the first");
  }
  if (on_error.policy != ErrorPolicy::kDeadLetter && on_error.dead_letter_channel) {
    return value.ErrorAt("dead_letter_output", "only policy dead-letter uses it; set the policy, or remove the key");
  }
  return absl::OkStatus();
}

// Outputs may stand below on_error in the file.
absl::Status CheckDeadLetterOutput(const FunctionConfig& config) {
  const std::optional<uint32_t>& channel = config.on_error.dead_letter_channel;
  if (!channel || *channel < config.outputs.size()) return absl::OkStatus();
  const std::string known = config.outputs.empty() ? "the function has no outputs; add one"
                            : config.outputs.size() == 1
                                ? "the function has one output, 0; add another or name that"
                                : fmt::format("the function has {} outputs, 0 to {}", config.outputs.size(), config.outputs.size() - 1);
  return InvalidArgument("on_error.dead_letter_output (line {}): there is no output {}: {}", config.on_error.dead_letter_line, *channel,
                         known);
}

Reader<Watermark> WatermarkSourceReader() {
  constexpr std::string_view kForm = "timestamp, function, or json:<field>";
  constexpr std::string_view kJson = "json:";
  return {std::string(kForm),
          [kForm, kJson](const Value& value, Watermark& watermark) -> absl::Status {
            FS_ASSIGN_OR_RETURN(const std::string text, ReadText(value, kForm));
            if (text == "timestamp") {
              watermark.source = WatermarkSource::kTimestamp;
            } else if (text == "function") {
              watermark.source = WatermarkSource::kFunction;
            } else if (text.starts_with(kJson) && text.size() > kJson.size()) {
              watermark.source = WatermarkSource::kJson;
              watermark.field = text.substr(kJson.size());
            } else {
              return value.MustBe(kForm);
            }
            return absl::OkStatus();
          },
          nullptr};
}

absl::Status CheckRestart(const Value& value, const Restart& restart) { return CheckBackoff(value, restart.backoff, restart.backoff_max); }

// A section whose keys must also agree with each other.
template <class Inner>
Reader<FunctionConfig> CheckedSection(Inner FunctionConfig::* member, const KeyTable<Inner>& table,
                                      absl::Status (*check)(const Value&, const Inner&)) {
  Reader<FunctionConfig> reader = Section(member, table);
  reader.read = [read = reader.read, member, check](const Value& value, FunctionConfig& config) -> absl::Status {
    FS_RETURN_IF_ERROR(read(value, config));
    return check(value, config.*member);
  };
  return reader;
}

// Keys inside `retained_checkpoints` land in the function's own fields.
Reader<FunctionConfig> OwnSection(const KeyTable<FunctionConfig>& table) {
  return {"map", [table](const Value& value, FunctionConfig& config) { return ReadMap(value, table, config); },
          [table](const std::string& path, std::vector<KeyDescription>& out) { Describe(path, table, out); }};
}

Reader<FunctionConfig> WatermarkReader() {
  Reader<FunctionConfig> reader = Section<FunctionConfig, Watermark>(
      &FunctionConfig::watermark, {{"source", WatermarkSourceReader()},
                                   {"max_out_of_orderness_ms", Milliseconds(&Watermark::max_out_of_orderness, 0, 365 * kDayMs)},
                                   {"idle_timeout_ms", Milliseconds(&Watermark::idle_timeout, 1, 365 * kDayMs)}});
  reader.read = [read = reader.read](const Value& value, FunctionConfig& config) {
    config.watermark.is_given = true;
    return read(value, config);
  };
  return reader;
}

Reader<FunctionConfig> LimitsReader() {
  Reader<FunctionConfig> reader = Section(&FunctionConfig::limits, FunctionLimitsTable());
  reader.read = [read = reader.read](const Value& value, FunctionConfig& config) -> absl::Status {
    FS_RETURN_IF_ERROR(read(value, config));
    return CompleteLimits(value, config.limits);
  };
  return reader;
}

const KeyTable<FunctionConfig>& Table() {
  using C = FunctionConfig;
  static const KeyTable<C> table = {
      {"name", Name(), true},
      {"type", OneOf<C, TaskType>(&C::type, {{"python", TaskType::kPython}, {"processor", TaskType::kProcessor}}), true},
      {"input-groups", InputGroups(), /*is_required=*/true},
      {"outputs", Outputs()},
      {"init_config", InitConfig()},
      {"input-selector", OneOf<C, InputSelector>(&C::input_selector, {{"round-robin", InputSelector::kRoundRobin},
                                                                      {"sequential", InputSelector::kSequential},
                                                                      {"priority", InputSelector::kPriority},
                                                                      {"group-parallel", InputSelector::kGroupParallel}})},
      {"enable_checkpoint", Bool(&C::enable_checkpoint)},
      {"checkpoint_interval_seconds", Seconds(&C::checkpoint_interval, 0.01, 86400)},
      {"use_builtin_event_serialization", Bool(&C::use_builtin_event_serialization)},
      {"retained_checkpoints", OwnSection({{"count", Whole(&C::retained_checkpoints, 1, 1000)},
                                           {"interval_seconds", Seconds(&C::retained_checkpoint_interval, 1, 604800)},
                                           {"max_age_seconds", Seconds(&C::retained_checkpoint_max_age, 1, 315360000)}})},
      {"delivery", DeliveryReader()},
      {"parallelism", ParallelismReader()},
      {"on_error",
       CheckedSection<OnError>(&C::on_error,
                               {{"policy", OneOf<OnError, ErrorPolicy>(&OnError::policy, {{"fail", ErrorPolicy::kFail},
                                                                                          {"retry", ErrorPolicy::kRetry},
                                                                                          {"skip", ErrorPolicy::kSkip},
                                                                                          {"dead-letter", ErrorPolicy::kDeadLetter}})},
                                {"retries", Whole(&OnError::retries, 0, 1'000'000)},
                                {"backoff_ms", Milliseconds(&OnError::backoff, 0, kDayMs)},
                                {"backoff_max_ms", Milliseconds(&OnError::backoff_max, 0, kDayMs)},
                                {"dead_letter_output", DeadLetterOutput()}},
                               &CheckOnError)},
      {"restart", CheckedSection<Restart>(&C::restart,
                                          {{"max_attempts", Whole(&Restart::max_attempts, 0, 1'000'000)},
                                           {"backoff_ms", Milliseconds(&Restart::backoff, 1, kDayMs)},
                                           {"backoff_max_ms", Milliseconds(&Restart::backoff_max, 1, kDayMs)}},
                                          &CheckRestart)},
      {"watermark", WatermarkReader()},
      {"heartbeat_interval_ms", Milliseconds(&C::heartbeat_interval, 10, kDayMs)},
      {"limits", LimitsReader()},
  };
  return table;
}

}  // namespace

std::vector<KeyDescription> FunctionKeys() {
  std::vector<KeyDescription> keys;
  Describe("", Table(), keys);
  return keys;
}

absl::StatusOr<FunctionConfig> ParseFunctionConfig(std::string_view yaml) {
  FS_ASSIGN_OR_RETURN_CONTEXT(const YamlNode root, ParseYaml(yaml), "function configuration");
  if (root.kind != YamlNode::Kind::kMap) {
    return InvalidArgument("function configuration: line {}: must be a map of keys (name, type, input-groups, ...), not {}",
                           std::max(root.line, 1), KindName(root.kind));
  }
  FunctionConfig config;
  FS_RETURN_IF_ERROR(ReadMap(Value{.node = &root, .path = "", .line = root.line}, Table(), config));
  FS_RETURN_IF_ERROR(CheckDeadLetterOutput(config));
  return config;
}

absl::Status CheckName(std::string_view name, std::string_view what) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  if (name.empty()) return InvalidArgument("{}: must not be empty", what);
  if (name.size() > 255) return InvalidArgument("{}: {} characters; the limit is 255", what, name.size());
  if (name == "." || name == "..") return InvalidArgument("{}: `{}` is not a name", what, name);
  if (!std::all_of(name.begin(), name.end(), is_allowed)) {
    return InvalidArgument("{}: `{}` has a character that is not allowed; use letters, digits, `.`, `_` and `-`", what,
                           ToUtf8(CutUtf8(name, 255)));
  }
  return absl::OkStatus();
}

}  // namespace fs::config
