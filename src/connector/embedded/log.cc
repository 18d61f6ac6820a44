// Opening the log, and everything that reads it.
#include "connector/embedded/log.h"

#include <absl/time/clock.h>
#include <rocksdb/cache.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <limits>

#include "connector/embedded/log_keys.h"
#include "connector/embedded/wal_check.h"
#include "stored_log.pb.h"

namespace fs::connector::embedded {
namespace {

namespace stored = function_stream::connector::embedded;

constexpr uint32_t kFormat = 1;

}  // namespace

int64_t NowMs() { return absl::ToUnixMillis(absl::Now()); }

Subscription::Subscription(Subscription&& other) noexcept : cancel_(std::exchange(other.cancel_, nullptr)) {}

Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this == &other) return *this;
  if (cancel_) cancel_();
  cancel_ = std::exchange(other.cancel_, nullptr);
  return *this;
}

Subscription::~Subscription() {
  if (cancel_) cancel_();
}

absl::StatusOr<std::unique_ptr<EmbeddedLog>> EmbeddedLog::Open(const Options& options) {
  auto log = std::make_unique<Log>(options);
  FS_RETURN_IF_ERROR(log->Open());
  return log;
}

Log::Log(const Options& options) : options_(options) {
  if (options_.in_memory) memory_env_.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
}

Log::~Log() {
  {
    absl::MutexLock lock(&trim_mutex_);
    is_closing_ = true;
  }
  retention_.Join();
  // Positions that were only noted. If the disk refuses them, the functions still have their own.
  bool has_noted = false;
  {
    absl::MutexLock lock(&mutex_);
    has_noted = !noted_.empty();
  }
  if (has_noted) Write([](Stage&) { return absl::OkStatus(); }).IgnoreError();
}

absl::Status Log::Open() {
  FS_ASSIGN_OR_RETURN(DatabaseFolder claim, DatabaseFolder::Claim(options_.folder, env()));
  folder_.emplace(std::move(claim));
  {
    absl::MutexLock write_lock(&write_mutex_);
    absl::MutexLock lock(&database_mutex_);
    FS_RETURN_IF_ERROR(OpenDatabase());
  }
  FS_ASSIGN_OR_RETURN(retention_, Thread::Start("log-retention", [this] { RunRetention(); }));
  return absl::OkStatus();
}

absl::Status Log::OpenDatabase() {
  if (!options_.in_memory) FS_RETURN_IF_ERROR(CheckWriteAheadLogs(folder_->path()));
  rocksdb::Options options = DatabaseOptions(env());
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options_.block_cache_bytes);
  table.format_version = 5;
  table.block_size = 32 << 10;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kLZ4Compression;
  options.write_buffer_size = 32 << 20;
  options.arena_block_size = 256 << 10;
  options.level_compaction_dynamic_level_bytes = true;
  rocksdb::DB* database = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, folder_->path().native(), &database);
  if (!status.ok()) return folder_->OpenError(status);
  database_.reset(database);
  return LoadMeta();
}

absl::Status Log::LoadTopic(std::string_view name, std::string_view value) {
  stored::StoredTopic topic;
  if (!topic.ParseFromArray(value.data(), static_cast<int>(value.size())) || topic.number() == 0) {
    return DataLoss("{}: the entry of topic {} is damaged", options_.folder.native(), name);
  }
  const auto place = ParsePartitionName(name);
  if (!place || topic.partitions() > static_cast<uint32_t>(kMostPartitions)) {
    return DataLoss("{}: the entry of a partition is damaged", options_.folder.native());
  }
  const std::shared_ptr<Topic> loaded = MakeTopic({place->first, place->second});
  loaded->number = topic.number();
  last_topic_number_ = std::max(last_topic_number_, topic.number());
  absl::MutexLock lock(&mutex_);
  loaded->extent = {!topic.is_deleted(), topic.first_offset(), topic.end_offset(), topic.bytes(),
                    static_cast<int32_t>(std::max(topic.partitions(), uint32_t{1}))};
  if (!topic.is_deleted()) AskForTrim(loaded);
  return absl::OkStatus();
}

