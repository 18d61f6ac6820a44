#include "connector/kafka/partition_turns.h"

namespace fs::connector::kafka {

absl::StatusOr<int32_t> PartitionTurns::Next() {
  if (count_ == 0) {
    probe_.Ask();
    if (const std::optional<absl::StatusOr<size_t>> answer = probe_.TakeAnswer()) {
      if (answer->ok()) {
        count_ = **answer;
      } else {
        refusal_ = answer->status();
      }
    }
  }
  if (count_ > 0) return static_cast<int32_t>(turn_ % count_);
  if (!refusal_) return Unavailable("waiting for Kafka at {} to say how many partitions topic {} has", cluster_, topic_);
  if (absl::IsUnavailable(*refusal_)) return *refusal_;
  return RD_KAFKA_PARTITION_UA;
}

}  // namespace fs::connector::kafka
