#include "observe/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "observe/printable.h"

namespace fs::observe {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/fs_log_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    ShutdownLog();
    std::filesystem::remove_all(folder_);
  }
  LogOptions Options() { return {.file = folder_ / "below" / "app.log", .also_stderr = false}; }
  std::vector<std::string> Lines(const std::filesystem::path& path) {
    std::ifstream stream(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
  }

  std::filesystem::path folder_;
};

TEST_F(LogTest, EveryJsonLineIsAnObjectWhateverTheMessageHolds) {
  ASSERT_TRUE(InitLog(Options()).ok());
  const std::vector<std::string> messages = {"plain",
                                             "quotes \" and \\ back",
                                             "two\nlines\r\n\ttab",
                                             std::string("zero \0 byte", 11),
                                             "\x1b[31mred\x1b[0m \x7f",
                                             "\xe2\x82\xac \xf0\x9f\x98\x80",
                                             "\xe2\x80\xae override \xc2\x9b csi"};
  for (const std::string& message : messages) LogInfo("{}", message);
  LogWarning("broken \xff utf-8");
  const std::vector<std::string> lines = Lines(Options().file);
  ASSERT_EQ(lines.size(), messages.size() + 1);
  for (size_t i = 0; i < messages.size(); ++i) {
    const auto event = nlohmann::json::parse(lines[i], nullptr, false);
    ASSERT_TRUE(event.is_object()) << lines[i];
    EXPECT_EQ(event["message"], messages[i]);
    EXPECT_EQ(event["level"], "info");
    EXPECT_THAT(event["time"].get<std::string>(), MatchesRegex("....-..-..T..:..:..\\.......Z"));
    EXPECT_GT(event["thread"], 0);
    EXPECT_EQ(lines[i].find('\x1b'), std::string::npos);
  }
  EXPECT_EQ(nlohmann::json::parse(lines.back())["message"], "broken \xef\xbf\xbd utf-8");
  EXPECT_EQ(nlohmann::json::parse(lines.back())["level"], "warning");
}

TEST_F(LogTest, TextFormatKeepsAnEventOnOneLine) {
  LogOptions options = Options();
  options.json = false;
  ASSERT_TRUE(InitLog(options).ok());
  LogError("two\nlines \x1b[2J");
  const std::vector<std::string> lines = Lines(options.file);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("two\\nlines \\x1b[2J"));
  EXPECT_THAT(lines[0], HasSubstr("Z error"));
}

TEST_F(LogTest, LevelHidesWhatIsBelow) {
  LogOptions options = Options();
  options.level = "warn";
  ASSERT_TRUE(InitLog(options).ok());
  LogDebug("a");
  LogInfo("b");
  LogWarning("c");
  EXPECT_EQ(Lines(options.file).size(), 1u);
  options.level = "loud";
  EXPECT_EQ(InitLog(options).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(LogTest, FilesRotateBySizeAndOldOnesGo) {
  LogOptions options = Options();
  options.max_file_bytes = 2000;
  options.max_files = 3;
  ASSERT_TRUE(InitLog(options).ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 100; ++i) LogInfo("thread {} line {}", t, i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "below")) {
    ++files;
    EXPECT_LE(entry.file_size(), 2000u);
    for (const std::string& line : Lines(entry.path())) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
  EXPECT_EQ(files, 3u);
}

TEST_F(LogTest, PathThatCannotBeWrittenIsNamed) {
  std::ofstream(folder_ / "file") << "x";
  LogOptions options = Options();
  options.file = folder_ / "file" / "app.log";
  const absl::Status status = InitLog(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Message(status), HasSubstr((folder_ / "file" / "app.log").string()));
}

TEST(Printable, EscapesCommandsAndKeepsText) {
  std::string out;
  AppendPrintable("a\tb \x1b]0;t\x07 \xc2\x9b \xe2\x80\xae \xff \xe2\x82\xac\\n", out);
  EXPECT_EQ(out, "a\tb \\x1b]0;t\\x07 \\x9b \\u202e \\xff \xe2\x82\xac\\n");
}

}  // namespace
}  // namespace fs::observe
