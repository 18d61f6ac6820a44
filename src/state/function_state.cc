// Opening a state, its checkpoints, and what stands in the database beside the stores.
#include "state/function_state.h"

#include <rocksdb/perf_context.h>

#include <algorithm>
#include <utility>

#include "state/key_codec.h"
#include "state/stores.h"
#include "stored_state.pb.h"

namespace fs::state {
namespace {

using function_stream::state::StoredCheckpoint;
using function_stream::state::StoredFormat;

constexpr uint32_t kFormat = 1;
constexpr size_t kLimitStoreName = 255;

// Meta keys: store number 0, then one of these.
constexpr std::string_view kMetaEnd("\0\0\0\1", 4);
constexpr std::string_view kFormatKey("\0\0\0\0f", 5);
constexpr std::string_view kCheckpointKey("\0\0\0\0c", 5);
constexpr std::string_view kFunctionBytesKey("\0\0\0\0b", 5);
constexpr std::string_view kStorePrefix("\0\0\0\0s", 5);  // and the name; the value is the number, u32 big-endian

std::string EncodeCheckpoint(const Checkpoint& checkpoint) {
  StoredCheckpoint stored;
  stored.set_run_id(checkpoint.run_id);
  stored.set_sequence(checkpoint.sequence);
  stored.set_positions(checkpoint.positions);
  stored.set_has_function_bytes(checkpoint.function_bytes.has_value());
  for (const std::string& run_id : checkpoint.supersedes) stored.add_supersedes(run_id);
  return stored.SerializeAsString();
}

// function_bytes, under a key of their own, are left out; whether there are any is told.
std::optional<Checkpoint> DecodeCheckpoint(std::string_view bytes, bool& has_function_bytes) {
  StoredCheckpoint stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  has_function_bytes = stored.has_function_bytes();
  return Checkpoint{
      stored.run_id(), stored.sequence(), stored.positions(), std::nullopt, {stored.supersedes().begin(), stored.supersedes().end()}};
}

// The first eight bytes, as a number that is ordered as they are; bytes that are not there are zeros.
uint64_t LeadingBytes(std::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof(number); ++i) number = number << 8 | (i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0);
  return number;
}

// RocksDB finds a key's place in its memtable beside that of the key before. The eight bytes that tell most keys apart, those after what
// all have in common, are compared first, side by side.
std::vector<const Overlay::Entry*> InKeyOrder(const std::vector<Overlay::Entry*>& entries) {
  std::vector<const Overlay::Entry*> ordered(entries.begin(), entries.end());
  if (ordered.size() < 2) return ordered;
  const std::string_view first = ordered.front()->key;
  size_t common = first.size();
  for (const Overlay::Entry* entry : ordered) {
    const auto [end, other] =
        std::mismatch(first.begin(), first.begin() + static_cast<ptrdiff_t>(std::min(common, entry->key.size())), entry->key.begin());
    common = static_cast<size_t>(end - first.begin());
  }
  std::vector<std::pair<uint64_t, const Overlay::Entry*>> keyed;
  keyed.reserve(ordered.size());
  for (const Overlay::Entry* entry : ordered) keyed.emplace_back(LeadingBytes(std::string_view(entry->key).substr(common)), entry);
  std::sort(keyed.begin(), keyed.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first < b.first : a.second->key < b.second->key; });
  std::transform(keyed.begin(), keyed.end(), ordered.begin(), [](const auto& one) { return one.second; });
  return ordered;
}

// Picks the checkpoint out of a prepared batch.
class CheckpointFinder final : public rocksdb::WriteBatch::Handler {
 public:
  std::optional<std::string> checkpoint;
  std::optional<std::string> function_bytes;

  rocksdb::Status PutCF(uint32_t, const rocksdb::Slice& key, const rocksdb::Slice& value) override {
    if (View(key) == kCheckpointKey) checkpoint = value.ToString();
    if (View(key) == kFunctionBytesKey) function_bytes = value.ToString();
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(uint32_t, const rocksdb::Slice&) override { return rocksdb::Status::OK(); }
  rocksdb::Status MergeCF(uint32_t, const rocksdb::Slice&, const rocksdb::Slice&) override { return rocksdb::Status::OK(); }
  rocksdb::Status MarkBeginPrepare(bool) override { return rocksdb::Status::OK(); }
  rocksdb::Status MarkEndPrepare(const rocksdb::Slice&) override { return rocksdb::Status::OK(); }
  rocksdb::Status MarkNoop(bool) override { return rocksdb::Status::OK(); }
};

}  // namespace

