#include "server/end_limit.h"

#include <unistd.h>

#include <utility>

#include "observe/log.h"

namespace fs::server {

EndLimit::EndLimit(absl::Duration limit) {
  absl::StatusOr<Thread> thread = Thread::Start("end-limit", [this, limit] { Watch(limit); });
  if (thread.ok()) thread_ = *std::move(thread);
}

EndLimit::~EndLimit() {
  {
    const absl::MutexLock lock(&mutex_);
    has_ended_ = true;
    changed_.SignalAll();
  }
  thread_.Join();
}

void EndLimit::Watch(absl::Duration limit) {
  const absl::Time deadline = SteadyNow() + limit;
  {
    const absl::MutexLock lock(&mutex_);
    while (!has_ended_ && SteadyNow() < deadline) changed_.WaitUntil(mutex_, deadline);
    if (has_ended_) return;
  }
  observe::LogWarning("stopping: not all functions have ended after {}; what they have not committed comes again at the next start",
                      absl::FormatDuration(limit));
  // No destructors: other threads are in the middle of theirs.
  _exit(0);
}

}  // namespace fs::server
