// The Instance's calls of hooks that no message asks for.
#include <algorithm>
#include <utility>

#include "base/steady_clock.h"
#include "task/instance.h"

namespace fs::task {
namespace {

// So long may calls from outside keep messages waiting in one go.
constexpr absl::Duration kCallsShare = absl::Milliseconds(20);

}  // namespace

absl::Status Instance::ServeCalls() {
  const absl::Time until = SteadyNow() + kCallsShare;
  while (const std::shared_ptr<Calls::Request> request = spec_.calls->Take()) {
    FS_RETURN_IF_ERROR(ServeCall(*request));
    if (stopping() || SteadyNow() >= until) {
      // What is left comes after the next batch, without a wait.
      spec_.waker->Wake();
      break;
    }
  }
  return absl::OkStatus();
}

absl::Status Instance::ServeCall(Calls::Request& request) {
  state_->Mark();
  absl::StatusOr<std::string> answer = guest_->Custom(request.payload);
  if (guest_->is_dead()) {
    const absl::Status& end = answer.status();
    spec_.calls->Answer(request, absl::IsCancelled(end)
                                     ? absl::AlreadyExistsError("it was stopped while custom() ran; nothing of it counts")
                                     : WithContext(end, "custom() ended the instance, which starts again"));
    return end;
  }
  absl::Status failure = answer.status();
  if (failure.ok()) failure = spec_.calls->CheckSize("custom() answered", answer->size(), "emit large data, or answer it in pieces");
  if (failure.ok()) {
    FS_ASSIGN_OR_RETURN(const std::optional<MessageError> refused, FindRefused());
    if (refused) failure = InvalidArgument("custom() emitted what its output refuses: {}", refused->message);
  }
  if (!failure.ok()) {
    state_->RollbackToMark();
    const std::string_view text = Message(failure);
    Log(40, fmt::format("custom: {}", text.substr(0, text.find('\n'))));
    spec_.calls->Answer(request, std::move(failure));
    return absl::OkStatus();
  }
  absl::Status written = WriteEmitted();
  if (!written.ok()) {
    spec_.calls->Answer(request, WithContext(written, "custom() emitted, and that could not be written; nothing of it counts"));
    return written;
  }
  spec_.calls->Answer(request, std::move(answer));
  return absl::OkStatus();
}

void Instance::OpenEventTime() {
  std::vector<uint32_t> sources;
  for (const Input& input : inputs_) sources.push_back(input.source_id);
  // Code that never names these hooks gets on without them; a name in a comment costs a call per batch, no more.
  const auto& files = spec_.function->package->files;
  const auto names = [&](std::string_view word) {
    return std::any_of(files.begin(), files.end(), [&](const PackageFile& file) { return file.bytes.find(word) != std::string::npos; });
  };
  const bool is_emitting = config_.watermark.is_given || names("emit_watermark");
  event_time_ =
      std::make_unique<EventTime>(config_.watermark, sources, sinks_.size(), is_emitting || names("process_watermark"), SteadyNow());
  stamps_ = std::make_unique<WatermarkStamps>(fmt::format("{}/{}", spec_.function->state_id, spec_.index), sinks_.size());
  if (is_emitting) stamps_->Begin();
}

absl::Status Instance::AdvanceEventTime() {
  bool has_advanced = false;
  while (const std::optional<EventTime::Advance> next = event_time_->Next()) {
    if (stopping()) return absl::OkStatus();
    has_advanced = has_progress_ = true;
    const int64_t before = event_time_->told(next->source_id);
    event_time_->SetTold(next->source_id, next->watermark);
    state_->Mark();
    const absl::Status called = guest_->ProcessWatermark(next->source_id, next->watermark);
    if (absl::IsAborted(called)) {
      state_->RollbackToMark();
      event_time_->SetTold(next->source_id, before);
      FS_RETURN_IF_ERROR(TakeCheckpoint());
      return Aborted("process_watermark() failed at watermark {} of source {}: {}", next->watermark, next->source_id, Message(called));
    }
    FS_RETURN_IF_ERROR(called);
    FS_RETURN_IF_ERROR(WriteEmitted());
  }
  if (has_advanced) AdvanceOutputs();
  return absl::OkStatus();
}

void Instance::AdvanceOutputs() {
  for (uint32_t source_id = 0; source_id < spec_.counters->source_watermarks_ms.size(); ++source_id) {
    spec_.counters->source_watermarks_ms[source_id].store(event_time_->told(source_id), std::memory_order_relaxed);
  }
  spec_.counters->watermark_ms.store(event_time_->least_told(), std::memory_order_relaxed);
  if (event_time_->is_carried()) stamps_->Begin();
  for (size_t channel = 0; channel < sinks_.size(); ++channel) {
    const int64_t watermark = event_time_->ForOutput(channel);
    if (watermark != EventTime::kNone) stamps_->Advance(channel, watermark);
  }
}

absl::Status Instance::WriteStamped(uint32_t channel, const OutputRecord& record) {
  const OutputRecord stamped = stamps_->Apply(channel, record);
  absl::Status status = WriteWaiting(channel, stamped);
  // A record that was checked without its stamp, and is too large by that, is written without.
  if (absl::IsInvalidArgument(status) && stamped.headers.size() > record.headers.size()) return WriteWaiting(channel, record);
  return status;
}

}  // namespace fs::task
