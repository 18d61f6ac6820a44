// What the embedded log does with a write-ahead log that is not as it was written: an end that a power failure cut short is dropped, and
// damage further back is refused.
#include "connector/embedded/wal_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <fstream>
#include <random>

#include "connector/embedded/embedded_log.h"
#include "support/temporary_folder.h"

namespace fs::connector::embedded {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kSmallWrites = 300;  // over a few blocks of the log

std::string ReadFile(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

void WriteFile(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

std::vector<std::filesystem::path> LogsOf(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> logs;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0) logs.push_back(entry.path());
  }
  std::sort(logs.begin(), logs.end());
  return logs;
}

std::string ValueOf(int number) { return fmt::format("{:0400}", number); }

// A log of small writes and a large one at the end, as a killed server leaves it; and how its file looked after each write.
class DamagedLog : public testing::Test {
 protected:
  void SetUp() override {
    EmbeddedLog::Options options;
    options.folder = folder_.path() / "whole";
    auto log = EmbeddedLog::Open(options);
    ASSERT_TRUE(log.ok()) << log.status();
    const std::filesystem::path file = FileOf(options.folder);
    for (int number = 0; number < kSmallWrites; ++number) {
      Append(**log, ValueOf(number));
      ends_.push_back(std::filesystem::file_size(file));
    }
    Append(**log, std::string(200'000, 'x'));
    ends_.push_back(std::filesystem::file_size(file));
    log->reset();
    whole_ = ReadFile(file);
    ASSERT_EQ(whole_.size(), ends_.back());
  }

  static void Append(EmbeddedLog& log, const std::string& value) {
    const OutputRecord record = {value, std::nullopt, {}, kNoTimestamp};
    ASSERT_TRUE(log.Append("t", std::span(&record, 1)).ok());
  }

  static std::filesystem::path FileOf(const std::filesystem::path& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".log") return entry.path();
    }
    ADD_FAILURE() << "no write-ahead log in " << folder;
    return {};
  }

  // How many of the writes are there when the log's file holds `bytes`.
  absl::StatusOr<int64_t> CountIn(std::string_view bytes) {
    const std::filesystem::path folder = folder_.path() / "changed";
    std::filesystem::remove_all(folder);
    std::filesystem::copy(folder_.path() / "whole", folder);
    file_ = FileOf(folder);
    WriteFile(file_, bytes);
    return Count(folder);
  }

