#include "task/event_time.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "task/json_field.h"
#include "task/watermark_stamp.h"

namespace fs::task {
namespace {

constexpr int64_t kNone = EventTime::kNone;
const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

config::Watermark Config(int64_t behind_ms = 0, int64_t idle_ms = 1000) {
  config::Watermark config;
  config.max_out_of_orderness = absl::Milliseconds(behind_ms);
  config.idle_timeout = absl::Milliseconds(idle_ms);
  return config;
}

Record At(int64_t timestamp_ms, int32_t partition = 0, std::string_view headers = {}) {
  Record record;
  record.timestamp_ms = timestamp_ms;
  record.partition = partition;
  record.headers = headers;
  return record;
}

std::string Header(std::string_view name, std::string_view value) {
  const auto number = [](size_t length) {
    const auto word = static_cast<uint32_t>(length);
    return std::string(reinterpret_cast<const char*>(&word), sizeof(word));
  };
  return number(name.size()) + number(value.size()) + std::string(name) + std::string(value);
}

std::string Stamp(std::string_view value) { return Header(kWatermarkHeader, value); }

void Observe(EventTime& time, size_t input, const Record& record, absl::Time now = kStart) { time.Observe(input, {&record, 1}, now); }

int64_t Next(EventTime& time, uint32_t source_id = 0) {
  int64_t watermark = kNone;
  while (const auto next = time.Next()) {
    time.SetTold(next->source_id, next->watermark);
    if (next->source_id == source_id) watermark = next->watermark;
  }
  return watermark;
}

TEST(EventTimeTest, AWatermarkIsTheNewestTimestampLessTheBoundLessOne) {
  EventTime time(Config(100), {0}, 1, true, kStart);
  const std::array<Record, 3> records = {At(1000), At(5000), At(4000)};
  time.Observe(0, records, kStart);
  EXPECT_EQ(Next(time), 4899);
  Observe(time, 0, At(4999));
  Observe(time, 0, At(kNoTimestamp));
  EXPECT_EQ(Next(time), kNone);
  Observe(time, 0, At(std::numeric_limits<int64_t>::min() + 5));
  EXPECT_EQ(Next(time), kNone);
}

TEST(EventTimeTest, AssignedPartitionsHoldBackUntilTheyAreSeenOrQuietForLong) {
  EventTime time(Config(), {0}, 1, true, kStart);
  for (const int32_t partition : {0, 1, 2}) time.Assigned(0, partition, kStart);
  Observe(time, 0, At(5000, 0));
  Observe(time, 0, At(3000, 1));
  EXPECT_EQ(Next(time), kNone);
  EXPECT_EQ(time.due(kStart), kStart + absl::Seconds(1));
  // Not asked meanwhile: nobody knows that they are quiet.
  EXPECT_EQ(Next(time), kNone);
  Observe(time, 0, At(5000, 0), kStart + absl::Seconds(1));
  Observe(time, 0, At(3000, 1), kStart + absl::Seconds(1));
  time.Polled(0, kStart + absl::Seconds(1));
  EXPECT_EQ(Next(time), 2999);
  time.Polled(0, kStart + absl::Seconds(2));
  EXPECT_EQ(Next(time), 4999) << "all are quiet: the newest counts";
  Observe(time, 0, At(4000, 1), kStart + absl::Seconds(2));
  EXPECT_EQ(Next(time), kNone) << "it never goes back";
  time.Forget(0, std::array<int32_t, 1>{1});
  EXPECT_EQ(Next(time), kNone);
}

TEST(EventTimeTest, NothingToWaitForWithoutAnythingToHoldBack) {
  EventTime time(Config(), {0}, 1, true, kStart);
  EXPECT_EQ(time.due(kStart), absl::InfiniteFuture());
  Observe(time, 0, At(5000));
  EXPECT_EQ(time.due(kStart), absl::InfiniteFuture());
  EventTime unused(Config(), {0, 1}, 1, false, kStart);
  Observe(unused, 0, At(5000));
  EXPECT_EQ(unused.due(kStart), absl::InfiniteFuture());
  EXPECT_EQ(Next(unused), kNone);
  EXPECT_EQ(unused.Save(), "");
}

TEST(EventTimeTest, OutputsGetWhatWasEmittedButNoMoreThanTheSlowestSource) {
  EventTime time(Config(), {0, 1}, 2, true, kStart);
  time.Assigned(1, 0, kStart);
  Observe(time, 0, At(5001));
  EXPECT_EQ(Next(time), 5000);
  time.Emitted(0, 5000);
  EXPECT_EQ(time.ForOutput(0), kNone);
  Observe(time, 1, At(3001));
  EXPECT_EQ(Next(time, 1), 3000);
  EXPECT_EQ(time.ForOutput(0), 3000);
  EXPECT_EQ(time.ForOutput(1), kNone) << "nothing was emitted there";
  time.Emitted(1, 7);
  EXPECT_EQ(time.ForOutput(1), 7);
  time.Emitted(1, 6);
  EXPECT_EQ(time.ForOutput(1), 7);
}

TEST(EventTimeTest, AFunctionThatMakesItsOwnIsNotHeldBack) {
  config::Watermark config = Config();
  config.source = config::WatermarkSource::kFunction;
  EventTime time(config, {0, 1}, 1, true, kStart);
  Observe(time, 0, At(5000));
  EXPECT_EQ(Next(time), kNone);
  time.Emitted(0, 9000);
  EXPECT_EQ(time.ForOutput(0), 9000);
}

TEST(EventTimeTest, FromTheFirstStampOnOnlyStampsCount) {
  EventTime time(Config(), {0}, 1, false, kStart);
  Observe(time, 0, At(5000));
  EXPECT_FALSE(time.is_used());
  Observe(time, 0, At(5000, 0, Stamp("- one")));
  EXPECT_TRUE(time.is_carried());
  EXPECT_EQ(Next(time), kNone);
  Observe(time, 0, At(5000, 0, Header("other", "x") + Stamp("100 one")));
  Observe(time, 0, At(9000, 0));
  EXPECT_EQ(Next(time), 100);
  Observe(time, 0, At(0, 0, Stamp("50 one")));
  EXPECT_EQ(Next(time), kNone);
}

TEST(EventTimeTest, TheSlowestWriterDecidesUntilItIsQuiet) {
  EventTime time(Config(), {0}, 1, true, kStart);
  Observe(time, 0, At(0, 0, Stamp("100 one")));
  Observe(time, 0, At(0, 0, Stamp("- two")));
  EXPECT_EQ(Next(time), kNone);
  Observe(time, 0, At(0, 0, Stamp("50 two")));
  EXPECT_EQ(Next(time), 50);
  Observe(time, 0, At(0, 0, Stamp("200 one")), kStart + absl::Seconds(1));
  time.Polled(0, kStart + absl::Seconds(1));
  EXPECT_EQ(Next(time), 200);
}

TEST(EventTimeTest, WritersCannotBeInventedWithoutEnd) {
  EventTime time(Config(), {0}, 1, true, kStart);
  for (int writer = 0; writer < 5000; ++writer) Observe(time, 0, At(0, 0, Stamp(fmt::format("{} w{}", writer, writer))));
  EXPECT_LT(time.Save().size(), 64'000u);
}

TEST(EventTimeTest, WhatIsSavedComesBack) {
  EventTime time(Config(), {0, 1}, 2, true, kStart);
  Observe(time, 0, At(5001, 3));
  Observe(time, 1, At(0, 1, Stamp("100 one")));
  Next(time);
  time.Emitted(1, 40);
  EXPECT_EQ(time.ForOutput(1), 40);
  EventTime again(Config(), {0, 1}, 2, false, kStart);
  ASSERT_TRUE(again.Restore(time.Save(), kStart).ok());
  EXPECT_TRUE(again.is_carried());
  EXPECT_EQ(again.told(0), 5000);
  EXPECT_EQ(again.told(1), 100);
  EXPECT_EQ(again.ForOutput(1), 40);
  EXPECT_EQ(Next(again), kNone);
  Observe(again, 1, At(99'999, 1));
  EXPECT_EQ(Next(again, 1), kNone) << "the partition is one that carries";
  EXPECT_TRUE(absl::IsDataLoss(again.Restore("\xff\xff", kStart)));
}

TEST(WatermarkStampTest, OnlyWhatIsAStampIsRead) {
  EXPECT_EQ(FindStamp(Stamp("-5 a/0"))->watermark, -5);
  EXPECT_EQ(FindStamp(Stamp("7 a/0"))->writer, "a/0");
  EXPECT_FALSE(FindStamp(Stamp("- a"))->watermark);
  for (const char* value : {"", "5", "5 ", "x a", "5x a", " a", "99999999999999999999 a"}) EXPECT_FALSE(FindStamp(Stamp(value))) << value;
  EXPECT_FALSE(FindStamp(Stamp("5 " + std::string(1000, 'a'))));
  const std::string cut = Stamp("5 a");
  for (size_t size = 0; size < cut.size(); ++size) EXPECT_FALSE(FindStamp(std::string_view(cut).substr(0, size)));
}

TEST(WatermarkStampTest, EachKeyIsStampedSoonAfterAnAdvanceAndFewRecordsAre) {
  WatermarkStamps stamps("me", 1);
  OutputRecord record;
  EXPECT_TRUE(stamps.Apply(0, record).headers.empty());
  stamps.Begin();
  EXPECT_EQ(FindStamp(stamps.Apply(0, record).headers)->watermark, std::nullopt);
  int stamped = 0;
  for (int advance = 1; advance <= 20; ++advance) {
    stamps.Advance(0, advance);
    for (int i = 0; i < 10'000; ++i) {
      const std::string key = std::to_string(i % 100);
      record.key = key;
      const OutputRecord written = stamps.Apply(0, record);
      if (written.headers.empty()) continue;
      ++stamped;
      EXPECT_EQ(FindStamp(written.headers)->watermark, advance);
    }
  }
  EXPECT_GE(stamped, 20);
  EXPECT_LE(stamped, 20 * 64);
}

TEST(WatermarkStampTest, StampedRecordsWithoutAKeyTakeTurnsAndNoOthersDo) {
  WatermarkStamps stamps("me", 1);
  OutputRecord record;
  EXPECT_FALSE(stamps.Apply(0, record).takes_turns);
  stamps.Begin();
  for (int i = 0; i < 100; ++i) {
    const OutputRecord written = stamps.Apply(0, record);
    EXPECT_EQ(written.takes_turns, !written.headers.empty()) << i;
  }
  record.key = "key";
  const OutputRecord keyed = stamps.Apply(0, record);
  EXPECT_FALSE(keyed.headers.empty());
  EXPECT_FALSE(keyed.takes_turns);
}

TEST(WatermarkStampTest, AForeignStampIsTakenOut) {
  WatermarkStamps stamps("me", 1);
  const std::string headers = Header("a", "1") + Stamp("5 other") + Header("b", "2");
  OutputRecord record;
  record.headers = headers;
  EXPECT_EQ(stamps.Apply(0, record).headers, Header("a", "1") + Header("b", "2"));
  stamps.Begin();
  stamps.Advance(0, 7);
  EXPECT_EQ(stamps.Apply(0, record).headers, Header("a", "1") + Header("b", "2") + Stamp("7 me"));
}

TEST(JsonFieldTest, ReadsTopLevelNumbersOnly) {
  const std::array<std::pair<std::string_view, std::optional<int64_t>>, 27> cases = {{
      {R"({"t":5})", 5},
      {R"( { "a" : [1,{"t":9}] , "t" : -7 } )", -7},
      {R"({"t":1.9})", 1},
      {R"({"t":1e3})", 1000},
      {R"({"t":1,"t":2})", 2},
      {R"({"a":"\"}","t":3})", 3},
      {R"({"\u0074":6})", 6},
      {R"({"a":NaN,"t":5})", 5},
      {R"({"t":9223372036854775807})", 9223372036854775807},
      {R"({"t":9223372036854775808})", std::nullopt},
      {"{\"a\":\"\xff\",\"t\":5}", std::nullopt},
      {R"({"t":"5"})", std::nullopt},
      {R"({"t":null})", std::nullopt},
      {R"({"t":true})", std::nullopt},
      {R"({"t":1e30})", std::nullopt},
      {R"({"t":nan})", std::nullopt},
      {R"({"t":inf})", std::nullopt},
      {R"({"a":{"t":5}})", std::nullopt},
      {R"({})", std::nullopt},
      {R"([5])", std::nullopt},
      {R"({"t":5)", std::nullopt},
      {R"({"t":5} x)", std::nullopt},
      {R"({"t"})", std::nullopt},
      {R"({"t":})", std::nullopt},
      {R"({"t":5,)", std::nullopt},
      {R"()", std::nullopt},
      {"{\"t", std::nullopt},
  }};
  JsonField field("t");
  for (const auto& [json, expected] : cases) EXPECT_EQ(field.NumberIn(json), expected) << json;
  const std::string deep = "{\"a\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + ",\"t\":4}";
  EXPECT_EQ(field.NumberIn(deep), 4);
  EXPECT_EQ(field.NumberIn(std::string_view(deep).substr(0, 1'000'000)), std::nullopt);
}

}  // namespace
}  // namespace fs::task
