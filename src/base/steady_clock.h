// The clock of deadlines and intervals, and waiting by it: setting the machine's clock neither ends a wait early nor makes it last.
//
// absl waits by the machine's clock, so nothing that waits for a time uses absl::CondVar or AwaitWithDeadline. Any thread.
#ifndef FUNCTION_STREAM_BASE_STEADY_CLOCK_H_
#define FUNCTION_STREAM_BASE_STEADY_CLOCK_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <chrono>
#include <condition_variable>

namespace fs {

// Counted from an arbitrary start: it says nothing about the date, and means nothing to another process.
[[nodiscard]] inline absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

// A condition of a state that an absl::Mutex guards. As with any: look at the state again after a wait.
class SteadyCondition {
 public:
  void SignalAll() noexcept { condition_.notify_all(); }
  void SignalOne() noexcept { condition_.notify_one(); }

  void Wait(absl::Mutex& mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Lockable lockable{mutex};
    condition_.wait(lockable);
  }

  // False: the deadline came first.
  bool WaitUntil(absl::Mutex& mutex, std::chrono::steady_clock::time_point deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Lockable lockable{mutex};
    return condition_.wait_until(lockable, deadline) == std::cv_status::no_timeout;
  }
  bool WaitUntil(absl::Mutex& mutex, absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const std::chrono::nanoseconds since = absl::ToChronoNanoseconds(deadline - absl::UnixEpoch());
    return WaitUntil(mutex, std::chrono::steady_clock::time_point(since));
  }

 private:
  struct Lockable {
    absl::Mutex& mutex;
    void lock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex.Lock(); }
    void unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex.Unlock(); }
  };

  std::condition_variable_any condition_;
};

}  // namespace fs

#endif  // FUNCTION_STREAM_BASE_STEADY_CLOCK_H_
