#include "connector/kafka/properties.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <span>
#include <utility>

#include "connector/kafka/client_properties.h"
#include "connector/kafka/plain_client.h"

namespace fs::connector::kafka {
namespace {

using Default = std::pair<const char*, const char*>;

// The user's properties come after these. Left out is what librdkafka does as we want it (isolation.level=read_committed).
constexpr Default kCommonDefaults[] = {
    {"log.connection.close", "false"},  // brokers close idle connections all the time
    {"socket.keepalive.enable", "true"},
    {"socket.nagle.disable", "true"},
    {"reconnect.backoff.max.ms", "2000"},
};
constexpr Default kConsumerDefaults[] = {
    {"auto.commit.interval.ms", "1000"},
    // The client drops a member that has not polled for this long. What hangs is found by limits.process_timeout_ms long before, and one
    // slow batch must not cost the partitions.
    {"max.poll.interval.ms", "3600000"},
    {"queued.max.messages.kbytes", "16384"},
    {"topic.metadata.propagation.max.ms", "5000"},  // after this a topic that was deleted is told; the client's own is half a minute
    {"fetch.queue.backoff.ms", "10"},               // librdkafka's second of pause, once the queue was full, halves the throughput
};
constexpr Default kProducerDefaults[] = {
    {"acks", "all"},
    {"enable.idempotence", "true"},
    {"message.timeout.ms", "0"},  // a broker that is away holds the function up (back-pressure); it does not fail it
    {"linger.ms", "0.5"},         // as cheap a message as 2; at 0 each costs a fifth more. Checkpoints flush at once
    {"queue.buffering.max.kbytes", "65536"},
    {"partitioner", "murmur2_random"},  // the Java client's: the same key, the same partition
};

constexpr Default kTransactionDefaults[] = {
    // The broker answers so while it still ends the transaction before; librdkafka's 100 ms would be the interval itself.
    {"retry.backoff.ms", "10"},
    // A checkpoint waits for a request that was lost, and a stop for the checkpoint.
    {"socket.timeout.ms", "10000"},
};

constexpr size_t kLongestTopic = 249;
constexpr size_t kShownBytes = 100;

absl::Status Set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
  char reason[512] = "";
  if (rd_kafka_conf_set(conf, name, value.c_str(), reason, sizeof(reason)) == RD_KAFKA_CONF_OK) return absl::OkStatus();
  return InvalidArgument("{}", reason);
}

absl::Status SetAll(rd_kafka_conf_t* conf, std::span<const Default> defaults) {
  for (const auto& [name, value] : defaults) FS_RETURN_IF_ERROR(Set(conf, name, value));
  return absl::OkStatus();
}

absl::Status SetAll(rd_kafka_conf_t* conf, const std::map<std::string, std::string>& properties) {
  for (const auto& [name, value] : properties) FS_RETURN_IF_ERROR_CONTEXT(Set(conf, name.c_str(), value), name);
  return absl::OkStatus();
}

bool IsHostAndPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view port = text.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number == 0 || number > 65535) return false;

  std::string_view host = text.substr(0, colon);
  const bool is_ipv6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_ipv6) host = host.substr(1, host.size() - 2);
  return std::all_of(host.begin(), host.end(), [&](unsigned char c) {
    return is_ipv6 ? std::isxdigit(c) != 0 || c == ':' || c == '.' || c == '%' : std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
  });
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// The brokers without blanks, in the user's order.
absl::StatusOr<std::string> ReadBootstrapServers(const config::Endpoint& endpoint) {
  FS_ASSIGN_OR_RETURN(const std::string text, endpoint.RequireString("bootstrap_servers"));
  std::string servers;
  for (std::string_view rest = text; true;) {
    const size_t comma = rest.find(',');
    const std::string_view server = Trimmed(rest.substr(0, comma));
    if (!IsHostAndPort(server)) {
      return endpoint.ErrorAt("bootstrap_servers", fmt::format("must be host:port, several separated by commas; `{}` is not", server));
    }
    servers.append(servers.empty() ? "" : ",").append(server);
    if (comma == std::string_view::npos) return servers;
    rest.remove_prefix(comma + 1);
  }
}

