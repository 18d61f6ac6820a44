// The retained checkpoints of one function: whole copies of its state, kept under a number until they are pruned, deleted or restored.
//
// Owned by the function's Task; thread-safe, one call at a time. A copy costs a flush and hard links, not bytes. Numbers grow and are
// never given twice, also not after a restore. On disk, in a folder per function (state/README.md has the formats):
//
//   <number>/description, <number>/database/   a retained checkpoint; a rename made it, whole
//   index                                      the last number given, and the runs the function has had
//   restored/                                  a restore past its commit point: this becomes the state, whatever crashes
//   *.making, *.removing, *.replaced           leftovers of a crash
//
// A restore verifies every byte, then builds the new state beside the old one. Its commit point is one rename, and Recover finishes what a
// crash left behind it: the state is the old one or the new one. The restored state is a new run that names the runs it supersedes.
#ifndef FUNCTION_STREAM_STATE_RETAINED_H_
#define FUNCTION_STREAM_STATE_RETAINED_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <filesystem>
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
  uint64_t id = 0;
  int64_t created_ms = 0;
  RetainReason reason = RetainReason::kPeriodic;
  std::string run_id;  // these three are the checkpoint's own (Checkpoint)
  uint64_t sequence = 0;
  std::string positions;
  uint64_t bytes = 0;   // of its files, of which it shares most with the state and with other checkpoints
  std::string problem;  // why it cannot be restored, as far as a look tells: Restore alone reads every byte
};

class RetainedCheckpoints {
 public:
  // Neither folder has to exist. Both are on one file system, and the state is opened in state_folder by nobody else.
  RetainedCheckpoints(StateEnvironment& environment, std::filesystem::path folder, std::filesystem::path state_folder);

  // False: states are in memory, where nothing can be retained.
  [[nodiscard]] bool is_supported() const { return CheckStorage().ok(); }

  // Ends what a crash interrupted. Before the state is opened.
  [[nodiscard]] absl::Status Recover();

  // Of what `state` committed last, on its thread. kUnimplemented: states are in memory. kUnavailable: nothing is committed, or a
  // checkpoint is undecided. kResourceExhausted: the disk or the number of checkpoints is at its limit. An error leaves nothing behind.
  [[nodiscard]] absl::StatusOr<RetainedCheckpoint> Make(FunctionState& state, RetainReason reason);
  // The same for a function that does not run.
  [[nodiscard]] absl::StatusOr<RetainedCheckpoint> MakeOfStopped(RetainReason reason);

  // By number. One that cannot be read is listed with its problem.
  [[nodiscard]] std::vector<RetainedCheckpoint> List() const;

  // kNotFound.
  [[nodiscard]] absl::Status Delete(uint64_t id);

  // Of the periodic ones, removes all but the newest `count`, and those older than max_age save the newest.
  void Prune(uint32_t count, absl::Duration max_age, absl::Time now);

  // Makes a function that does not run go on from the checkpoint, as the run new_run_id. What it replaces is retained first, where it can
  // be opened and nothing in it is undecided. kNotFound: unknown, incomplete or damaged, saying which and why. After an error the state is
  // what it was.
  [[nodiscard]] absl::Status Restore(uint64_t id, const std::string& new_run_id);

  // Removes all. The function does not run.
  [[nodiscard]] absl::Status Destroy();

 private:
  using StoredIndex = ::function_stream::state::StoredIndex;
  using StoredRetained = ::function_stream::state::StoredRetained;

  [[nodiscard]] absl::Status CheckStorage() const;
  [[nodiscard]] std::filesystem::path FolderOf(uint64_t id) const;
  [[nodiscard]] std::vector<uint64_t> Ids() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::StatusOr<StoredIndex> ReadIndex() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::StatusOr<RetainedCheckpoint> MakeLocked(FunctionState& state, RetainReason reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::Status Fill(FunctionState& state, RetainReason reason, uint64_t id, const std::filesystem::path& making,
                                  RetainedCheckpoint& made);
  // Retains what a restore is about to replace, where there is something that can be.
  [[nodiscard]] absl::Status KeepReplaced() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::Status Stage(const StoredRetained& stored, const std::string& new_run_id, const std::filesystem::path& staged)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // From the commit point on.
  [[nodiscard]] absl::Status PutInPlace() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Out of the way at once; the bytes go on a thread of RocksDB's.
  [[nodiscard]] absl::Status Discard(const std::filesystem::path& path) const;
  void RemoveLater(const std::filesystem::path& path) const;

  StateEnvironment& environment_;
  const std::filesystem::path folder_;
  const std::filesystem::path state_folder_;
  mutable absl::Mutex mutex_;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_RETAINED_H_
