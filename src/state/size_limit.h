// Holds a state to limits.state_mb, at the price of an addition and a comparison a write.
//
// Owned by a State, used on its thread. What is known of the database's size is an upper bound: what it held at the last look, and what was
// written since. Only when that reaches the limit RocksDB is asked; and when it, too, says that all is used, much of it may have been
// overwritten or deleted long ago: then the database is compacted, by a thread that lives as long as that takes. The write that started it
// waits for a second at most, so that a small state has its answer at once; a large one stays over its limit until the thread is done.
// A state that is really full would have itself compacted again and again: at most a tenth of the time.
#ifndef FUNCTION_STREAM_STATE_SIZE_LIMIT_H_
#define FUNCTION_STREAM_STATE_SIZE_LIMIT_H_

#include <absl/time/time.h>

#include <atomic>
#include <cstdint>

#include "base/limits.h"
#include "base/status.h"
#include "base/steady_clock.h"
#include "base/thread.h"
#include "state/database.h"

namespace fs::state {

class SizeLimit {
 public:
  explicit SizeLimit(Database& database) : database_(database) {}
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;
  ~SizeLimit();

  void Set(uint64_t bytes, LimitUse* use);
  // A batch of that size was committed.
  void Wrote(size_t bytes) {
    bound_bytes_ += bytes;
    has_changed_ = is_compactable_ = true;
  }
  // `pending_bytes` are uncommitted, the write in question included. kResourceExhausted naming the limit. Hot path.
  [[nodiscard]] absl::Status Check(size_t pending_bytes) {
    if (bound_bytes_ + pending_bytes <= limit_bytes_) [[likely]]
      return absl::OkStatus();
    return Look(pending_bytes);
  }

 private:
  absl::Status Look(size_t pending_bytes);
  [[nodiscard]] bool Fits(size_t pending_bytes);
  // Compacts in the background and waits for a moment, unless it was done lately. Whether it is done.
  bool Compacted();
  void Compact();

  Database& database_;
  uint64_t limit_bytes_ = UINT64_MAX;
  uint64_t bound_bytes_ = 0;
  bool has_changed_ = true;     // since the last look
  bool is_compactable_ = true;  // something was written since the last compaction began
  LimitUse* use_ = nullptr;

  std::atomic<bool> is_cancelled_{false};
  absl::Mutex mutex_;
  SteadyCondition compacted_;
  bool is_compacting_ ABSL_GUARDED_BY(mutex_) = false;
  bool was_compacted_ ABSL_GUARDED_BY(mutex_) = false;  // since the last look
  absl::Time next_compaction_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  Thread thread_;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_SIZE_LIMIT_H_
