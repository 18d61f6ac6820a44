// Kafka's transactions as the decider of a function's checkpoints: outputs, the marker and the inputs' positions commit together.
//
// Owned by its session, used on the instance's thread. A transaction holds what the sinks wrote since the last one, the marker in the
// function's private group (marker_group.h), and the positions of those inputs that a consumer group assigns, under the consumer's
// generation: a member that the group has thrown out cannot commit. The private group alone decides. The marker is kept for two topics, so
// that it survives the deletion of one. An input with an explicit partition is not part of it: its group is told afterwards, for
// information, since other functions may name the same group and must not wait for our transactions.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_KAFKA_DECIDER_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_KAFKA_DECIDER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connector/connector.h"
#include "connector/kafka/marker_group.h"
#include "connector/kafka/producer.h"
#include "connector/kafka/source.h"

namespace fs::connector::kafka {

class KafkaDecider final : public Decider {
 public:
  // An input on the decider's own cluster. The source outlives every Commit.
  struct Input {
    size_t index = 0;
    KafkaSource* source = nullptr;
  };

  // `output` is a topic of the function's on the producer's cluster.
  KafkaDecider(std::shared_ptr<Producer> producer, std::unique_ptr<MarkerGroup> marker_group, MarkerPlace output,
               std::vector<Input> inputs);

  // Does what Recover waits for, as far as it goes without waiting.
  void Begin();

  absl::StatusOr<std::optional<Marker>> Recover(std::span<const std::string> superseded, absl::Time deadline) override;
  bool IsConnected() const override { return producer_->client().HasBroker(); }
  absl::Status Commit(const Marker& marker, std::span<const Positions> positions, absl::Time deadline) override;
  size_t pending_bytes() const override { return producer_->transaction_bytes(); }
  bool forgets_markers() const override { return true; }
  absl::Duration longest_interval() const override;

  // What the broker is to allow a transaction: the interval and the message during which it ends, within what brokers allow by default.
  [[nodiscard]] static int64_t TransactionTimeoutMs(const InstanceContext& context);

 private:
  enum class Presence : uint8_t { kUnknown, kMissing, kThere };
  // A topic for which the marker may be kept.
  struct Candidate {
    MarkerPlace place;
    rd_kafka_topic_t* topic = nullptr;
    Presence presence = Presence::kUnknown;
  };

  [[nodiscard]] absl::Status InitTransactions(absl::Time deadline);
  // kDeadlineExceeded: no broker is connected yet.
  [[nodiscard]] absl::Status AwaitBroker(absl::Time deadline);
  // Finds out which candidates exist: a marker is never left out of one because nobody answered, as it would stand beside an older one
  // there. kDeadlineExceeded: not known of each yet, or none of them exists.
  [[nodiscard]] absl::Status FindPlaces(absl::Time deadline);
  // Leaves it as it was where there is no answer.
  [[nodiscard]] absl::Status LookFor(Candidate& candidate, absl::Time deadline);
  [[nodiscard]] bool Any(Presence presence) const;
  [[nodiscard]] absl::Status SendOffsets(const Marker& marker, std::span<const Positions> positions);
  [[nodiscard]] absl::Status Send(const rd_kafka_topic_partition_list_t& offsets, const rd_kafka_consumer_group_metadata_t& group);
  [[nodiscard]] absl::Status CommitTransaction(absl::Time deadline);
  // In which place and why; the reason of the brokers' first where there is one.
  [[nodiscard]] absl::Status Error(const rd_kafka_error_t& error);
  [[nodiscard]] absl::Status NotYet(std::string_view what) const;

  const std::shared_ptr<Producer> producer_;
  const std::unique_ptr<MarkerGroup> marker_group_;
  const std::vector<Input> inputs_;
  std::vector<Candidate> candidates_;
  absl::Time looked_for_ = absl::InfinitePast();
  bool is_initialised_ = false;
  bool is_committing_ = false;  // its end was asked for
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_KAFKA_DECIDER_H_
