#include "observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <thread>
#include <vector>

#include "observe/histogram.h"

namespace fs::observe {
namespace {

TEST(Exposition, FamilyHasItsSamplesTogetherAfterHelpAndType) {
  const Metric requests{"requests_total", MetricType::kCounter, "All \\ of\nthem.", {"method"}};
  const Metric size{"size_bytes", MetricType::kGauge, "Size.", {}};
  Exposition out;
  out.Add(requests, {"a"}, 1);
  out.Add(size, {}, std::numeric_limits<double>::infinity());
  out.Add(requests, {"b\"\\\n\xff"}, 1e15);
  EXPECT_EQ(out.Text(),
            "# HELP requests_total All \\\\ of\\nthem.\n# TYPE requests_total counter\n"
            "requests_total{method=\"a\"} 1\nrequests_total{method=\"b\\\"\\\\\\n\xef\xbf\xbd\"} 1000000000000000\n"
            "# HELP size_bytes Size.\n# TYPE size_bytes gauge\nsize_bytes +Inf\n");
}

TEST(Exposition, HistogramIsCumulative) {
  static constexpr std::array kBounds = {0.5, 1.0};
  Histogram histogram(kBounds);
  histogram.Observe(0.5, 3);
  histogram.Observe(0.75);
  histogram.Observe(9);
  const Metric metric{"seconds", MetricType::kHistogram, "Time.", {"f"}};
  Exposition out;
  out.Add(metric, {"x"}, histogram.Snapshot());
  EXPECT_EQ(out.Text(),
            "# HELP seconds Time.\n# TYPE seconds histogram\nseconds_bucket{f=\"x\",le=\"0.5\"} 3\nseconds_bucket{f=\"x\",le=\"1\"} 4\n"
            "seconds_bucket{f=\"x\",le=\"+Inf\"} 5\nseconds_sum{f=\"x\"} 11.25\nseconds_count{f=\"x\"} 5\n");
}

TEST(Histogram, QuantilesLieInTheRightBucket) {
  Histogram histogram(MessageSeconds());
  EXPECT_FALSE(histogram.Snapshot().Quantile(0.5).has_value());
  histogram.Observe(0.002, 90);
  histogram.Observe(0.2, 10);
  const HistogramSnapshot snapshot = histogram.Snapshot();
  EXPECT_GT(*snapshot.Quantile(0.5), 0.001);
  EXPECT_LE(*snapshot.Quantile(0.5), 0.0025);
  EXPECT_GT(*snapshot.Quantile(0.99), 0.1);
  EXPECT_LE(*snapshot.Quantile(0.99), 0.25);
  histogram.Observe(1000);
  EXPECT_EQ(*histogram.Snapshot().Since(snapshot).Quantile(0.5), 30.0);
}

TEST(Histogram, ManyThreadsLoseNothing) {
  Histogram histogram(MessageSeconds());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) histogram.Observe(1e-3 * (i % 7), 2);
    });
  }
  for (int i = 0; i < 100; ++i) EXPECT_LE(histogram.Snapshot().total(), 80'000u);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(histogram.Snapshot().total(), 80'000u);
}

}  // namespace
}  // namespace fs::observe
