#include "task/checkpoint.h"

#include <absl/time/clock.h>

#include <random>
#include <utility>

#include "base/failpoint.h"
#include "positions.pb.h"

namespace fs::task {
namespace {

constexpr uint32_t kProgressFormat = 1;
// A sink or decider that does not answer for this long is given up; the instance then goes through recovery.
constexpr absl::Duration kOutcomeTimeout = absl::Seconds(30);

std::string NewRunId() {
  std::random_device entropy;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", entropy(), entropy(), entropy(), entropy());
}

std::string Describe(const std::string& run_id, uint64_t sequence) { return fmt::format("checkpoint {} of run {}", sequence, run_id); }

}  // namespace

std::string EncodeProgress(const Progress& progress, std::span<const std::string> topics) {
  function_stream::stored::StoredPositions stored;
  stored.set_format(kProgressFormat);
  for (size_t i = 0; i < progress.inputs.size(); ++i) {
    auto* input = stored.add_inputs();
    if (i < topics.size()) input->set_topic(topics[i]);
    for (const auto& [partition, offset] : progress.inputs[i]) (*input->mutable_offsets())[partition] = offset;
  }
  for (const std::string& mark : progress.sink_marks) stored.add_sink_marks(mark);
  return stored.SerializeAsString();
}

absl::StatusOr<Progress> DecodeProgress(std::string_view bytes) {
  function_stream::stored::StoredPositions stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return DataLoss("the checkpoint's positions cannot be read");
  if (stored.format() != kProgressFormat) {
    return FailedPrecondition("the checkpoint's positions have format {}, this server knows {}: use the version that wrote them",
                              stored.format(), kProgressFormat);
  }
  Progress progress;
  for (const auto& input : stored.inputs()) progress.inputs.emplace_back(input.offsets().begin(), input.offsets().end());
  progress.sink_marks.assign(stored.sink_marks().begin(), stored.sink_marks().end());
  return progress;
}

CheckpointProtocol::CheckpointProtocol(state::FunctionState& state, connector::Decider* decider, std::vector<connector::Sink*> sinks,
                                       std::vector<std::string> topics)
    : state_(state), decider_(decider), sinks_(std::move(sinks)), topics_(std::move(topics)) {}

absl::StatusOr<std::optional<state::Checkpoint>> CheckpointProtocol::Recover() {
  std::optional<connector::Marker> marker;
  if (decider_ != nullptr) {
    FS_ASSIGN_OR_RETURN_CONTEXT(marker, decider_->Recover(absl::Now() + kOutcomeTimeout), "recovery");
  }

  if (const auto& prepared = state_.prepared()) {
    if (decider_ == nullptr) {
      return FailedPrecondition("the state holds {} undecided, and no output of the function can decide it",
                                Describe(prepared->run_id, prepared->sequence));
    }
    const bool decided = marker == connector::Marker{prepared->run_id, prepared->sequence};
    const bool undone =
        marker.has_value() ? *marker == connector::Marker{prepared->run_id, prepared->sequence - 1} : prepared->sequence == 1;
    if (decided) {
      FS_RETURN_IF_ERROR_CONTEXT(state_.CommitPrepared(), "recovery");
    } else if (undone) {
      FS_RETURN_IF_ERROR_CONTEXT(state_.RollbackPrepared(), "recovery");
    } else {
      return FailedPrecondition("the state holds {} undecided, but the outputs' last is {}: the state is not this run's; drop the function",
                                Describe(prepared->run_id, prepared->sequence),
                                marker ? Describe(marker->run_id, marker->sequence) : "none");
    }
  }

  const auto& last = state_.last();
  if (decider_ != nullptr) {
    const std::optional<connector::Marker> of_state = last ? std::optional(connector::Marker{last->run_id, last->sequence}) : std::nullopt;
    if (of_state != marker) {
      return FailedPrecondition(
          "the state's last is {}, the outputs' last is {}: the state is not this run's, or one of both was lost; "
          "restore the missing folder, or drop the function and create it anew",
          last ? Describe(last->run_id, last->sequence) : "none", marker ? Describe(marker->run_id, marker->sequence) : "none");
    }
  }
  run_id_ = last ? last->run_id : NewRunId();
  sequence_ = last ? last->sequence : 0;
  return last;
}

absl::Status CheckpointProtocol::Take(std::span<const connector::Positions> inputs, std::optional<std::string> function_bytes) {
  state::Checkpoint next;
  next.run_id = run_id_;
  next.sequence = next_sequence();
  next.function_bytes = std::move(function_bytes);

  FailPoint("checkpoint-begin");
  FS_RETURN_IF_ERROR(Flush(absl::Now() + kOutcomeTimeout));
  FailPoint("sinks-flushed");
  Progress progress;
  progress.inputs.assign(inputs.begin(), inputs.end());
  for (const connector::Sink* sink : sinks_) progress.sink_marks.push_back(sink->Mark());
  next.positions = EncodeProgress(progress, topics_);

  if (decider_ == nullptr) {
    FS_RETURN_IF_ERROR(state_.Commit(next));
  } else {
    FS_RETURN_IF_ERROR(state_.Prepare(next));
    FailPoint("state-prepared");
    const bool keeps_state = state_.keeps_state() || next.function_bytes.has_value();
    FS_RETURN_IF_ERROR(decider_->Commit({next.run_id, next.sequence, keeps_state}, inputs, absl::Now() + kOutcomeTimeout));
    FailPoint("outputs-committed");
    FS_RETURN_IF_ERROR(state_.CommitPrepared());
  }
  FailPoint("state-committed");
  sequence_ = next.sequence;
  return absl::OkStatus();
}

connector::Marker CheckpointProtocol::last() const { return {run_id_, sequence_, state_.keeps_state()}; }

absl::Status CheckpointProtocol::Flush(absl::Time deadline) {
  for (size_t channel = 0; channel < sinks_.size(); ++channel) {
    FS_RETURN_IF_ERROR_CONTEXT(sinks_[channel]->Flush(deadline), fmt::format("outputs[{}]", channel));
  }
  return absl::OkStatus();
}

}  // namespace fs::task
