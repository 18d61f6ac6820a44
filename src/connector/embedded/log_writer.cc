// Everything that writes the log: changes that wait in a line, and the one batch that makes them durable.
#include "connector/embedded/log.h"
#include "connector/embedded/log_keys.h"
#include "connector/embedded/partitioner.h"
#include "stored_log.pb.h"

namespace fs::connector::embedded {
namespace {

namespace stored = function_stream::connector::embedded;

constexpr uint32_t kFormat = 1;

void PutRocks(rocksdb::WriteBatch& batch, const std::string& key, const std::string& value) {
  // A batch in memory takes every key and value below 4 GiB.
  batch.Put(key, value).PermitUncheckedError();
}

}  // namespace

absl::Status Log::Write(Change change) {
  Request request{std::move(change), absl::OkStatus()};
  {
    absl::MutexLock lock(&queue_mutex_);
    queue_.push_back(&request);
  }
  absl::MutexLock lock(&write_mutex_);
  if (request.is_done) return request.outcome;
  std::deque<Request*> requests;
  {
    absl::MutexLock queue_lock(&queue_mutex_);
    requests.swap(queue_);
  }
  Perform(requests);
  return request.outcome;
}

void Log::Perform(const std::deque<Request*>& requests) {
  if (!failed_.ok()) Heal();
  Stage stage;
  bool has_work = false;
  for (Request* request : requests) {
    request->outcome = failed_.ok() ? request->change(stage) : failed_;
    request->is_done = true;
    has_work |= request->outcome.ok();
  }
  if (!has_work) return;
  Fill(stage);
  rocksdb::WriteOptions options;
  options.sync = !options_.in_memory;
  const rocksdb::Status written = database_->Write(options, &stage.batch);
  if (!written.ok()) {
    Failed(stage, written);
    for (Request* request : requests) {
      if (request->outcome.ok()) request->outcome = failed_;
    }
    return;
  }
  Apply(stage);
}

// Adds to the batch what the staged changes come to.
void Log::Fill(Stage& stage) {
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& key : noted_) stage.group_positions.try_emplace(key, group_positions_[key]);
    noted_.clear();
  }
  if (!is_format_saved_) {
    stored::StoredLogFormat format;
    format.set_version(kFormat);
    format.set_written_by(FS_VERSION);
    PutRocks(stage.batch, std::string(1, kFormatMark), format.SerializeAsString());
  }
  for (const auto& [topic, extent] : stage.topics) {
    stored::StoredTopic entry;
    entry.set_number(topic->number);
    entry.set_first_offset(extent.first);
    entry.set_end_offset(extent.end);
    entry.set_bytes(extent.bytes);
    entry.set_is_deleted(!extent.exists);
    if (topic->partition == 0) entry.set_partitions(static_cast<uint32_t>(extent.partitions));
    PutRocks(stage.batch, TopicKey(topic->name), entry.SerializeAsString());
  }
  for (const auto& [name, owner] : stage.owners) {
    if (!owner) {
      stage.batch.Delete(OwnerKey(name)).PermitUncheckedError();
      continue;
    }
    stored::StoredOwner entry;
    entry.set_epoch(owner->epoch);
    entry.set_has_note(owner->note.has_value());
    if (owner->note) entry.set_note(*owner->note);
    PutRocks(stage.batch, OwnerKey(name), entry.SerializeAsString());
  }
  for (const auto& [key, offset] : stage.group_positions) PutRocks(stage.batch, key, EncodeOffset(offset));
}

// Makes what is durable visible, and tells those who wait for it.
void Log::Apply(const Stage& stage) {
  is_format_saved_ = true;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [topic, extent] : stage.topics) topic->extent = extent;
    for (const auto& [name, owner] : stage.owners) {
      if (owner) {
        owners_[name] = *owner;
      } else {
        owners_.erase(name);
      }
    }
    for (const auto& [key, offset] : stage.group_positions) {
      // A position noted while the disk was busy is newer, and waits for the next write.
      if (!noted_.contains(key)) group_positions_[key] = offset;
    }
  }
  const int64_t now_ms = NowMs();
  for (const auto& [topic, extent] : stage.topics) {
    if (IsTrimDue(*topic, extent, now_ms)) AskForTrim(topic);
    absl::MutexLock lock(&topic->subscribers_mutex);
    for (const auto& [number, on_growth] : topic->subscribers) on_growth();
  }
}

Extent& Log::Staged(Stage& stage, const std::shared_ptr<Topic>& topic) const {
  const auto [entry, is_new] = stage.topics.try_emplace(topic);
  if (is_new) entry->second = ExtentOf(*topic);
  return entry->second;
}

int64_t Log::StageRecords(Stage& stage, const std::shared_ptr<Topic>& topic, const RecordBlocks& records) {
  if (topic->number == 0) topic->number = ++last_topic_number_;
  Extent& extent = Staged(stage, topic);
  extent.exists = true;
  const int64_t first = extent.end;
  for (const RecordBlocks::Block& block : records) {
    PutRocks(stage.batch, RecordKey(topic->number, extent.end), block.bytes);
    extent.end += block.count;
    extent.bytes += block.bytes.size();
    topic->unchecked_bytes += block.bytes.size();
  }
  return first;
}

