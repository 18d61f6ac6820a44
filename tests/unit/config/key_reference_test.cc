#include "config/key_reference.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "base/limits.h"
#include "config/server_config.h"

namespace fs::config {
namespace {

// The table rows under a heading of a document, up to the next heading.
std::vector<std::string> Rows(const std::string& heading, const std::string& path = "/docs/configuration.md") {
  std::ifstream document(FS_SOURCE_DIR + path);
  std::vector<std::string> rows;
  bool is_inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("## ")) is_inside = line == heading;
    if (is_inside && line.starts_with("| `")) rows.push_back(line);
  }
  return rows;
}

void ExpectSame(const std::vector<KeyDescription>& keys, const std::vector<std::string>& rows) {
  ASSERT_EQ(rows.size(), keys.size()) << "docs/configuration.md has a row too many or too few";
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string expected = fmt::format("| `{}` | {} |", keys[i].path, keys[i].form);
    EXPECT_EQ(rows[i].substr(0, expected.size()), expected);
  }
}

TEST(ConfigurationReference, FunctionKeysAreTheParsersOwn) { ExpectSame(FunctionKeys(), Rows("## Function configuration")); }
TEST(ConfigurationReference, ServerKeysAreTheParsersOwn) { ExpectSame(ServerKeys(), Rows("## Server configuration")); }

// docs/operations.md has two tables under "Limits": a function's limits, then the server's.
TEST(OperationsReference, LimitsAreTheParsersOwnWithTheirDefaults) {
  const FunctionLimits defaults;
  const ServerConfig server;
  const std::map<std::string, std::string> expected_defaults = {
      {"memory_mb", fmt::format("{}", defaults.memory_mb)},
      {"process_timeout_ms", fmt::format("{}", defaults.process_timeout_ms)},
      {"batch_timeout_ms", "`process_timeout_ms`, at least 5000"},
      {"output_mb", fmt::format("{}", defaults.output_mb)},
      {"custom_mb", fmt::format("{}", defaults.custom_mb)},
      {"checkpoint_mb", fmt::format("{}", defaults.checkpoint_mb)},
      {"state_mb", fmt::format("{}", defaults.state_mb)},
      {"stores", fmt::format("{}", defaults.stores)},
      {"iterators", fmt::format("{}", defaults.iterators)},
      {"log_mb", fmt::format("{}", defaults.log_mb)},
      {"log_lines_per_second", fmt::format("{}", defaults.log_lines_per_second)},
      {"log_kb_per_second", fmt::format("{}", defaults.log_kb_per_second)},
      {"package_mb", fmt::format("{}", server.limits.package_bytes >> 20)},
      {"functions", fmt::format("{}", server.limits.functions)},
      {"message_mb", fmt::format("{}", server.limits.message_bytes >> 20)},
      {"config_kb", fmt::format("{}", server.limits.config_bytes >> 10)},
      {"running_functions", fmt::format("{}", server.limits.running_functions)},
      {"total_memory_mb", "0, no limit"},
      {"per_function", "as far as a key goes"},
  };
  std::vector<std::string> keys;
  for (const auto& [path, form] : FunctionKeys()) {
    if (path.starts_with("limits.")) keys.push_back(path.substr(std::string_view("limits.").size()));
  }
  for (const auto& [path, form] : ServerKeys()) {
    const bool is_limit = path.starts_with("limits.") && !path.starts_with("limits.per_function.");
    if (is_limit) keys.push_back(path.substr(std::string_view("limits.").size()));
  }
  const std::vector<std::string> rows = Rows("## Limits", "/docs/operations.md");
  ASSERT_EQ(rows.size(), keys.size()) << "docs/operations.md has a limit too many or too few";
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_TRUE(expected_defaults.contains(keys[i])) << keys[i];
    const std::string expected = fmt::format("| `{}` | {} |", keys[i], expected_defaults.at(keys[i]));
    EXPECT_EQ(rows[i].substr(0, expected.size()), expected);
  }
}

// What /metrics calls a limit is its key; the log's size has no metric, for nothing is refused there.
TEST(OperationsReference, EveryLimitThatRefusesHasItsMetric) {
  std::set<std::string> keys = {kLimitKeys.begin(), kLimitKeys.end()};
  EXPECT_EQ(keys.size(), kLimitCount);
  keys.insert("log_mb");
  std::set<std::string> known;
  for (const Key<FunctionLimits>& key : FunctionLimitsTable()) known.emplace(key.name);
  EXPECT_EQ(keys, known);
}

TEST(OperationsReference, ACapHasTheNameOfItsLimit) {
  std::vector<std::string> keys;
  std::vector<std::string> caps;
  for (const auto& [path, form] : FunctionKeys()) {
    if (path.starts_with("limits.")) keys.push_back(path.substr(std::string_view("limits.").size()));
  }
  for (const auto& [path, form] : ServerKeys()) {
    if (path.starts_with("limits.per_function.")) caps.push_back(path.substr(std::string_view("limits.per_function.").size()));
  }
  EXPECT_EQ(caps, keys);
}

}  // namespace
}  // namespace fs::config
