// The retained checkpoints of one function: whole copies of its state, kept under a number until they are pruned, deleted or restored.
//
// Owned by the function's InstanceGroup, thread-safe. One is a part of each instance, and is there for users once all parts are: instances
// share nothing, so parts that are each a checkpoint of their own are a consistent whole, whenever they were made. A copy costs a flush and
// hard links, not bytes. Numbers grow and are never given twice, also not after a restore. On disk, in a folder per function
// (state/README.md has the formats):
//
//   <number>/, <number>/<instance>/   a retained checkpoint, and of several instances their parts; a rename made it, whole
//   index                             the last number given, and the runs the function has had
//   restored/, restored/<instance>/   a restore past its commit point: this becomes the state, whatever crashes
//   *.making, *.removing, *.replaced  leftovers of a crash
//
// A restore verifies every byte, then builds the new states beside the old ones. Its commit point is one rename, for all instances
// together, and Recover finishes what a crash left behind it: the states are all old or all new. A restored state is a new run that names
// the runs it supersedes.
#ifndef FUNCTION_STREAM_STATE_RETAINED_H_
#define FUNCTION_STREAM_STATE_RETAINED_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "state/function_state.h"

namespace function_stream::state {
class StoredIndex;
class StoredRetained;
}  // namespace function_stream::state

namespace fs::state {

enum class RetainReason { kPeriodic, kRequested, kBeforeRestore };

struct RetainedCheckpoint {
  struct Part {
    std::string run_id;  // these three are the instance's checkpoint's own (Checkpoint)
    uint64_t sequence = 0;
    std::string positions;
    int64_t created_ms = 0;
  };
  uint64_t id = 0;
  int64_t created_ms = 0;  // of the part that was made last
  RetainReason reason = RetainReason::kPeriodic;
  std::vector<Part> parts;  // by instance; none where there is a problem
  uint64_t bytes = 0;       // of its files, of which it shares most with the states and with other checkpoints
  std::string problem;      // why it cannot be restored, as far as a look tells: Restore alone reads every byte
};

class RetainedCheckpoints {
 public:
  // The states are in state_folders, by instance. None of the folders has to exist. All are on one file system, and the states are opened
  // there by nobody but the function's instances.
  RetainedCheckpoints(StateEnvironment& environment, std::filesystem::path folder, std::vector<std::filesystem::path> state_folders);

  // False: states are in memory, where nothing can be retained.
  [[nodiscard]] bool is_supported() const { return CheckStorage().ok(); }

  // Ends what a crash interrupted. Before any state is opened, and while none is being made.
  [[nodiscard]] absl::Status Recover();

  // ---- Making one of a function that runs. Begin uses up a number; each instance then adds its part, of what its state committed last, on
  // the state's thread, several at once; Complete makes it appear. Where anything fails, Abandon, once no part is being made, leaves
  // nothing. kUnimplemented: states are in memory. kUnavailable: nothing is committed, or a checkpoint is undecided. kResourceExhausted:
  // the disk or the number of checkpoints is at its limit.
  struct Making {
    uint64_t id = 0;
    RetainReason reason = RetainReason::kPeriodic;
  };
  [[nodiscard]] absl::StatusOr<Making> Begin(RetainReason reason);
  [[nodiscard]] absl::Status MakePart(const Making& making, uint32_t instance, FunctionState& state) const;
  [[nodiscard]] absl::StatusOr<RetainedCheckpoint> Complete(const Making& making);
  void Abandon(const Making& making) const;

  // The same, all of it, for a function that does not run. An error leaves nothing behind.
  [[nodiscard]] absl::StatusOr<RetainedCheckpoint> MakeOfStopped(RetainReason reason);

  // By number. One that cannot be read is listed with its problem.
  [[nodiscard]] std::vector<RetainedCheckpoint> List() const;

  // kNotFound.
  [[nodiscard]] absl::Status Delete(uint64_t id);

  // Of the periodic ones, removes all but the newest `count`, and those older than max_age save the newest.
  void Prune(uint32_t count, absl::Duration max_age, absl::Time now);

  // Makes a function that does not run go on from the checkpoint, each instance as the run of its in new_run_ids. What it replaces is
  // retained first, where it can be opened and nothing in it is undecided. kNotFound: unknown, incomplete, damaged, or made with another
  // number of instances, saying which and why. After an error the states are what they were.
  [[nodiscard]] absl::Status Restore(uint64_t id, std::span<const std::string> new_run_ids);

  // Removes all. The function does not run.
  [[nodiscard]] absl::Status Destroy();

 private:
  using StoredIndex = ::function_stream::state::StoredIndex;
  using StoredRetained = ::function_stream::state::StoredRetained;
  using States = std::vector<std::unique_ptr<FunctionState>>;

  [[nodiscard]] uint32_t instances() const { return static_cast<uint32_t>(state_folders_.size()); }
  [[nodiscard]] absl::Status CheckStorage() const;
  [[nodiscard]] std::filesystem::path FolderOf(uint64_t id) const;
  [[nodiscard]] std::filesystem::path MakingOf(uint64_t id) const;
  // Where an instance's part of what lies in `whole` is: there, where there is one instance only.
  [[nodiscard]] std::filesystem::path PartOf(const std::filesystem::path& whole, uint32_t instance) const;
  // Says of which instance it is, where there are several.
  [[nodiscard]] absl::Status InPart(uint32_t instance, const absl::Status& status) const;
  [[nodiscard]] std::vector<uint64_t> Ids() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // By instance, all there are, and of this function's number of instances.
  [[nodiscard]] absl::StatusOr<std::vector<StoredRetained>> ReadParts(const std::filesystem::path& whole) const;
  [[nodiscard]] absl::StatusOr<StoredIndex> ReadIndex() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::Status CheckRetainable(uint32_t instance, const FunctionState& state) const;
  [[nodiscard]] absl::StatusOr<Making> BeginLocked(RetainReason reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::StatusOr<RetainedCheckpoint> CompleteLocked(const Making& making) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::StatusOr<RetainedCheckpoint> MakeLocked(const States& states, RetainReason reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Retains what a restore is about to replace, where there is something that can be.
  [[nodiscard]] absl::Status KeepReplaced() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The states of a restore, as far as its commit point.
  [[nodiscard]] absl::Status Stage(uint64_t id, const std::vector<StoredRetained>& parts, std::span<const std::string> new_run_ids,
                                   const std::filesystem::path& staged) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // From the commit point on.
  [[nodiscard]] absl::Status PutInPlace() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::Status PutPartInPlace(uint32_t instance);
  void TakeBack();
  // Out of the way at once; the bytes go on a thread of RocksDB's.
  [[nodiscard]] absl::Status Discard(const std::filesystem::path& path) const;
  void RemoveLater(const std::filesystem::path& path) const;

  StateEnvironment& environment_;
  const std::filesystem::path folder_;
  const std::vector<std::filesystem::path> state_folders_;
  mutable absl::Mutex mutex_;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_RETAINED_H_
