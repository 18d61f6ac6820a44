#include "state/size_limit.h"

#include <utility>

namespace fs::state {
namespace {

// How long a write waits for the compaction that it started.
constexpr absl::Duration kPatience = absl::Seconds(1);
// Pause after a compaction that freed less than half of the limit, in multiples of what it took.
constexpr int kRest = 9;

}  // namespace

SizeLimit::~SizeLimit() {
  is_cancelled_.store(true);
  thread_.Join();
}

void SizeLimit::Set(uint64_t bytes, LimitUse* use) {
  limit_bytes_ = bytes == 0 ? UINT64_MAX : bytes;
  use_ = use;
  bound_bytes_ = database_.stored_bytes();
}

bool SizeLimit::Fits(size_t pending_bytes) {
  bound_bytes_ = database_.stored_bytes();
  return bound_bytes_ + pending_bytes <= limit_bytes_;
}

absl::Status SizeLimit::Look(size_t pending_bytes) {
  bool has_changed = std::exchange(has_changed_, false);
  {
    absl::MutexLock lock(&mutex_);
    has_changed |= std::exchange(was_compacted_, false);
  }
  if (has_changed && Fits(pending_bytes)) return absl::OkStatus();
  if (Compacted() && Fits(pending_bytes)) return absl::OkStatus();
  if (use_ != nullptr) use_->Refused(Limit::kState);
  absl::MutexLock lock(&mutex_);
  return ResourceExhausted(
      "state: {} bytes are stored and {} wait to be, which is more than limits.state_mb ({} MiB) of the function's configuration; delete "
      "what is not needed{}, or raise the limit",
      bound_bytes_, pending_bytes, limit_bytes_ >> 20, is_compacting_ ? " (what was deleted is being cleared away)" : "");
}

bool SizeLimit::Compacted() {
  const absl::Time now = SteadyNow();
  absl::MutexLock lock(&mutex_);
  if (is_compacting_ || !is_compactable_ || now < next_compaction_) return false;
  // The one before has nothing left to do.
  thread_.Join();
  absl::StatusOr<Thread> thread = Thread::Start("compact-state", [this] { Compact(); });
  if (!thread.ok()) return false;
  thread_ = *std::move(thread);
  is_compactable_ = false;
  is_compacting_ = true;
  while (is_compacting_ && compacted_.WaitUntil(mutex_, now + kPatience)) {
  }
  return !is_compacting_;
}

void SizeLimit::Compact() {
  const absl::Time started = SteadyNow();
  // An error leaves everything as it was, and the next write of the state's own meets it.
  static_cast<void>(database_.Compact(is_cancelled_));
  const bool was_worth_it = database_.stored_bytes() <= limit_bytes_ / 2;
  absl::MutexLock lock(&mutex_);
  const absl::Time now = SteadyNow();
  next_compaction_ = was_worth_it ? now : now + kRest * (now - started);
  was_compacted_ = true;
  is_compacting_ = false;
  compacted_.SignalAll();
}

}  // namespace fs::state
