#include "connector/kafka/position_probe.h"

#include <utility>

namespace fs::connector::kafka {
namespace {

constexpr int kTimeoutMs = 5000;

using RdKafkaGroupQuestion = std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t, Destroy<rd_kafka_ListConsumerGroupOffsets_destroy>>;

}  // namespace

PositionProbe::PositionProbe(Client& client, std::string topic, std::optional<std::string> group)
    : client_(client),
      topic_(std::move(topic)),
      group_(std::move(group)),
      answers_(client.Watch(RdKafkaQueue(rd_kafka_queue_new(client.get())))) {}

void PositionProbe::Ask(const std::vector<int32_t>& partitions) {
  Forget();
  if (partitions.empty()) return;
  for (const int32_t partition : partitions) facts_[partition].group.partition = partition;
  AskOffsets(partitions, kBegin, RD_KAFKA_OFFSET_SPEC_EARLIEST);
  AskOffsets(partitions, kEnd, RD_KAFKA_OFFSET_SPEC_LATEST);
  if (!group_) return;
  const RdKafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const int32_t partition : partitions) rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), partition);
  const RdKafkaGroupQuestion question(rd_kafka_ListConsumerGroupOffsets_new(group_->c_str(), list.get()));
  rd_kafka_ListConsumerGroupOffsets_t* questions[] = {question.get()};
  const RdKafkaAdminOptions options = OptionsFor(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, kGroup);
  // The transaction of an owner that crashed may still be open: until it is decided, nobody knows how far that owner got.
  RdKafkaError(rd_kafka_AdminOptions_set_require_stable_offsets(options.get(), 1));
  rd_kafka_ListConsumerGroupOffsets(client_.get(), questions, 1, options.get(), answers_);
  ++open_questions_;
}

void PositionProbe::Forget() {
  ++round_;
  open_questions_ = 0;
  facts_.clear();
}

RdKafkaAdminOptions PositionProbe::OptionsFor(rd_kafka_admin_op_t operation, Question question) const {
  RdKafkaAdminOptions options(rd_kafka_AdminOptions_new(client_.get(), operation));
  char reason[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), kTimeoutMs, reason, sizeof(reason));
  // A number in the place of a pointer: what the answer belongs to.
  rd_kafka_AdminOptions_set_opaque(options.get(), reinterpret_cast<void*>(round_ * kQuestions + question));
  return options;
}

void PositionProbe::AskOffsets(const std::vector<int32_t>& partitions, Question question, rd_kafka_OffsetSpec_t spec) {
  const RdKafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const int32_t partition : partitions) rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), partition)->offset = spec;
  rd_kafka_ListOffsets(client_.get(), list.get(), OptionsFor(RD_KAFKA_ADMIN_OP_LISTOFFSETS, question).get(), answers_);
  ++open_questions_;
}

std::optional<std::vector<PartitionFacts>> PositionProbe::TakeAnswer() {
  while (const RdKafkaEvent event{rd_kafka_queue_poll(answers_, 0)}) {
    const auto number = reinterpret_cast<uintptr_t>(rd_kafka_event_opaque(event.get()));
    if (number / kQuestions != round_) continue;
    const auto question = static_cast<Question>(number % kQuestions);
    --open_questions_;
    if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      NotKnown(rd_kafka_event_error_string(event.get()));
    } else if (question == kGroup) {
      ReadGroup(*event);
    } else {
      ReadOffsets(*event, question);
    }
    if (open_questions_ > 0) continue;
    std::vector<PartitionFacts> answer;
    for (auto& [partition, facts] : facts_) answer.push_back(std::move(facts));
    facts_.clear();
    return answer;
  }
  return std::nullopt;
}

void PositionProbe::ReadOffsets(rd_kafka_event_t& event, Question question) {
  size_t count = 0;
  const rd_kafka_ListOffsetsResultInfo_t** infos = rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(&event), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_topic_partition_t* element = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    const auto found = facts_.find(element->partition);
    if (found == facts_.end()) continue;
    if (element->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      found->second.status.Update(Unavailable("partition {}: {}", element->partition, rd_kafka_err2str(element->err)));
    } else {
      (question == kBegin ? found->second.begin : found->second.end) = element->offset;
    }
  }
}

void PositionProbe::ReadGroup(rd_kafka_event_t& event) {
  size_t count = 0;
  const rd_kafka_group_result_t** groups =
      rd_kafka_ListConsumerGroupOffsets_result_groups(rd_kafka_event_ListConsumerGroupOffsets_result(&event), &count);
  if (count == 0) return NotKnown("an answer without the group");
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups[0])) return NotKnown(rd_kafka_error_string(error));
  const rd_kafka_topic_partition_list_t* list = rd_kafka_group_result_partitions(groups[0]);
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& element = list->elems[i];
    const auto found = facts_.find(element.partition);
    if (found == facts_.end()) continue;
    GroupPosition& position = found->second.group;
    if (element.err == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT) {
      found->second.status.Update(Unavailable("waiting for the transaction of an earlier owner of partition {} to end", element.partition));
    } else if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      found->second.status.Update(Unavailable("partition {}: {}", element.partition, rd_kafka_err2str(element.err)));
    } else if (element.offset >= 0) {
      position.committed = element.offset;
      position.marker = DecodeMarker({static_cast<const char*>(element.metadata), element.metadata_size});
    }
  }
}

void PositionProbe::NotKnown(std::string_view reason) {
  for (auto& [partition, facts] : facts_) facts.status.Update(Unavailable("{}", reason));
}

}  // namespace fs::connector::kafka