int32_t Log::CountIn(const Stage& stage, std::string_view topic) const {
  const std::shared_ptr<Topic> first = FindTopic(topic);
  if (first == nullptr) return 1;
  const auto staged = stage.topics.find(first);
  return (staged != stage.topics.end() ? staged->second : ExtentOf(*first)).partitions;
}

absl::Status Log::CheckPartition(const Stage& stage, const TopicPartition& place) const {
  const int32_t count = CountIn(stage, place.topic);
  if (place.partition >= 0 && place.partition < count) return absl::OkStatus();
  return InvalidArgument("topic {}: there is no partition {}: it has {} (create_topic makes a topic with more)", place.topic,
                         place.partition, count);
}

absl::Status Log::CheckRecords(std::string_view topic, std::span<const OutputRecord> records) const {
  for (const OutputRecord& record : records) {
    const size_t size = record.value.size() + record.headers.size() + (record.key ? record.key->size() : 0);
    if (size > options_.limit_record_bytes) {
      return ResourceExhausted("topic {}: record of {} bytes: the limit is {}", topic, size, options_.limit_record_bytes);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Log::Append(const TopicPartition& place, std::span<const OutputRecord> records) {
  FS_RETURN_IF_ERROR(CheckRecords(place.topic, records));
  RecordBlocks blocks;
  const int64_t now_ms = NowMs();
  for (const OutputRecord& record : records) blocks.Add(record, now_ms);
  return Append(place, blocks);
}

absl::StatusOr<int64_t> Log::Append(const TopicPartition& place, const RecordBlocks& records) {
  FS_RETURN_IF_ERROR(CheckTopicName(place.topic));
  int64_t first = 0;
  const absl::Status written = Write([&](Stage& stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) -> absl::Status {
    FS_RETURN_IF_ERROR(CheckPartition(stage, place));
    const std::shared_ptr<Topic> topic = MakeTopic(place);
    first = records.empty() ? ExtentOf(*topic).end : StageRecords(stage, topic, records);
    return absl::OkStatus();
  });
  FS_RETURN_IF_ERROR(written);
  return first;
}

absl::StatusOr<std::vector<Appended>> Log::AppendByKey(std::string_view topic, std::span<const OutputRecord> records) {
  FS_RETURN_IF_ERROR(CheckTopicName(topic));
  FS_RETURN_IF_ERROR(CheckRecords(topic, records));
  if (records.empty()) return std::vector<Appended>();
  const int64_t now_ms = NowMs();
  std::vector<Appended> appended;
  for (bool is_done = false; !is_done;) {
    const int32_t count = CountPartitions(topic);
    const auto keyless = static_cast<int32_t>(keyless_.fetch_add(1, std::memory_order_relaxed) % static_cast<uint32_t>(count));
    std::vector<RecordBlocks> blocks(static_cast<size_t>(count));
    for (const OutputRecord& record : records) {
      blocks[static_cast<size_t>(record.key ? PartitionOfKey(*record.key, count) : keyless)].Add(record, now_ms);
    }
    FS_RETURN_IF_ERROR(Write([&](Stage& stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
      // Made or deleted in the meantime: to be placed again.
      is_done = CountIn(stage, topic) == count;
      for (int32_t partition = 0; is_done && partition < count; ++partition) {
        const RecordBlocks& placed = blocks[static_cast<size_t>(partition)];
        if (placed.empty()) continue;
        appended.push_back({partition, StageRecords(stage, MakeTopic({topic, partition}), placed), placed.count()});
      }
      return absl::OkStatus();
    }));
  }
  return appended;
}

absl::Status Log::CreateTopic(std::string_view name, int32_t partitions) {
  FS_RETURN_IF_ERROR(CheckTopicName(name));
  if (partitions < 1 || partitions > kMostPartitions) {
    return InvalidArgument("topic {}: partitions: must be 1 to {}, not {}", name, kMostPartitions, partitions);
  }
  return Write([&](Stage& stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) -> absl::Status {
    const std::shared_ptr<Topic> first = MakeTopic(name);
    const auto staged = stage.topics.find(first);
    const Extent before = staged != stage.topics.end() ? staged->second : ExtentOf(*first);
    if (before.exists) {
      if (before.partitions == partitions) return absl::OkStatus();
      return AlreadyExists("topic {}: it is there, with {} partition(s); that number cannot change: delete it first, or use another name",
                           name, before.partitions);
    }
    for (int32_t partition = 0; partition < partitions; ++partition) {
      const std::shared_ptr<Topic> topic = MakeTopic({name, partition});
      if (topic->number == 0) topic->number = ++last_topic_number_;
      Extent& extent = Staged(stage, topic);
      extent.exists = true;
      if (partition == 0) extent.partitions = partitions;
    }
    return absl::OkStatus();
  });
}

absl::Status Log::DeleteTopic(std::string_view name) {
  FS_ASSIGN_OR_RETURN(const TopicInfo info, DescribeTopic(name));
  return Write([&](Stage& stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) -> absl::Status {
    const int32_t count = CountIn(stage, info.name);
    for (int32_t partition = 0; partition < count; ++partition) {
      const std::shared_ptr<Topic> topic = MakeTopic({info.name, partition});
      if (topic->number == 0) continue;
      Extent& extent = Staged(stage, topic);
      const rocksdb::Status deleted = stage.batch.DeleteRange(RecordKey(topic->number, 0), RecordKey(topic->number, extent.end));
      FS_RETURN_IF_ERROR(RocksDbError(deleted, options_.folder));
      extent = {.exists = false, .first = extent.end, .end = extent.end};
    }
    return absl::OkStatus();
  });
}

absl::Status Log::CommitGroupPosition(const GroupPosition& position) {
  FS_RETURN_IF_ERROR(CheckGroupId(position.group));
  FS_RETURN_IF_ERROR(CheckTopicName(position.topic));
  return Write([&](Stage& stage) {
    stage.group_positions[GroupKey(position.group, position.topic, position.partition)] = position.offset;
    return absl::OkStatus();
  });
}

absl::Status Log::NoteGroupPosition(const GroupPosition& position) {
  FS_RETURN_IF_ERROR(CheckGroupId(position.group));
  FS_RETURN_IF_ERROR(CheckTopicName(position.topic));
  std::string key = GroupKey(position.group, position.topic, position.partition);
  absl::MutexLock lock(&mutex_);
  const auto [entry, is_new] = group_positions_.try_emplace(key, position.offset);
  if (!is_new && entry->second == position.offset) return absl::OkStatus();
  entry->second = position.offset;
  noted_.insert(std::move(key));
  return absl::OkStatus();
}

std::optional<Owner> Log::OwnerIn(const Stage& stage, std::string_view owner) const {
  if (const auto staged = stage.owners.find(owner); staged != stage.owners.end()) return staged->second;
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = owners_.find(owner);
  return found == owners_.end() ? std::nullopt : std::optional(found->second);
}

absl::StatusOr<Claim> Log::Acquire(std::string_view owner) {
  Claim claim{std::string(owner), 0, std::nullopt};
  FS_RETURN_IF_ERROR(Write([&](Stage& stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    // Counted over all owners, so that the claim of a forgotten one never becomes valid again.
    claim.epoch = ++last_epoch_;
    if (const std::optional<Owner> before = OwnerIn(stage, owner)) claim.note = before->note;
    stage.owners[claim.owner] = Owner{claim.epoch, claim.note};
    return absl::OkStatus();
  }));
  return claim;
}

absl::Status Log::Commit(const Claim& claim, const Transaction& transaction) {
  for (const Transaction::Output& output : transaction.outputs) FS_RETURN_IF_ERROR(CheckTopicName(output.topic));
  for (const GroupPosition& position : transaction.group_positions) {
    FS_RETURN_IF_ERROR(CheckGroupId(position.group));
    FS_RETURN_IF_ERROR(CheckTopicName(position.topic));
  }
  return Write([&](Stage& stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) -> absl::Status {
    const std::optional<Owner> owner = OwnerIn(stage, claim.owner);
    if (!owner || owner->epoch != claim.epoch) {
      return FailedPrecondition("{}: another instance has taken over, or the function was dropped", claim.owner);
    }
    // All of them before anything is staged: a change that fails leaves the stage as it was.
    for (const Transaction::Output& output : transaction.outputs) {
      if (output.records->empty() || CheckPartition(stage, {output.topic, output.partition}).ok()) continue;
      return Unavailable("topic {}: partition {} is gone, with the topic; what was meant for it goes to the topic as it is now",
                         output.topic, output.partition);
    }
    for (const Transaction::Output& output : transaction.outputs) {
      if (!output.records->empty()) StageRecords(stage, MakeTopic({output.topic, output.partition}), *output.records);
    }
    for (const GroupPosition& position : transaction.group_positions) {
      stage.group_positions[GroupKey(position.group, position.topic, position.partition)] = position.offset;
    }
    stage.owners[claim.owner] = Owner{claim.epoch, transaction.note};
    return absl::OkStatus();
  });
}

absl::Status Log::ForgetOwners(std::string_view prefix) {
  return Write([&](Stage& stage) {
    // Owners that are staged and not yet written begin with Acquire or Commit: both are in the map or in the stage.
    for (auto& [name, owner] : stage.owners) {
      if (name.starts_with(prefix)) owner.reset();
    }
    absl::ReaderMutexLock lock(&mutex_);
    for (auto found = owners_.lower_bound(prefix); found != owners_.end() && found->first.starts_with(prefix); ++found) {
      stage.owners[found->first] = std::nullopt;
    }
    return absl::OkStatus();
  });
}

}  // namespace fs::connector::embedded
