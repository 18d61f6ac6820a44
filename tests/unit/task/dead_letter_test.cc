#include "task/dead_letter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "base/utf8.h"
#include "support/temporary_folder.h"

namespace fs::task {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::string Encode(std::string_view name, std::optional<std::string_view> value) {
  const auto name_length = static_cast<uint32_t>(name.size());
  const int32_t value_length = value ? static_cast<int32_t>(value->size()) : -1;
  std::string header(reinterpret_cast<const char*>(&name_length), 4);
  header.append(reinterpret_cast<const char*>(&value_length), 4).append(name);
  return value ? header.append(*value) : header;
}

std::vector<std::pair<std::string, std::optional<std::string>>> Decode(std::string_view headers) {
  std::vector<std::pair<std::string, std::optional<std::string>>> decoded;
  while (!headers.empty()) {
    uint32_t name_length;
    int32_t value_length;
    std::memcpy(&name_length, headers.data(), 4);
    std::memcpy(&value_length, headers.data() + 4, 4);
    auto& [name, value] = decoded.emplace_back(headers.substr(8, name_length), std::nullopt);
    headers.remove_prefix(8 + name_length);
    if (value_length < 0) continue;
    value = headers.substr(0, static_cast<size_t>(value_length));
    headers.remove_prefix(static_cast<size_t>(value_length));
  }
  return decoded;
}

TEST(DeadLetter, HasTheMessagesHeadersAndThenWhatFailed) {
  const std::string own = Encode("a", "\xff") + Encode("b", std::nullopt) + Encode("a", "");
  Record record;
  record.headers = own;
  record.partition = 3;
  record.offset = 17;
  record.timestamp_ms = 1000;
  const MessageError error = {"ValueError", "no such luck", "Traceback"};
  const auto headers = Decode(DeadLetterHeaders({"job", 1, "in", record, 4, error}, absl::FromUnixMillis(2000)));
  EXPECT_THAT(headers, ElementsAre(Pair("a", "\xff"), Pair("b", std::nullopt), Pair("a", ""), Pair("function-stream.function", "job"),
                                   Pair("function-stream.source-id", "1"), Pair("function-stream.topic", "in"),
                                   Pair("function-stream.partition", "3"), Pair("function-stream.offset", "17"),
                                   Pair("function-stream.timestamp-ms", "1000"), Pair("function-stream.attempt", "4"),
                                   Pair("function-stream.failed-at-ms", "2000"), Pair("function-stream.error-type", "ValueError"),
                                   Pair("function-stream.error", "no such luck"), Pair("function-stream.traceback", "Traceback")));
}

TEST(DeadLetter, ReplacesWhatAnEarlierFailureLeft) {
  Record record;
  const MessageError error = {"ValueError", "", ""};
  std::string headers = Encode("function-stream.tombstone", std::nullopt);
  for (int turn = 0; turn < 3; ++turn) {
    record.headers = headers;
    headers = DeadLetterHeaders({"job", 0, "in", record, 1, error}, absl::UnixEpoch());
  }
  const auto decoded = Decode(headers);
  EXPECT_EQ(decoded.front().first, "function-stream.tombstone");
  EXPECT_EQ(decoded.size(), 10);
}

TEST(DeadLetter, BoundsTextsAtWholeCharacters) {
  Record record;
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "ü€\xff";
  const MessageError error = {"ValueError", text, text + "the end"};
  for (const auto& [name, value] : Decode(DeadLetterHeaders({"job", 0, "in", record, 1, error}, absl::UnixEpoch()))) {
    EXPECT_TRUE(IsUtf8(*value)) << name;
    EXPECT_LT(value->size(), size_t{17} << 10) << name;
    if (name == "function-stream.traceback") {
      EXPECT_TRUE(value->ends_with("the end"));
      EXPECT_THAT(*value, HasSubstr("bytes left out"));
    }
  }
}

TEST(FailureLog, KeepsAFloodShortAndTellsHowMuchIsMissing) {
  const TemporaryFolder folder;
  const auto log = observe::FunctionLog::Open(folder.path(), "job", {});
  ASSERT_TRUE(log.ok()) << log.status();
  FailureLog failures;
  const MessageError error = {"ValueError", "two\nlines", "Traceback of it"};
  for (int i = 0; i < 1000; ++i) failures.Write(**log, absl::UnixEpoch(), 40, fmt::format("message {}", i), error);
  failures.Write(**log, absl::UnixEpoch() + absl::Seconds(1), 40, "a second later", error);
  std::ostringstream text;
  text << std::ifstream(folder.path() / "job.log").rdbuf();
  std::vector<std::string> lines;
  std::istringstream in(text.str());
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  EXPECT_EQ(lines.size(), FailureLog::kLinesPerSecond + FailureLog::kTracebacksPerSecond + 1 + 2);
  EXPECT_THAT(text.str(), HasSubstr("message 99: ValueError: two lines"));
  EXPECT_THAT(text.str(), HasSubstr("900 more failures of messages were not logged"));
  EXPECT_THAT(text.str(), HasSubstr("a second later: ValueError"));
}

}  // namespace
}  // namespace fs::task
