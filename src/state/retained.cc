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
#include "state/retained_part.h"
#include "stored_state.pb.h"

namespace fs::state {
namespace {

using function_stream::state::StoredFile;
using function_stream::state::StoredIndex;
using function_stream::state::StoredRetained;

constexpr uint32_t kIndexFormat = 1;
constexpr char kDescription[] = "description";
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

RetainedCheckpoint Describe(const std::vector<StoredRetained>& parts) {
  RetainedCheckpoint result;
  result.id = parts.front().id();
  result.reason = FromStored(parts.front().reason());
  for (const StoredRetained& part : parts) {
    result.parts.push_back({part.run_id(), part.sequence(), part.positions(), part.created_ms()});
    result.created_ms = std::max(result.created_ms, part.created_ms());
    for (const StoredFile& file : part.files()) result.bytes += file.bytes();
  }
  return result;
}

using Runs = google::protobuf::RepeatedPtrField<std::string>;

Runs& RunsOf(StoredIndex& index, uint32_t instance) {
  if (instance == 0) return *index.mutable_run_ids();
  while (index.further_size() < static_cast<int>(instance)) index.add_further();
  return *index.mutable_further(static_cast<int>(instance) - 1)->mutable_run_ids();
}

// False: it is known.
bool AddRun(StoredIndex& index, uint32_t instance, const std::string& run_id) {
  Runs& runs = RunsOf(index, instance);
  if (std::find(runs.begin(), runs.end(), run_id) != runs.end()) return false;
  *runs.Add() = run_id;
  if (runs.size() > kKeptRuns) runs.DeleteSubrange(0, runs.size() - kKeptRuns);
  return true;
}

}  // namespace

RetainedCheckpoints::RetainedCheckpoints(StateEnvironment& environment, std::filesystem::path folder,
                                         std::vector<std::filesystem::path> state_folders)
    : environment_(environment), folder_(std::move(folder)), state_folders_(std::move(state_folders)) {}

absl::Status RetainedCheckpoints::CheckStorage() const {
  if (!static_cast<const Environment&>(environment_).in_memory()) return absl::OkStatus();
  return Unimplemented("checkpoints cannot be retained: this server keeps state in memory (state_storage.storage_type: memory)");
}

std::filesystem::path RetainedCheckpoints::FolderOf(uint64_t id) const { return folder_ / std::to_string(id); }

std::filesystem::path RetainedCheckpoints::MakingOf(uint64_t id) const { return With(FolderOf(id), kMaking); }

std::filesystem::path RetainedCheckpoints::PartOf(const std::filesystem::path& whole, uint32_t instance) const {
  return instances() == 1 ? whole : whole / std::to_string(instance);
}

absl::Status RetainedCheckpoints::InPart(uint32_t instance, const absl::Status& status) const {
  return instances() == 1 ? status : WithContext(status, fmt::format("instance {}", instance));
}

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

absl::StatusOr<std::vector<StoredRetained>> RetainedCheckpoints::ReadParts(const std::filesystem::path& whole) const {
  const auto made_with = [this](uint32_t count) {
    return DataLoss(
        "made with {} instance{}, and the function has {}: partitions and their state do not move between instances, so it can be restored "
        "to a function with parallelism: {} only",
        count, count == 1 ? "" : "s", instances(), count);
  };
  if (instances() == 1 && !Exists(whole / kDescription) && Exists(whole / "0")) {
    FS_ASSIGN_OR_RETURN(const StoredRetained other, ReadPart(whole / "0"));
    return made_with(other.instances());
  }
  if (instances() > 1 && Exists(whole / kDescription)) return made_with(1);
  std::vector<StoredRetained> parts;
  for (uint32_t i = 0; i < instances(); ++i) {
    absl::StatusOr<StoredRetained> part = ReadPart(PartOf(whole, i));
    if (!part.ok()) return InPart(i, part.status());
    if (const uint32_t count = std::max(part->instances(), uint32_t{1}); count != instances()) return made_with(count);
    if (part->instance() != i) return InPart(i, DataLoss("damaged: it is described as instance {}'s", part->instance()));
    if (i > 0 && part->id() != parts.front().id()) {
      return InPart(i, DataLoss("damaged: it is of checkpoint {}, that of instance 0 is of {}", part->id(), parts.front().id()));
    }
    parts.push_back(*std::move(part));
  }
  return parts;
}

// Where it is lost, what the checkpoints tell has to do.
absl::StatusOr<StoredIndex> RetainedCheckpoints::ReadIndex() const {
  StoredIndex index;
  const absl::StatusOr<std::string> bytes = ReadChecked(folder_ / kIndex);
  if (!bytes.ok() || !index.ParseFromString(*bytes)) index.Clear();
  if (index.format() > kIndexFormat) {
    return FailedPrecondition("{}: written by a newer server (format {}); this one reads formats up to {}", (folder_ / kIndex).native(),
                              index.format(), kIndexFormat);
  }
  const bool is_lost = index.run_ids().empty();
  for (const uint64_t id : Ids()) {
    index.set_last_id(std::max(index.last_id(), id));
    if (!is_lost) continue;
    const auto parts = ReadParts(FolderOf(id));
    for (uint32_t i = 0; parts.ok() && i < instances(); ++i) AddRun(index, i, (*parts)[i].run_id());
  }
  index.set_format(kIndexFormat);
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

absl::Status RetainedCheckpoints::CheckRetainable(uint32_t instance, const FunctionState& state) const {
  if (state.prepared()) {
    return InPart(instance,
                  Unavailable("checkpoint {} is undecided since the function ended: start the function, which decides it, then try "
                              "again",
                              state.prepared()->sequence));
  }
  if (state.last()) return absl::OkStatus();
  return InPart(instance, Unavailable("the function has no state yet: start it first"));
}

absl::StatusOr<RetainedCheckpoints::Making> RetainedCheckpoints::Begin(RetainReason reason) {
  FS_RETURN_IF_ERROR(CheckStorage());
  absl::MutexLock lock(&mutex_);
  return BeginLocked(reason);
}

absl::StatusOr<RetainedCheckpoints::Making> RetainedCheckpoints::BeginLocked(RetainReason reason) {
  if (reason == RetainReason::kRequested) {
    size_t requested = 0;
    for (const uint64_t id : Ids()) {
      const auto first = ReadPart(PartOf(FolderOf(id), 0));
      if (!first.ok() || first->reason() == StoredRetained::REQUESTED) ++requested;
    }
    if (requested >= kLimitRequested) {
      return ResourceExhausted("{} requested checkpoints are kept, which is the limit; delete some first", requested);
    }
  }
  FS_RETURN_IF_ERROR(MakeFolder(folder_));

  // The number is used up before anything bears it.
  FS_ASSIGN_OR_RETURN(StoredIndex index, ReadIndex());
  const Making making{index.last_id() + 1, reason};
  index.set_last_id(making.id);
  FS_RETURN_IF_ERROR(WriteChecked(folder_ / kIndex, index.SerializeAsString()));
  FS_RETURN_IF_ERROR(RemoveAll(MakingOf(making.id)));
  FS_RETURN_IF_ERROR(MakeFolder(MakingOf(making.id)));
  return making;
}

absl::Status RetainedCheckpoints::MakePart(const Making& making, uint32_t instance, FunctionState& state) const {
  FS_RETURN_IF_ERROR(CheckRetainable(instance, state));
  StoredRetained about;
  about.set_id(making.id);
  about.set_reason(ToStored(making.reason));
  about.set_instance(instance);
  about.set_instances(instances());
  const absl::Status status = WritePart(state, std::move(about), PartOf(MakingOf(making.id), instance)).status();
  FailPoint("retained-filled");
  return WithContext(InPart(instance, status), fmt::format("checkpoint {} cannot be retained", making.id));
}

absl::StatusOr<RetainedCheckpoint> RetainedCheckpoints::Complete(const Making& making) {
  absl::MutexLock lock(&mutex_);
  return CompleteLocked(making);
}

absl::StatusOr<RetainedCheckpoint> RetainedCheckpoints::CompleteLocked(const Making& making) {
  const std::string context = fmt::format("checkpoint {} cannot be retained", making.id);
  FS_ASSIGN_OR_RETURN_CONTEXT(const std::vector<StoredRetained> parts, ReadParts(MakingOf(making.id)), context);
  FS_ASSIGN_OR_RETURN(StoredIndex index, ReadIndex());
  bool is_new = false;
  for (uint32_t i = 0; i < instances(); ++i) is_new = AddRun(index, i, parts[i].run_id()) || is_new;
  if (is_new) FS_RETURN_IF_ERROR_CONTEXT(WriteChecked(folder_ / kIndex, index.SerializeAsString()), context);
  FS_RETURN_IF_ERROR_CONTEXT(Rename(MakingOf(making.id), FolderOf(making.id)), context);
  FailPoint("retained-made");
  return Describe(parts);
}

void RetainedCheckpoints::Abandon(const Making& making) const {
  // What resists is tried again by the next Recover.
  static_cast<void>(RemoveAll(MakingOf(making.id)));
}

absl::StatusOr<RetainedCheckpoint> RetainedCheckpoints::MakeOfStopped(RetainReason reason) {
  FS_RETURN_IF_ERROR(CheckStorage());
  absl::MutexLock lock(&mutex_);
  FS_RETURN_IF_ERROR(PutInPlace());
  States states;
  for (uint32_t i = 0; i < instances(); ++i) {
    if (!Exists(state_folders_[i])) return InPart(i, Unavailable("the function has no state yet: start it first"));
    auto state = FunctionState::Open(environment_, state_folders_[i]);
    if (!state.ok()) return InPart(i, WithContext(state.status(), "state"));
    FS_RETURN_IF_ERROR(CheckRetainable(i, **state));
    states.push_back(*std::move(state));
  }
  return MakeLocked(states, reason);
}

absl::StatusOr<RetainedCheckpoint> RetainedCheckpoints::MakeLocked(const States& states, RetainReason reason) {
  FS_ASSIGN_OR_RETURN(const Making making, BeginLocked(reason));
  absl::Status status;
  for (uint32_t i = 0; i < instances() && status.ok(); ++i) status = MakePart(making, i, *states[i]);
  auto made = status.ok() ? CompleteLocked(making) : absl::StatusOr<RetainedCheckpoint>(status);
  if (!made.ok()) Abandon(making);
  return made;
}

std::vector<RetainedCheckpoint> RetainedCheckpoints::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<RetainedCheckpoint> list;
  for (const uint64_t id : Ids()) {
    const absl::StatusOr<std::vector<StoredRetained>> parts = ReadParts(FolderOf(id));
    if (parts.ok()) {
      list.push_back(Describe(*parts));
    } else {
      RetainedCheckpoint& unusable = list.emplace_back();
      unusable.reason = RetainReason::kRequested;
      unusable.problem = Message(parts.status());
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
    const absl::StatusOr<StoredRetained> first = ReadPart(PartOf(FolderOf(*id), 0));
    if (!first.ok() || first->reason() != StoredRetained::PERIODIC) continue;
    const bool is_old = newer > 0 && now - absl::FromUnixMillis(first->created_ms()) > max_age;
    ++newer;
    // One that cannot be moved away is tried again the next time.
    if (newer > count || is_old) static_cast<void>(Discard(FolderOf(*id)));
  }
}

absl::Status RetainedCheckpoints::KeepReplaced() {
  States states;
  for (uint32_t i = 0; i < instances(); ++i) {
    if (!Exists(state_folders_[i])) return absl::OkStatus();
    auto state = FunctionState::Open(environment_, state_folders_[i]);
    // A state that is damaged or of a later format is what people restore away from.
    if (absl::IsDataLoss(state.status()) || absl::IsFailedPrecondition(state.status())) return absl::OkStatus();
    if (!state.ok()) return InPart(i, WithContext(state.status(), "the present state cannot be retained"));
    if (!CheckRetainable(i, **state).ok()) return absl::OkStatus();
    states.push_back(*std::move(state));
  }
  return MakeLocked(states, RetainReason::kBeforeRestore).status();
}

absl::Status RetainedCheckpoints::Stage(uint64_t id, const std::vector<StoredRetained>& parts, std::span<const std::string> new_run_ids,
                                        const std::filesystem::path& staged) {
  FS_RETURN_IF_ERROR(RemoveAll(staged));
  FS_RETURN_IF_ERROR(MakeFolder(staged));
  FS_ASSIGN_OR_RETURN(StoredIndex index, ReadIndex());
  for (uint32_t i = 0; i < instances(); ++i) {
    {
      const auto state = OpenCopy(environment_, PartOf(FolderOf(id), i), parts[i], PartOf(staged, i));
      if (absl::IsDataLoss(state.status())) return NotFound("checkpoint {}: {}", id, Message(InPart(i, state.status())));
      if (!state.ok()) return InPart(i, state.status());
      AddRun(index, i, parts[i].run_id());
      const Runs& runs = RunsOf(index, i);
      Checkpoint restored = *(*state)->last();
      restored.run_id = new_run_ids[i];
      restored.supersedes.assign(runs.begin(), runs.end());
      FS_RETURN_IF_ERROR((*state)->Commit(restored));
    }
    FS_RETURN_IF_ERROR(Sync(PartOf(staged, i)));
    AddRun(index, i, new_run_ids[i]);
    FailPoint("restore-staged");
  }
  // Recorded before the runs can begin, as a later restore must know of them.
  FS_RETURN_IF_ERROR(WriteChecked(folder_ / kIndex, index.SerializeAsString()));
  return Sync(staged);
}

absl::Status RetainedCheckpoints::Restore(uint64_t id, std::span<const std::string> new_run_ids) {
  FS_RETURN_IF_ERROR(CheckStorage());
  absl::MutexLock lock(&mutex_);
  FS_RETURN_IF_ERROR(PutInPlace());
  if (!Exists(FolderOf(id))) return NotFound("checkpoint {}: there is none of this number; list_checkpoints tells those there are", id);
  const absl::StatusOr<std::vector<StoredRetained>> parts = ReadParts(FolderOf(id));
  absl::Status verified = parts.status();
  if (verified.ok() && parts->front().id() != id) verified = DataLoss("damaged: it is described as checkpoint {}", parts->front().id());
  for (uint32_t i = 0; i < instances() && verified.ok(); ++i) verified = InPart(i, VerifyPart(PartOf(FolderOf(id), i), (*parts)[i]));
  if (!verified.ok()) return NotFound("checkpoint {}: {}", id, Message(verified));

  const std::filesystem::path staged = With(folder_ / kRestored, kMaking);
  absl::Status status = Stage(id, *parts, new_run_ids, staged);
  if (status.ok()) status = KeepReplaced();
  // What an earlier restore replaced must not be taken for what this one does.
  if (status.ok()) status = RemoveAll(folder_ / kReplaced);
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
    const absl::StatusOr<StoredRetained> first = ReadPart(PartOf(FolderOf(*other), 0));
    if (!first.ok() || first->reason() != StoredRetained::BEFORE_RESTORE) continue;
    if (++kept > kKeptBeforeRestore && *other != id) static_cast<void>(Discard(FolderOf(*other)));
  }
  return absl::OkStatus();
}

// As long as `restored` is there the restore counts, and what is still in it has to be moved; so the steps can be cut short anywhere.
absl::Status RetainedCheckpoints::PutInPlace() {
  const std::filesystem::path restored = folder_ / kRestored;
  if (!Exists(restored)) return absl::OkStatus();
  absl::Status status;
  for (uint32_t i = 0; i < instances() && status.ok(); ++i) status = InPart(i, PutPartInPlace(i));
  if (!status.ok()) {
    TakeBack();
    return WithContext(status, "the restored state cannot be put in place");
  }
  FS_RETURN_IF_ERROR(RemoveAll(restored));
  if (Exists(folder_ / kReplaced)) static_cast<void>(Discard(folder_ / kReplaced));
  return absl::OkStatus();
}

absl::Status RetainedCheckpoints::PutPartInPlace(uint32_t instance) {
  const std::filesystem::path restored = PartOf(folder_ / kRestored, instance);
  const std::filesystem::path replaced = PartOf(folder_ / kReplaced, instance);
  const std::filesystem::path& state = state_folders_[instance];
  if (!Exists(restored)) return absl::OkStatus();
  if (instance > 0 && Sabotage("restore-in-part")) return absl::OkStatus();
  if (Exists(state)) {
    FS_RETURN_IF_ERROR(MakeFolder(replaced.parent_path()));
    FS_RETURN_IF_ERROR(Rename(state, replaced));
    FailPoint("restore-replaced");
  }
  return Rename(restored, state);
}

// Back to the old states, all of them, or else the next Recover goes on from here.
void RetainedCheckpoints::TakeBack() {
  const std::filesystem::path restored = folder_ / kRestored;
  for (uint32_t i = 0; i < instances(); ++i) {
    const std::filesystem::path& state = state_folders_[i];
    const std::filesystem::path replaced = PartOf(folder_ / kReplaced, i);
    if (!Exists(PartOf(restored, i)) && !Rename(state, PartOf(restored, i)).ok()) return;
    if (!Exists(state) && Exists(replaced) && !Rename(replaced, state).ok()) return;
  }
  static_cast<void>(Rename(restored, With(restored, kMaking)));
}

absl::Status RetainedCheckpoints::Destroy() {
  absl::MutexLock lock(&mutex_);
  return RemoveAll(folder_);
}

}  // namespace fs::state
