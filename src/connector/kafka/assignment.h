// The partitions a source reads: from the moment it is given them, over the question where to resume, to the moment they go.
//
//   given      assigned in the client, but paused: nothing is fetched
//   asked      what there is to read, and by the group protocol what the group remembers, may take long to learn (the transaction of a
//              crashed owner is decided within its timeout): nobody waits for it, it is asked again
//   held       the place to resume was found to be there; fetching has begun. Only these count as ours when positions are committed
//
// Owned by a KafkaSource, used on its thread.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_ASSIGNMENT_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_ASSIGNMENT_H_

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "connector/connector.h"
#include "connector/kafka/client.h"
#include "connector/kafka/position_probe.h"
#include "connector/kafka/properties.h"

namespace fs::connector::kafka {

class Assignment {
 public:
  // Records of held partitions come through `records`, which is the client's. `resume` tells where to go on, as
  // SourceListener::OnAssigned does.
  using Resume = std::function<absl::StatusOr<Positions>(std::span<const GroupPosition>)>;
  Assignment(Client& client, const InputSettings& settings, std::string place, rd_kafka_queue_t* records, Resume resume);

  [[nodiscard]] absl::Status Give(rd_kafka_topic_partition_list_t& partitions);
  void TakeAway(rd_kafka_topic_partition_list_t& partitions);

  // Goes on with what is not held yet. kUnavailable: what it waits for. Other errors: a partition cannot be resumed.
  [[nodiscard]] absl::Status Serve();

  [[nodiscard]] std::vector<int32_t> held() const { return In(Phase::kHeld); }
  // Hot path.
  [[nodiscard]] bool IsHeld(int32_t partition) const {
    const auto index = static_cast<size_t>(partition);
    return partition >= 0 && index < partitions_.size() && partitions_[index].phase == Phase::kHeld;
  }

 private:
  enum class Phase : uint8_t { kNone, kAsked, kFound, kHeld };
  struct Partition {
    Phase phase = Phase::kNone;
    int64_t start = 0;  // from kFound on
  };

  [[nodiscard]] std::vector<int32_t> In(Phase phase) const;
  void Enter(const rd_kafka_topic_partition_list_t& partitions, Phase phase);
  [[nodiscard]] absl::Status Find(const std::vector<PartitionFacts>& answer);
  // The place to begin at, given where `position` says; kFailedPrecondition: it is not there, and nobody said what to do then.
  [[nodiscard]] absl::StatusOr<int64_t> Start(const PartitionFacts& facts, std::optional<int64_t> position) const;
  void BeginFetching();

  Client& client_;
  const InputSettings& settings_;
  const std::string place_;
  rd_kafka_queue_t* records_;
  const Resume resume_;
  PositionProbe probe_;
  absl::Time ask_again_ = absl::InfinitePast();
  absl::Status waiting_;
  std::vector<Partition> partitions_;  // by number
  bool is_settled_ = true;             // none but kNone and kHeld
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_ASSIGNMENT_H_
