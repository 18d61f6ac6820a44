// How often something took how long: counts by bucket, which any thread may read while one writes.
//
// Written by one thread or many without a lock; a snapshot taken while somebody writes may lack what is being added, never tear a number.
#ifndef FUNCTION_STREAM_OBSERVE_HISTOGRAM_H_
#define FUNCTION_STREAM_OBSERVE_HISTOGRAM_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace fs::observe {

// Upper bounds of buckets, in seconds: of what a message takes, and of what a checkpoint takes.
[[nodiscard]] std::span<const double> MessageSeconds();
[[nodiscard]] std::span<const double> CheckpointSeconds();

struct HistogramSnapshot {
  std::span<const double> bounds;
  std::vector<uint64_t> counts;  // by bucket, one more than bounds: what is above all of them
  double sum = 0;

  [[nodiscard]] uint64_t total() const;
  // The value below which this part (0 to 1) of all lies, guessed evenly within its bucket; none when nothing was counted.
  [[nodiscard]] std::optional<double> Quantile(double part) const;
  // What was counted since `earlier`, a snapshot of the same histogram.
  [[nodiscard]] HistogramSnapshot Since(const HistogramSnapshot& earlier) const;
  // Adds what another histogram of the same bounds has counted.
  void Add(const HistogramSnapshot& other);
};

class Histogram {
 public:
  // `bounds` ascend and outlive the histogram.
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {}

  // `count` times `value`.
  void Observe(double value, uint64_t count = 1);
  [[nodiscard]] HistogramSnapshot Snapshot() const;

 private:
  std::span<const double> bounds_;
  std::vector<std::atomic<uint64_t>> counts_;
  std::atomic<double> sum_{0};
};

}  // namespace fs::observe

#endif  // FUNCTION_STREAM_OBSERVE_HISTOGRAM_H_
