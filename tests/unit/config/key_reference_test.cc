#include "config/key_reference.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace fs::config {
namespace {

// The table rows under a heading of docs/configuration.md, up to the next heading.
std::vector<std::string> Rows(const std::string& heading) {
  std::ifstream document(FS_SOURCE_DIR "/docs/configuration.md");
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

}  // namespace
}  // namespace fs::config
