#include "task/counters.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

namespace fs::task {
namespace {

constexpr absl::Duration kWindow = absl::Seconds(10);
constexpr absl::Duration kApart = absl::Seconds(1);

}  // namespace

InstanceCounters::InstanceCounters(size_t source_count, size_t input_count, size_t output_count)
    : inputs(input_count), outputs(output_count), source_watermarks_ms(source_count) {
  for (std::atomic<int64_t>& watermark : source_watermarks_ms) watermark.store(kNoTimestamp, std::memory_order_relaxed);
}

void CountCheckpoint(InstanceCounters& counters, uint64_t id, absl::Duration took, uint64_t bytes) {
  const double seconds = absl::ToDoubleSeconds(took);
  counters.checkpoint_seconds.Observe(seconds);
  counters.checkpoint_last_seconds.store(seconds, std::memory_order_relaxed);
  counters.checkpoint_last_bytes.store(bytes, std::memory_order_relaxed);
  counters.checkpoint_ms.store(absl::ToUnixMillis(absl::Now()), std::memory_order_relaxed);
  counters.checkpoint_id.store(id, std::memory_order_relaxed);
}

void Recent::Sample(absl::Time now, const InstanceCounters& counters) {
  if (!samples_.empty() && now - samples_.back().time < kApart) return;
  samples_.push_back({now, counters.processed.load(std::memory_order_relaxed), counters.emitted.load(std::memory_order_relaxed),
                      counters.message_seconds.Snapshot()});
  // One from before the window stays: the window is counted from it.
  while (samples_.size() > 1 && samples_[1].time <= now - kWindow) samples_.pop_front();
}

Rates Recent::Tell(absl::Time now, const InstanceCounters& counters) const {
  Rates rates;
  const observe::HistogramSnapshot all = counters.message_seconds.Snapshot();
  observe::HistogramSnapshot recent = all;
  if (!samples_.empty()) {
    const auto after = std::find_if(samples_.begin(), samples_.end(), [&](const At& at) { return at.time > now - kWindow; });
    const At& from = after == samples_.begin() ? *after : *(after - 1);
    // What was counted since an old sample was counted within the window: before it the function was idle, or there were newer ones.
    const double seconds = std::max(absl::ToDoubleSeconds(std::min(now - from.time, kWindow)), 0.001);
    rates.processed_per_second = static_cast<double>(counters.processed.load(std::memory_order_relaxed) - from.processed) / seconds;
    rates.emitted_per_second = static_cast<double>(counters.emitted.load(std::memory_order_relaxed) - from.emitted) / seconds;
    recent = all.Since(from.message_seconds);
  }
  rates.of = recent.total() > 0 ? recent : all;
  rates.SetPercentiles();
  return rates;
}

void Rates::SetPercentiles() {
  p50_seconds = of.Quantile(0.5);
  p95_seconds = of.Quantile(0.95);
  p99_seconds = of.Quantile(0.99);
}

}  // namespace fs::task
