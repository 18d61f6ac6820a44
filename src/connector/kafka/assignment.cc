#include "connector/kafka/assignment.h"

#include <optional>
#include <utility>

#include "base/steady_clock.h"
#include "observe/log.h"

namespace fs::connector::kafka {
namespace {

constexpr absl::Duration kAskInterval = absl::Milliseconds(200);
// Seeking is a message to the client's own thread.
constexpr int kSeekTimeoutMs = 100;

bool IsCooperative(rd_kafka_t* client) { return std::string_view(rd_kafka_rebalance_protocol(client)) == "COOPERATIVE"; }
// Whoever is no member takes more when there are more.
bool IsAdding(rd_kafka_t* client) { return IsCooperative(client) || std::string_view(rd_kafka_rebalance_protocol(client)) == "NONE"; }

}  // namespace

Assignment::Assignment(Client& client, const InputSettings& settings, std::string place, rd_kafka_queue_t* records, Resume resume)
    : client_(client),
      settings_(settings),
      place_(std::move(place)),
      records_(records),
      resume_(std::move(resume)),
      probe_(client, settings.topic, settings.partition ? std::nullopt : std::optional(settings.group_id)) {}

absl::Status Assignment::Give(rd_kafka_topic_partition_list_t& partitions) {
  rd_kafka_t* const client = client_.get();
  for (int i = 0; i < partitions.cnt; ++i) {
    rd_kafka_topic_partition_t& element = partitions.elems[i];
    // Also makes the client know the partition, which pausing asks for.
    const RdKafkaQueue queue(rd_kafka_queue_get_partition(client, element.topic, element.partition));
    if (queue != nullptr) rd_kafka_queue_forward(queue.get(), records_);
    // Any offset would do that makes the client ask nobody: it is paused, and a seek follows.
    element.offset = 0;
  }
  rd_kafka_pause_partitions(client, &partitions);
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!settings_.partition && IsAdding(client)) {
    error = rd_kafka_error_code(RdKafkaError(rd_kafka_incremental_assign(client, &partitions)).get());
  } else {
    error = rd_kafka_assign(client, &partitions);
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Internal("{}: cannot take partitions: {}", place_, rd_kafka_err2str(error));
  Enter(partitions, Phase::kAsked);
  return absl::OkStatus();
}

void Assignment::TakeAway(rd_kafka_topic_partition_list_t& partitions) {
  rd_kafka_t* const client = client_.get();
  Enter(partitions, Phase::kNone);
  if (IsCooperative(client)) {
    RdKafkaError(rd_kafka_incremental_unassign(client, &partitions));
  } else {
    rd_kafka_assign(client, nullptr);
  }
}

void Assignment::Enter(const rd_kafka_topic_partition_list_t& partitions, Phase phase) {
  for (int i = 0; i < partitions.cnt; ++i) {
    const auto index = static_cast<size_t>(partitions.elems[i].partition);
    if (index >= partitions_.size()) partitions_.resize(index + 1);
    partitions_[index].phase = phase;
  }
  // Answers under way may be older than this change: what was taken away and is given again must be asked about anew.
  probe_.Forget();
  ask_again_ = absl::InfinitePast();
  waiting_ = absl::OkStatus();
  is_settled_ = false;
}

std::vector<int32_t> Assignment::In(Phase phase) const {
  std::vector<int32_t> numbers;
  for (size_t i = 0; i < partitions_.size(); ++i) {
    if (partitions_[i].phase == phase) numbers.push_back(static_cast<int32_t>(i));
  }
  return numbers;
}

absl::Status Assignment::Serve() {
  if (is_settled_) return absl::OkStatus();
  if (const std::optional<std::vector<PartitionFacts>> answer = probe_.TakeAnswer()) {
    FS_RETURN_IF_ERROR(Find(*answer));
    ask_again_ = SteadyNow() + kAskInterval;
  }
  BeginFetching();
  const std::vector<int32_t> asked = In(Phase::kAsked);
  is_settled_ = asked.empty() && In(Phase::kFound).empty();
  if (!asked.empty() && !probe_.is_under_way() && SteadyNow() >= ask_again_ && client_.HasBroker()) probe_.Ask(asked);
  return is_settled_ ? absl::OkStatus() : waiting_;
}

absl::Status Assignment::Find(const std::vector<PartitionFacts>& answer) {
  waiting_ = absl::OkStatus();
  std::vector<GroupPosition> known;
  for (const PartitionFacts& facts : answer) {
    if (facts.status.ok()) {
      known.push_back(facts.group);
    } else {
      waiting_.Update(WithContext(facts.status, place_));
    }
  }
  if (known.empty()) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(const Positions positions, resume_(known));
  for (const PartitionFacts& facts : answer) {
    if (!facts.status.ok()) continue;
    const auto position = positions.find(facts.group.partition);
    Partition& partition = partitions_[static_cast<size_t>(facts.group.partition)];
    FS_ASSIGN_OR_RETURN(partition.start, Start(facts, position == positions.end() ? std::nullopt : std::optional(position->second)));
    partition.phase = Phase::kFound;
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Assignment::Start(const PartitionFacts& facts, std::optional<int64_t> position) const {
  const std::string partition = fmt::format("{}: partition {}", place_, facts.group.partition);
  const int64_t by_policy = settings_.reset == Reset::kLatest ? facts.end : facts.begin;
  if (!position) {
    if (settings_.reset != Reset::kNone) return by_policy;
    return FailedPrecondition("{} has no position yet, and auto.offset.reset is none: give earliest or latest", partition);
  }
  if (*position >= facts.begin && *position <= facts.end) return *position;

  const std::string gone = *position < facts.begin ? fmt::format(
                                                         "offset {}, where this function left off, is gone: the topic now begins at {}, so "
                                                         "{} records were removed before they were read",
                                                         *position, facts.begin, facts.begin - *position)
                                                   : fmt::format(
                                                         "offset {}, where this function left off, does not exist: the topic ends at {}, "
                                                         "so it was deleted and made anew, or it lost records",
                                                         *position, facts.end);
  if (!settings_.is_reset_given || settings_.reset == Reset::kNone) {
    return FailedPrecondition(
        "{}: {}. Drop the function and create it anew to go on with an empty state; or give the input `auto.offset.reset: earliest` (or "
        "latest) when "
        "you create it, and it goes on there by itself, whatever was lost",
        partition, gone);
  }
  observe::LogWarning("{}: {}: {}; going on at {}, as auto.offset.reset says", client_.owner(), partition, gone, by_policy);
  return by_policy;
}

void Assignment::BeginFetching() {
  const std::vector<int32_t> found = In(Phase::kFound);
  if (found.empty()) return;
  const RdKafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(found.size())));
  for (const int32_t partition : found) {
    rd_kafka_topic_partition_list_add(list.get(), settings_.topic.c_str(), partition)->offset =
        partitions_[static_cast<size_t>(partition)].start;
  }
  static_cast<void>(RdKafkaError(rd_kafka_seek_partitions(client_.get(), list.get(), kSeekTimeoutMs)));
  const RdKafkaPartitions sought(rd_kafka_topic_partition_list_new(static_cast<int>(found.size())));
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& element = list->elems[i];
    if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      // The client has not begun yet, or still ends what it did before: tried again with the next poll.
      waiting_.Update(
          Unavailable("{}: partition {} is not ready to be read: {}", place_, element.partition, rd_kafka_err2str(element.err)));
      continue;
    }
    rd_kafka_topic_partition_list_add(sought.get(), element.topic, element.partition);
    partitions_[static_cast<size_t>(element.partition)].phase = Phase::kHeld;
  }
  if (sought->cnt > 0) rd_kafka_resume_partitions(client_.get(), sought.get());
}

}  // namespace fs::connector::kafka
