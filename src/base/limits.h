// The limits that a function is held to: their names, how much of each was used, and how often one was met.
//
// A name is the key under `limits:` of the function's configuration; errors, metrics and documents use no other. LimitUse is of one
// function: written by whoever enforces a limit (its instance's thread, and writers of its log), read by any.
#ifndef FUNCTION_STREAM_BASE_LIMITS_H_
#define FUNCTION_STREAM_BASE_LIMITS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fs {

enum class Limit : uint8_t {
  kMemory,
  kProcessTimeout,
  kBatchTimeout,
  kOutput,
  kCustom,
  kCheckpoint,
  kState,
  kStores,
  kIterators,
  kLogLines,
  kLogBytes,
};
inline constexpr std::array<std::string_view, 11> kLimitKeys = {"memory_mb", "process_timeout_ms",   "batch_timeout_ms", "output_mb",
                                                                "custom_mb", "checkpoint_mb",        "state_mb",         "stores",
                                                                "iterators", "log_lines_per_second", "log_kb_per_second"};
inline constexpr size_t kLimitCount = kLimitKeys.size();
[[nodiscard]] constexpr std::string_view KeyOf(Limit limit) { return kLimitKeys[static_cast<size_t>(limit)]; }

class LimitUse {
 public:
  void Refused(Limit limit) { refused_[static_cast<size_t>(limit)].fetch_add(1, std::memory_order_relaxed); }

  // Keeps the most that was seen.
  void Saw(Limit limit, double used, double allowed) {
    std::atomic<double>& most = most_[static_cast<size_t>(limit)];
    if (const double ratio = used / allowed; ratio > most.load(std::memory_order_relaxed)) most.store(ratio, std::memory_order_relaxed);
  }
  // For what can become less again.
  void IsNow(Limit limit, double used, double allowed) {
    most_[static_cast<size_t>(limit)].store(used / allowed, std::memory_order_relaxed);
  }

  [[nodiscard]] uint64_t refused(Limit limit) const { return refused_[static_cast<size_t>(limit)].load(std::memory_order_relaxed); }
  [[nodiscard]] double used(Limit limit) const { return most_[static_cast<size_t>(limit)].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint64_t>, kLimitCount> refused_ = {};
  std::array<std::atomic<double>, kLimitCount> most_ = {};
};

}  // namespace fs

#endif  // FUNCTION_STREAM_BASE_LIMITS_H_
