#include "task/backlog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fs::task {
namespace {

Record Make(int32_t partition, int64_t offset, std::string_view value, std::optional<std::string_view> key = std::nullopt) {
  Record record;
  record.partition = partition;
  record.offset = offset;
  record.value = value;
  record.key = key;
  return record;
}

std::vector<int64_t> Offsets(const Backlog& backlog) {
  std::vector<int64_t> offsets;
  for (const Record& record : backlog.records()) offsets.push_back(record.offset);
  return offsets;
}

TEST(Backlog, HoldsCopiesInOrder) {
  Backlog backlog;
  EXPECT_TRUE(backlog.empty());
  std::string value = "value", key = "key", headers = "headers";
  Record record = Make(2, 7, value, key);
  record.headers = headers;
  record.timestamp_ms = 5;
  const std::vector<Record> records = {record, Make(2, 8, "", ""), Make(3, 1, "x")};
  backlog.Keep(records);
  value = key = headers = "?????????";
  ASSERT_EQ(backlog.records().size(), 3);
  EXPECT_EQ(backlog.records()[0].value, "value");
  EXPECT_EQ(backlog.records()[0].key, "key");
  EXPECT_EQ(backlog.records()[0].headers, "headers");
  EXPECT_EQ(backlog.records()[0].timestamp_ms, 5);
  EXPECT_EQ(backlog.records()[1].key, "");
  EXPECT_EQ(backlog.records()[2].key, std::nullopt);
  backlog.Drop(1);
  EXPECT_THAT(Offsets(backlog), testing::ElementsAre(8, 1));
  backlog.Drop(2);
  EXPECT_TRUE(backlog.empty());
}

TEST(Backlog, KeepsItsPauseWhileItsFirstRecordWaits) {
  Backlog backlog;
  const absl::Time due = absl::UnixEpoch();
  backlog.Wait(due, "why");
  const std::vector<Record> records = {Make(0, 1, "a"), Make(1, 2, "b"), Make(0, 3, "c")};
  backlog.Keep(records);
  EXPECT_EQ(backlog.due(), due);
  EXPECT_EQ(backlog.reason(), "why");
  const int32_t other[] = {1};
  backlog.Forget(other);
  EXPECT_THAT(Offsets(backlog), testing::ElementsAre(1, 3));
  EXPECT_EQ(backlog.due(), due);
  backlog.Drop(2);
  EXPECT_EQ(backlog.due(), absl::InfinitePast());
}

TEST(Backlog, ForgetsARevokedPartitionAndItsPause) {
  Backlog backlog;
  backlog.Wait(absl::InfiniteFuture(), "why");
  const std::vector<Record> records = {Make(0, 1, "a"), Make(1, 2, "b"), Make(0, 3, "c"), Make(1, 4, "d")};
  backlog.Keep(records);
  const int32_t first[] = {0}, second[] = {1};
  backlog.Forget(first);
  EXPECT_THAT(Offsets(backlog), testing::ElementsAre(2, 4));
  EXPECT_EQ(backlog.records()[1].value, "d");
  EXPECT_EQ(backlog.due(), absl::InfinitePast()) << "what waited is gone";
  backlog.Forget(second);
  EXPECT_TRUE(backlog.empty());
}

}  // namespace
}  // namespace fs::task
