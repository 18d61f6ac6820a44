#include "state/cache_budget.h"

#include <algorithm>
#include <utility>

namespace fs::state {
namespace {

// Of blocks looked for, before their share is judged.
constexpr uint64_t kLooks = 10'000;
// A compaction makes all blocks of its tables new, so some are always read. In percent.
constexpr uint64_t kManyRead = 10;
constexpr uint64_t kFewRead = 5;
constexpr uint32_t kMostPatience = 1024;

}  // namespace

CacheBudget::CacheBudget(size_t bytes, std::shared_ptr<rocksdb::Cache> blocks)
    : bytes_(bytes), blocks_(std::move(blocks)), share_(bytes - bytes / 4) {}

bool CacheBudget::Take(size_t bytes) {
  const absl::MutexLock lock(&mutex_);
  if (taken_ + bytes > share_) return false;
  taken_ += bytes;
  Moved();
  return true;
}

void CacheBudget::GiveBack(size_t bytes) {
  const absl::MutexLock lock(&mutex_);
  taken_ -= bytes;
  Moved();
}

void CacheBudget::Moved() {
  is_exceeded_.store(taken_ > share_, std::memory_order_relaxed);
  blocks_->SetCapacity(bytes_ - taken_);
}

void CacheBudget::Looked(uint64_t found, uint64_t read) {
  const absl::MutexLock lock(&mutex_);
  found_ += found;
  read_ += read;
  const uint64_t looks = found_ + read_;
  if (looks < kLooks) return;
  const uint64_t percent = read_ * 100 / looks;
  found_ = read_ = 0;
  if (percent >= kManyRead) {
    calm_ = 0;
    if (share_ > bytes_ / 4) patience_ = std::min(patience_ * 2, kMostPatience);
    share_ = std::max(share_ - bytes_ / 16, bytes_ / 4);
    is_exceeded_.store(taken_ > share_, std::memory_order_relaxed);
  } else if (percent >= kFewRead) {
    calm_ = 0;
  } else if (++calm_ >= patience_) {
    calm_ = 0;
    share_ = std::min(share_ + bytes_ / 32, bytes_ - bytes_ / 8);
  }
}

}  // namespace fs::state
