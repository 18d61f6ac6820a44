// EmbeddedLog as it is built: one RocksDB, one line of writers. Header of the folder itself; users include embedded_log.h.
//
// Four locks, taken in this order: write_mutex_ (one write at a time, held while the disk syncs), database_mutex_ (readers share it;
// alone with it, the database is closed and opened again), mutex_ (what readers see, short), and a topic's subscribers_mutex (while its
// subscribers are called). queue_mutex_ and trim_mutex_ stand alone. A write is a function that stages its changes; whoever gets
// write_mutex_ performs all that wait, in one batch.
//
// After a write that failed nobody knows whether it survived, here or in RocksDB: the next writes close the database and open it again, as
// a new server would, as soon as its folder takes writes.
#ifndef FUNCTION_STREAM_CONNECTOR_EMBEDDED_LOG_H_
#define FUNCTION_STREAM_CONNECTOR_EMBEDDED_LOG_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rocksdb.h"
#include "base/thread.h"
#include "connector/embedded/embedded_log.h"

namespace fs::connector::embedded {

// What of a partition there is.
struct Extent {
  bool exists = false;
  int64_t first = 0;
  int64_t end = 0;
  uint64_t bytes = 0;
  int32_t partitions = 1;  // of the topic; said with its first partition only
};

// One partition of a topic.
struct Topic {
  explicit Topic(const TopicPartition& place);
  const std::string topic;
  const int32_t partition;
  const std::string name;  // PartitionName
  uint32_t number = 0;     // under write_mutex_; 0: never there
  Extent extent;           // under mutex_

  uint64_t unchecked_bytes = 0;  // under write_mutex_: written since retention looked last
  int64_t checked_ms = 0;        // under write_mutex_

  absl::Mutex subscribers_mutex;
  std::map<uint64_t, std::function<void()>> subscribers ABSL_GUARDED_BY(subscribers_mutex);
  uint64_t next_subscriber ABSL_GUARDED_BY(subscribers_mutex) = 0;
};

struct Owner {
  uint64_t epoch = 0;
  std::optional<std::string> note;
};

// A batch in the making, and what will be true when it is written.
struct Stage {
  rocksdb::WriteBatch batch;
  std::map<std::shared_ptr<Topic>, Extent> topics;
  std::map<std::string, std::optional<Owner>, std::less<>> owners;  // nullopt: forgotten
  std::map<std::string, int64_t> group_positions;                   // by GroupKey
};

class Log final : public EmbeddedLog {
 public:
  explicit Log(const Options& options);
  ~Log() override;
  absl::Status Open();

  absl::StatusOr<int64_t> Append(const TopicPartition& place, std::span<const OutputRecord> records) override;
  absl::StatusOr<int64_t> Append(const TopicPartition& place, const RecordBlocks& records) override;
  absl::StatusOr<std::vector<Appended>> AppendByKey(std::string_view topic, std::span<const OutputRecord> records) override;
  absl::StatusOr<ReadResult> Read(const TopicPartition& place, int64_t from, size_t max_records, size_t max_bytes) const override;
  absl::StatusOr<Subscription> Subscribe(const TopicPartition& place, std::function<void()> on_growth) override;
  absl::Status CreateTopic(std::string_view topic, int32_t partitions) override;
  int32_t CountPartitions(std::string_view topic) const override;
  absl::StatusOr<TopicInfo> DescribeTopic(std::string_view topic) const override;
  std::vector<TopicInfo> ListTopics() const override;
  absl::Status DeleteTopic(std::string_view topic) override;
  absl::StatusOr<std::optional<int64_t>> ReadGroupPosition(std::string_view group, const TopicPartition& place) const override;
  absl::Status CommitGroupPosition(const GroupPosition& position) override;
  absl::Status NoteGroupPosition(const GroupPosition& position) override;
  absl::StatusOr<Claim> Acquire(std::string_view owner) override;
  absl::Status Commit(const Claim& claim, const Transaction& transaction) override;
  absl::Status ForgetOwners(std::string_view prefix) override;

 private:
  using Change = std::function<absl::Status(Stage&)>;
  struct Request {
    Change change;
    absl::Status outcome;
    bool is_done = false;  // under write_mutex_
  };

