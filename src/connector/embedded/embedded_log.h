// The log inside the server: named topics of ordered, replayable records, durable in one RocksDB for all topics.
//
// One per server, thread-safe; it outlives every Subscription and session. Any thread appends; all that arrive while one write is
// synced go into the next one together (group commit). A topic comes into being with its first record, then with one partition, or with
// CreateTopic, with as many as are asked for. Each partition is a log of its own: its offsets count up
// without gaps for ever: a deleted topic that is written again goes on where it ended, so that no position ever means two records. A record
// is visible exactly when it is durable. Retention drops whole blocks of old records from the front. README.md has the stored format.
//
// Errors: kInvalidArgument (a name, a partition that is not there, an offset past the end), kNotFound, kAlreadyExists, kResourceExhausted
// (record over its limit), kDataLoss (damaged), kInternal (cannot be read, naming the folder), kUnavailable (a write failed: whether it
// survives is known only when the server has started again, and until then every further write is refused so).
#ifndef FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_LOG_H_
#define FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_LOG_H_

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.h"
#include "base/status.h"
#include "connector/embedded/record_block.h"

namespace fs::connector::embedded {

// 1 to 255 letters, digits, '.', '_' or '-', and not "." or "..". kInvalidArgument saying what is wrong.
[[nodiscard]] absl::Status CheckTopicName(std::string_view topic);
// 1 to 255 bytes without control characters.
[[nodiscard]] absl::Status CheckGroupId(std::string_view group);

inline constexpr int32_t kMostPartitions = 1024;

// One partition of a topic. A topic's name alone means its first, which most topics have nothing beside.
struct TopicPartition {
  template <std::convertible_to<std::string_view> Name>
  TopicPartition(const Name& name, int32_t number = 0) : topic(name), partition(number) {}  // NOLINT: a name is enough
  std::string_view topic;
  int32_t partition;
};

struct PartitionInfo {
  int64_t first_offset = 0;  // the oldest record kept
  int64_t end_offset = 0;    // of the record that comes next
  uint64_t bytes = 0;        // of the records kept, as stored
};

struct TopicInfo {
  std::string name;
  // The sums over its partitions.
  int64_t first_offset = 0;
  int64_t end_offset = 0;
  uint64_t bytes = 0;
  std::vector<PartitionInfo> partitions;
};

// Where the records of one partition went.
struct Appended {
  int32_t partition = 0;
  int64_t first_offset = 0;
  uint64_t count = 0;
};

// Records read, and the buffers they point into.
struct ReadResult {
  std::vector<Record> records;
  int64_t next_offset = 0;  // where to go on
  int64_t first_offset = 0;
  int64_t end_offset = 0;
  std::vector<std::string> buffers;
};

struct GroupPosition {
  std::string group;
  std::string topic;
  int64_t offset = 0;  // of the next record to read
  int32_t partition = 0;
  bool operator==(const GroupPosition&) const = default;
};

// What an owner makes durable in one step.
struct Transaction {
  struct Output {
    std::string topic;
    const RecordBlocks* records = nullptr;
    int32_t partition = 0;
  };
  std::vector<Output> outputs;
  std::vector<GroupPosition> group_positions;
  std::string note;  // the owner's own bytes: Acquire gives them back
};

// A claim to write transactions under one name. A later claim to the same name shuts out the earlier ones.
struct Claim {
  std::string owner;
  uint64_t epoch = 0;
  std::optional<std::string> note;  // of the last transaction committed under this name; nullopt: none
};

// Ends the registration when destroyed, and then no call is under way or will come.
class Subscription {
 public:
  Subscription() = default;
  explicit Subscription(std::function<void()> cancel) : cancel_(std::move(cancel)) {}
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;
  ~Subscription();

