#include "observe/histogram.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace fs::observe {

std::span<const double> MessageSeconds() {
  static constexpr std::array kBounds = {1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3,
                                         0.01, 0.025,  0.05, 0.1,  0.25,   0.5,  1.0,  2.5,    5.0,  10.0, 30.0};
  return kBounds;
}

std::span<const double> CheckpointSeconds() {
  static constexpr std::array kBounds = {1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0};
  return kBounds;
}

uint64_t HistogramSnapshot::total() const { return std::accumulate(counts.begin(), counts.end(), uint64_t{0}); }

std::optional<double> HistogramSnapshot::Quantile(double part) const {
  const uint64_t all = total();
  if (all == 0) return std::nullopt;
  const double rank = part * static_cast<double>(all);
  double below = 0;
  for (size_t i = 0; i < bounds.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= rank) {
      const double lower = i == 0 ? 0 : bounds[i - 1];
      return lower + (bounds[i] - lower) * std::max(0.0, rank - below) / here;
    }
    below += here;
  }
  return bounds.empty() ? 0 : bounds.back();
}

HistogramSnapshot HistogramSnapshot::Since(const HistogramSnapshot& earlier) const {
  HistogramSnapshot since = *this;
  for (size_t i = 0; i < since.counts.size() && i < earlier.counts.size(); ++i) {
    since.counts[i] -= std::min(since.counts[i], earlier.counts[i]);
  }
  since.sum = std::max(0.0, since.sum - earlier.sum);
  return since;
}

void HistogramSnapshot::Add(const HistogramSnapshot& other) {
  for (size_t i = 0; i < counts.size() && i < other.counts.size(); ++i) counts[i] += other.counts[i];
  sum += other.sum;
}

void Histogram::Observe(double value, uint64_t count) {
  const auto bucket = static_cast<size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
  counts_[bucket].fetch_add(count, std::memory_order_relaxed);
  sum_.fetch_add(value * static_cast<double>(count), std::memory_order_relaxed);
}

HistogramSnapshot Histogram::Snapshot() const {
  HistogramSnapshot snapshot;
  snapshot.bounds = bounds_;
  snapshot.counts.reserve(counts_.size());
  for (const std::atomic<uint64_t>& count : counts_) snapshot.counts.push_back(count.load(std::memory_order_relaxed));
  snapshot.sum = sum_.load(std::memory_order_relaxed);
  return snapshot;
}

}  // namespace fs::observe