absl::Status Log::LoadMeta() {
  const std::string& folder = options_.folder.native();
  {
    absl::MutexLock lock(&mutex_);
    owners_.clear();
  }
  rocksdb::ReadOptions options;
  const std::unique_ptr<rocksdb::Iterator> iterator(database_->NewIterator(options));
  bool is_empty = true;
  for (iterator->SeekToFirst(); iterator->Valid();) {
    const std::string_view key = View(iterator->key());
    const std::string_view rest = key.substr(1);
    const std::string_view value = View(iterator->value());
    is_empty = false;
    switch (key[0]) {
      case kFormatMark: {
        stored::StoredLogFormat format;
        if (!format.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
          return DataLoss("{}: the format's entry is damaged", folder);
        }
        if (format.version() > kFormat) {
          return FailedPrecondition("{}: written by a newer server ({}, format {}); this one reads formats up to {}", folder,
                                    format.written_by(), format.version(), kFormat);
        }
        is_format_saved_ = true;
        break;
      }
      case kGroupMark: {
        const std::optional<int64_t> offset = DecodeOffset(value);
        if (!offset) return DataLoss("{}: the entry of a group's position is damaged", folder);
        absl::MutexLock lock(&mutex_);
        // What is only noted is newer.
        if (!noted_.contains(std::string(key))) group_positions_[std::string(key)] = *offset;
        break;
      }
      case kOwnerMark: {
        stored::StoredOwner owner;
        if (!owner.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
          return DataLoss("{}: the entry of {} is damaged", folder, rest);
        }
        last_epoch_ = std::max(last_epoch_, owner.epoch());
        absl::MutexLock lock(&mutex_);
        owners_[std::string(rest)] = {owner.epoch(), owner.has_note() ? std::optional(owner.note()) : std::nullopt};
        break;
      }
      case kTopicMark:
        FS_RETURN_IF_ERROR(LoadTopic(rest, value));
        break;
      case kRecordMark:
        // Records are many, and said nothing about here.
        iterator->Seek(std::string(1, kRecordMark + 1));
        continue;
      default:
        return DataLoss("{}: an entry that is none of this server's", folder);
    }
    iterator->Next();
  }
  FS_RETURN_IF_ERROR(RocksDbError(iterator->status(), options_.folder));
  if (!is_empty && !is_format_saved_) return DataLoss("{}: the format's entry is missing", folder);
  return absl::OkStatus();
}

Topic::Topic(const TopicPartition& place) : topic(place.topic), partition(place.partition), name(PartitionName(topic, partition)) {}

std::shared_ptr<Topic> Log::FindTopic(const TopicPartition& place) const {
  const std::string name = PartitionName(place.topic, place.partition);
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : found->second;
}

std::shared_ptr<Topic> Log::MakeTopic(const TopicPartition& place) {
  std::string name = PartitionName(place.topic, place.partition);
  absl::MutexLock lock(&mutex_);
  const auto found = topics_.find(name);
  if (found != topics_.end()) return found->second;
  return topics_.emplace(std::move(name), std::make_shared<Topic>(place)).first->second;
}

Extent Log::ExtentOf(const Topic& topic) const {
  absl::ReaderMutexLock lock(&mutex_);
  return topic.extent;
}

absl::StatusOr<ReadResult> Log::Read(const TopicPartition& place, int64_t from, size_t max_records, size_t max_bytes) const {
  const std::string_view name = place.topic;
  FS_RETURN_IF_ERROR(CheckTopicName(name));
  ReadResult result;
  const std::shared_ptr<Topic> topic = FindTopic(place);
  while (true) {
    const Extent extent = topic == nullptr ? Extent() : ExtentOf(*topic);
    if (from > extent.end) {
      return InvalidArgument("topic {}{}: offset {} is past the end, which is {}", name,
                             place.partition == 0 ? std::string() : fmt::format(" partition {}", place.partition), from, extent.end);
    }
    result.first_offset = extent.first;
    result.end_offset = extent.end;
    result.next_offset = std::max(from, extent.first);
    if (result.next_offset == extent.end || max_records == 0) return result;
    // Numbers are given before a topic's first record becomes visible, and never change.
    FS_ASSIGN_OR_RETURN(const bool found, ReadBlocks(topic->number, result.next_offset, max_records, max_bytes, result));
    if (found) {
      if (place.partition != 0) {
        for (Record& record : result.records) record.partition = place.partition;
      }
      return result;
    }
    // Retention was faster; or the record is not there although it should be.
    if (ExtentOf(*topic).first <= result.next_offset) {
      return DataLoss("{}: topic {}: offset {} is missing", options_.folder.native(), name, result.next_offset);
    }
  }
}