  [[nodiscard]] rocksdb::Env* env() const { return options_.in_memory ? memory_env_.get() : rocksdb::Env::Default(); }
  // Opens the database and loads what it says of topics, groups and owners, over what is known of them.
  absl::Status OpenDatabase() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_, database_mutex_) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status LoadMeta() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_, database_mutex_) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status LoadTopic(std::string_view name, std::string_view value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // kUnavailable: it was closed after a failed write and could not be opened again yet.
  [[nodiscard]] absl::Status CheckOpen() const ABSL_SHARED_LOCKS_REQUIRED(database_mutex_);

  [[nodiscard]] std::shared_ptr<Topic> FindTopic(const TopicPartition& place) const ABSL_LOCKS_EXCLUDED(mutex_);
  [[nodiscard]] std::shared_ptr<Topic> MakeTopic(const TopicPartition& place) ABSL_LOCKS_EXCLUDED(mutex_);
  [[nodiscard]] Extent ExtentOf(const Topic& topic) const ABSL_LOCKS_EXCLUDED(mutex_);
  [[nodiscard]] TopicInfo InfoOf(std::string_view name, int32_t partitions) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void Cancel(const TopicPartition& place, uint64_t subscriber);
  absl::StatusOr<bool> ReadBlocks(uint32_t number, int64_t from, size_t max_records, size_t max_bytes, ReadResult& result) const;

  // ---- Writing (log_writer.cc). A change that fails leaves the stage as it was.
  absl::Status Write(Change change) ABSL_LOCKS_EXCLUDED(write_mutex_);
  void Perform(const std::deque<Request*>& requests) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // After a failed write: opens the database again where its folder takes writes now, not more often than now and then.
  void Heal() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) ABSL_LOCKS_EXCLUDED(database_mutex_, mutex_);
  void Failed(const Stage& stage, const rocksdb::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void WakeAll() ABSL_LOCKS_EXCLUDED(mutex_);
  void Fill(Stage& stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void Apply(const Stage& stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  Extent& Staged(Stage& stage, const std::shared_ptr<Topic>& topic) const;
  // As far as the stage has come. kInvalidArgument: the topic has no such partition.
  [[nodiscard]] absl::Status CheckPartition(const Stage& stage, const TopicPartition& place) const ABSL_LOCKS_EXCLUDED(mutex_);
  [[nodiscard]] int32_t CountIn(const Stage& stage, std::string_view topic) const ABSL_LOCKS_EXCLUDED(mutex_);
  [[nodiscard]] absl::Status CheckRecords(std::string_view topic, std::span<const OutputRecord> records) const;
  // Adds the blocks behind what is staged; the offset of the first record.
  int64_t StageRecords(Stage& stage, const std::shared_ptr<Topic>& topic, const RecordBlocks& records);
  [[nodiscard]] std::optional<Owner> OwnerIn(const Stage& stage, std::string_view owner) const;

  // ---- Retention (log_retention.cc), on a thread of its own.
  void RunRetention();
  void AskForTrim(const std::shared_ptr<Topic>& topic);
  absl::Status Trim(const std::shared_ptr<Topic>& topic);
  [[nodiscard]] bool IsTrimDue(Topic& topic, const Extent& extent, int64_t now_ms) const;

  const Options options_;
  std::unique_ptr<rocksdb::Env> memory_env_;
  std::optional<DatabaseFolder> folder_;
  mutable absl::Mutex database_mutex_;
  // Changed under both locks, so that either is enough to use it. Null: closed after a failed write.
  std::unique_ptr<rocksdb::DB> database_;

  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Topic>, std::less<>> topics_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Owner, std::less<>> owners_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int64_t> group_positions_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> noted_ ABSL_GUARDED_BY(mutex_);  // group positions that are not stored yet

  absl::Mutex write_mutex_;
  absl::Status failed_ ABSL_GUARDED_BY(write_mutex_);
  absl::Time heal_due_ ABSL_GUARDED_BY(write_mutex_) = absl::InfinitePast();
  bool is_format_saved_ ABSL_GUARDED_BY(write_mutex_) = false;
  uint32_t last_topic_number_ ABSL_GUARDED_BY(write_mutex_) = 0;
  uint64_t last_epoch_ ABSL_GUARDED_BY(write_mutex_) = 0;

  std::atomic<uint32_t> keyless_{0};  // appends, to take turns with records that have no key

  absl::Mutex queue_mutex_;
  std::deque<Request*> queue_ ABSL_GUARDED_BY(queue_mutex_);

  absl::Mutex trim_mutex_;
  std::set<std::shared_ptr<Topic>> to_trim_ ABSL_GUARDED_BY(trim_mutex_);
  bool is_closing_ ABSL_GUARDED_BY(trim_mutex_) = false;
  Thread retention_;
};

[[nodiscard]] int64_t NowMs();

}  // namespace fs::connector::embedded

#endif  // FUNCTION_STREAM_CONNECTOR_EMBEDDED_LOG_H_
