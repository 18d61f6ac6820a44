#include "observe/function_log_reader.h"

#include <absl/synchronization/notification.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "observe/function_log.h"
#include "support/temporary_folder.h"

namespace fs::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FunctionLogReaderTest : public testing::Test {
 protected:
  std::unique_ptr<FunctionLog> Write(FunctionLog::Options options = {}) {
    options.followers = followers_;
    return *FunctionLog::Open(folder_.path(), "f", options);
  }
  std::unique_ptr<FunctionLogReader> Read(std::optional<uint64_t> tail = std::nullopt, std::function<void()> on_growth = {}) {
    return *FunctionLogReader::Open(folder_.path(), "f", tail, followers_, std::move(on_growth));
  }
  static std::vector<std::string> Texts(FunctionLogReader& reader) {
    std::vector<LogLine> lines;
    EXPECT_TRUE(reader.Read(64 << 20, lines).ok());
    std::vector<std::string> texts;
    for (const LogLine& line : lines) texts.push_back(line.text);
    return texts;
  }

  TemporaryFolder folder_;
  std::shared_ptr<LogFollowers> followers_ = std::make_shared<LogFollowers>();
};

TEST_F(FunctionLogReaderTest, LinesComeInTheirPartsAndInOrder) {
  const auto log = Write();
  log->Write(30, "first one\nsecond");
  const auto reader = Read();
  std::vector<LogLine> lines;
  ASSERT_TRUE(reader->Read(1 << 20, lines).ok());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0].time, testing::MatchesRegex("....-..-..T..:..:..\\....Z"));
  EXPECT_EQ(lines[0].level, "WARNING");
  EXPECT_EQ(lines[0].text, "first one");
  EXPECT_THAT(Texts(*reader), IsEmpty());
  log->Write(20, "third");
  EXPECT_THAT(Texts(*reader), ElementsAre("third"));
}

TEST_F(FunctionLogReaderTest, TailCountsOverBothFiles) {
  const auto log = Write({.limit_bytes = 400});
  for (int i = 0; i < 10; ++i) log->Write(20, fmt::format("line {}", i));
  const std::vector<std::string> all = Texts(*Read());
  ASSERT_GT(all.size(), 5u);
  EXPECT_EQ(all.back(), "line 9");
  for (uint64_t tail = 0; tail <= all.size() + 2; ++tail) {
    const size_t expected = std::min<size_t>(tail, all.size());
    EXPECT_EQ(Texts(*Read(tail)), std::vector<std::string>(all.end() - static_cast<long>(expected), all.end())) << tail;
  }
}

TEST_F(FunctionLogReaderTest, RotationIsFollowedAndWhatIsMissedIsTold) {
  const auto log = Write({.limit_bytes = 400});
  log->Write(20, "a");
  const auto reader = Read();
  EXPECT_THAT(Texts(*reader), ElementsAre("a"));
  std::vector<std::string> read;
  for (int i = 0; i < 50; ++i) {
    log->Write(20, std::to_string(i));
    for (std::string& text : Texts(*reader)) read.push_back(std::move(text));
  }
  ASSERT_EQ(read.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(read[static_cast<size_t>(i)], std::to_string(i));

  for (int i = 0; i < 50; ++i) log->Write(20, "flood");
  log->Write(20, "end");
  const std::vector<std::string> late = Texts(*reader);
  EXPECT_THAT(late, testing::Contains(testing::HasSubstr("lines are missing here")));
  EXPECT_EQ(late.back(), "end");
}

TEST_F(FunctionLogReaderTest, LogThatIsNotThereYetIsEmptyAndThenRead) {
  const auto reader = Read();
  EXPECT_THAT(Texts(*reader), IsEmpty());
  Write()->Write(20, "now");
  EXPECT_THAT(Texts(*reader), ElementsAre("now"));
}

TEST_F(FunctionLogReaderTest, FollowerIsWokenByWritesAndByTheEnd) {
  std::atomic<int> woken = 0;
  auto reader = Read(0, [&] { ++woken; });
  const auto log = Write();
  log->Write(20, "x");
  EXPECT_EQ(woken, 1);
  EXPECT_THAT(Texts(*reader), ElementsAre("x"));
  log->Write(20, "last words");
  EXPECT_FALSE(reader->is_over());
  ASSERT_TRUE(FunctionLog::Remove(folder_.path(), "f").ok());
  followers_->End();
  EXPECT_EQ(woken, 3);
  EXPECT_TRUE(reader->is_over());
  EXPECT_THAT(Texts(*reader), ElementsAre("last words"));
  reader.reset();
  followers_->Notify();
  EXPECT_EQ(woken, 3);
}

TEST_F(FunctionLogReaderTest, ReadsWhileItIsWritten) {
  const auto log = Write({.limit_bytes = 64 << 20, .lines_per_second = 1'000'000});
  const auto reader = Read();
  std::thread writer([&] {
    for (int i = 0; i < 5000; ++i) log->Write(20, std::to_string(i));
  });
  int next = 0;
  while (next < 5000) {
    for (const std::string& text : Texts(*reader)) ASSERT_EQ(text, std::to_string(next++));
  }
  writer.join();
}

}  // namespace
}  // namespace fs::observe
