#include "task/retention.h"

#include <absl/strings/str_join.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "observe/log.h"

namespace fs::task {
namespace {

// How soon the end of a client is noticed.
constexpr absl::Duration kCancelSlice = absl::Milliseconds(250);
constexpr int kWarning = 30;

}  // namespace

Retention::Part::Part(Retention& retention, uint32_t instance, Waker& waker) : retention_(retention), instance_(instance), waker_(waker) {
  retention_.parts_[instance] = this;
}

Retention::Retention(const config::FunctionConfig& config, state::RetainedCheckpoints& checkpoints, uint32_t instances)
    : config_(config), checkpoints_(checkpoints), parts_(instances) {}

std::optional<absl::StatusOr<state::RetainedCheckpoint>> Retention::Ask(absl::Time deadline, const std::function<bool()>& is_cancelled) {
  const auto request = std::make_shared<Request>();
  absl::MutexLock lock(&mutex_);
  if (open_ == 0) return std::nullopt;
  requests_.push_back(request);
  AskParts();
  while (!request->is_over) {
    if (over_.WaitUntil(mutex_, std::min(deadline, SteadyNow() + kCancelSlice)) || request->is_over) continue;
    const bool is_late = SteadyNow() >= deadline;
    if (!is_late && !is_cancelled()) continue;
    const absl::Status late = Late(request.get());
    std::erase(requests_, request);
    if (round_ && round_->request == request && round_->missing > 0) GiveUp();
    AskParts();
    return is_late ? late : absl::CancelledError("the client has gone");
  }
  return std::move(request->answer);
}

absl::Status Retention::Late(const Request* request) const {
  std::vector<uint32_t> missing;
  if (parts_.size() > 1 && round_ && round_->request.get() == request) {
    for (uint32_t i = 0; i < parts_.size(); ++i) {
      if (round_->is_missing[i]) missing.push_back(i);
    }
  }
  const std::string whose = missing.empty() ? "" : fmt::format(" by instance {}", absl::StrJoin(missing, ", "));
  return DeadlineExceeded("no checkpoint was completed in time{}; describe_function tells what the function waits for", whose);
}

void Retention::Open() {
  absl::MutexLock lock(&mutex_);
  if (open_++ == 0) is_recovered_ = false;
  AskParts();
}

void Retention::Close(uint32_t instance) {
  absl::MutexLock lock(&mutex_);
  --open_;
  if (round_ && round_->is_missing[instance]) {
    // Who asked for it waits on: the function may go on, or is retained once it has ended.
    if (round_->request) requests_.push_front(round_->request);
    GiveUp();
  }
  if (open_ == 0) {
    for (const auto& request : std::exchange(requests_, {})) request->is_over = true;
    over_.SignalAll();
  }
  AskParts();
}

absl::Status Retention::Recover() {
  absl::MutexLock lock(&mutex_);
  if (is_recovered_) return absl::OkStatus();
  FS_RETURN_IF_ERROR(checkpoints_.Recover());
  is_recovered_ = true;
  // Starts do not bring more of the periodic ones: what counts is the last one's age.
  absl::Duration age = absl::ZeroDuration();
  for (const state::RetainedCheckpoint& checkpoint : checkpoints_.List()) {
    if (checkpoint.reason == state::RetainReason::kPeriodic) age = absl::Now() - absl::FromUnixMillis(checkpoint.created_ms);
  }
  due_ = SteadyNow() + config_.retained_checkpoint_interval - std::max(age, absl::ZeroDuration());
  return absl::OkStatus();
}

void Retention::AfterCheckpoint(Part& part, state::FunctionState& state, observe::FunctionLog& log) {
  size_t turns;
  {
    absl::MutexLock lock(&mutex_);
    // Of who asks from now on, none keeps the function from its work.
    turns = 1 + requests_.size();
  }
  for (; turns > 0; --turns) {
    const std::shared_ptr<Round> round = TakePart(part.instance_, log);
    if (!round) return;
    FinishPart(round, checkpoints_.MakePart(round->making, part.instance_, state), log);
  }
}

std::shared_ptr<Retention::Round> Retention::TakePart(uint32_t instance, observe::FunctionLog& log) {
  absl::MutexLock lock(&mutex_);
  if (!round_ && is_open() && (is_due() || !requests_.empty())) BeginRound(log);
  if (!round_ || !round_->is_missing[instance]) return nullptr;
  round_->is_missing[instance] = false;
  --round_->missing;
  ++round_->at_work;
  AskParts();
  return round_;
}

void Retention::BeginRound(observe::FunctionLog& log) {
  std::shared_ptr<Request> request;
  if (!requests_.empty()) {
    request = requests_.front();
    requests_.pop_front();
  } else {
    due_ = SteadyNow() + config_.retained_checkpoint_interval;
  }
  const auto making = checkpoints_.Begin(request ? state::RetainReason::kRequested : state::RetainReason::kPeriodic);
  if (making.ok()) {
    round_ = std::make_shared<Round>(Round{*making, request, std::vector<bool>(parts_.size(), true), parts_.size()});
  } else {
    if (!request && !checkpoints_.is_supported()) due_ = absl::InfiniteFuture();
    Tell(request, making.status(), log);
  }
  AskParts();
}

void Retention::FinishPart(const std::shared_ptr<Round>& round, const absl::Status& made, observe::FunctionLog& log) {
  {
    absl::MutexLock lock(&mutex_);
    if (!made.ok() && round_ == round) {
      GiveUp();
      Tell(round->request, made, log);
      AskParts();
    }
    const bool is_last = --round->at_work == 0;
    if (round_ != round) {
      if (is_last) checkpoints_.Abandon(round->making);
      return;
    }
    if (!is_last || round->missing > 0) return;
    ++round->at_work;
  }
  absl::StatusOr<state::RetainedCheckpoint> whole = checkpoints_.Complete(round->making);
  if (!whole.ok()) checkpoints_.Abandon(round->making);
  if (whole.ok() && !round->request) checkpoints_.Prune(config_.retained_checkpoints, config_.retained_checkpoint_max_age, absl::Now());
  absl::MutexLock lock(&mutex_);
  round_.reset();
  Tell(round->request, std::move(whole), log);
  AskParts();
}

void Retention::GiveUp() {
  if (round_->at_work == 0) checkpoints_.Abandon(round_->making);
  round_.reset();
}

void Retention::Tell(const std::shared_ptr<Request>& request, absl::StatusOr<state::RetainedCheckpoint> outcome,
                     observe::FunctionLog& log) {
  if (outcome.ok()) {
    observe::LogInfo("function {}: checkpoint {} retained ({} bytes)", config_.name, outcome->id, outcome->bytes);
  } else {
    observe::LogWarning("function {}: {}", config_.name, Message(outcome.status()));
    log.Write(kWarning, Message(outcome.status()));
  }
  if (!request) return;
  request->answer = std::move(outcome);
  request->is_over = true;
  over_.SignalAll();
}

void Retention::AskParts() {
  for (size_t i = 0; i < parts_.size(); ++i) {
    const bool is_asked = is_open() && (round_ ? round_->is_missing[i] : !requests_.empty());
    const bool was_asked = parts_[i]->is_asked_.exchange(is_asked, std::memory_order_acq_rel);
    if (is_asked && !was_asked) parts_[i]->waker_.Wake();
  }
}

}  // namespace fs::task
