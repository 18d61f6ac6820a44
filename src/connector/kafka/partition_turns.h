// Sends records without a key that concern all partitions of a topic to each of them in turn: librdkafka by itself keeps records without a
// key together for a while (sticky.partitioning.linger.ms), which makes them cheap, and some partitions would hear late or never.
//
// Owned by a sink, used on its thread. The cluster is asked how many there are, without waiting, when the first such record comes (the
// client takes the answer for its own, so it knows each of them); partitions that are added later have turns after the next start.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_PARTITION_TURNS_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_PARTITION_TURNS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "connector/kafka/client.h"
#include "connector/kafka/topic_probe.h"

namespace fs::connector::kafka {

class PartitionTurns {
 public:
  PartitionTurns(Client& client, std::string topic) : cluster_(client.cluster()), topic_(topic), probe_(client, std::move(topic)) {}

  // Where the next record goes. RD_KAFKA_PARTITION_UA: the cluster does not tell, because there is no such topic or we may not see it,
  // which the record finds out for itself. kUnavailable: not known yet; the answer wakes the instance.
  [[nodiscard]] absl::StatusOr<int32_t> Next();
  // The record is on its way.
  void Pass() { ++turn_; }

 private:
  const std::string cluster_;
  const std::string topic_;
  TopicProbe probe_;
  size_t count_ = 0;
  size_t turn_ = 0;
  std::optional<absl::Status> refusal_;
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_PARTITION_TURNS_H_
