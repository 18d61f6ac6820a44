// How one thread tells another that there is something to do: the instance's thread waits, everyone else wakes it.
//
// Wake() may be called by any thread, also from callbacks of C libraries (it does not throw and takes one short lock). A wake
// that comes before the wait is not lost.
#ifndef FUNCTION_STREAM_BASE_WAKER_H_
#define FUNCTION_STREAM_BASE_WAKER_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>

#include "base/steady_clock.h"

namespace fs {

class Waker {
 public:
  void Wake() noexcept {
    if (woken_.exchange(true, std::memory_order_acq_rel)) return;
    absl::MutexLock lock(&mutex_);
    condition_.SignalAll();
  }

  // Returns at the next Wake(), at once if there was one since the last wait, or at the deadline (SteadyNow's). One waiting thread.
  void WaitUntil(absl::Time deadline) {
    absl::MutexLock lock(&mutex_);
    while (!woken_.load(std::memory_order_acquire)) {
      if (!condition_.WaitUntil(mutex_, deadline)) break;
    }
    woken_.store(false, std::memory_order_release);
  }

  // True once after a wake, without waiting.
  bool TakeWake() { return woken_.exchange(false, std::memory_order_acq_rel); }

 private:
  std::atomic<bool> woken_{false};
  absl::Mutex mutex_;
  SteadyCondition condition_;
};

}  // namespace fs

#endif  // FUNCTION_STREAM_BASE_WAKER_H_
