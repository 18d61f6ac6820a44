#include "observe/function_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <fstream>
#include <string>
#include <vector>

namespace fs::observe {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

class FunctionLogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/fs_function_log_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<FunctionLog> Open(std::string_view name, FunctionLog::Options options = {}) {
    absl::StatusOr<std::unique_ptr<FunctionLog>> log = FunctionLog::Open(folder_ / "logs", name, options);
    EXPECT_TRUE(log.ok()) << log.status();
    return std::move(*log);
  }
  std::vector<std::string> Lines(const std::string& file) {
    std::ifstream stream(folder_ / "logs" / file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
  }
  size_t FileCount() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_ / "logs")) ++count;
    return count;
  }

  std::filesystem::path folder_;
};

TEST_F(FunctionLogTest, EachLineHasTimeLevelAndText) {
  Open("f")->Write(30, "first\nsecond\r\n\nfourth");
  const std::vector<std::string> lines = Lines("f.log");
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_THAT(lines[0], MatchesRegex("....-..-..T..:..:..\\....Z WARNING first"));
  EXPECT_THAT(lines[1], MatchesRegex(".*WARNING second"));
  EXPECT_THAT(lines[2], MatchesRegex(".*WARNING "));
  EXPECT_THAT(lines[3], MatchesRegex(".*WARNING fourth"));
}

TEST_F(FunctionLogTest, TerminalCommandsArriveAsText) {
  Open("f")->Write(20, "\x1b[2J\x07 \xff");
  EXPECT_THAT(Lines("f.log")[0], HasSubstr("INFO \\x1b[2J\\x07 \\xff"));
}

TEST_F(FunctionLogTest, LogGoesOnAfterARestart) {
  Open("f")->Write(20, "a");
  Open("f")->Write(20, "b");
  EXPECT_THAT(Lines("f.log"), SizeIs(2));
}

TEST_F(FunctionLogTest, DiskUseIsBoundedAndTheNewestLinesStay) {
  const FunctionLog::Options options{.limit_bytes = 4000, .lines_per_second = 1'000'000};
  const std::unique_ptr<FunctionLog> log = Open("f", options);
  for (int i = 0; i < 1000; ++i) log->Write(20, fmt::format("line {}", i));
  EXPECT_EQ(FileCount(), 2u);
  EXPECT_LE(std::filesystem::file_size(folder_ / "logs" / "f.log"), 2000u);
  EXPECT_LE(std::filesystem::file_size(folder_ / "logs" / "f.log.1"), 2000u);
  EXPECT_THAT(Lines("f.log").back(), HasSubstr("line 999"));

  log->Write(20, std::string(1'000'000, 'x'));
  std::string many;
  for (int i = 0; i < 10000; ++i) many += "again\n";
  log->Write(20, many);
  EXPECT_LE(std::filesystem::file_size(folder_ / "logs" / "f.log"), 2000u);
}

TEST_F(FunctionLogTest, FloodIsDroppedAndCounted) {
  {
    const std::unique_ptr<FunctionLog> log = Open("f", {.lines_per_second = 10});
    std::string many;
    for (int i = 0; i < 100; ++i) many += "x\n";
    log->Write(20, many);
    log->Write(20, "one more");
  }
  const std::vector<std::string> lines = Lines("f.log");
  ASSERT_THAT(lines, SizeIs(11));
  EXPECT_THAT(lines.back(), HasSubstr("WARNING 91 lines dropped: more than 10 in a second"));
}

TEST_F(FunctionLogTest, FloodOfBytesIsDroppedAndCountedToo) {
  std::atomic<uint64_t> dropped{0};
  LimitUse use;
  {
    const std::unique_ptr<FunctionLog> log = Open("f", {.bytes_per_second = 10'000, .use = &use, .dropped_lines = &dropped});
    for (int i = 0; i < 20; ++i) log->Write(20, std::string(1000, 'x'));
    // Short enough to fit, but what follows a dropped line is dropped: a log without holes can be read.
    log->Write(20, "y");
  }
  const std::vector<std::string> lines = Lines("f.log");
  ASSERT_THAT(lines, SizeIs(10));
  EXPECT_THAT(lines.back(), HasSubstr("WARNING 12 lines dropped: more than 10000 bytes in a second (limits.log_kb_per_second)"));
  EXPECT_EQ(dropped.load(), 12u);
  EXPECT_EQ(use.refused(Limit::kLogBytes), 1u);
  EXPECT_EQ(use.refused(Limit::kLogLines), 0u);
  EXPECT_GT(use.used(Limit::kLogBytes), 0.9);
  EXPECT_LE(use.used(Limit::kLogBytes), 1.0);
  EXPECT_DOUBLE_EQ(use.used(Limit::kLogLines), 0.009);
}

TEST_F(FunctionLogTest, LongLineIsCut) {
  Open("f")->Write(20, std::string(100'000, 'x'));
  EXPECT_THAT(Lines("f.log")[0], HasSubstr("[83616 bytes more]"));
}

TEST_F(FunctionLogTest, RemoveTakesBothFilesAndNothingElse) {
  const FunctionLog::Options options{.limit_bytes = 100};
  for (const std::string_view name : {"f", "f.log", "g"}) {
    const std::unique_ptr<FunctionLog> log = Open(name, options);
    for (int i = 0; i < 10; ++i) log->Write(20, "some words");
  }
  EXPECT_EQ(FileCount(), 6u);
  EXPECT_TRUE(FunctionLog::Remove(folder_ / "logs", "f").ok());
  EXPECT_EQ(FileCount(), 4u);
  EXPECT_TRUE(FunctionLog::Remove(folder_ / "logs", "f").ok());
  EXPECT_FALSE(FunctionLog::Remove(folder_ / "logs", "../f").ok());
}

TEST_F(FunctionLogTest, LongestNameHasALogOfItsOwn) {
  const std::string a = std::string(254, 'n') + "a", b = std::string(254, 'n') + "b";
  Open(a)->Write(20, "x");
  Open(b)->Write(20, "x");
  EXPECT_EQ(FileCount(), 2u);
  EXPECT_TRUE(FunctionLog::Remove(folder_ / "logs", a).ok());
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(FunctionLogTest, FolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder_ / "file") << "x";
  const absl::StatusOr<std::unique_ptr<FunctionLog>> log = FunctionLog::Open(folder_ / "file", "f", {});
  EXPECT_EQ(log.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Message(log.status()), HasSubstr((folder_ / "file").string()));
}

}  // namespace
}  // namespace fs::observe
