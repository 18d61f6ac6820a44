#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

namespace fs::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

task::Description Busy(std::string name) {
  task::Description one;
  one.name = std::move(name);
  one.status = task::Status::kRunning;
  one.inputs = {{0, "in", 7, 70}};
  one.outputs = {{0, "out", 5, 50}};
  one.positions = {{0, 0, "in", 3, 40, 50}, {0, 0, "in", 4, 9, std::nullopt}};
  one.limits[static_cast<size_t>(Limit::kState)] = {0.25, 4};
  one.watermark_ms = 1'700'000'000'250;
  one.source_watermarks_ms = {1'700'000'000'250, std::nullopt};
  one.observed_ms = 1'700'000'001'000;
  one.checkpoint = {.id = 2, .time_ms = 1'700'000'000'500, .seconds = 0.01, .bytes = 99};
  one.message_seconds = observe::Histogram(observe::MessageSeconds()).Snapshot();
  one.checkpoint_seconds = observe::Histogram(observe::CheckpointSeconds()).Snapshot();
  return one;
}

std::string Scrape(const std::vector<task::Description>& functions) {
  observe::Exposition out;
  CollectFunctions(functions, out);
  CollectLimits({{{"functions", 3, 12, 1}, {"total_memory_mb", 512, 0, 0}}}, out);
  CollectServer({"1.2.3", "3.13", absl::Now()}, {}, {{{"ShowFunctions", 200}, 3}}, out);
  CollectProcess(out);
  return out.Text();
}

// Every row `| `name` | type | labels | help |` of docs/operations.md.
TEST(Metrics, TheDocumentedTableIsTheCodes) {
  std::ifstream document(FS_SOURCE_DIR "/docs/operations.md");
  std::vector<std::string> rows;
  bool is_inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("## ")) is_inside = line == "## Metrics";
    if (!is_inside) continue;
    if (line.starts_with("| `function_stream_") || line.starts_with("| `process_")) rows.push_back(line);
  }
  std::vector<std::string> expected;
  for (const observe::Metric* metric : AllMetrics()) {
    std::string labels;
    for (const std::string_view label : metric->labels) {
      if (!label.empty()) labels += fmt::format("{}`{}`", labels.empty() ? "" : ", ", label);
    }
    expected.push_back(fmt::format("| `{}` | {} | {} | {} |", metric->name, observe::MetricTypeName(metric->type), labels, metric->help));
  }
  EXPECT_EQ(rows, expected) << "the table should be:\n" << fmt::format("{}", fmt::join(expected, "\n"));
}

TEST(Metrics, EveryMetricOfTheTableIsTold) {
  const std::string text = Scrape({Busy("f")});
  for (const observe::Metric* metric : AllMetrics()) EXPECT_THAT(text, HasSubstr(fmt::format("# TYPE {} ", metric->name)));
}

TEST(Metrics, NamesFollowPrometheusConventions) {
  for (const observe::Metric* metric : AllMetrics()) {
    const std::string name(metric->name);
    EXPECT_THAT(name, ::testing::MatchesRegex("(function_stream|process)(_[a-z0-9]+)+"));
    EXPECT_EQ(name.ends_with("_total"), metric->type == observe::MetricType::kCounter) << name;
    EXPECT_THAT(name, Not(::testing::ContainsRegex("_(ms|millis|milliseconds|micros|kb|mb)(_|$)")));
    EXPECT_TRUE(metric->help.ends_with('.')) << name;
  }
}

TEST(Metrics, AFunctionTellsTrafficPositionAndLag) {
  const std::string text = Scrape({Busy("f")});
  for (const char* line :
       {"function_stream_function_status{function=\"f\",status=\"RUNNING\"} 1\n",
        "function_stream_function_status{function=\"f\",status=\"FAILED\"} 0\n",
        "function_stream_function_processed_messages_total{function=\"f\",input=\"0\"} 7\n",
        "function_stream_function_emitted_bytes_total{function=\"f\",channel=\"0\"} 50\n",
        "function_stream_function_position{function=\"f\",input=\"0\",partition=\"3\"} 40\n",
        "function_stream_function_lag_messages{function=\"f\",input=\"0\",partition=\"3\"} 10\n",
        "function_stream_function_last_checkpoint_timestamp_seconds{function=\"f\"} 1700000000.5\n",
        "function_stream_function_limit_used_ratio{function=\"f\",limit=\"state_mb\"} 0.25\n",
        "function_stream_function_limit_refusals_total{function=\"f\",limit=\"state_mb\"} 4\n",
        "function_stream_function_limit_refusals_total{function=\"f\",limit=\"memory_mb\"} 0\n",
        "function_stream_limit_used_ratio{limit=\"functions\"} 0.25\n", "function_stream_limit_refusals_total{limit=\"functions\"} 1\n",
        "function_stream_limit_refusals_total{limit=\"total_memory_mb\"} 0\n", "function_stream_functions{status=\"RUNNING\"} 1\n",
        "function_stream_grpc_requests_total{method=\"ShowFunctions\",code=\"200\"} 3\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("function_stream_limit_used_ratio{limit=\"total_memory_mb\"}")));
  // An end that is not known gives no lag, rather than one that says that all is well.
  EXPECT_THAT(text, Not(HasSubstr("lag_messages{function=\"f\",input=\"0\",partition=\"4\"}")));
}

TEST(Metrics, NothingIsLeftOfAFunctionThatIsGone) {
  EXPECT_THAT(Scrape({Busy("kept"), Busy("gone")}), HasSubstr("\"gone\""));
  EXPECT_THAT(Scrape({Busy("kept")}), Not(HasSubstr("\"gone\"")));
}

}  // namespace
}  // namespace fs::server
