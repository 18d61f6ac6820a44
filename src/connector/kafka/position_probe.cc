#include "connector/kafka/position_probe.h"

#include <utility>

#include "connector/kafka/stable_offsets.h"

namespace fs::connector::kafka {

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
  // Stable: the transaction of an owner that crashed may still be open, and until it is decided nobody knows how far that owner got.
  AskStableOffsets(*client_.get(), *group_, list.get(), OptionsFor(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, kGroup), *answers_);
  ++open_questions_;
}

void PositionProbe::Forget() {
  ++round_;
  open_questions_ = 0;
  facts_.clear();
}

RdKafkaAdminOptions PositionProbe::OptionsFor(rd_kafka_admin_op_t operation, Question question) const {
  RdKafkaAdminOptions options = AdminOptionsFor(*client_.get(), operation);
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
  const auto [error, reason, list] = ReadStableOffsets(event);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return NotKnown(reason);
  if (list == nullptr) return NotKnown("an answer without the group");
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
      position.marker = MarkerOf(element);
    }
  }
}

void PositionProbe::NotKnown(std::string_view reason) {
  for (auto& [partition, facts] : facts_) facts.status.Update(Unavailable("{}", reason));
}

}  // namespace fs::connector::kafka
