#include "connector/embedded/embedded_source.h"

#include <algorithm>
#include <utility>

#include "observe/log.h"

namespace fs::connector::embedded {

absl::StatusOr<Reset> ReadReset(const config::Endpoint& input) {
  const config::Property* property = input.Find("auto.offset.reset");
  if (property == nullptr || property->value == "earliest") return Reset::kEarliest;
  if (property->value == "latest") return Reset::kLatest;
  return input.ErrorAt("auto.offset.reset", fmt::format("must be earliest or latest, not `{}`", property->value));
}

absl::StatusOr<std::optional<int32_t>> ReadPartition(const config::Endpoint& endpoint) {
  FS_ASSIGN_OR_RETURN(const std::optional<int64_t> partition, endpoint.OptionalInt("partition", 0, kMostPartitions - 1));
  return partition ? std::optional(static_cast<int32_t>(*partition)) : std::nullopt;
}

absl::Status EmbeddedSource::Start(const Positions& positions, SourceListener& listener) {
  listener_ = &listener;
  resume_ = positions;
  return OpenPartitions();
}

absl::Status EmbeddedSource::OpenPartitions() {
  const auto first = partition_.value_or(static_cast<int32_t>(context_.instance_index));
  const size_t before = partitions_.size();
  if (partitions_.empty()) FS_RETURN_IF_ERROR(OpenPartition(first));
  // Counted after the subscription: what is made from now on wakes us.
  const int32_t count = log_.CountPartitions(topic_);
  const auto step = static_cast<int32_t>(context_.instance_count);
  while (!partition_ && partitions_.back()->number + step < count) FS_RETURN_IF_ERROR(OpenPartition(partitions_.back()->number + step));
  if (before != 0 && partitions_.size() == before) return absl::OkStatus();
  std::vector<int32_t> numbers;
  for (const auto& partition : partitions_) {
    if (partition->number >= count) continue;
    numbers.push_back(partition->number);
    if (!resume_.contains(partition->number)) listener_->OnBegin(partition->number, partition->position);
  }
  listener_->OnPartitions(numbers);
  return absl::OkStatus();
}

absl::Status EmbeddedSource::OpenPartition(int32_t number) {
  auto partition = std::make_unique<Partition>();
  partition->number = number;
  FS_ASSIGN_OR_RETURN(partition->subscription, log_.Subscribe(Place(*partition), [this, has_grown = &partition->has_grown] {
    has_grown->store(true, std::memory_order_release);
    context_.waker->Wake();
  }));
  FS_ASSIGN_OR_RETURN(const ReadResult extent, log_.Read(Place(*partition), 0, 0, 0));
  const auto ours = resume_.find(number);
  if (ours != resume_.end()) {
    partition->position = ours->second;
    if (partition->position > extent.end_offset) {
      return FailedPrecondition(
          "topic {} partition {}: the checkpoint's position {} is past the end, which is {}: the log is not the one that was read; "
          "restore its folder, or drop the function and create it anew",
          topic_, number, partition->position, extent.end_offset);
    }
  } else {
    std::optional<int64_t> of_group;
    if (!listener_->is_restored()) {
      FS_ASSIGN_OR_RETURN(of_group, log_.ReadGroupPosition(group_, Place(*partition)));
    }
    partition->position = of_group && *of_group <= extent.end_offset ? *of_group : ResetPosition(extent);
  }
  partitions_.push_back(std::move(partition));
  return absl::OkStatus();
}

int64_t EmbeddedSource::ResetPosition(const ReadResult& extent) const {
  return reset_ == Reset::kEarliest ? extent.first_offset : extent.end_offset;
}

absl::Status EmbeddedSource::Poll(size_t max_records, size_t max_bytes, std::vector<Record>& out) {
  batch_.records.clear();
  for (size_t tried = 0; tried < partitions_.size(); ++tried) {
    Partition& partition = *partitions_[next_];
    next_ = (next_ + 1) % partitions_.size();
    if (!partition.has_more()) continue;
    FS_RETURN_IF_ERROR(Read(partition, max_records, max_bytes));
    if (batch_.records.empty()) continue;
    out.insert(out.end(), batch_.records.begin(), batch_.records.end());
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status EmbeddedSource::Read(Partition& partition, size_t max_records, size_t max_bytes) {
  // Cleared before reading, so that what comes while we read is not missed.
  const bool has_grown = partition.has_grown.exchange(false, std::memory_order_acq_rel);
  FS_ASSIGN_OR_RETURN(ReadResult batch, log_.Read(Place(partition), partition.position, max_records, max_bytes));
  if (partition.position < batch.first_offset) {
    const int64_t lost = batch.first_offset - partition.position;
    const int64_t next = ResetPosition(batch);
    observe::LogWarning(
        "function {}: input {} partition {}: {} records from offset {} on are gone (retention, or the topic was deleted); going on at {}",
        context_.function_name, topic_, partition.number, lost, partition.position, next);
    partition.position = next;
    FS_ASSIGN_OR_RETURN(batch, log_.Read(Place(partition), partition.position, max_records, max_bytes));
  }
  batch_ = std::move(batch);
  partition.position = batch_.next_offset;
  partition.end = batch_.end_offset;
  // Told of something, and no records: the topic may have been made, with partitions that are ours.
  if (has_grown && batch_.records.empty()) return OpenPartitions();
  return absl::OkStatus();
}

bool EmbeddedSource::HasMore() const {
  return std::any_of(partitions_.begin(), partitions_.end(), [](const auto& partition) { return partition->has_more(); });
}

Positions EmbeddedSource::EndOffsets() const {
  const absl::StatusOr<TopicInfo> info = log_.DescribeTopic(topic_);
  if (!info.ok() && !absl::IsNotFound(info.status())) return {};
  Positions ends;
  for (const auto& partition : partitions_) {
    const auto number = static_cast<size_t>(partition->number);
    // What nobody has written yet ends where it begins.
    ends[partition->number] = info.ok() && number < info->partitions.size() ? info->partitions[number].end_offset : partition->position;
  }
  return ends;
}

void EmbeddedSource::Committed(const Positions& positions, const Marker& /*marker*/) {
  for (const auto& [partition, offset] : positions) {
    if (const absl::Status noted = log_.NoteGroupPosition({group_, topic_, offset, partition}); !noted.ok()) {
      observe::LogWarning("function {}: position of group {}: {}", context_.function_name, group_, Message(noted));
    }
  }
}

}  // namespace fs::connector::embedded
