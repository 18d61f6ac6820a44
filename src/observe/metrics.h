// Metrics in Prometheus' text format (version 0.0.4): what one is, and a scrape that is being written.
//
// Nothing is registered and nothing is kept: a scrape is made from what is there at the time, so that what is gone leaves no trace.
// A Metric is a constant; an Exposition belongs to one thread.
#ifndef FUNCTION_STREAM_OBSERVE_METRICS_H_
#define FUNCTION_STREAM_OBSERVE_METRICS_H_

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "observe/histogram.h"

namespace fs::observe {

enum class MetricType { kCounter, kGauge, kHistogram };
[[nodiscard]] std::string_view MetricTypeName(MetricType type);

struct Metric {
  std::string_view name;
  MetricType type;
  std::string_view help;
  std::array<std::string_view, 3> labels = {};  // the empty ones are not there
};

class Exposition {
 public:
  // `labels` are the values of the metric's labels, in their order. The metric must outlive this.
  void Add(const Metric& metric, std::initializer_list<std::string_view> labels, double value);
  void Add(const Metric& metric, std::initializer_list<std::string_view> labels, const HistogramSnapshot& histogram);

  // All of it, families in the order in which they came.
  [[nodiscard]] std::string Text() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Family {
    const Metric* metric;
    std::string samples;
  };
  std::string& SamplesOf(const Metric& metric);

  std::vector<Family> families_;
};

}  // namespace fs::observe

#endif  // FUNCTION_STREAM_OBSERVE_METRICS_H_