  static absl::StatusOr<int64_t> Count(const std::filesystem::path& folder) {
    EmbeddedLog::Options options;
    options.folder = folder;
    FS_ASSIGN_OR_RETURN(const auto log, EmbeddedLog::Open(options));
    if (!log->DescribeTopic("t").ok()) return 0;
    FS_ASSIGN_OR_RETURN(const ReadResult read, log->Read("t", 0, 100'000, size_t{1} << 30));
    for (const Record& record : read.records) {
      if (record.offset < kSmallWrites && record.value != ValueOf(static_cast<int>(record.offset))) {
        return Internal("offset {} holds something else", record.offset);
      }
    }
    return static_cast<int64_t>(read.records.size());
  }

  [[nodiscard]] int64_t WritesBefore(size_t place) const {
    return std::count_if(ends_.begin(), ends_.end(), [place](size_t end) { return end <= place; });
  }

  TemporaryFolder folder_;
  std::string whole_;
  std::vector<size_t> ends_;
  std::filesystem::path file_;
};

TEST_F(DamagedLog, AnEndThatWasCutShortIsDroppedAndTheRestKept) {
  std::mt19937 chance(7);
  std::vector<size_t> sizes = {0, 1, 6, 7, ends_[0], ends_[0] + 1, ends_[kSmallWrites - 1], whole_.size() - 1, whole_.size()};
  for (int i = 0; i < 40; ++i) sizes.push_back(chance() % whole_.size());
  for (const size_t size : sizes) {
    const auto count = CountIn(std::string_view(whole_).substr(0, size));
    ASSERT_TRUE(count.ok()) << size << ": " << count.status();
    EXPECT_EQ(*count, WritesBefore(size)) << size;
    // The length of the file was stored, what belongs there was not.
    std::string zeros = whole_.substr(0, size);
    zeros.resize(whole_.size(), '\0');
    const auto with_zeros = CountIn(zeros);
    ASSERT_TRUE(with_zeros.ok()) << size << ": " << with_zeros.status();
    EXPECT_GE(*with_zeros, WritesBefore(size)) << size;
  }
}

TEST_F(DamagedLog, ALargeLastWriteOfWhichPagesAreMissingIsDropped) {
  for (size_t page = ends_[kSmallWrites - 1] / 4096 + 1; (page + 1) * 4096 < whole_.size(); page += 7) {
    std::string changed = whole_;
    changed.replace(page * 4096, 4096, 4096, '\0');
    const auto count = CountIn(changed);
    ASSERT_TRUE(count.ok()) << page << ": " << count.status();
    EXPECT_EQ(*count, kSmallWrites) << page;
  }
}

TEST_F(DamagedLog, AnyByteThatIsWrongFurtherBackIsRefusedWithThePlaceAndWhatToDo) {
  std::mt19937 chance(11);
  for (int i = 0; i < 150; ++i) {
    const size_t place = chance() % ends_[kSmallWrites - 1];
    std::string changed = whole_;
    changed[place] = static_cast<char>(static_cast<unsigned char>(changed[place]) ^ (1U << (chance() % 8)));
    const auto count = CountIn(changed);
    // Where a block ends there may be zeros that nobody reads.
    if (count.ok() && *count == kSmallWrites + 1) continue;
    ASSERT_EQ(count.status().code(), absl::StatusCode::kDataLoss) << place << ": " << count.value_or(-1);
    EXPECT_THAT(std::string(Message(count.status())),
                AllOf(HasSubstr(file_.native() + ": damaged at byte "), HasSubstr("no write that a power failure cut short"),
                      HasSubstr("Restore "), HasSubstr("truncate -s ")))
        << place;
  }
}

TEST_F(DamagedLog, WhatTheErrorProposesOpensTheLogUpToTheDamage) {
  std::string changed = whole_;
  const size_t place = ends_[100] + 20;
  changed[place] = static_cast<char>(~changed[place]);
  const auto refused = CountIn(changed);
  const std::string text(Message(refused.status()));
  const size_t command = text.find("truncate -s ");
  ASSERT_NE(command, std::string::npos) << text;
  ASSERT_EQ(std::system(text.substr(command, text.find('`', command) - command).c_str()), 0);
  const auto count = Count(file_.parent_path());
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(*count, 101);
}

// A database whose changes are in two write-ahead logs, ten in each.
class TwoLogs : public testing::Test {
 protected:
  void SetUp() override {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.avoid_flush_during_recovery = true;
    options.avoid_flush_during_shutdown = true;
    for (int run = 0; run < 2; ++run) {
      rocksdb::DB* opened = nullptr;
      ASSERT_TRUE(rocksdb::DB::Open(options, folder_.path(), &opened).ok());
      const std::unique_ptr<rocksdb::DB> database(opened);
      for (int i = 0; i < 10; ++i) ASSERT_TRUE(database->Put({}, ValueOf(i), ValueOf(run)).ok());
    }
    logs_ = LogsOf(folder_.path());
    ASSERT_EQ(logs_.size(), 2);
    first_ = ReadFile(logs_[0]);
    ASSERT_TRUE(CheckWriteAheadLogs(folder_.path()).ok());
  }

  TemporaryFolder folder_;
  std::vector<std::filesystem::path> logs_;
  std::string first_;
};

TEST_F(TwoLogs, DamageInTheFirstIsRefusedForWhatTheSecondHolds) {
  // The last record of the first log, and the end of that log.
  for (const auto& [size, place] : {std::pair(first_.size(), first_.size() - 1), std::pair(first_.size() - 1, size_t{0})}) {
    std::string changed = first_.substr(0, size);
    if (place > 0) changed[place] = static_cast<char>(~changed[place]);
    WriteFile(logs_[0], changed);
    const absl::Status status = CheckWriteAheadLogs(folder_.path());
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(Message(status)),
                AllOf(HasSubstr(logs_[0].native() + ": damaged at byte "), HasSubstr(logs_[1].filename().native() + " from byte 0"),
                      HasSubstr("backup; or move it")));
  }
  std::filesystem::remove(logs_[1]);
  EXPECT_TRUE(CheckWriteAheadLogs(folder_.path()).ok());
}

TEST_F(TwoLogs, AWriteThatFailedAtTheEndOfTheFirstIsNotMissedWhereTheSecondGoesOn) {
  WriteFile(logs_[0], first_ + first_.substr(0, 100));
  ASSERT_TRUE(CheckWriteAheadLogs(folder_.path()).ok());
  WriteFile(logs_[0], first_ + std::string(100, 'x'));
  EXPECT_TRUE(CheckWriteAheadLogs(folder_.path()).ok());
}

}  // namespace
}  // namespace fs::connector::embedded
