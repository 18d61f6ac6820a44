#include "connector/embedded/embedded_session.h"

#include <absl/time/clock.h>

#include <algorithm>

#include "observe/log.h"
#include "stored_log.pb.h"

namespace fs::connector::embedded {
namespace {

namespace stored = function_stream::connector::embedded;

constexpr int32_t kPartition = 0;
constexpr size_t kLimitRecordBytes = size_t{1} << 30;
// Without a decider, this much is appended at once instead of waiting for the checkpoint.
constexpr size_t kAppendBytes = 4 << 20;

}  // namespace

absl::StatusOr<Reset> ReadReset(const config::Endpoint& input) {
  const config::Property* property = input.Find("auto.offset.reset");
  if (property == nullptr || property->value == "earliest") return Reset::kEarliest;
  if (property->value == "latest") return Reset::kLatest;
  return input.ErrorAt("auto.offset.reset", fmt::format("must be earliest or latest, not `{}`", property->value));
}

// ---- Source

int64_t EmbeddedSource::ResetPosition(const ReadResult& extent) const {
  return reset_ == Reset::kEarliest ? extent.first_offset : extent.end_offset;
}

absl::Status EmbeddedSource::Start(const Positions& positions, SourceListener&) {
  FS_ASSIGN_OR_RETURN(subscription_, log_.Subscribe(topic_, [this] {
    has_grown_.store(true, std::memory_order_release);
    context_.waker->Wake();
  }));
  has_grown_.store(true, std::memory_order_release);
  FS_ASSIGN_OR_RETURN(const ReadResult extent, log_.Read(topic_, 0, 0, 0));
  const auto ours = positions.find(kPartition);
  if (ours != positions.end()) {
    position_ = ours->second;
    if (position_ > extent.end_offset) {
      return FailedPrecondition(
          "topic {}: the checkpoint's position {} is past the end, which is {}: the log is not the one that was read; "
          "restore its folder, or drop the function and create it anew",
          topic_, position_, extent.end_offset);
    }
    return absl::OkStatus();
  }
  FS_ASSIGN_OR_RETURN(const std::optional<int64_t> of_group, log_.ReadGroupPosition(group_, topic_));
  position_ = of_group && *of_group <= extent.end_offset ? *of_group : ResetPosition(extent);
  return absl::OkStatus();
}

absl::Status EmbeddedSource::Poll(size_t max_records, size_t max_bytes, std::vector<Record>& out) {
  // Cleared before reading, so that what comes while we read is not missed.
  const bool has_grown = has_grown_.exchange(false, std::memory_order_acq_rel);
  if (!has_grown && position_ >= batch_.end_offset) {
    batch_.records.clear();
    return absl::OkStatus();
  }
  FS_ASSIGN_OR_RETURN(ReadResult batch, log_.Read(topic_, position_, max_records, max_bytes));
  if (position_ < batch.first_offset) {
    const int64_t lost = batch.first_offset - position_;
    const int64_t next = ResetPosition(batch);
    observe::LogWarning(
        "function {}: input {}: {} records from offset {} on are gone (retention, or the topic was deleted); going on at {}",
        context_.function_name, topic_, lost, position_, next);
    position_ = next;
    FS_ASSIGN_OR_RETURN(batch, log_.Read(topic_, position_, max_records, max_bytes));
  }
  batch_ = std::move(batch);
  position_ = batch_.next_offset;
  out.insert(out.end(), batch_.records.begin(), batch_.records.end());
  return absl::OkStatus();
}

Positions EmbeddedSource::EndOffsets() const {
  const absl::StatusOr<TopicInfo> info = log_.DescribeTopic(topic_);
  // A topic that nobody has written yet ends where it begins.
  if (absl::IsNotFound(info.status())) return {{kPartition, position_}};
  return info.ok() ? Positions{{kPartition, info->end_offset}} : Positions{};
}

void EmbeddedSource::Committed(const Positions& positions, const Marker& /*marker*/) {
  const auto ours = positions.find(kPartition);
  if (ours == positions.end()) return;
  if (const absl::Status noted = log_.NoteGroupPosition({group_, topic_, ours->second}); !noted.ok()) {
    observe::LogWarning("function {}: position of group {}: {}", context_.function_name, group_, Message(noted));
  }
}

// ---- Sink

absl::Status EmbeddedSink::Start(std::optional<std::string_view>) { return absl::OkStatus(); }

absl::Status EmbeddedSink::Check(const OutputRecord& record) const {
  const size_t size = record.value.size() + record.headers.size() + (record.key ? record.key->size() : 0);
  if (size <= kLimitRecordBytes) return absl::OkStatus();
  return InvalidArgument("topic {}: record of {} bytes: the limit is {}", session_.outputs_[channel_]->topic, size, kLimitRecordBytes);
}

absl::Status EmbeddedSink::Write(const OutputRecord& record) {
  FS_RETURN_IF_ERROR(Check(record));
  return session_.WriteTo(*session_.outputs_[channel_], record);
}

absl::Status EmbeddedSink::Push() {
  // With a decider, what was written is with the outside only once it is decided.
  if (session_.claim_) return absl::OkStatus();
  return session_.Append(*session_.outputs_[channel_]);
}

absl::Status EmbeddedSink::Flush(absl::Time) { return Push(); }

// ---- Session and decider

absl::StatusOr<std::unique_ptr<Source>> EmbeddedSession::OpenSource(size_t input_index, const config::Endpoint& input) {
  FS_ASSIGN_OR_RETURN(std::string topic, input.RequireString("topic"));
  FS_ASSIGN_OR_RETURN(std::string group, input.RequireString("group_id"));
  FS_ASSIGN_OR_RETURN(const Reset reset, ReadReset(input));
  inputs_.push_back({input_index, topic, group});
  return std::make_unique<EmbeddedSource>(log_, std::move(topic), std::move(group), reset, context_);
}

absl::StatusOr<std::unique_ptr<Sink>> EmbeddedSession::OpenSink(const config::Endpoint& output) {
  FS_ASSIGN_OR_RETURN(std::string topic, output.RequireString("topic"));
  outputs_.push_back(std::make_unique<Output>(Output{std::move(topic), {}}));
  return std::make_unique<EmbeddedSink>(*this, outputs_.size() - 1);
}

absl::Status EmbeddedSession::WriteTo(Output& output, const OutputRecord& record) {
  output.pending.Add(record, absl::ToUnixMillis(absl::Now()));
  if (!claim_ && output.pending.bytes() >= kAppendBytes) return Append(output);
  return absl::OkStatus();
}

absl::Status EmbeddedSession::Append(Output& output) {
  if (output.pending.empty()) return absl::OkStatus();
  FS_RETURN_IF_ERROR(log_.Append(output.topic, output.pending).status());
  output.pending.Clear();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Marker>> EmbeddedSession::Recover(absl::Time) {
  DropPending();
  FS_ASSIGN_OR_RETURN(claim_, log_.Acquire(owner_));
  if (!claim_->note) return std::optional<Marker>();
  stored::StoredMarker marker;
  if (!marker.ParseFromString(*claim_->note)) return DataLoss("embedded log: the marker of {} is damaged", owner_);
  return std::optional(Marker{marker.run_id(), marker.sequence()});
}

absl::Status EmbeddedSession::Commit(const Marker& marker, std::span<const Positions> positions, absl::Time) {
  if (!claim_) return FailedPrecondition("embedded log: {} commits before it has recovered", owner_);
  stored::StoredMarker stored;
  stored.set_run_id(marker.run_id);
  stored.set_sequence(marker.sequence);
  for (const Positions& input : positions) {
    auto& offsets = *stored.add_inputs()->mutable_offsets();
    for (const auto& [partition, offset] : input) offsets[partition] = offset;
  }
  Transaction transaction;
  transaction.note = stored.SerializeAsString();
  for (const std::unique_ptr<Output>& output : outputs_) transaction.outputs.push_back({output->topic, &output->pending});
  for (const Input& input : inputs_) {
    if (input.index >= positions.size()) continue;
    const auto ours = positions[input.index].find(kPartition);
    if (ours != positions[input.index].end()) transaction.group_positions.push_back({input.group, input.topic, ours->second});
  }
  FS_RETURN_IF_ERROR(log_.Commit(*claim_, transaction));
  DropPending();
  return absl::OkStatus();
}

void EmbeddedSession::DropPending() {
  for (const std::unique_ptr<Output>& output : outputs_) output->pending.Clear();
}

size_t EmbeddedSession::pending_bytes() const {
  size_t bytes = 0;
  for (const std::unique_ptr<Output>& output : outputs_) bytes += output->pending.bytes();
  return bytes;
}

}  // namespace fs::connector::embedded
