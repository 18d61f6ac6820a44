// The Instance's calls of hooks that no message asks for.
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
    const absl::Status end = answer.status();
    spec_.calls->Answer(request, absl::IsCancelled(end)
                                     ? absl::AlreadyExistsError("it was stopped while custom() ran; nothing of it counts")
                                     : WithContext(end, "custom() ended the instance, which starts again"));
    return end;
  }
  absl::Status failure = answer.status();
  if (failure.ok() && answer->size() > Calls::kMaxAnswerBytes) {
    failure = InvalidArgument("custom() answered {} bytes; the limit is {}", answer->size(), Calls::kMaxAnswerBytes);
  }
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
  const absl::Status written = WriteEmitted();
  if (!written.ok()) {
    spec_.calls->Answer(request, WithContext(written, "custom() emitted, and that could not be written; nothing of it counts"));
    return written;
  }
  spec_.calls->Answer(request, std::move(answer));
  return absl::OkStatus();
}

}  // namespace fs::task
