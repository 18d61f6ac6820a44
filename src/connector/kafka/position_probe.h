// Asks the cluster, without waiting, what there is to read of a topic's partitions and what the consumer group remembers of them.
//
// Owned by an Assignment, used on its source's thread. The answer wakes the instance.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_POSITION_PROBE_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_POSITION_PROBE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "connector/connector.h"
#include "connector/kafka/client.h"

namespace fs::connector::kafka {

struct PartitionFacts {
  GroupPosition group;  // nothing but the partition where no group is asked
  int64_t begin = 0;    // the first offset that is kept
  int64_t end = 0;      // the one after the last
  absl::Status status;  // kUnavailable: why not all of this is known yet
};

class PositionProbe {
 public:
  // `group`: whose positions to ask for; nullopt: nobody's.
  PositionProbe(Client& client, std::string topic, std::optional<std::string> group);

  // Sends the questions: to be called while a broker is connected (Client::HasBroker). The answers to earlier ones are never told: what
  // they say may have changed.
  void Ask(const std::vector<int32_t>& partitions);
  void Forget();
  [[nodiscard]] bool is_under_way() const { return open_questions_ > 0; }
  // What is known of each partition asked for, once.
  [[nodiscard]] std::optional<std::vector<PartitionFacts>> TakeAnswer();

 private:
  enum Question : uintptr_t { kGroup, kBegin, kEnd, kQuestions };

  [[nodiscard]] RdKafkaAdminOptions OptionsFor(rd_kafka_admin_op_t operation, Question question) const;
  void AskOffsets(const std::vector<int32_t>& partitions, Question question, rd_kafka_OffsetSpec_t spec);
  void ReadOffsets(rd_kafka_event_t& event, Question question);
  void ReadGroup(rd_kafka_event_t& event);
  void NotKnown(std::string_view reason);

  Client& client_;
  const std::string topic_;
  const std::optional<std::string> group_;
  rd_kafka_queue_t* answers_;
  uintptr_t round_ = 0;
  int open_questions_ = 0;
  std::map<int32_t, PartitionFacts> facts_;
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_POSITION_PROBE_H_
