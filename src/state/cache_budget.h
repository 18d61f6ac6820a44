// The memory for what is read again: the overlays' committed values on one side, RocksDB's blocks of tables on the other.
//
// One for all states of a server, owned by the Environment. Thread-safe; is_exceeded() and a Take() in vain cost a load.
// An overlay's entry answers a read for itself. A block answers hundreds, but each of them has to go through RocksDB; where blocks do not
// fit, reads take several times as long. So overlays have the larger share as long as nearly all looks for a block find it. They lose some
// whenever many do not though the blocks' own share is full, and are tried with more again later, each time after twice as long.
#ifndef FUNCTION_STREAM_STATE_CACHE_BUDGET_H_
#define FUNCTION_STREAM_STATE_CACHE_BUDGET_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <rocksdb/cache.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace fs::state {

class CacheBudget {
 public:
  // Blocks have what overlays leave: an eighth of `bytes` at least. Overlays may always have a quarter.
  CacheBudget(size_t bytes, std::shared_ptr<rocksdb::Cache> blocks);

  // For an overlay; false: there is no more to be had.
  [[nodiscard]] bool Take(size_t bytes);
  void GiveBack(size_t bytes);
  // Overlays have more than their share now: whoever comes next with new entries gives some back.
  [[nodiscard]] bool is_exceeded() const { return left_.load(std::memory_order_relaxed) < 0; }

  // So many looks for a block found it in memory, so many read it from its file.
  void Looked(uint64_t found, uint64_t read);

 private:
  void Moved() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool IsFullOfBlocks() const;

  const size_t bytes_;
  const std::shared_ptr<rocksdb::Cache> blocks_;
  std::atomic<int64_t> left_;  // of the overlays' share

  absl::Mutex mutex_;
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t share_ ABSL_GUARDED_BY(mutex_);  // of the overlays
  // Since the share was last looked at.
  uint64_t found_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t read_ ABSL_GUARDED_BY(mutex_) = 0;
  // Looks in which nearly all blocks were found: so many in a row, of so many that it takes for a larger share.
  uint32_t calm_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t patience_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_CACHE_BUDGET_H_
