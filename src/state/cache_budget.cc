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
    : bytes_(bytes), blocks_(std::move(blocks)), left_(static_cast<int64_t>(bytes - bytes / 4)), share_(bytes - bytes / 4) {}

bool CacheBudget::Take(size_t bytes) {
  if (left_.load(std::memory_order_relaxed) < static_cast<int64_t>(bytes)) return false;
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
  left_.store(static_cast<int64_t>(share_) - static_cast<int64_t>(taken_), std::memory_order_relaxed);
  blocks_->SetCapacity(bytes_ - taken_);
}

// Where it is not, a larger one would have had to read the same blocks, each for the first time.
bool CacheBudget::IsFullOfBlocks() const { return blocks_->GetUsage() >= blocks_->GetCapacity() / 8 * 7; }

void CacheBudget::Looked(uint64_t found, uint64_t read) {
  const absl::MutexLock lock(&mutex_);
  found_ += found;
  read_ += read;
  const uint64_t looks = found_ + read_;
  if (looks < kLooks) return;
  const uint64_t percent = read_ * 100 / looks;
  found_ = read_ = 0;
  calm_ = percent < kFewRead ? calm_ + 1 : 0;
  if (calm_ >= patience_) {
    calm_ = 0;
    share_ = std::min(share_ + bytes_ / 32, bytes_ - bytes_ / 8);
  } else if (percent >= kManyRead && share_ > bytes_ / 4 && IsFullOfBlocks()) {
    patience_ = std::min(patience_ * 2, kMostPatience);
    share_ = std::max(share_ - bytes_ / 16, bytes_ / 4);
  }
  Moved();
}

}  // namespace fs::state
