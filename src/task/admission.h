// How many functions may run at one time, and with how much memory together: asked at each start.
//
// One per server, owned by the Supervisor, thread-safe. What counts is what a function may use (limits.memory_mb), not what it uses: what
// was let in can then take it.
#ifndef FUNCTION_STREAM_TASK_ADMISSION_H_
#define FUNCTION_STREAM_TASK_ADMISSION_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace fs::task {

// A limit of the server as a whole, for /metrics.
struct ServerLimit {
  std::string_view key;  // under `limits:` of the server's configuration
  double used = 0;
  double allowed = 0;  // 0: no limit
  uint64_t refused = 0;
};

class Admission {
 public:
  Admission(uint32_t limit_running, uint64_t limit_memory_bytes) : limit_running_(limit_running), limit_memory_bytes_(limit_memory_bytes) {}

  // Held while a function runs.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : admission_(std::exchange(other.admission_, nullptr)), memory_bytes_(other.memory_bytes_) {}
    Place& operator=(Place&& other) noexcept;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { Leave(); }
    void Leave();

   private:
    friend class Admission;
    Place(Admission& admission, uint64_t memory_bytes) : admission_(&admission), memory_bytes_(memory_bytes) {}
    Admission* admission_ = nullptr;
    uint64_t memory_bytes_ = 0;
  };

  // kResourceExhausted naming the limit and what is used of it.
  [[nodiscard]] absl::StatusOr<Place> Enter(uint64_t memory_bytes);

  [[nodiscard]] std::pair<ServerLimit, ServerLimit> limits() const;

 private:
  const uint32_t limit_running_;
  const uint64_t limit_memory_bytes_;  // 0: none
  mutable absl::Mutex mutex_;
  uint32_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t memory_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t refused_running_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t refused_memory_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_ADMISSION_H_
