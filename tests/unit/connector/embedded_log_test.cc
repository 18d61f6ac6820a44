#include "connector/embedded/embedded_log.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "connector/embedded/partitioner.h"
#include "stored_log.pb.h"
#include "support/child_process.h"
#include "support/temporary_folder.h"

namespace fs::connector::embedded {
namespace {

using std::string_literals::operator""s;

int64_t Now() { return absl::ToUnixMillis(absl::Now()); }

class EmbeddedLogTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    options_.folder = folder_.path() / "log";
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    options_.in_memory = info->value_param() != nullptr && GetParam();
    Reopen();
  }
  void Reopen() {
    log_.reset();
    auto opened = EmbeddedLog::Open(options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    log_ = std::move(*opened);
  }
  int64_t Append(std::string_view topic, const std::vector<std::string>& values) {
    std::vector<OutputRecord> records;
    for (const std::string& value : values) records.push_back({value, std::nullopt, {}, kNoTimestamp});
    const auto first = log_->Append(topic, records);
    EXPECT_TRUE(first.ok()) << first.status();
    return first.value_or(-1);
  }
  std::vector<std::string> Values(std::string_view topic, int64_t from = 0, size_t max_records = 1000000) {
    const auto read = log_->Read(topic, from, max_records, size_t{1} << 30);
    EXPECT_TRUE(read.ok()) << read.status();
    std::vector<std::string> values;
    if (read.ok()) {
      for (const Record& record : read->records) values.emplace_back(record.value);
    }
    return values;
  }

  TemporaryFolder folder_;
  EmbeddedLog::Options options_;
  std::unique_ptr<EmbeddedLog> log_;
};

TEST_P(EmbeddedLogTest, PartitionsAreLogsOfTheirOwnUnderOneName) {
  ASSERT_TRUE(log_->CreateTopic("t", 3).ok());
  ASSERT_TRUE(log_->CreateTopic("t", 3).ok());
  EXPECT_EQ(log_->CreateTopic("t", 2).code(), absl::StatusCode::kAlreadyExists);
  for (const int32_t bad : {0, -1, kMostPartitions + 1}) {
    EXPECT_EQ(log_->CreateTopic("u", bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  const OutputRecord records[] = {{"x", {}, {}, 0}, {"y", {}, {}, 0}};
  EXPECT_EQ(log_->Append({"t", 2}, records).value(), 0);
  EXPECT_EQ(log_->Append({"t", 2}, records).value(), 2);
  EXPECT_EQ(log_->Append({"t", 1}, records).value(), 0);
  for (const int32_t bad : {3, -1}) {
    EXPECT_EQ(log_->Append({"t", bad}, records).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(log_->Append({"other", 1}, records).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(log_->CommitGroupPosition({"g", "t", 3, 2}).ok());
  if (!options_.in_memory) Reopen();
  EXPECT_EQ(log_->CountPartitions("t"), 3);
  EXPECT_EQ(log_->CountPartitions("never"), 1);
  const TopicInfo info = log_->DescribeTopic("t").value();
  EXPECT_EQ(info.end_offset, 6);
  ASSERT_EQ(info.partitions.size(), 3u);
  EXPECT_EQ(info.partitions[2].end_offset, 4);
  EXPECT_EQ(log_->ListTopics().size(), 1u);
  const ReadResult read = log_->Read({"t", 2}, 3, 10, 1000).value();
  ASSERT_EQ(read.records.size(), 1u);
  EXPECT_EQ(read.records[0].partition, 2);
  EXPECT_EQ(read.records[0].offset, 3);
  EXPECT_EQ(log_->Read("t", 0, 10, 1000)->records.size(), 0u);
  EXPECT_EQ(log_->ReadGroupPosition("g", {"t", 2}).value(), 3);
  EXPECT_EQ(log_->ReadGroupPosition("g", "t").value(), std::nullopt);

  // A topic made anew may have another number; positions in its partitions never mean two records.
  ASSERT_TRUE(log_->DeleteTopic("t").ok());
  EXPECT_EQ(log_->CountPartitions("t"), 1);
  EXPECT_EQ(log_->DescribeTopic("t").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(log_->CreateTopic("t", 4).ok());
  if (!options_.in_memory) Reopen();
  EXPECT_EQ(log_->Append({"t", 2}, records).value(), 4);
  EXPECT_EQ(log_->Append({"t", 3}, records).value(), 0);
  EXPECT_EQ(log_->Read({"t", 2}, 0, 10, 1000)->first_offset, 4);
}

TEST_P(EmbeddedLogTest, KeysDecideThePartitionAndWhatHasNoneStaysTogether) {
  ASSERT_TRUE(log_->CreateTopic("t", 4).ok());
  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.push_back("k" + std::to_string(i));
  std::vector<OutputRecord> records;
  for (const std::string& key : keys) records.push_back({"v", key, {}, 0});
  for (int i = 0; i < 2; ++i) {
    uint64_t count = 0;
    const auto appended = log_->AppendByKey("t", records);
    ASSERT_TRUE(appended.ok()) << appended.status();
    for (const Appended& one : *appended) count += one.count;
    EXPECT_EQ(count, records.size());
  }
  for (int32_t partition = 0; partition < 4; ++partition) {
    const ReadResult read = log_->Read({"t", partition}, 0, 1000, 1 << 20).value();
    EXPECT_GT(read.records.size(), 0u);
    for (const Record& record : read.records) EXPECT_EQ(PartitionOfKey(*record.key, 4), partition);
  }
  std::set<int32_t> used;
  const OutputRecord keyless[] = {{"a", {}, {}, 0}, {"b", {}, {}, 0}};
  for (int i = 0; i < 4; ++i) {
    const auto appended = log_->AppendByKey("t", keyless);
    ASSERT_TRUE(appended.ok()) << appended.status();
    ASSERT_EQ(appended->size(), 1u);
    used.insert(appended->front().partition);
  }
  EXPECT_EQ(used.size(), 4u);
}

TEST(Partitioner, AnswersAsJavasKafkaClientDoes) {
  // From the tests of org.apache.kafka.common.utils.Utils.murmur2, made positive and modulo 1,000,003.
  const std::pair<std::string_view, int32_t> cases[] = {{"21", -973932308},
                                                        {"foobar", -790332482},
                                                        {"a-little-bit-long-string", -985981536},
                                                        {"a-little-bit-longer-string", -1486304829},
                                                        {"abc", 479470107}};
  for (const auto& [key, hash] : cases) EXPECT_EQ(PartitionOfKey(key, 1'000'003), (hash & 0x7fffffff) % 1'000'003) << key;
  EXPECT_EQ(PartitionOfKey("anything", 1), 0);
}

INSTANTIATE_TEST_SUITE_P(Storage, EmbeddedLogTest, testing::Bool(), [](const auto& param) { return param.param ? "Memory" : "Disk"; });

class DiskLogTest : public EmbeddedLogTest {};

TEST_P(EmbeddedLogTest, RecordsComeBackAsTheyWere) {
  const std::string headers = "\1\0\0\0\2\0\0\0hvv"s;
  const OutputRecord records[] = {
      {"value", "key", headers, 1234},
      {"", "", "", 0},
      {std::string_view("\0\0", 2), std::nullopt, {}, -5},
      {std::string_view(), std::nullopt, {}, kNoTimestamp},
  };
  ASSERT_EQ(log_->Append("t", records).value(), 0);
  const ReadResult read = log_->Read("t", 0, 100, 1 << 20).value();
  ASSERT_EQ(read.records.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(read.records[i].offset, static_cast<int64_t>(i));
    EXPECT_EQ(read.records[i].partition, 0);
    EXPECT_EQ(read.records[i].key, records[i].key);
    EXPECT_EQ(read.records[i].headers, records[i].headers);
  }
  EXPECT_EQ(read.records[0].value, "value");
  EXPECT_EQ(read.records[0].timestamp_ms, 1234);
  EXPECT_EQ(read.records[2].timestamp_ms, -5);
  EXPECT_GT(read.records[3].timestamp_ms, 1'600'000'000'000);
}

TEST_P(EmbeddedLogTest, ReadsBeginAnywhereAndKeepToTheirBounds) {
  std::vector<std::string> all;
  std::mt19937 random(1);
  while (all.size() < 3000) {
    std::vector<std::string> batch;
    for (size_t i = random() % 200 + 1; i > 0; --i) {
      batch.push_back(std::to_string(all.size() + batch.size()) + std::string(random() % 300, '.'));
    }
    ASSERT_EQ(Append("t", batch), static_cast<int64_t>(all.size()));
    all.insert(all.end(), batch.begin(), batch.end());
  }
  ASSERT_EQ(Append("t", {std::string(10 << 20, 'b')}), static_cast<int64_t>(all.size()));
  for (int i = 0; i < 300; ++i) {
    const size_t from = random() % all.size();
    const size_t count = random() % 50 + 1;
    const ReadResult read = log_->Read("t", static_cast<int64_t>(from), count, 4000).value();
    ASSERT_FALSE(read.records.empty());
    ASSERT_LE(read.records.size(), count);
    size_t bytes = 0;
    for (size_t r = 0; r < read.records.size(); ++r) {
      ASSERT_EQ(read.records[r].value.size() > 1000, from + r == all.size());
      if (from + r < all.size()) {
        ASSERT_EQ(read.records[r].value, all[from + r]);
      }
      ASSERT_LT(bytes, 4000u);
      bytes += read.records[r].value.size();
    }
    ASSERT_EQ(read.next_offset, static_cast<int64_t>(from + read.records.size()));
  }
  EXPECT_EQ(Values("t", 2999).size(), static_cast<size_t>(log_->DescribeTopic("t")->end_offset - 2999));
}

TEST_P(EmbeddedLogTest, ATopicThatDoesNotExistReadsAsEmpty) {
  EXPECT_TRUE(Values("nothing").empty());
  EXPECT_EQ(log_->Read("nothing", 1, 1, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(log_->DescribeTopic("nothing").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(log_->DeleteTopic("nothing").code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(log_->ListTopics().empty());
  {
    const Subscription waiting = log_->Subscribe("nothing", [] {}).value();
  }
  EXPECT_TRUE(log_->ListTopics().empty());
}

TEST_P(EmbeddedLogTest, NamesAreChecked) {
  for (const std::string& name : {""s, "."s, ".."s, "a/b"s, "a b"s, "\0"s, "\xc3\xa4"s, std::string(256, 'x')}) {
    EXPECT_EQ(log_->Append(name, std::span<const OutputRecord>()).status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(log_->Read(name, 0, 1, 1).status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(log_->Subscribe(name, [] {}).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(log_->CommitGroupPosition({"", "t", 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(log_->CommitGroupPosition({"a\nb", "t", 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Append(std::string(255, 'x'), {"v"}), 0);
  EXPECT_EQ(Append("A.b_c-9", {"v"}), 0);
}

TEST_P(EmbeddedLogTest, OffsetsGoOnAfterDeletion) {
  Append("t", {"a", "b"});
  Append("other", {"o"});
  ASSERT_TRUE(log_->CommitGroupPosition({"g", "t", 1}).ok());
  ASSERT_TRUE(log_->DeleteTopic("t").ok());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(log_->DescribeTopic("t").status().code(), absl::StatusCode::kNotFound);
    ASSERT_EQ(log_->ListTopics().size(), 1u);
    const ReadResult read = log_->Read("t", 1, 10, 10).value();
    EXPECT_TRUE(read.records.empty());
    EXPECT_EQ(read.first_offset, 2);
    EXPECT_EQ(read.end_offset, 2);
    if (!options_.in_memory) Reopen();
  }
  EXPECT_EQ(Append("t", {"c"}), 2);
  EXPECT_EQ(Values("t"), std::vector<std::string>{"c"});
  EXPECT_EQ(Values("other"), std::vector<std::string>{"o"});
  EXPECT_EQ(log_->DescribeTopic("t")->first_offset, 2);
}

TEST_P(EmbeddedLogTest, EveryWriterGetsItsOwnRunOfOffsets) {
  constexpr int kWriters = 6;
  constexpr int kBatches = 40;
  std::vector<std::jthread> writers;
  std::atomic<int> wakes = 0;
  const Subscription subscription = log_->Subscribe("t", [&] { ++wakes; }).value();
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (int b = 0; b < kBatches; ++b) {
        const std::string id = std::to_string(w) + ":" + std::to_string(b) + ":";
        const std::string values[] = {id + "0", id + "1", id + "2"};
        const OutputRecord records[] = {{values[0], {}, {}, 0}, {values[1], {}, {}, 0}, {values[2], {}, {}, 0}};
        const auto first = log_->Append("t", records);
        ASSERT_TRUE(first.ok()) << first.status();
        const ReadResult read = log_->Read("t", *first, 3, 1000).value();
        ASSERT_EQ(read.records.size(), 3u);
        for (size_t i = 0; i < 3; ++i) ASSERT_EQ(read.records[i].value, values[i]);
      }
    });
  }
  writers.clear();
  const std::vector<std::string> values = Values("t");
  EXPECT_EQ(values.size(), static_cast<size_t>(kWriters * kBatches * 3));
  EXPECT_EQ(std::set<std::string>(values.begin(), values.end()).size(), values.size());
  EXPECT_GT(wakes, 0);
}

TEST_P(EmbeddedLogTest, ASubscriberIsWokenForEveryGrowthUntilItEnds) {
  int wakes = 0;
  Subscription subscription = log_->Subscribe("t", [&] { ++wakes; }).value();
  Append("other", {"x"});
  EXPECT_EQ(wakes, 0);
  Append("t", {"x"});
  EXPECT_EQ(wakes, 1);
  ASSERT_TRUE(log_->DeleteTopic("t").ok());
  EXPECT_EQ(wakes, 2);
  Subscription moved = std::move(subscription);
  Append("t", {"x"});
  EXPECT_EQ(wakes, 3);
  moved = Subscription();
  Append("t", {"x"});
  EXPECT_EQ(wakes, 3);
}

TEST_P(EmbeddedLogTest, ATransactionIsVisibleAsAWholeAndOnlyToTheNewestClaim) {
  const Claim old_claim = log_->Acquire("f/0").value();
  EXPECT_FALSE(old_claim.note.has_value());
  RecordBlocks a, b;
  a.Add({"a", {}, {}, 0}, Now());
  b.Add({"b", {}, {}, 0}, Now());
  ASSERT_TRUE(log_->Commit(old_claim, {{{"x", &a}, {"y", &b}, {"x", &b}}, {{"g", "in", 7}}, "note 1"}).ok());
  EXPECT_EQ(Values("x"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(Values("y"), (std::vector<std::string>{"b"}));
  EXPECT_EQ(log_->ReadGroupPosition("g", "in").value(), 7);

  const Claim new_claim = log_->Acquire("f/0").value();
  EXPECT_EQ(new_claim.note, "note 1");
  EXPECT_EQ(log_->Commit(old_claim, {{{"x", &a}}, {{"g", "in", 8}}, "too late"}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Values("x").size(), 2u);
  EXPECT_EQ(log_->ReadGroupPosition("g", "in").value(), 7);
  ASSERT_TRUE(log_->Commit(new_claim, {{}, {}, "note 2"}).ok());
  ASSERT_TRUE(log_->Commit(log_->Acquire("f/1").value(), {{{"x", &b}}, {}, "other"}).ok());
  EXPECT_EQ(log_->Acquire("f/0").value().note, "note 2");

  ASSERT_TRUE(log_->ForgetOwners("f/").ok());
  EXPECT_FALSE(log_->Acquire("f/0").value().note.has_value());
  EXPECT_EQ(log_->Commit(new_claim, {{}, {}, "dropped"}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(EmbeddedLogTest, RetentionByBytesDropsTheOldestBlocksOnly) {
  options_.retention_bytes = 1 << 20;
  Reopen();
  Append("small", {"stays"});
  for (int i = 0; i < 400; ++i) Append("t", {std::string(10000, static_cast<char>('a' + i % 26))});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (log_->DescribeTopic("t")->bytes > (2u << 20) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const TopicInfo info = log_->DescribeTopic("t").value();
  EXPECT_LE(info.bytes, 2u << 20);
  EXPECT_GT(info.first_offset, 0);
  EXPECT_EQ(info.end_offset, 400);
  const ReadResult read = log_->Read("t", 0, 1, 1).value();
  EXPECT_EQ(read.records.at(0).offset, read.first_offset);
  EXPECT_EQ(read.records.at(0).value.front(), static_cast<char>('a' + read.first_offset % 26));
  EXPECT_EQ(Values("small").size(), 1u);
  if (!options_.in_memory) {
    Reopen();
    EXPECT_EQ(log_->DescribeTopic("t")->end_offset, 400);
    EXPECT_EQ(Values("t", 399).size(), 1u);
  }
}

TEST_F(DiskLogTest, RetentionByAgeAlsoLooksWhenTheLogIsOpened) {
  Append("t", {"old", "old"});
  log_.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  options_.retention_ms = 10;
  Reopen();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (log_->DescribeTopic("t")->first_offset < 2 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(log_->DescribeTopic("t")->first_offset, 2);
  EXPECT_EQ(Append("t", {"new"}), 2);
}

TEST_F(DiskLogTest, NotedPositionsAreDurableWithTheNextWriteOrTheEnd) {
  ASSERT_TRUE(log_->NoteGroupPosition({"g", "t", 5}).ok());
  EXPECT_EQ(log_->ReadGroupPosition("g", "t").value(), 5);
  Reopen();
  EXPECT_EQ(log_->ReadGroupPosition("g", "t").value(), 5);
  EXPECT_EQ(log_->ReadGroupPosition("g", "other").value(), std::nullopt);
  EXPECT_EQ(log_->ReadGroupPosition("other", "t").value(), std::nullopt);
}

// ---- Crashes: a child appends and commits until it is killed; whatever it was told is done must be there, whole.

constexpr char kChild[] = "EmbeddedLogChild.DISABLED_WritesUntilItIsKilled";

TEST(EmbeddedLogChild, DISABLED_WritesUntilItIsKilled) {
  EmbeddedLog::Options options;
  options.folder = ChildProcess::folder() / "log";
  const auto log = EmbeddedLog::Open(options).value();
  const Claim claim = log->Acquire("f/0").value();
  uint64_t sequence = claim.note ? std::stoull(*claim.note) : 0;
  std::jthread other([&] {
    while (log->Append("noise", std::vector<OutputRecord>(3)).ok()) {
    }
  });
  while (true) {
    ++sequence;
    RecordBlocks blocks;
    for (int i = 0; i < 3; ++i) blocks.Add({std::to_string(sequence), {}, {}, 0}, Now());
    ASSERT_TRUE(
        log->Commit(claim, {{{"a", &blocks}, {"b", &blocks}}, {{"g", "in", static_cast<int64_t>(sequence)}}, std::to_string(sequence)})
            .ok());
    std::ofstream(ChildProcess::folder() / "told.new") << sequence;
    std::filesystem::rename(ChildProcess::folder() / "told.new", ChildProcess::folder() / "told");
  }
}

TEST_F(DiskLogTest, AKilledServerKeepsWhatItHasConfirmedAndNothingHalf) {
  log_.reset();
  std::mt19937 random(7);
  for (int kill = 0; kill < 6; ++kill) {
    std::filesystem::remove(folder_.path() / "told");
    ChildProcess child(kChild, folder_.path(), "");
    ASSERT_TRUE(ChildProcess::WaitForFile(folder_.path() / "told"));
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 60));
    child.Kill();
    uint64_t told = 0;
    std::ifstream(folder_.path() / "told") >> told;
    Reopen();
    const uint64_t note = std::stoull(log_->Acquire("f/0").value().note.value());
    EXPECT_GE(note, told);
    EXPECT_LE(note, told + 1);
    for (const char* topic : {"a", "b"}) {
      const std::vector<std::string> values = Values(topic);
      ASSERT_EQ(values.size(), note * 3);
      for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], std::to_string(i / 3 + 1));
    }
    EXPECT_EQ(log_->ReadGroupPosition("g", "in").value(), static_cast<int64_t>(note));
    EXPECT_EQ(Values("noise").size() % 3, 0u);
    log_.reset();
  }
}

TEST_F(DiskLogTest, ANewerFormatAndASecondProcessAreRefused) {
  Append("t", {"x"});
  EXPECT_EQ(EmbeddedLog::Open(options_).status().code(), absl::StatusCode::kFailedPrecondition);
  log_.reset();
  {
    std::filesystem::remove(folder_.path() / "told");
    ChildProcess child(kChild, folder_.path(), "");
    ASSERT_TRUE(ChildProcess::WaitForFile(folder_.path() / "told"));
    const absl::Status refused = EmbeddedLog::Open(options_).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
    EXPECT_NE(Message(refused).find(options_.folder.native()), std::string_view::npos) << refused;
  }
  rocksdb::DB* database = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), options_.folder.native(), &database).ok());
  function_stream::connector::embedded::StoredLogFormat format;
  format.set_version(2);
  ASSERT_TRUE(database->Put(rocksdb::WriteOptions(), "f", format.SerializeAsString()).ok());
  delete database;
  EXPECT_EQ(EmbeddedLog::Open(options_).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace fs::connector::embedded
