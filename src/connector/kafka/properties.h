// A Kafka endpoint as the user wrote it, checked: our own keys, and every other as a property of librdkafka's client.
//
// Value types. Nothing here reaches the outside. Errors are kInvalidArgument and name key, line, librdkafka's reason and, for an unknown
// property, the nearest name. Any thread.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_PROPERTIES_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_PROPERTIES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/status.h"
#include "config/endpoint.h"
#include "connector/kafka/handles.h"

namespace fs::connector::kafka {

// What makes one client: two endpoints with equal settings can share it.
struct ClientSettings {
  std::string bootstrap_servers;                  // host:port, several separated by commas
  std::map<std::string, std::string> properties;  // the user's
  bool operator==(const ClientSettings&) const = default;
};

// Where to begin without a position, and where to go on when a position is gone.
enum class Reset { kEarliest, kLatest, kNone };

struct InputSettings {
  ClientSettings client;
  std::string topic;
  std::string group_id;
  std::optional<int32_t> partition;  // set: explicit assignment, outside of the group protocol
  Reset reset = Reset::kEarliest;    // Kafka's default is `latest`, which skips what came before the function
  bool is_reset_given = false;       // by the user: only then may records that were lost be passed over
};

struct OutputSettings {
  ClientSettings client;
  std::string topic;
  std::optional<int32_t> partition;  // set: all records go there; not set: the key decides
};

[[nodiscard]] absl::StatusOr<InputSettings> ReadInput(const config::Endpoint& input);
[[nodiscard]] absl::StatusOr<OutputSettings> ReadOutput(const config::Endpoint& output);

// transaction.timeout.ms, where a checkpoint needs no more.
constexpr int64_t kShortestTransactionMs = 10'000;

// A client's full configuration: our defaults, then the user's properties, then what we own. Callbacks are the caller's to add.
// `member`: what the group knows the client by over restarts (group.instance.id), where the user gives none; empty: it is no
// member.
[[nodiscard]] absl::StatusOr<RdKafkaConf> ConsumerConf(const InputSettings& settings, const std::string& client_id,
                                                       const std::string& member);
[[nodiscard]] absl::StatusOr<RdKafkaConf> ProducerConf(const ClientSettings& settings, const std::string& client_id);
// The same for a producer whose records commit in transactions.
[[nodiscard]] absl::StatusOr<RdKafkaConf> TransactionalConf(const ClientSettings& settings, const std::string& client_id,
                                                            const std::string& transactional_id, int64_t timeout_ms);
// A consumer on the same brokers, with what of an output's settings is meant for every client, that joins no group and commits nothing.
[[nodiscard]] absl::StatusOr<RdKafkaConf> GroupReaderConf(const ClientSettings& settings, const std::string& client_id,
                                                          const std::string& group);

// The value that `name` has in a configuration; empty where it has none.
[[nodiscard]] std::string ValueOf(const rd_kafka_conf_t& conf, const char* name);

// Makes a client without brokers and lets it go: finds the properties that are right one by one and wrong together. kInvalidArgument with
// librdkafka's reason.
[[nodiscard]] absl::Status TryConsumer(const InputSettings& settings);
[[nodiscard]] absl::Status TryProducer(const OutputSettings& settings);
// kInvalidArgument: these settings exclude transactions, with the property that does where it is known.
[[nodiscard]] absl::Status TryTransactions(const OutputSettings& settings);

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_PROPERTIES_H_