absl::StatusOr<std::unique_ptr<FunctionState>> FunctionState::Open(StateEnvironment& environment, const std::filesystem::path& folder) {
  return State::Open(static_cast<Environment&>(environment), folder);
}

absl::Status FunctionState::Destroy(StateEnvironment& environment, const std::filesystem::path& folder) {
  return Database::Destroy(static_cast<Environment&>(environment), folder);
}

absl::StatusOr<std::unique_ptr<State>> State::Open(Environment& environment, const std::filesystem::path& folder) {
  FS_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(environment, folder));
  auto state = std::make_unique<State>(environment, std::move(database));
  FS_RETURN_IF_ERROR(state->LoadMeta());
  FS_RETURN_IF_ERROR(state->LoadPrepared());
  return state;
}

absl::Status State::LoadMeta() {
  const std::string& folder = database_->folder().native();
  std::optional<std::string> function_bytes;
  bool has_function_bytes = false;
  last_.reset();
  const rocksdb::Slice end(kMetaEnd.data(), kMetaEnd.size());
  const auto iterator = database_->NewIterator(end);
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    const std::string_view key = View(iterator->key());
    const std::string_view value = View(iterator->value());
    if (key == kFormatKey) {
      StoredFormat format;
      if (!format.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
        return DataLoss("{}: the format's entry is damaged", folder);
      }
      if (format.version() > kFormat) {
        return FailedPrecondition("{}: written by a newer server ({}, format {}); this one reads formats up to {}", folder,
                                  format.written_by(), format.version(), kFormat);
      }
      is_format_saved_ = true;
    } else if (key == kCheckpointKey) {
      last_ = DecodeCheckpoint(value, has_function_bytes);
      if (!last_) return DataLoss("{}: the checkpoint's entry is damaged", folder);
    } else if (key == kFunctionBytesKey) {
      function_bytes = value;
    } else if (key.starts_with(kStorePrefix) && value.size() == sizeof(uint32_t)) {
      const uint32_t number = DecodeU32(value);
      stores_.try_emplace(std::string(key.substr(kStorePrefix.size())), std::make_unique<Store>(*this, number));
      last_store_number_ = std::max(last_store_number_, number);
    } else {
      return DataLoss("{}: an entry that is none of this server's", folder);
    }
  }
  FS_RETURN_IF_ERROR(database_->Error(iterator->status()));
  if (last_ && !is_format_saved_) return DataLoss("{}: the format's entry is missing", folder);
  if (last_ && has_function_bytes) {
    if (!function_bytes) return DataLoss("{}: the function's bytes of checkpoint {} are missing", folder, last_->sequence);
    last_->function_bytes = std::move(function_bytes);
  }
  return absl::OkStatus();
}

absl::Status State::LoadPrepared() {
  const rocksdb::WriteBatch* batch = database_->prepared();
  if (batch == nullptr) return absl::OkStatus();
  CheckpointFinder finder;
  FS_RETURN_IF_ERROR(database_->Error(batch->Iterate(&finder)));
  bool has_function_bytes = false;
  if (finder.checkpoint) prepared_ = DecodeCheckpoint(*finder.checkpoint, has_function_bytes);
  if (!prepared_) return DataLoss("{}: the prepared checkpoint's entry is damaged", database_->folder().native());
  if (has_function_bytes) {
    // Bytes that did not change were not written again.
    prepared_->function_bytes = finder.function_bytes ? std::move(finder.function_bytes) : last_ ? last_->function_bytes : std::nullopt;
  }
  is_prepared_by_predecessor_ = true;
  return absl::OkStatus();
}

absl::StatusOr<KvStore*> State::GetOrCreateStore(std::string_view name) {
  if (const auto found = stores_.find(name); found != stores_.end()) return found->second.get();
  if (name.empty() || name.size() > kLimitStoreName) {
    return InvalidArgument("name of a store: {} bytes, allowed are 1 to {}", name.size(), kLimitStoreName);
  }
  if (prepared_) {
    return FailedPrecondition("{}: checkpoint {} awaits its decision, until then no store can be made", database_->folder().native(),
                              prepared_->sequence);
  }
  if (last_store_number_ == kMaxStoreNumber) return ResourceExhausted("{}: no more stores", database_->folder().native());
  const uint32_t number = ++last_store_number_;
  unsaved_stores_.emplace_back(name, number);
  return stores_.emplace(name, std::make_unique<Store>(*this, number)).first->second.get();
}