 private:
  std::function<void()> cancel_;
};

class EmbeddedLog {
 public:
  struct Options {
    std::filesystem::path folder;
    bool in_memory = false;                                // nothing outlives the process; `folder` is a name only
    uint64_t retention_bytes = uint64_t{1} << 30;          // per topic; 0: no limit
    int64_t retention_ms = int64_t{7} * 24 * 3600 * 1000;  // since a record was written; 0: no limit
    size_t block_cache_bytes = size_t{64} << 20;
    size_t limit_record_bytes = size_t{64} << 20;
  };
  // kInternal naming the folder; kDataLoss; kFailedPrecondition: written by a newer server, or another process holds it.
  static absl::StatusOr<std::unique_ptr<EmbeddedLog>> Open(const Options& options);
  virtual ~EmbeddedLog() = default;

  // Makes the records durable, all or none, one after the other; the offset of the first. Waits for the disk.
  [[nodiscard]] virtual absl::StatusOr<int64_t> Append(const TopicPartition& place, std::span<const OutputRecord> records) = 0;
  [[nodiscard]] virtual absl::StatusOr<int64_t> Append(const TopicPartition& place, const RecordBlocks& records) = 0;
  // The same over all partitions of the topic, each record where its key says (partitioner.h); those without a key stay together.
  [[nodiscard]] virtual absl::StatusOr<std::vector<Appended>> AppendByKey(std::string_view topic,
                                                                          std::span<const OutputRecord> records) = 0;

  // Up to max_records records (and about max_bytes, but at least one) from offset `from` on, without waiting; empty at the end. A topic
  // that does not exist reads as an empty one. Below first_offset, which retention moves, it begins at first_offset: the records between
  // are gone. kInvalidArgument past the end.
  [[nodiscard]] virtual absl::StatusOr<ReadResult> Read(const TopicPartition& place, int64_t from, size_t max_records,
                                                        size_t max_bytes) const = 0;

  // Calls `on_growth` whenever records become visible in the partition, or the topic is made or deleted. From then on: read once after
  // subscribing, for what came before. Called on the writer's thread with a lock held: be quick, wake somebody, and do not call the log or
  // end a Subscription from there.
  [[nodiscard]] virtual absl::StatusOr<Subscription> Subscribe(const TopicPartition& place, std::function<void()> on_growth) = 0;

  // kAlreadyExists: with another number of partitions. One that is there with the same is left as it is.
  [[nodiscard]] virtual absl::Status CreateTopic(std::string_view topic, int32_t partitions) = 0;
  // 1 where the topic does not exist: that is what its first record would make.
  [[nodiscard]] virtual int32_t CountPartitions(std::string_view topic) const = 0;
  [[nodiscard]] virtual absl::StatusOr<TopicInfo> DescribeTopic(std::string_view topic) const = 0;  // kNotFound
  [[nodiscard]] virtual std::vector<TopicInfo> ListTopics() const = 0;                              // by name
  [[nodiscard]] virtual absl::Status DeleteTopic(std::string_view topic) = 0;                       // kNotFound

  // ---- Consumer groups: a group is a remembered position, not a share of the work.
  [[nodiscard]] virtual absl::StatusOr<std::optional<int64_t>> ReadGroupPosition(std::string_view group,
                                                                                 const TopicPartition& place) const = 0;
  [[nodiscard]] virtual absl::Status CommitGroupPosition(const GroupPosition& position) = 0;  // durable on return
  // Seen by ReadGroupPosition at once, durable with the next write or when the log closes. Never blocks on the disk.
  [[nodiscard]] virtual absl::Status NoteGroupPosition(const GroupPosition& position) = 0;

  // ---- Transactions. kFailedPrecondition from Commit: the claim has been overtaken, nothing happened.
  [[nodiscard]] virtual absl::StatusOr<Claim> Acquire(std::string_view owner) = 0;
  [[nodiscard]] virtual absl::Status Commit(const Claim& claim, const Transaction& transaction) = 0;
  // Forgets all owners whose name begins with `prefix`; their claims are void.
  [[nodiscard]] virtual absl::Status ForgetOwners(std::string_view prefix) = 0;
};

}  // namespace fs::connector::embedded

#endif  // FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_LOG_H_