absl::StatusOr<std::string> ReadTopic(const config::Endpoint& endpoint) {
  FS_ASSIGN_OR_RETURN(std::string topic, endpoint.RequireString("topic"));
  const bool is_legal = topic.size() <= kLongestTopic && topic != "." && topic != ".." &&
                        std::all_of(topic.begin(), topic.end(),
                                    [](unsigned char c) { return c < 0x80 && (std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-'); });
  if (is_legal) return topic;
  return endpoint.ErrorAt("topic",
                          fmt::format("`{}` is no legal Kafka topic: letters, digits, `.`, `_` and `-`, 1 to {} of them, not `.` or `..`",
                                      std::string_view(topic).substr(0, kLongestTopic), kLongestTopic));
}

absl::StatusOr<std::optional<int32_t>> ReadPartition(const config::Endpoint& endpoint) {
  FS_ASSIGN_OR_RETURN(const std::optional<int64_t> number, endpoint.OptionalInt("partition", 0, std::numeric_limits<int32_t>::max()));
  return number ? std::optional(static_cast<int32_t>(*number)) : std::nullopt;
}

bool IsOurs(Side side, const config::Property& property) {
  if (property.is_runtime) return false;
  return property.key == "bootstrap_servers" || property.key == "topic" || property.key == "partition" ||
         (side == Side::kInput && property.key == "group_id");
}

// The same key may stand at the top and under runtime:, so the place is the property's own and not looked up by its key.
absl::Status ErrorAt(const config::Endpoint& endpoint, const config::Property& property, std::string_view what) {
  return InvalidArgument("{}.{}{} (line {}): {}", endpoint.path, property.is_runtime ? "runtime." : "", property.key, property.line, what);
}

std::optional<int64_t> WholeNumber(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// librdkafka takes the digits in front and leaves the rest: `1.5` and `1s` would be 1, and `010` 8.
bool WasReadInPart(std::string_view given, std::string_view taken) {
  const bool is_word = given.empty() || (given[0] != '+' && given[0] != '-' && std::isdigit(static_cast<unsigned char>(given[0])) == 0);
  if (is_word || given == taken) return false;
  const std::optional<int64_t> number = WholeNumber(taken);
  return number && WholeNumber(given) != number;
}

absl::StatusOr<std::map<std::string, std::string>> ReadClientProperties(Side side, const config::Endpoint& endpoint) {
  std::map<std::string, std::string> properties;
  const RdKafkaConf scratch(rd_kafka_conf_new());
  for (const config::Property& property : endpoint.properties) {
    if (IsOurs(side, property)) continue;
    if (const auto reason = WhyRefused(side, property.key, property.value)) return ErrorAt(endpoint, property, *reason);
    std::string value = property.value;
    if (property.key == "auto.offset.reset" && value == "none") value = "error";  // the Java client's word
    if (const absl::Status status = Set(scratch.get(), property.key.c_str(), value); !status.ok()) {
      return ErrorAt(endpoint, property, Message(status));
    }
    if (WasReadInPart(value, ValueOf(*scratch, property.key.c_str()))) {
      return ErrorAt(endpoint, property, fmt::format("must be a whole number in decimal digits, not `{}`", value.substr(0, kShownBytes)));
    }
    if (!properties.emplace(property.key, value).second) return ErrorAt(endpoint, property, "given twice");
  }
  return properties;
}

absl::StatusOr<RdKafkaConf> CommonConf(const ClientSettings& settings, const std::string& client_id) {
  RdKafkaConf conf(rd_kafka_conf_new());
  FS_RETURN_IF_ERROR(SetAll(conf.get(), kCommonDefaults));
  // librdkafka warns of other characters in a client.id, and brokers put it into metric names.
  std::string legal_id = client_id;
  std::replace_if(
      legal_id.begin(), legal_id.end(), [](unsigned char c) { return std::isalnum(c) == 0 && c != '.' && c != '_' && c != '-'; }, '_');
  FS_RETURN_IF_ERROR(Set(conf.get(), "client.id", legal_id));
  if (!settings.bootstrap_servers.empty()) FS_RETURN_IF_ERROR(Set(conf.get(), "bootstrap.servers", settings.bootstrap_servers));
  return conf;
}

// librdkafka has checked the word.
Reset ResetOf(std::string_view word) {
  if (word == "error") return Reset::kNone;
  return word == "largest" || word == "latest" || word == "end" ? Reset::kLatest : Reset::kEarliest;
}

bool ExcludesIdempotence(const rd_kafka_conf_t& conf, const std::map<std::string, std::string>& properties) {
  if (ValueOf(conf, "acks") != "-1" || ValueOf(conf, "retries") == "0") return true;
  // librdkafka lowers its own default, but refuses the user's.
  const bool is_given = properties.contains("max.in.flight") || properties.contains("max.in.flight.requests.per.connection");
  return is_given && std::atoll(ValueOf(conf, "max.in.flight").c_str()) > 5;
}

// Without brokers, and without what would reach an authentication server or run kinit.
ClientSettings Offline(ClientSettings settings) {
  settings.bootstrap_servers.clear();
  std::erase_if(settings.properties, [](const auto& property) { return property.first.starts_with("sasl."); });
  const auto protocol = settings.properties.find("security.protocol");
  if (protocol != settings.properties.end()) {
    std::string& value = protocol->second;
    std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (value.starts_with("sasl_")) value = value.substr(5);
  }
  return settings;
}

absl::Status Try(rd_kafka_type_t type, RdKafkaConf conf) {
  const absl::Status opened = OpenPlainClient(type, std::move(conf)).status();
  if (!opened.ok()) return InvalidArgument("the Kafka client refuses these properties together: {}", Message(opened));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InputSettings> ReadInput(const config::Endpoint& input) {
  InputSettings settings;
  FS_ASSIGN_OR_RETURN(settings.client.bootstrap_servers, ReadBootstrapServers(input));
  FS_ASSIGN_OR_RETURN(settings.topic, ReadTopic(input));
  FS_ASSIGN_OR_RETURN(settings.group_id, input.RequireString("group_id"));
  FS_ASSIGN_OR_RETURN(settings.partition, ReadPartition(input));
  FS_ASSIGN_OR_RETURN(settings.client.properties, ReadClientProperties(Side::kInput, input));
  const auto reset = settings.client.properties.find("auto.offset.reset");
  settings.is_reset_given = reset != settings.client.properties.end();
  if (settings.is_reset_given) settings.reset = ResetOf(reset->second);
  return settings;
}

absl::StatusOr<OutputSettings> ReadOutput(const config::Endpoint& output) {
  OutputSettings settings;
  FS_ASSIGN_OR_RETURN(settings.client.bootstrap_servers, ReadBootstrapServers(output));
  FS_ASSIGN_OR_RETURN(settings.topic, ReadTopic(output));
  FS_ASSIGN_OR_RETURN(settings.partition, ReadPartition(output));
  FS_ASSIGN_OR_RETURN(settings.client.properties, ReadClientProperties(Side::kOutput, output));
  return settings;
}

std::string ValueOf(const rd_kafka_conf_t& conf, const char* name) {
  char value[512] = "";
  size_t size = sizeof(value);
  return rd_kafka_conf_get(&conf, name, value, &size) == RD_KAFKA_CONF_OK ? value : "";
}

absl::StatusOr<RdKafkaConf> ConsumerConf(const InputSettings& settings, const std::string& client_id, const std::string& member) {
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf, CommonConf(settings.client, client_id));
  FS_RETURN_IF_ERROR(SetAll(conf.get(), kConsumerDefaults));
  FS_RETURN_IF_ERROR(SetAll(conf.get(), settings.client.properties));
  FS_RETURN_IF_ERROR(Set(conf.get(), "group.id", settings.group_id));
  // Offsets are stored by Source::Committed and sent by the client's own timer, on revocation and on close.
  FS_RETURN_IF_ERROR(Set(conf.get(), "enable.auto.commit", "true"));
  FS_RETURN_IF_ERROR(Set(conf.get(), "enable.auto.offset.store", "false"));
  // The policy is ours to follow (assignment.h): the client would pass over lost records without a word.
  FS_RETURN_IF_ERROR(Set(conf.get(), "auto.offset.reset", "error"));
  // By KIP-848 the coordinator refuses a member's successor until the session of one that was killed is over, and has its own timeouts.
  if (settings.partition || member.empty() || ValueOf(*conf, "group.protocol") != "classic") return conf;
  if (!settings.client.properties.contains("group.instance.id")) FS_RETURN_IF_ERROR(Set(conf.get(), "group.instance.id", member));
  // A static member does not leave when it ends, so this is how long its partitions wait for it before others get them.
  if (!settings.client.properties.contains("session.timeout.ms")) FS_RETURN_IF_ERROR(Set(conf.get(), "session.timeout.ms", "10000"));
  return conf;
}

absl::StatusOr<RdKafkaConf> ProducerConf(const ClientSettings& settings, const std::string& client_id) {
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf, CommonConf(settings, client_id));
  FS_RETURN_IF_ERROR(SetAll(conf.get(), kProducerDefaults));
  FS_RETURN_IF_ERROR(SetAll(conf.get(), settings.properties));
  // Idempotence is our default, so a user who asks for what excludes it need not know to switch it off.
  if (ExcludesIdempotence(*conf, settings.properties) && !settings.properties.contains("enable.idempotence")) {
    FS_RETURN_IF_ERROR(Set(conf.get(), "enable.idempotence", "false"));
  }
  return conf;
}

absl::StatusOr<RdKafkaConf> TransactionalConf(const ClientSettings& settings, const std::string& client_id,
                                              const std::string& transactional_id, int64_t timeout_ms) {
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf, CommonConf(settings, client_id));
  FS_RETURN_IF_ERROR(SetAll(conf.get(), kProducerDefaults));
  FS_RETURN_IF_ERROR(SetAll(conf.get(), kTransactionDefaults));
  FS_RETURN_IF_ERROR(SetAll(conf.get(), settings.properties));
  FS_RETURN_IF_ERROR(Set(conf.get(), "transactional.id", transactional_id));
  FS_RETURN_IF_ERROR(Set(conf.get(), "transaction.timeout.ms", std::to_string(timeout_ms)));
  return conf;
}

absl::StatusOr<RdKafkaConf> GroupReaderConf(const ClientSettings& settings, const std::string& client_id, const std::string& group) {
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf, CommonConf(settings, client_id));
  for (const auto& [name, value] : settings.properties) {
    if (IsOfEveryClient(name)) FS_RETURN_IF_ERROR_CONTEXT(Set(conf.get(), name.c_str(), value), name);
  }
  FS_RETURN_IF_ERROR(Set(conf.get(), "group.id", group));
  FS_RETURN_IF_ERROR(Set(conf.get(), "enable.auto.commit", "false"));
  return conf;
}

absl::Status TryConsumer(const InputSettings& settings) {
  InputSettings offline = settings;
  offline.client = Offline(settings.client);
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf, ConsumerConf(offline, "check", "check"));
  return Try(RD_KAFKA_CONSUMER, std::move(conf));
}

absl::Status TryProducer(const OutputSettings& settings) {
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf, ProducerConf(Offline(settings.client), "check"));
  return Try(RD_KAFKA_PRODUCER, std::move(conf));
}

absl::Status TryTransactions(const OutputSettings& settings) {
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf, TransactionalConf(Offline(settings.client), "check", "check", kShortestTransactionMs));
  if (ValueOf(*conf, "acks") != "-1") return InvalidArgument("acks must be all");
  return Try(RD_KAFKA_PRODUCER, std::move(conf));
}

}  // namespace fs::connector::kafka
