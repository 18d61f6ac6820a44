// Who wants to know when a function's log has grown, and that it is over.
//
// Shared by the writer, the task and the followers, and outlives each: a function that is stopped has no writer, but may be followed. Any
// thread.
#ifndef FUNCTION_STREAM_OBSERVE_LOG_FOLLOWERS_H_
#define FUNCTION_STREAM_OBSERVE_LOG_FOLLOWERS_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace fs::observe {

class LogFollowers {
 public:
  // `on_growth` is called on the writer's thread with a lock held: be quick, wake somebody. After Remove no call is under way or will come.
  uint64_t Add(std::function<void()> on_growth) {
    absl::MutexLock lock(&mutex_);
    followers_[++last_] = std::move(on_growth);
    return last_;
  }
  void Remove(uint64_t follower) {
    absl::MutexLock lock(&mutex_);
    followers_.erase(follower);
  }

  void Notify() {
    absl::MutexLock lock(&mutex_);
    for (const auto& [number, on_growth] : followers_) on_growth();
  }
  // The function is dropped: nothing more will be written.
  void End() {
    is_over_.store(true, std::memory_order_release);
    Notify();
  }
  [[nodiscard]] bool is_over() const { return is_over_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> is_over_{false};
  absl::Mutex mutex_;
  std::map<uint64_t, std::function<void()>> followers_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace fs::observe

#endif  // FUNCTION_STREAM_OBSERVE_LOG_FOLLOWERS_H_
