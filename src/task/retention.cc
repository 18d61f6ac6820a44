#include "task/retention.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "base/steady_clock.h"
#include "observe/log.h"

namespace fs::task {
namespace {

// How soon the end of a client is noticed.
constexpr absl::Duration kCancelSlice = absl::Milliseconds(250);
constexpr int kWarning = 30;

}  // namespace

std::optional<absl::StatusOr<state::RetainedCheckpoint>> Retention::Ask(absl::Time deadline, const std::function<bool()>& is_cancelled) {
  const auto request = std::make_shared<Request>();
  {
    absl::MutexLock lock(&mutex_);
    if (!is_open_) return std::nullopt;
    requests_.push_back(request);
    is_asked_.store(true, std::memory_order_release);
  }
  waker_.Wake();
  absl::MutexLock lock(&mutex_);
  while (!request->is_over) {
    if (over_.WaitUntil(mutex_, std::min(deadline, SteadyNow() + kCancelSlice)) || request->is_over) continue;
    const bool is_late = SteadyNow() >= deadline;
    if (!is_late && !is_cancelled()) continue;
    std::erase(requests_, request);
    is_asked_.store(!requests_.empty(), std::memory_order_release);
    if (!is_late) return absl::CancelledError("the client has gone");
    return DeadlineExceeded("no checkpoint was completed in time; describe_function tells what the function waits for");
  }
  return std::move(request->answer);
}

void Retention::Open() {
  absl::MutexLock lock(&mutex_);
  is_open_ = true;
}

void Retention::Close() {
  absl::MutexLock lock(&mutex_);
  is_open_ = false;
  is_asked_.store(false, std::memory_order_release);
  for (const auto& request : std::exchange(requests_, {})) request->is_over = true;
  over_.SignalAll();
}

void Retention::Begin() {
  if (!is_periodic()) return;
  // Restarts do not bring more of them: what counts is the last one's age.
  absl::Duration age = absl::ZeroDuration();
  for (const state::RetainedCheckpoint& checkpoint : checkpoints_.List()) {
    if (checkpoint.reason == state::RetainReason::kPeriodic) age = absl::Now() - absl::FromUnixMillis(checkpoint.created_ms);
  }
  due_ = SteadyNow() + config_.retained_checkpoint_interval - std::max(age, absl::ZeroDuration());
}

void Retention::AfterCheckpoint(state::FunctionState& state, observe::FunctionLog& log) {
  if (is_asked()) {
    std::vector<std::shared_ptr<Request>> requests;
    {
      absl::MutexLock lock(&mutex_);
      requests = std::exchange(requests_, {});
      is_asked_.store(false, std::memory_order_release);
    }
    for (const auto& request : requests) {
      auto made = Make(state, state::RetainReason::kRequested, log);
      absl::MutexLock lock(&mutex_);
      request->answer = std::move(made);
      request->is_over = true;
      over_.SignalAll();
    }
  }
  const absl::Time now = SteadyNow();
  if (now < due_ || !is_periodic()) return;
  due_ = now + config_.retained_checkpoint_interval;
  if (Make(state, state::RetainReason::kPeriodic, log).ok()) {
    checkpoints_.Prune(config_.retained_checkpoints, config_.retained_checkpoint_max_age, absl::Now());
  } else if (!checkpoints_.is_supported()) {
    due_ = absl::InfiniteFuture();
  }
}

absl::StatusOr<state::RetainedCheckpoint> Retention::Make(state::FunctionState& state, state::RetainReason reason,
                                                          observe::FunctionLog& log) {
  auto made = checkpoints_.Make(state, reason);
  if (made.ok()) {
    observe::LogInfo("function {}: checkpoint {} retained ({} bytes)", config_.name, made->id, made->bytes);
  } else {
    observe::LogWarning("function {}: {}", config_.name, Message(made.status()));
    log.Write(kWarning, Message(made.status()));
  }
  return made;
}

}  // namespace fs::task