absl::StatusOr<bool> Log::ReadBlocks(uint32_t number, int64_t from, size_t max_records, size_t max_bytes, ReadResult& result) const {
  const std::string lower = RecordKey(number, 0);
  const std::string upper = RecordKey(number, result.end_offset);
  const rocksdb::Slice lower_slice(lower);
  const rocksdb::Slice upper_slice(upper);
  absl::ReaderMutexLock database_lock(&database_mutex_);
  FS_RETURN_IF_ERROR(CheckOpen());
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &lower_slice;
  options.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> iterator(database_->NewIterator(options));
  size_t bytes = 0;
  for (iterator->SeekForPrev(RecordKey(number, from)); iterator->Valid(); iterator->Next()) {
    // Views into a buffer hold when the vector moves it: blocks are longer than what a string keeps inside itself.
    result.buffers.push_back(iterator->value().ToString());
    FS_ASSIGN_OR_RETURN_CONTEXT(BlockReader block, BlockReader::Open(result.buffers.back(), RecordKeyOffset(View(iterator->key()))),
                                options_.folder.native());
    while (true) {
      FS_ASSIGN_OR_RETURN_CONTEXT(const std::optional<Record> record, block.Next(), options_.folder.native());
      if (!record) break;
      if (record->offset < from) continue;
      if (record->offset != result.next_offset) return false;
      result.records.push_back(*record);
      result.next_offset = record->offset + 1;
      bytes += record->value.size() + record->headers.size() + (record->key ? record->key->size() : 0);
      if (result.records.size() >= max_records || bytes >= max_bytes) return true;
    }
  }
  FS_RETURN_IF_ERROR(RocksDbError(iterator->status(), options_.folder));
  return !result.records.empty();
}

absl::StatusOr<Subscription> Log::Subscribe(const TopicPartition& place, std::function<void()> on_growth) {
  FS_RETURN_IF_ERROR(CheckTopicName(place.topic));
  const std::shared_ptr<Topic> topic = MakeTopic(place);
  absl::MutexLock lock(&topic->subscribers_mutex);
  const uint64_t number = topic->next_subscriber++;
  topic->subscribers.emplace(number, std::move(on_growth));
  return Subscription([this, name = topic->topic, partition = topic->partition, number] { Cancel({name, partition}, number); });
}

void Log::Cancel(const TopicPartition& place, uint64_t subscriber) {
  std::shared_ptr<Topic> topic = FindTopic(place);
  bool is_unused = false;
  {
    absl::MutexLock lock(&topic->subscribers_mutex);
    topic->subscribers.erase(subscriber);
    is_unused = topic->subscribers.empty();
  }
  if (!is_unused) return;
  // A name that was only ever waited for is forgotten with the last who waits, unless someone else holds it now.
  absl::MutexLock lock(&mutex_);
  const auto found = topics_.find(topic->name);
  topic.reset();
  if (found->second.use_count() == 1 && found->second->number == 0) topics_.erase(found);
}

int32_t Log::CountPartitions(std::string_view topic) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = topics_.find(topic);
  return found == topics_.end() ? 1 : found->second->extent.partitions;
}

TopicInfo Log::InfoOf(std::string_view name, int32_t partitions) const {
  TopicInfo info = {std::string(name), 0, 0, 0, {}};
  for (int32_t partition = 0; partition < partitions; ++partition) {
    const auto found = topics_.find(PartitionName(name, partition));
    const Extent extent = found == topics_.end() ? Extent() : found->second->extent;
    info.first_offset += extent.first;
    info.end_offset += extent.end;
    info.bytes += extent.bytes;
    info.partitions.push_back({extent.first, extent.end, extent.bytes});
  }
  return info;
}

absl::StatusOr<TopicInfo> Log::DescribeTopic(std::string_view name) const {
  FS_RETURN_IF_ERROR(CheckTopicName(name));
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = topics_.find(name);
  if (found == topics_.end() || !found->second->extent.exists) {
    return NotFound("topic {}: there is none of this name; a topic comes into being with its first record, or with create_topic", name);
  }
  return InfoOf(name, found->second->extent.partitions);
}

std::vector<TopicInfo> Log::ListTopics() const {
  std::vector<TopicInfo> topics;
  absl::ReaderMutexLock lock(&mutex_);
  for (const auto& [name, topic] : topics_) {
    if (topic->partition == 0 && topic->extent.exists) topics.push_back(InfoOf(name, topic->extent.partitions));
  }
  return topics;
}

absl::StatusOr<std::optional<int64_t>> Log::ReadGroupPosition(std::string_view group, const TopicPartition& place) const {
  FS_RETURN_IF_ERROR(CheckGroupId(group));
  FS_RETURN_IF_ERROR(CheckTopicName(place.topic));
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = group_positions_.find(GroupKey(group, place.topic, place.partition));
  if (found == group_positions_.end()) return std::optional<int64_t>();
  return std::optional(found->second);
}

}  // namespace fs::connector::embedded
