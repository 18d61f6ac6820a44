#include "connector/kafka/client_properties.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

#include "config/endpoint.h"
#include "connector/kafka/handles.h"

namespace fs::connector::kafka {
namespace {

struct Refusal {
  std::string_view name;
  std::string_view reason;
};

// A function's configuration must not run commands or load code in the server's process.
constexpr std::string_view kLoadsCode = "not allowed: it would load code into the server";

constexpr std::array kRefusedForBoth = {
    Refusal{"bootstrap.servers", "given by bootstrap_servers; remove it"},
    Refusal{"metadata.broker.list", "given by bootstrap_servers; remove it"},
    Refusal{"plugin.library.paths", kLoadsCode},
    Refusal{"ssl.engine.location", kLoadsCode},
    Refusal{"ssl.engine.id", kLoadsCode},
    Refusal{"ssl.providers", kLoadsCode},
    Refusal{"sasl.kerberos.kinit.cmd", "not allowed: it would run a command on the server"},
    Refusal{"log.queue", "set by Function Stream, which takes the client's log"},
    Refusal{"statistics.interval.ms", "set by Function Stream, which takes the client's statistics"},
};

constexpr std::array kRefusedForInputs = {
    Refusal{"group.id", "given by group_id; remove it"},
    Refusal{"enable.auto.commit", "set by Function Stream: positions commit with the function's checkpoints"},
    Refusal{"auto.commit.enable", "set by Function Stream: positions commit with the function's checkpoints"},
    Refusal{"enable.auto.offset.store", "set by Function Stream: positions commit with the function's checkpoints"},
    Refusal{"offset.store.method", "set by Function Stream: positions live in the function's state"},
    Refusal{"offset.store.path", "set by Function Stream: positions live in the function's state"},
};

constexpr std::array kRefusedForOutputs = {
    Refusal{"group_id", "belongs to inputs; an output has no group"},
    Refusal{"group.id", "belongs to inputs; an output has no group"},
    Refusal{"transactional.id", "set by Function Stream: transactions belong to its checkpoints (see `delivery`)"},
    Refusal{"transaction.timeout.ms", "set by Function Stream from checkpoint_interval_seconds and limits.batch_timeout_ms"},
    Refusal{"delivery.report.only.error", "set by Function Stream, which counts what was delivered"},
};

enum class Scope { kBoth, kConsumer, kProducer };

// librdkafka tells its properties as a table in Markdown: name | C, P or * | range | ...
class KnownProperties {
 public:
  static const KnownProperties& Get() {
    static const KnownProperties known;
    return known;
  }

  [[nodiscard]] std::optional<Scope> Find(std::string_view name) const {
    const auto found = scopes_.find(name);
    return found == scopes_.end() ? std::nullopt : std::optional(found->second);
  }
  [[nodiscard]] std::optional<std::string_view> Nearest(std::string_view name) const { return config::NearestName(name, views_); }

 private:
  KnownProperties() {
    char* text = nullptr;
    size_t size = 0;
    std::FILE* stream = open_memstream(&text, &size);
    if (stream == nullptr) return;
    rd_kafka_conf_properties_show(stream);
    std::fclose(stream);
    const std::unique_ptr<char, decltype(&std::free)> owned(text, &std::free);

    std::istringstream lines(std::string(text, size));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream cells(line);
      std::string name, bar, scope, second_bar;
      if (!(cells >> name >> bar >> scope >> second_bar) || bar != "|" || second_bar != "|") continue;
      if (scope == "C") scopes_.emplace(name, Scope::kConsumer);
      if (scope == "P") scopes_.emplace(name, Scope::kProducer);
      if (scope == "*") scopes_.emplace(name, Scope::kBoth);
    }
    for (const auto& [name, scope] : scopes_) views_.emplace_back(name);
    std::sort(views_.begin(), views_.end());
  }

  std::map<std::string, Scope, std::less<>> scopes_;
  std::vector<std::string_view> views_;
};

template <size_t n>
std::optional<std::string> Find(const std::array<Refusal, n>& refusals, std::string_view name) {
  for (const Refusal& refusal : refusals) {
    if (refusal.name == name) return std::string(refusal.reason);
  }
  return std::nullopt;
}

// librdkafka has words of its own for the names that only the Java client knows.
std::string ReasonForUnknown(const std::string& name) {
  if (name.starts_with("ssl.") || name.starts_with("sasl.")) {
    const RdKafkaConf conf(rd_kafka_conf_new());
    char reason[512] = "";
    if (rd_kafka_conf_set(conf.get(), name.c_str(), "", reason, sizeof(reason)) == RD_KAFKA_CONF_INVALID && *reason != '\0') return reason;
  }
  const std::optional<std::string_view> nearest = KnownProperties::Get().Nearest(name);
  return fmt::format("no key of ours and no property of the Kafka client (librdkafka {}){}", rd_kafka_version_str(),
                     nearest ? fmt::format("; did you mean `{}`?", *nearest) : "");
}

}  // namespace

std::optional<std::string> WhyRefused(Side side, std::string_view name, std::string_view value) {
  if (auto reason = Find(kRefusedForBoth, name)) return reason;
  if (auto reason = side == Side::kInput ? Find(kRefusedForInputs, name) : Find(kRefusedForOutputs, name)) return reason;

  // The client puts these two into the line of a shell.
  if (name == "sasl.kerberos.principal" || name == "sasl.kerberos.keytab") {
    const bool is_plain = std::all_of(value.begin(), value.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '/' || c == '@';
    });
    if (!is_plain) return "may hold only letters, digits and . _ - / @";
  }

  // Names that are not in the table are never given to librdkafka: it has hidden ones, for its own tests, that take pointers.
  const std::optional<Scope> scope = KnownProperties::Get().Find(name);
  if (!scope) return ReasonForUnknown(std::string(name));
  if (side == Side::kInput && *scope == Scope::kProducer) return "a property of producers, which does nothing for an input; remove it";
  if (side == Side::kOutput && *scope == Scope::kConsumer) return "a property of consumers, which does nothing for an output; remove it";
  return std::nullopt;
}

bool IsOfEveryClient(std::string_view name) { return KnownProperties::Get().Find(name) == Scope::kBoth; }

}  // namespace fs::connector::kafka
