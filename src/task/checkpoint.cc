#include "task/checkpoint.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "base/failpoint.h"
#include "base/steady_clock.h"
#include "positions.pb.h"

namespace fs::task {
namespace {

constexpr uint32_t kProgressFormat = 1;
// How long a step waits before the caller is asked whether to go on.
constexpr absl::Duration kSlice = absl::Milliseconds(200);
// A decider keeps markers for some days; a state that is younger than this and has none is not its own.
constexpr absl::Duration kMarkersAreKept = absl::Hours(24);

constexpr std::string_view kWhatToDo =
    "start it from a retained checkpoint (start_function with a checkpoint_id), or drop the function and create it anew";

std::string Describe(const std::string& run_id, uint64_t sequence) { return fmt::format("checkpoint {} of run {}", sequence, run_id); }

// The marker as this state sees it: a run that a restored state supersedes has decided nothing of it.
std::optional<connector::Marker> Translate(std::optional<connector::Marker> marker, const std::optional<state::Checkpoint>& last) {
  if (!last || last->supersedes.empty()) return marker;
  const auto& runs = last->supersedes;
  if (marker && std::find(runs.begin(), runs.end(), marker->run_id) == runs.end()) return marker;
  return connector::Marker{last->run_id, last->sequence};
}

}  // namespace

std::string NewRunId() {
  std::random_device entropy;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", entropy(), entropy(), entropy(), entropy());
}

std::string EncodeProgress(const Progress& progress, std::span<const std::string> topics) {
  function_stream::stored::StoredPositions stored;
  stored.set_format(kProgressFormat);
  for (size_t i = 0; i < progress.inputs.size(); ++i) {
    auto* input = stored.add_inputs();
    if (i < topics.size()) input->set_topic(topics[i]);
    for (const auto& [partition, offset] : progress.inputs[i]) (*input->mutable_offsets())[partition] = offset;
  }
  for (const std::string& mark : progress.sink_marks) stored.add_sink_marks(mark);
  stored.set_event_time(progress.event_time);
  stored.set_taken_ms(absl::ToUnixMillis(progress.taken));
  for (const std::string& run_id : progress.superseded) stored.add_superseded(run_id);
  stored.set_instance_index(progress.split.index);
  stored.set_instance_count(progress.split.count);
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
  progress.event_time = stored.event_time();
  progress.taken = absl::FromUnixMillis(stored.taken_ms());
  progress.superseded.assign(stored.superseded().begin(), stored.superseded().end());
  progress.split = {stored.instance_index(), std::max(stored.instance_count(), uint32_t{1})};
  return progress;
}

CheckpointProtocol::CheckpointProtocol(state::FunctionState& state, connector::Decider* decider, std::vector<connector::Sink*> sinks,
                                       std::vector<std::string> topics, Patience patience, PartitionSplit split)
    : state_(state),
      decider_(decider),
      sinks_(std::move(sinks)),
      topics_(std::move(topics)),
      patience_(std::move(patience)),
      split_(split) {}

absl::StatusOr<std::optional<state::Checkpoint>> CheckpointProtocol::Recover() {
  FS_RETURN_IF_ERROR(ReadSuperseded());
  std::optional<connector::Marker> marker;
  if (decider_ != nullptr) {
    const absl::Status recovered = Await(WaitingIn::kRecovery, [&](absl::Time deadline) -> absl::Status {
      FS_ASSIGN_OR_RETURN(marker, decider_->Recover(superseded_, deadline));
      return absl::OkStatus();
    });
    if (!recovered.ok()) return WithContext(recovered, "recovery");
    marker = Translate(std::move(marker), state_.last());
  }

  if (const auto& prepared = state_.prepared()) {
    if (decider_ == nullptr) {
      return FailedPrecondition("the state holds {} undecided, and no output of the function can decide it",
                                Describe(prepared->run_id, prepared->sequence));
    }
    const bool decided = Sabotage("ignore-marker") || marker == connector::Marker{prepared->run_id, prepared->sequence};
    const bool undone =
        marker.has_value() ? *marker == connector::Marker{prepared->run_id, prepared->sequence - 1} : prepared->sequence == 1;
    if (decided) {
      FS_RETURN_IF_ERROR_CONTEXT(state_.CommitPrepared(), "recovery");
      FS_RETURN_IF_ERROR(ReadSuperseded());  // the last checkpoint is another one now
    } else if (undone) {
      FS_RETURN_IF_ERROR_CONTEXT(state_.RollbackPrepared(), "recovery");
    } else {
      return FailedPrecondition("the state holds {} undecided, but the outputs' last is {}: the state is not this run's; {}",
                                Describe(prepared->run_id, prepared->sequence),
                                marker ? Describe(marker->run_id, marker->sequence) : "none", kWhatToDo);
    }
  }

  if (decider_ != nullptr && !Sabotage("ignore-marker")) FS_RETURN_IF_ERROR(CheckAgreement(marker));
  const auto& last = state_.last();
  run_id_ = last ? last->run_id : NewRunId();
  sequence_ = last ? last->sequence : 0;
  return last;
}

absl::Status CheckpointProtocol::ReadSuperseded() {
  const auto& last = state_.last();
  if (!last) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(const Progress progress, DecodeProgress(last->positions));
  FS_RETURN_IF_ERROR(CheckSplit(progress.split, split_));
  std::set<std::string> superseded(progress.superseded.begin(), progress.superseded.end());
  superseded.insert(last->supersedes.begin(), last->supersedes.end());
  superseded_.assign(superseded.begin(), superseded.end());
  return absl::OkStatus();
}

absl::Status CheckpointProtocol::CheckAgreement(const std::optional<connector::Marker>& marker) {
  const auto& last = state_.last();
  const std::optional<connector::Marker> of_state = last ? std::optional(connector::Marker{last->run_id, last->sequence}) : std::nullopt;
  if (of_state == marker) return absl::OkStatus();
  if (last && !marker && decider_->forgets_markers()) {
    FS_ASSIGN_OR_RETURN(const Progress progress, DecodeProgress(last->positions));
    const absl::Duration age = absl::Now() - progress.taken;
    if (age > kMarkersAreKept) {
      warning_ = fmt::format(
          "the outputs have forgotten {}, as they do when nothing was committed for days (Kafka's offsets.retention.minutes); nothing was "
          "in "
          "doubt, so it goes on from the state, whose checkpoint this is",
          Describe(last->run_id, last->sequence));
      return absl::OkStatus();
    }
  }
  return FailedPrecondition(
      "the state's last is {}, the outputs' last is {}: the state is not this run's, or one of both was lost; restore what is missing, {}",
      last ? Describe(last->run_id, last->sequence) : "none", marker ? Describe(marker->run_id, marker->sequence) : "none", kWhatToDo);
}

absl::Status CheckpointProtocol::Take(std::span<const connector::Positions> inputs, std::optional<std::string> function_bytes,
                                      std::string event_time) {
  state::Checkpoint next;
  next.run_id = run_id_;
  next.sequence = next_sequence();
  next.function_bytes = std::move(function_bytes);

  FailPoint("checkpoint-begin");
  FS_RETURN_IF_ERROR(Await(WaitingIn::kFlush, [&](absl::Time deadline) { return FlushSinks(deadline); }));
  FailPoint("sinks-flushed");
  Progress progress;
  progress.inputs.assign(inputs.begin(), inputs.end());
  progress.event_time = std::move(event_time);
  for (const connector::Sink* sink : sinks_) progress.sink_marks.push_back(sink->Mark());
  progress.taken = absl::Now();
  progress.superseded = superseded_;
  progress.split = split_;
  next.positions = EncodeProgress(progress, topics_);

  if (decider_ == nullptr) {
    FS_RETURN_IF_ERROR(state_.Commit(next));
  } else {
    const connector::Marker marker{next.run_id, next.sequence, state_.keeps_state() || next.function_bytes.has_value()};
    if (!Sabotage("skip-prepare")) FS_RETURN_IF_ERROR(state_.Prepare(next));
    if (Sabotage("commit-state-first")) FS_RETURN_IF_ERROR(state_.CommitPrepared());
    FailPoint("state-prepared");
    FS_RETURN_IF_ERROR(Await(WaitingIn::kDecision, [&](absl::Time deadline) { return decider_->Commit(marker, inputs, deadline); }));
    FailPoint("outputs-committed");
    if (Sabotage("skip-prepare")) FS_RETURN_IF_ERROR(state_.Commit(next));
    if (!Sabotage("skip-prepare") && !Sabotage("commit-state-first")) FS_RETURN_IF_ERROR(state_.CommitPrepared());
  }
  FailPoint("state-committed");
  sequence_ = next.sequence;
  return absl::OkStatus();
}

connector::Marker CheckpointProtocol::last() const { return {run_id_, sequence_, state_.keeps_state()}; }

template <typename Attempt>
absl::Status CheckpointProtocol::Await(WaitingIn step, const Attempt& attempt) const {
  const absl::Time started = SteadyNow();
  while (true) {
    absl::Status status = attempt(SteadyNow() + kSlice);
    if (!absl::IsDeadlineExceeded(status)) return status;
    const bool is_alone = step == WaitingIn::kRecovery && !decider_->IsConnected();
    FS_RETURN_IF_ERROR(patience_(is_alone ? WaitingIn::kConnection : step, SteadyNow() - started, status));
  }
}

absl::Status CheckpointProtocol::FlushSinks(absl::Time deadline) const {
  for (size_t channel = 0; channel < sinks_.size(); ++channel) {
    FS_RETURN_IF_ERROR_CONTEXT(sinks_[channel]->Flush(deadline), fmt::format("outputs[{}]", channel));
  }
  return absl::OkStatus();
}

}  // namespace fs::task
