// One Kafka topic as an input: by the group protocol; or of one partition that the configuration names; or, with several instances of the
// function, of every partition that is this instance's, which no group protocol moves (connector.h has the rule).
//
// Everything runs on the instance's thread; librdkafka's threads only wake it. Payloads stay in librdkafka's buffers until the next Poll.
// Control events (rebalances, errors) and records come through two queues, so that a rebalance is never met in the middle of a batch.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_SOURCE_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_SOURCE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connector/connector.h"
#include "connector/kafka/assignment.h"
#include "connector/kafka/client.h"
#include "connector/kafka/properties.h"
#include "connector/kafka/topic_probe.h"

namespace fs::connector::kafka {

// What the group is to be told with a checkpoint.
struct GroupOffsets {
  RdKafkaPartitions offsets;      // each with the checkpoint's marker as its metadata; an explicit partition without
  RdKafkaGroupMetadata metadata;  // of the consumer: the group's coordinator refuses the offsets of a member that is one no more
};

class KafkaSource final : public Source, private ClientHandler {
 public:
  // Starts a client; subscribes to nothing yet. kInvalidArgument: librdkafka refuses the properties.
  static absl::StatusOr<std::unique_ptr<KafkaSource>> Open(InputSettings settings, const InstanceContext& context, size_t input_index,
                                                           std::shared_ptr<Graveyard> graveyard);
  ~KafkaSource() override;

  absl::Status Start(const Positions& positions, SourceListener& listener) override;
  absl::Status Poll(size_t max_records, size_t max_bytes, std::vector<Record>& out) override;
  [[nodiscard]] bool HasMore() const override { return has_more_ || next_ < batch_.size(); }
  void Committed(const Positions& positions, const Marker& marker) override;
  [[nodiscard]] bool IsCommittedByDecider() const override { return is_committed_by_decider_; }
  [[nodiscard]] Positions EndOffsets() const override;
  [[nodiscard]] std::string_view topic() const override { return settings_.topic; }
  [[nodiscard]] std::string_view group() const override { return settings_.group_id; }

  // For whoever commits the group's offsets in the same step as outputs: those of the partitions that are held right now, revoked ones
  // never. nullopt: none of them has a position. With an explicit partition the metadata names the group and no member.
  [[nodiscard]] absl::StatusOr<std::optional<GroupOffsets>> OffsetsToCommit(const Positions& positions, const Marker& marker) const;
  [[nodiscard]] const InputSettings& settings() const { return settings_; }
  // Called before Start: a decider of the same cluster commits the group's offsets (OffsetsToCommit). Not of an explicit partition: other
  // functions may name the same group and partition, and must not wait for our transactions.
  void CommitWithDecider() { is_committed_by_decider_ = is_member(); }

 private:
  KafkaSource(InputSettings settings, InstanceContext context) : settings_(std::move(settings)), context_(std::move(context)) {}

  // The group assigns.
  [[nodiscard]] bool is_member() const { return !settings_.partition && context_.instance_count == 1; }
  // Takes what is this instance's of a topic with so many partitions.
  [[nodiscard]] absl::Status TakeShare(int32_t count);

  void OnError(rd_kafka_resp_err_t error, std::string_view reason) noexcept override;
  void OnRebalance(rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* partitions) noexcept override;

  [[nodiscard]] RdKafkaPartitions OffsetsOfHeld(const Positions& positions, const Marker& marker) const;
  absl::Status Subscribe();

  void ServeControl();
  void ServeProbe();
  void Fetch(size_t max_records, size_t max_bytes);
  absl::Status HandOut(size_t max_records, size_t max_bytes, std::vector<Record>& out);
  void ReleaseHandedOut();
  void OnErrorMessage(const rd_kafka_message_t& message);
  // The source cannot go on: the first reason stays.
  void Fail(absl::Status status);
  // The outside is away: Poll says so until the probe or a record shows that it is back.
  void Trouble(std::string text);
  [[nodiscard]] std::string Unreachable(std::string_view reason) const;
  [[nodiscard]] std::string Place() const;

  const InputSettings settings_;
  const InstanceContext context_;
  bool is_committed_by_decider_ = false;
  std::unique_ptr<Client> client_;
  std::unique_ptr<TopicProbe> probe_;
  rd_kafka_queue_t* control_queue_ = nullptr;
  rd_kafka_queue_t* records_queue_ = nullptr;
  SourceListener* listener_ = nullptr;

  std::unique_ptr<Assignment> assignment_;  // from Start on
  std::vector<RdKafkaMessage> batch_;
  size_t next_ = 0;  // first record of batch_ not handed out
  std::vector<rd_kafka_message_t*> fetched_;
  std::string headers_;  // what the records that were handed out point into
  bool has_more_ = false;
  size_t typical_bytes_ = 256;  // of a record, to fetch about as many as are asked for

  absl::Status failure_;
  absl::Status trouble_;
  bool was_missing_ = false;       // the topic, at the last look
  bool has_contact_ = false;       // a broker has answered since Start
  std::optional<int32_t> shared_;  // partitions of the topic when we last took our share of them
  absl::Time share_due_ = absl::InfinitePast();
  std::string last_broker_error_;
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_SOURCE_H_
