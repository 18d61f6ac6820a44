// Retention: old blocks go from the front of a topic, when enough has been written to make it worth looking.
#include <rocksdb/convenience.h>

#include <algorithm>

#include "connector/embedded/log.h"
#include "connector/embedded/log_keys.h"
#include "observe/log.h"

namespace fs::connector::embedded {
namespace {

// Looking is worth it after a sixteenth of what may be kept.
constexpr uint64_t kLooksPerTopic = 16;
constexpr uint64_t kLeastBytesPerLook = 256 << 10;
constexpr int64_t kLongestMsPerLook = 60'000;

}  // namespace

bool Log::IsTrimDue(Topic& topic, const Extent& extent, int64_t now_ms) const {
  if (!extent.exists || extent.first == extent.end) return false;
  const bool has_grown = options_.retention_bytes != 0 && extent.bytes > options_.retention_bytes &&
                         topic.unchecked_bytes >= std::max(kLeastBytesPerLook, options_.retention_bytes / kLooksPerTopic);
  const bool has_aged =
      options_.retention_ms != 0 &&
      now_ms - topic.checked_ms >= std::min(kLongestMsPerLook, options_.retention_ms / static_cast<int64_t>(kLooksPerTopic));
  if (!has_grown && !has_aged) return false;
  topic.unchecked_bytes = 0;
  topic.checked_ms = now_ms;
  return true;
}

void Log::AskForTrim(const std::shared_ptr<Topic>& topic) {
  absl::MutexLock lock(&trim_mutex_);
  to_trim_.insert(topic);
}

void Log::RunRetention() {
  while (true) {
    std::set<std::shared_ptr<Topic>> topics;
    {
      absl::MutexLock lock(&trim_mutex_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(trim_mutex_) { return is_closing_ || !to_trim_.empty(); };
      trim_mutex_.Await(absl::Condition(&has_work));
      if (is_closing_) return;
      topics.swap(to_trim_);
    }
    for (const std::shared_ptr<Topic>& topic : topics) {
      if (const absl::Status status = Trim(topic); !status.ok()) {
        observe::LogError("embedded log: retention of topic {} partition {}: {}", topic->topic, topic->partition, Message(status));
      }
    }
  }
}

absl::Status Log::Trim(const std::shared_ptr<Topic>& topic) {
  const Extent before = ExtentOf(*topic);
  if (!before.exists) return absl::OkStatus();
  const int64_t oldest_ms = options_.retention_ms == 0 ? 0 : NowMs() - options_.retention_ms;
  const std::string lower = RecordKey(topic->number, before.first);
  const std::string upper = RecordKey(topic->number, before.end);
  const rocksdb::Slice upper_slice(upper);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper_slice;
  options.fill_cache = false;
  int64_t first = before.first;
  uint64_t dropped_bytes = 0;
  {
    absl::ReaderMutexLock lock(&database_mutex_);
    FS_RETURN_IF_ERROR(CheckOpen());
    const std::unique_ptr<rocksdb::Iterator> iterator(database_->NewIterator(options));
    for (iterator->Seek(lower); iterator->Valid(); iterator->Next()) {
      const std::string_view value = View(iterator->value());
      FS_ASSIGN_OR_RETURN(const BlockReader block, BlockReader::Open(value, RecordKeyOffset(View(iterator->key()))));
      const int64_t end = RecordKeyOffset(View(iterator->key())) + block.count();
      const bool is_too_much = options_.retention_bytes != 0 && before.bytes - dropped_bytes > options_.retention_bytes && end < before.end;
      const bool is_too_old = block.written_ms() < oldest_ms;
      if (!is_too_much && !is_too_old) break;
      first = end;
      dropped_bytes += value.size();
    }
    FS_RETURN_IF_ERROR(RocksDbError(iterator->status(), options_.folder));
  }
  if (first == before.first) return absl::OkStatus();
  FS_RETURN_IF_ERROR(Write([&](Stage& stage) -> absl::Status {
    Extent& extent = Staged(stage, topic);
    // Deleted meanwhile: there is nothing left to trim.
    if (!extent.exists || extent.first != before.first) return absl::OkStatus();
    const rocksdb::Status deleted = stage.batch.DeleteRange(lower, RecordKey(topic->number, first));
    if (!deleted.ok()) return RocksDbError(deleted, options_.folder);
    extent.first = first;
    extent.bytes -= std::min(extent.bytes, dropped_bytes);
    return absl::OkStatus();
  }));
  // Files that hold nothing else go at once; the rest goes with compactions.
  const std::string end = RecordKey(topic->number, first);
  const rocksdb::Slice begin_slice(lower);
  const rocksdb::Slice end_slice(end);
  absl::ReaderMutexLock lock(&database_mutex_);
  FS_RETURN_IF_ERROR(CheckOpen());
  return RocksDbError(rocksdb::DeleteFilesInRange(database_.get(), database_->DefaultColumnFamily(), &begin_slice, &end_slice, false),
                      options_.folder);
}

}  // namespace fs::connector::embedded
