// The checkpoint protocol: positions, state, the function's own bytes and outputs become durable as one step, or not at all.
//
// Owned by an Instance, used on its thread. There is no other way for anything to become durable: interval, stop, revoke, restart and
// crash all end here. A decider (connector/connector.h) is the participant that decides; the state is one with two-phase commit.
//
//   Take                                               Recover, before anything else runs
//   1 the caller saw that something happened            the decider shuts out earlier owners and tells its marker
//   2 take_checkpoint's bytes, sequence s+1             a prepared checkpoint s+1 of run r is
//   3 sinks: Flush, and their marks                       committed    when the marker says (r, s+1)
//   4 state: Prepare, with the positions (synced)         rolled back  when it says (r, s), or nothing and s = 0
//   5 decider: Commit = THE COMMIT POINT                the state then agrees with the marker, or it is not this run's
//   6 state: CommitPrepared                             state: an error, never a guess
//
// A state restored from a retained checkpoint is a new run r that supersedes others, until its first own checkpoint s+1: for as long, every
// marker of a run it supersedes counts as (r, s), and so does none. An undecided checkpoint of the state it replaced went with that.
//
// One exception to the last rule on the right: a decider that forgets markers (Kafka, of a group that was idle for days) and has none,
// nothing prepared, and a state older than that: nothing is in doubt, so it goes on from the state, with a warning.
//
// Without a decider (no output, files, at-least-once) the state's own commit is the commit point: 4, 5 and 6 are one step. Sinks are
// flushed before the state is prepared, so that a sink's mark is of what is really there. An outside that is away is waited for in the
// decider's Recover, in 3 and in 5, as long as the caller's Patience says.
#ifndef FUNCTION_STREAM_TASK_CHECKPOINT_H_
#define FUNCTION_STREAM_TASK_CHECKPOINT_H_

#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "connector/connector.h"
#include "state/function_state.h"
#include "task/partition_split.h"

namespace fs::task {

// How far the inputs got, and where the sinks stood: the task's part of a state::Checkpoint.
struct Progress {
  std::vector<connector::Positions> inputs;  // by input
  std::vector<std::string> sink_marks;       // by channel
  std::string event_time = {};               // what EventTime::Save answered
  absl::Time taken = absl::UnixEpoch();      // when; the epoch in checkpoints of early versions
  std::vector<std::string> superseded = {};  // runs that restores have replaced
  PartitionSplit split = {};                 // whose partitions these are
};
[[nodiscard]] std::string EncodeProgress(const Progress& progress, std::span<const std::string> topics);
// kDataLoss when the bytes cannot be read, kFailedPrecondition when their format is a later version's.
[[nodiscard]] absl::StatusOr<Progress> DecodeProgress(std::string_view bytes);

[[nodiscard]] std::string NewRunId();

// Asked a few times a second while something outside does not answer: what that is, in which step, and for how long. OK: wait on. An error
// ends the step with it. kConnection: in recovery, with nobody there to answer.
enum class WaitingIn { kConnection, kRecovery, kFlush, kDecision };
using Patience = std::function<absl::Status(WaitingIn step, absl::Duration since, const absl::Status& what)>;

class CheckpointProtocol {
 public:
  // `decider` may be null. None is owned.
  CheckpointProtocol(state::FunctionState& state, connector::Decider* decider, std::vector<connector::Sink*> sinks,
                     std::vector<std::string> topics, Patience patience, PartitionSplit split = {});

  // Resolves what an earlier owner left undecided and returns the checkpoint to resume from, none for a first start.
  // kFailedPrecondition: state and decider belong to different runs, or the state to another split of the partitions; the message says what
  // to do.
  [[nodiscard]] absl::StatusOr<std::optional<state::Checkpoint>> Recover();

  // What Recover found that somebody should know; empty: nothing.
  [[nodiscard]] const std::string& warning() const { return warning_; }

  // Takes the next checkpoint. An error leaves the outcome to Recover: the instance must be dropped and started again.
  [[nodiscard]] absl::Status Take(std::span<const connector::Positions> inputs, std::optional<std::string> function_bytes,
                                  std::string event_time = {});

  // Of the last checkpoint that was taken or resumed from.
  [[nodiscard]] connector::Marker last() const;
  // Runs of this function that a restore has replaced: what their markers say never happened. Valid after Recover.
  [[nodiscard]] std::span<const std::string> superseded() const { return superseded_; }
  // Of the checkpoint that Take will make next; 1 for the first of a run.
  [[nodiscard]] uint64_t next_sequence() const { return sequence_ + 1; }

 private:
  // Repeats `attempt`, which takes a deadline, for as long as it answers kDeadlineExceeded and the caller has patience.
  template <typename Attempt>
  [[nodiscard]] absl::Status Await(WaitingIn step, const Attempt& attempt) const;
  [[nodiscard]] absl::Status FlushSinks(absl::Time deadline) const;
  // From the state's last checkpoint, which is to be of this split.
  [[nodiscard]] absl::Status ReadSuperseded();
  // The state and the decider tell of the same checkpoint, or of what the rule above allows.
  [[nodiscard]] absl::Status CheckAgreement(const std::optional<connector::Marker>& marker);

  state::FunctionState& state_;
  connector::Decider* decider_;
  std::vector<connector::Sink*> sinks_;
  std::vector<std::string> topics_;
  Patience patience_;
  std::string warning_;
  std::string run_id_;
  uint64_t sequence_ = 0;
  std::vector<std::string> superseded_;
  PartitionSplit split_;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_CHECKPOINT_H_
