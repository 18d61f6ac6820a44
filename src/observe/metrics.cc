#include "observe/metrics.h"

#include <fmt/format.h>

#include <cmath>

#include "base/utf8.h"

namespace fs::observe {
namespace {

void AppendNumber(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

void AppendEscaped(std::string_view text, bool is_label, std::string& out) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && is_label) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

// {function="etl",le="0.5"}
std::string LabelSet(const Metric& metric, std::initializer_list<std::string_view> values, std::string_view bound = {}) {
  std::string out;
  const auto append = [&out](std::string_view name, std::string_view value) {
    out += out.empty() ? '{' : ',';
    out += name;
    out += "=\"";
    AppendEscaped(ToUtf8(value), true, out);
    out += '"';
  };
  size_t index = 0;
  for (const std::string_view value : values) append(metric.labels.at(index++), value);
  if (!bound.empty()) append("le", bound);
  if (!out.empty()) out += '}';
  return out;
}

}  // namespace

std::string_view MetricTypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "untyped";
}

std::string& Exposition::SamplesOf(const Metric& metric) {
  for (Family& family : families_) {
    if (family.metric == &metric) return family.samples;
  }
  return families_.emplace_back(Family{&metric, {}}).samples;
}

void Exposition::Add(const Metric& metric, std::initializer_list<std::string_view> labels, double value) {
  std::string& out = SamplesOf(metric);
  out += metric.name;
  out += LabelSet(metric, labels);
  out += ' ';
  AppendNumber(value, out);
  out += '\n';
}

void Exposition::Add(const Metric& metric, std::initializer_list<std::string_view> labels, const HistogramSnapshot& histogram) {
  std::string& out = SamplesOf(metric);
  uint64_t count = 0;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    count += histogram.counts[i];
    const std::string bound = i < histogram.bounds.size() ? fmt::format("{}", histogram.bounds[i]) : "+Inf";
    fmt::format_to(std::back_inserter(out), "{}_bucket{} {}\n", metric.name, LabelSet(metric, labels, bound), count);
  }
  const std::string set = LabelSet(metric, labels);
  fmt::format_to(std::back_inserter(out), "{}_sum{} ", metric.name, set);
  AppendNumber(histogram.sum, out);
  fmt::format_to(std::back_inserter(out), "\n{}_count{} {}\n", metric.name, set, count);
}

std::string Exposition::Text() const {
  std::string out;
  for (const Family& family : families_) {
    out += "# HELP ";
    out += family.metric->name;
    out += ' ';
    AppendEscaped(family.metric->help, false, out);
    fmt::format_to(std::back_inserter(out), "\n# TYPE {} {}\n", family.metric->name, MetricTypeName(family.metric->type));
    out += family.samples;
  }
  return out;
}

}  // namespace fs::observe