void State::DiscardPending() {
  // What is prepared is not this state's to give up: its decision comes from outside.
  if (!prepared_) overlay_.Discard();
}

absl::Status State::FillBatch(const Checkpoint& checkpoint, rocksdb::WriteBatch& batch) {
  FS_RETURN_IF_ERROR(database_->failure());
  if (prepared_) {
    return FailedPrecondition("{}: checkpoint {} awaits its decision", database_->folder().native(), prepared_->sequence);
  }
  rocksdb::Status status;
  const auto add = [&](const rocksdb::Status& added) {
    if (status.ok()) status = added;
  };
  if (!is_format_saved_) {
    StoredFormat format;
    format.set_version(kFormat);
    format.set_written_by(FS_VERSION);
    add(batch.Put(kFormatKey, format.SerializeAsString()));
  }
  for (const auto& [name, number] : unsaved_stores_) {
    std::string value;
    AppendU32(number, value);
    add(batch.Put(std::string(kStorePrefix) + name, value));
  }
  for (const Overlay::Entry* entry : InKeyOrder(overlay_.dirty())) {
    switch (entry->kind) {
      case Overlay::Kind::kAbsent:
        add(batch.Delete(entry->key));
        break;
      case Overlay::Kind::kValue:
        add(batch.Put(entry->key, entry->value));
        break;
      case Overlay::Kind::kAppend:
        add(batch.Merge(entry->key, entry->operand()));
        break;
    }
  }
  const bool had_function_bytes = last_ && last_->function_bytes;
  if (checkpoint.function_bytes) {
    if (!had_function_bytes || *last_->function_bytes != *checkpoint.function_bytes) {
      add(batch.Put(kFunctionBytesKey, *checkpoint.function_bytes));
    }
  } else if (had_function_bytes) {
    add(batch.Delete(kFunctionBytesKey));
  }
  add(batch.Put(kCheckpointKey, EncodeCheckpoint(checkpoint)));
  return database_->Error(status);
}

void State::Committed(const Checkpoint& checkpoint, size_t batch_bytes) {
  size_limit_.Wrote(batch_bytes);
  TellBlockReads();
  overlay_.Committed();
  unsaved_stores_.clear();
  is_format_saved_ = true;
  last_ = checkpoint;
}

// Of all states of the thread, by the counters that RocksDB keeps for each.
void State::TellBlockReads() {
  thread_local uint64_t found = 0;
  thread_local uint64_t read = 0;
  const rocksdb::PerfContext& counters = *rocksdb::get_perf_context();
  cache_budget_.Looked(counters.block_cache_hit_count - std::exchange(found, counters.block_cache_hit_count),
                       counters.block_read_count - std::exchange(read, counters.block_read_count));
}

absl::Status State::Commit(const Checkpoint& checkpoint) {
  rocksdb::WriteBatch batch;
  FS_RETURN_IF_ERROR(FillBatch(checkpoint, batch));
  FS_RETURN_IF_ERROR(database_->Write(batch));
  Committed(checkpoint, batch.GetDataSize());
  return absl::OkStatus();
}

absl::Status State::Prepare(const Checkpoint& checkpoint) {
  FS_RETURN_IF_ERROR(database_->Prepare([&](rocksdb::WriteBatch& batch) { return FillBatch(checkpoint, batch); }));
  overlay_.Mark();
  prepared_ = checkpoint;
  is_prepared_by_predecessor_ = false;
  return absl::OkStatus();
}

absl::Status State::CommitPrepared() {
  if (!prepared_) return FailedPrecondition("{}: no checkpoint is prepared", database_->folder().native());
  const size_t bytes = database_->prepared()->GetDataSize();
  FS_RETURN_IF_ERROR(database_->CommitPrepared());
  const Checkpoint checkpoint = *std::exchange(prepared_, std::nullopt);
  if (!is_prepared_by_predecessor_) {
    Committed(checkpoint, bytes);
    return absl::OkStatus();
  }
  // What was read before the decision was the state before it, and stores may have come with it.
  overlay_.Clear();
  size_limit_.Wrote(bytes);
  return LoadMeta();
}

absl::Status State::RollbackPrepared() {
  if (!prepared_) return FailedPrecondition("{}: no checkpoint is prepared", database_->folder().native());
  FS_RETURN_IF_ERROR(database_->RollbackPrepared());
  prepared_.reset();
  overlay_.Discard();
  return absl::OkStatus();
}

}  // namespace fs::state
