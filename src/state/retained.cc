#include "state/retained.h"

#include <absl/strings/numbers.h>
#include <absl/time/clock.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <memory>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "base/failpoint.h"
#include "state/environment.h"
#include "state/files.h"
#include "stored_state.pb.h"

namespace fs::state {
namespace {

using function_stream::state::StoredFile;
using function_stream::state::StoredIndex;
using function_stream::state::StoredRetained;

constexpr uint32_t kFormat = 1;
constexpr char kDescription[] = "description";
constexpr char kDatabase[] = "database";
constexpr char kIndex[] = "index";
constexpr char kRestored[] = "restored";
constexpr std::string_view kMaking = ".making";
constexpr std::string_view kRemoving = ".removing";
constexpr char kReplaced[] = "state.replaced";
constexpr size_t kLimitRequested = 1000;
constexpr size_t kKeptBeforeRestore = 2;
constexpr int kKeptRuns = 64;

bool Exists(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

std::filesystem::path With(std::filesystem::path path, std::string_view suffix) { return path += suffix; }

StoredRetained::Reason ToStored(RetainReason reason) {
  switch (reason) {
    case RetainReason::kPeriodic:
      return StoredRetained::PERIODIC;
    case RetainReason::kRequested:
      return StoredRetained::REQUESTED;
    case RetainReason::kBeforeRestore:
      return StoredRetained::BEFORE_RESTORE;
  }
  return StoredRetained::UNKNOWN;
}

RetainReason FromStored(StoredRetained::Reason reason) {
  if (reason == StoredRetained::PERIODIC) return RetainReason::kPeriodic;
  return reason == StoredRetained::BEFORE_RESTORE ? RetainReason::kBeforeRestore : RetainReason::kRequested;
}

// An error says what is wrong with the checkpoint in `folder`, without its number. What later formats hold is not guessed.
absl::StatusOr<StoredRetained> ReadDescription(const std::filesystem::path& folder) {
  if (!Exists(folder / kDescription)) return DataLoss("incomplete: it has no {}", kDescription);
  FS_ASSIGN_OR_RETURN(const std::string bytes, ReadChecked(folder / kDescription));
  StoredRetained stored;
  if (!stored.ParseFromString(bytes)) return DataLoss("damaged: its {} cannot be read", kDescription);
  if (stored.format() != kFormat) {
    return DataLoss("written by another version of the server ({}, format {}); this one reads format {}", stored.written_by(),
                    stored.format(), kFormat);
  }
  for (const StoredFile& file : stored.files()) {
    // Names lead nowhere else.
    if (std::filesystem::path(file.name()).filename() != file.name()) return DataLoss("damaged: a file of the name {}", file.name());
    std::error_code error;
    const uintmax_t size = std::filesystem::file_size(folder / kDatabase / file.name(), error);
    if (error) return DataLoss("incomplete: {}/{} is missing: {}", kDatabase, file.name(), error.message());
    if (size != file.bytes()) return DataLoss("damaged: {}/{} has {} bytes, not {}", kDatabase, file.name(), size, file.bytes());
  }
  return stored;
}

absl::Status VerifyContent(const std::filesystem::path& folder, const StoredRetained& stored) {
  for (const StoredFile& file : stored.files()) {
    FS_ASSIGN_OR_RETURN(const uint32_t checksum, ChecksumOfFile(folder / kDatabase / file.name()));
    if (checksum != file.crc32c()) return DataLoss("damaged: the checksum of {}/{} does not match", kDatabase, file.name());
  }
  return absl::OkStatus();
}

RetainedCheckpoint Describe(const StoredRetained& stored) {
  RetainedCheckpoint result;
  result.id = stored.id();
  result.created_ms = stored.created_ms();
  result.reason = FromStored(stored.reason());
  result.run_id = stored.run_id();
  result.sequence = stored.sequence();
  result.positions = stored.positions();
  for (const StoredFile& file : stored.files()) result.bytes += file.bytes();
  return result;
}

void AddRun(StoredIndex& index, const std::string& run_id) {
  for (const std::string& known : index.run_ids()) {
    if (known == run_id) return;
  }
  index.add_run_ids(run_id);
  if (index.run_ids_size() > kKeptRuns) index.mutable_run_ids()->DeleteSubrange(0, index.run_ids_size() - kKeptRuns);
}

}  // namespace

RetainedCheckpoints::RetainedCheckpoints(StateEnvironment& environment, std::filesystem::path folder, std::filesystem::path state_folder)
    : environment_(environment), folder_(std::move(folder)), state_folder_(std::move(state_folder)) {}

absl::Status RetainedCheckpoints::CheckStorage() const {
  if (!static_cast<const Environment&>(environment_).in_memory()) return absl::OkStatus();
  return Unimplemented("checkpoints cannot be retained: this server keeps state in memory (state_storage.storage_type: memory)");
}

std::filesystem::path RetainedCheckpoints::FolderOf(uint64_t id) const { return folder_ / std::to_string(id); }

std::vector<uint64_t> RetainedCheckpoints::Ids() const {
  std::vector<uint64_t> ids;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
    uint64_t id = 0;
    const std::string name = entry->path().filename().native();
    if (absl::SimpleAtoi(name, &id) && std::to_string(id) == name) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

// Where it is lost, what the checkpoints tell has to do.
absl::StatusOr<StoredIndex> RetainedCheckpoints::ReadIndex() const {
  StoredIndex index;
  const absl::StatusOr<std::string> bytes = ReadChecked(folder_ / kIndex);
  if (!bytes.ok() || !index.ParseFromString(*bytes)) index.Clear();
  if (index.format() > kFormat) {
    return FailedPrecondition("{}: written by a newer server (format {}); this one reads formats up to {}", (folder_ / kIndex).native(),
                              index.format(), kFormat);
  }
  for (const uint64_t id : Ids()) {
    index.set_last_id(std::max(index.last_id(), id));
    if (index.run_ids_size() > 0) continue;
    if (const auto stored = ReadDescription(FolderOf(id)); stored.ok()) AddRun(index, stored->run_id());
  }
  index.set_format(kFormat);
  return index;
}

void RetainedCheckpoints::RemoveLater(const std::filesystem::path& path) const {
  rocksdb::Env::Default()->Schedule(
      [](void* argument) {
        const std::unique_ptr<std::filesystem::path> removed(static_cast<std::filesystem::path*>(argument));
        // What resists is tried again by the next Recover.
        static_cast<void>(RemoveAll(*removed));
      },
      new std::filesystem::path(path), rocksdb::Env::Priority::LOW);
}

absl::Status RetainedCheckpoints::Recover() {
  absl::MutexLock lock(&mutex_);
  if (!Exists(folder_)) return absl::OkStatus();
  FS_RETURN_IF_ERROR(PutInPlace());
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().native();
    if (name.ends_with(kRemoving)) RemoveLater(entry->path());
    if (name.ends_with(kMaking) || name == kReplaced) static_cast<void>(Discard(entry->path()));
  }
  return absl::OkStatus();
}

absl::StatusOr<RetainedCheckpoint> RetainedCheckpoints::Make(FunctionState& state, RetainReason reason) {
  FS_RETURN_IF_ERROR(CheckStorage());
  absl::MutexLock lock(&mutex_);
  return MakeLocked(state, reason);
}

absl::StatusOr<RetainedCheckpoint> RetainedCheckpoints::MakeOfStopped(RetainReason reason) {
  FS_RETURN_IF_ERROR(CheckStorage());
  absl::MutexLock lock(&mutex_);
  FS_RETURN_IF_ERROR(PutInPlace());
  if (!Exists(state_folder_)) return Unavailable("the function has no state yet: start it first");
  FS_ASSIGN_OR_RETURN_CONTEXT(const auto state, FunctionState::Open(environment_, state_folder_), "state");
  return MakeLocked(*state, reason);
}

absl::StatusOr<RetainedCheckpoint> RetainedCheckpoints::MakeLocked(FunctionState& state, RetainReason reason) {
  if (state.prepared()) {
    return Unavailable("checkpoint {} is undecided since the function ended: start the function, which decides it, then try again",
                       state.prepared()->sequence);
  }
  if (!state.last()) return Unavailable("the function has no state yet: start it first");
  if (reason == RetainReason::kRequested) {
    size_t requested = 0;
    for (const uint64_t id : Ids()) {
      const auto stored = ReadDescription(FolderOf(id));
      if (!stored.ok() || stored->reason() == StoredRetained::REQUESTED) ++requested;
    }
    if (requested >= kLimitRequested) {
      return ResourceExhausted("{} requested checkpoints are kept, which is the limit; delete some first", requested);
    }
  }
  FS_RETURN_IF_ERROR(MakeFolder(folder_));

  // The number is used up before anything bears it.
  FS_ASSIGN_OR_RETURN(StoredIndex index, ReadIndex());
  const uint64_t id = index.last_id() + 1;
  index.set_last_id(id);
  AddRun(index, state.last()->run_id);
  FS_RETURN_IF_ERROR(WriteChecked(folder_ / kIndex, index.SerializeAsString()));

  const std::filesystem::path making = With(FolderOf(id), kMaking);
  FS_RETURN_IF_ERROR(RemoveAll(making));
  RetainedCheckpoint made;
  absl::Status status = Fill(state, reason, id, making, made);
  FailPoint("retained-filled");
  if (status.ok()) status = Rename(making, FolderOf(id));
  if (!status.ok()) {
    static_cast<void>(RemoveAll(making));
    return WithContext(status, fmt::format("checkpoint {} cannot be retained", id));
  }
  FailPoint("retained-made");
  return made;
}

absl::Status RetainedCheckpoints::Fill(FunctionState& state, RetainReason reason, uint64_t id, const std::filesystem::path& making,
                                       RetainedCheckpoint& made) {
  FS_RETURN_IF_ERROR(MakeFolder(making));
  FS_ASSIGN_OR_RETURN(const auto known, state.CopyTo(making / kDatabase));
  StoredRetained stored;
  stored.set_format(kFormat);
  stored.set_written_by(FS_VERSION);
  stored.set_id(id);
  stored.set_created_ms(absl::ToUnixMillis(absl::Now()));
  stored.set_reason(ToStored(reason));
  stored.set_run_id(state.last()->run_id);
  stored.set_sequence(state.last()->sequence);
  stored.set_positions(state.last()->positions);
  std::error_code error;
  for (std::filesystem::directory_iterator entry(making / kDatabase, error), end; !error && entry != end; entry.increment(error)) {
    StoredFile& file = *stored.add_files();
    file.set_name(entry->path().filename().native());
    file.set_bytes(entry->file_size(error));
    if (error) break;
    if (const auto found = known.find(file.name()); found != known.end()) {
      file.set_crc32c(found->second);
    } else {
      FS_ASSIGN_OR_RETURN(const uint32_t checksum, ChecksumOfFile(entry->path()));
      file.set_crc32c(checksum);
    }
  }
  if (error) return Internal("{}: cannot be read: {}", (making / kDatabase).native(), error.message());
  FS_RETURN_IF_ERROR(WriteChecked(making / kDescription, stored.SerializeAsString()));
  made = Describe(stored);
  return absl::OkStatus();
}

std::vector<RetainedCheckpoint> RetainedCheckpoints::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<RetainedCheckpoint> list;
  for (const uint64_t id : Ids()) {
    const absl::StatusOr<StoredRetained> stored = ReadDescription(FolderOf(id));
    if (stored.ok()) {
      list.push_back(Describe(*stored));
    } else {
      RetainedCheckpoint& unusable = list.emplace_back();
      unusable.reason = RetainReason::kRequested;
      unusable.problem = Message(stored.status());
    }
    list.back().id = id;
  }
  return list;
}

// What is removed later bears a name that nothing else will bear.
absl::Status RetainedCheckpoints::Discard(const std::filesystem::path& path) const {
  const std::filesystem::path removing = With(path, fmt::format(".{}{}", absl::GetCurrentTimeNanos(), kRemoving));
  FS_RETURN_IF_ERROR(Rename(path, removing));
  RemoveLater(removing);
  return absl::OkStatus();
}

absl::Status RetainedCheckpoints::Delete(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  if (!Exists(FolderOf(id))) return NotFound("checkpoint {}: there is none of this number; list_checkpoints tells those there are", id);
  return Discard(FolderOf(id));
}

void RetainedCheckpoints::Prune(uint32_t count, absl::Duration max_age, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  const std::vector<uint64_t> ids = Ids();
  size_t newer = 0;
  for (auto id = ids.rbegin(); id != ids.rend(); ++id) {
    const absl::StatusOr<StoredRetained> stored = ReadDescription(FolderOf(*id));
    if (!stored.ok() || stored->reason() != StoredRetained::PERIODIC) continue;
    const bool is_old = newer > 0 && now - absl::FromUnixMillis(stored->created_ms()) > max_age;
    ++newer;
    // One that cannot be moved away is tried again the next time.
    if (newer > count || is_old) static_cast<void>(Discard(FolderOf(*id)));
  }
}

absl::Status RetainedCheckpoints::KeepReplaced() {
  if (!Exists(state_folder_)) return absl::OkStatus();
  const auto state = FunctionState::Open(environment_, state_folder_);
  // A state that is damaged or of a later format is what people restore away from.
  if (absl::IsDataLoss(state.status()) || absl::IsFailedPrecondition(state.status())) return absl::OkStatus();
  FS_RETURN_IF_ERROR_CONTEXT(state.status(), "the present state cannot be retained");
  if ((*state)->prepared() || !(*state)->last()) return absl::OkStatus();
  return MakeLocked(**state, RetainReason::kBeforeRestore).status();
}

absl::Status RetainedCheckpoints::Stage(const StoredRetained& stored, const std::string& new_run_id, const std::filesystem::path& staged) {
  FS_RETURN_IF_ERROR(RemoveAll(staged));
  FS_RETURN_IF_ERROR(MakeFolder(staged));
  for (const StoredFile& file : stored.files()) {
    const std::filesystem::path from = FolderOf(stored.id()) / kDatabase / file.name();
    // Tables and blob files never change; the others may be written to.
    const bool never_changes = file.name().ends_with(".sst") || file.name().ends_with(".blob");
    FS_RETURN_IF_ERROR(never_changes ? Link(from, staged / file.name()) : Copy(from, staged / file.name()));
  }
  const auto opened = FunctionState::Open(environment_, staged);
  if (!opened.ok()) return NotFound("checkpoint {}: it cannot be opened: {}", stored.id(), Message(opened.status()));
  FunctionState& state = **opened;
  const bool is_described = state.last() && state.last()->run_id == stored.run_id() && state.last()->sequence == stored.sequence();
  if (!is_described || state.prepared()) return NotFound("checkpoint {}: damaged: it is not the one that is described", stored.id());

  FS_ASSIGN_OR_RETURN(StoredIndex index, ReadIndex());
  AddRun(index, stored.run_id());
  Checkpoint restored = *state.last();
  restored.run_id = new_run_id;
  restored.supersedes.assign(index.run_ids().begin(), index.run_ids().end());
  FS_RETURN_IF_ERROR(state.Commit(restored));
  // Recorded before the run can begin, as a later restore must know of it.
  AddRun(index, new_run_id);
  return WriteChecked(folder_ / kIndex, index.SerializeAsString());
}

absl::Status RetainedCheckpoints::Restore(uint64_t id, const std::string& new_run_id) {
  FS_RETURN_IF_ERROR(CheckStorage());
  absl::MutexLock lock(&mutex_);
  FS_RETURN_IF_ERROR(PutInPlace());
  if (!Exists(FolderOf(id))) return NotFound("checkpoint {}: there is none of this number; list_checkpoints tells those there are", id);
  const absl::StatusOr<StoredRetained> stored = ReadDescription(FolderOf(id));
  absl::Status verified = stored.status();
  if (verified.ok() && stored->id() != id) verified = DataLoss("damaged: it is described as checkpoint {}", stored->id());
  if (verified.ok()) verified = VerifyContent(FolderOf(id), *stored);
  if (!verified.ok()) return NotFound("checkpoint {}: {}", id, Message(verified));

  const std::filesystem::path staged = With(folder_ / kRestored, kMaking);
  absl::Status status = Stage(*stored, new_run_id, staged);
  FailPoint("restore-staged");
  if (status.ok()) status = KeepReplaced();
  if (status.ok()) status = Sync(staged);
  if (status.ok()) status = Rename(staged, folder_ / kRestored);
  if (!status.ok()) {
    static_cast<void>(RemoveAll(staged));
    return status;
  }
  FailPoint("restore-decided");
  FS_RETURN_IF_ERROR(PutInPlace());
  FailPoint("restore-done");

  const std::vector<uint64_t> ids = Ids();
  size_t kept = 0;
  for (auto other = ids.rbegin(); other != ids.rend(); ++other) {
    const absl::StatusOr<StoredRetained> description = ReadDescription(FolderOf(*other));
    if (!description.ok() || description->reason() != StoredRetained::BEFORE_RESTORE) continue;
    if (++kept > kKeptBeforeRestore && *other != id) static_cast<void>(Discard(FolderOf(*other)));
  }
  return absl::OkStatus();
}

absl::Status RetainedCheckpoints::PutInPlace() {
  const std::filesystem::path restored = folder_ / kRestored;
  const std::filesystem::path replaced = folder_ / kReplaced;
  if (!Exists(restored)) return absl::OkStatus();
  absl::Status status;
  const bool has_state = Exists(state_folder_);
  if (has_state) {
    status = RemoveAll(replaced);
    if (status.ok()) status = Rename(state_folder_, replaced);
    FailPoint("restore-replaced");
  }
  if (status.ok()) status = Rename(restored, state_folder_);
  if (status.ok()) {
    if (has_state) static_cast<void>(Discard(replaced));
    return absl::OkStatus();
  }
  // Back to the old state, or else the next Recover goes on from here.
  if (has_state && !Exists(state_folder_)) static_cast<void>(Rename(replaced, state_folder_));
  if (Exists(state_folder_)) static_cast<void>(Rename(restored, With(restored, kMaking)));
  return WithContext(status, "the restored state cannot be put in place");
}

absl::Status RetainedCheckpoints::Destroy() {
  absl::MutexLock lock(&mutex_);
  return RemoveAll(folder_);
}

}  // namespace fs::state
