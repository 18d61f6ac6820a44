#include "connector/embedded/embedded_session.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "connector/embedded/partitioner.h"
#include "connector/empty_source.h"
#include "stored_log.pb.h"

namespace fs::connector::embedded {
namespace {

namespace stored = function_stream::connector::embedded;

constexpr size_t kLimitRecordBytes = size_t{1} << 30;
// Without a decider, this much is appended at once instead of waiting for the checkpoint.
constexpr size_t kAppendBytes = 4 << 20;

}  // namespace

// ---- Sink

absl::Status EmbeddedSink::Start(std::optional<std::string_view>) { return session_.CheckPartition(*session_.outputs_[channel_]); }

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
  FS_ASSIGN_OR_RETURN(const std::optional<int32_t> partition, ReadPartition(input));
  if (partition && !context_.IsOurs(*partition)) return std::make_unique<EmptySource>(std::move(topic));
  inputs_.push_back({input_index, topic, group});
  return std::make_unique<EmbeddedSource>(log_, std::move(topic), std::move(group), partition, reset, context_);
}

absl::StatusOr<std::unique_ptr<Sink>> EmbeddedSession::OpenSink(const config::Endpoint& output) {
  FS_ASSIGN_OR_RETURN(std::string topic, output.RequireString("topic"));
  FS_ASSIGN_OR_RETURN(const std::optional<int32_t> partition, ReadPartition(output));
  outputs_.push_back(std::make_unique<Output>(Output{std::move(topic), partition, {}}));
  ResetPending(*outputs_.back());
  return std::make_unique<EmbeddedSink>(*this, outputs_.size() - 1);
}

absl::Status EmbeddedSession::WriteTo(Output& output, const OutputRecord& record) {
  const auto count = static_cast<int32_t>(output.pending.size());
  int32_t partition = 0;
  if (output.partition) {
    partition = *output.partition;
  } else if (count > 1) {
    partition = record.key ? PartitionOfKey(*record.key, count) : static_cast<int32_t>(output.keyless++ % static_cast<uint32_t>(count));
  }
  output.pending[static_cast<size_t>(partition)].Add(record, absl::ToUnixMillis(absl::Now()));
  if (!claim_ && output.bytes() >= kAppendBytes) return Append(output);
  return absl::OkStatus();
}

absl::Status EmbeddedSession::Append(Output& output) {
  for (size_t partition = 0; partition < output.pending.size(); ++partition) {
    RecordBlocks& pending = output.pending[partition];
    if (pending.empty()) continue;
    const absl::Status appended = log_.Append({output.topic, static_cast<int32_t>(partition)}, pending).status();
    // The topic was made anew with fewer: the instance starts again from its last checkpoint.
    if (absl::IsInvalidArgument(appended)) return Unavailable("{}", Message(appended));
    FS_RETURN_IF_ERROR(appended);
    pending.Clear();
  }
  ResetPending(output);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Marker>> EmbeddedSession::Recover(std::span<const std::string>, absl::Time) {
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
  for (const std::unique_ptr<Output>& output : outputs_) {
    for (size_t partition = 0; partition < output->pending.size(); ++partition) {
      const RecordBlocks& pending = output->pending[partition];
      if (!pending.empty()) transaction.outputs.push_back({output->topic, &pending, static_cast<int32_t>(partition)});
    }
  }
  for (const Input& input : inputs_) {
    if (input.index >= positions.size()) continue;
    for (const auto& [partition, offset] : positions[input.index]) {
      transaction.group_positions.push_back({input.group, input.topic, offset, partition});
    }
  }
  FS_RETURN_IF_ERROR(log_.Commit(*claim_, transaction));
  DropPending();
  return absl::OkStatus();
}

size_t EmbeddedSession::Output::bytes() const {
  size_t bytes = 0;
  for (const RecordBlocks& blocks : pending) bytes += blocks.bytes();
  return bytes;
}

void EmbeddedSession::ResetPending(Output& output) const {
  for (RecordBlocks& blocks : output.pending) blocks.Clear();
  const int32_t count = log_.CountPartitions(output.topic);
  output.pending.resize(static_cast<size_t>(output.partition ? std::max(count, *output.partition + 1) : count));
}

absl::Status EmbeddedSession::CheckPartition(const Output& output) const {
  const int32_t count = log_.CountPartitions(output.topic);
  if (!output.partition || *output.partition < count) return absl::OkStatus();
  return FailedPrecondition("topic {}: there is no partition {}: it has {}; make it with create_topic before the function starts",
                            output.topic, *output.partition, count);
}

void EmbeddedSession::DropPending() {
  for (const std::unique_ptr<Output>& output : outputs_) ResetPending(*output);
}

size_t EmbeddedSession::pending_bytes() const {
  size_t bytes = 0;
  for (const std::unique_ptr<Output>& output : outputs_) bytes += output->bytes();
  return bytes;
}

}  // namespace fs::connector::embedded
