// Lets a few functions load at a time, so that a server that starts a thousand does not hold the memory of a thousand that load.
//
// One per server, owned by the Supervisor, thread-safe. A turn is a courtesy: where nobody ends one for a while (user code may take long to
// import), the next goes ahead all the same, so no function can keep another from starting.
#ifndef FUNCTION_STREAM_TASK_START_GATE_H_
#define FUNCTION_STREAM_TASK_START_GATE_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>

#include "base/steady_clock.h"

namespace fs::task {

class StartGate {
 public:
  StartGate(uint32_t turns, absl::Duration patience) : turns_(turns), patience_(patience) {}

  // A turn for as long as it lives; waits for it, but not while nobody ends one for `patience`.
  class Turn {
   public:
    explicit Turn(StartGate& gate) : gate_(gate) { gate_.Enter(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { gate_.Leave(); }

   private:
    StartGate& gate_;
  };

 private:
  void Enter() {
    const absl::MutexLock lock(&mutex_);
    while (taken_ >= turns_) {
      const uint64_t ended = ended_;
      const bool is_timely = left_.WaitUntil(mutex_, SteadyNow() + patience_);
      if (!is_timely && ended == ended_) break;
    }
    ++taken_;
  }
  void Leave() {
    const absl::MutexLock lock(&mutex_);
    --taken_;
    ++ended_;
    left_.SignalOne();
  }

  const uint32_t turns_;
  const absl::Duration patience_;
  absl::Mutex mutex_;
  SteadyCondition left_;
  uint32_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_START_GATE_H_
