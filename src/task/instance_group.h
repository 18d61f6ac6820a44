// One function of the server: its instances, which live and die together, and what is theirs in common.
//
// Owned by the Supervisor, thread-safe. Each instance is a Task, with a thread, partitions (partition_split.h), state, decider and restarts
// of its own: one that fails restarts alone, and the others go on. One that is beyond its restarts, or failed for good, ends the function:
// the others are stopped, each with its final checkpoint, and the function is FAILED with the reason of the first. The log is one for all,
// open as long as one of them runs.
#ifndef FUNCTION_STREAM_TASK_INSTANCE_GROUP_H_
#define FUNCTION_STREAM_TASK_INSTANCE_GROUP_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "task/supervisor.h"
#include "task/task.h"

namespace fs::task {

class InstanceGroup {
 public:
  InstanceGroup(const TaskEnvironment& environment, std::shared_ptr<const catalog::Function> function, Status status);
  // Stops it.
  ~InstanceGroup();

  // As Task has them, of all instances. WaitUntilRunning: OK once all run, or what ended the first that failed.
  using StartMode = Task::StartMode;
  static constexpr absl::Duration kStopGrace = Task::kStopGrace;
  [[nodiscard]] absl::Status Start(StartMode mode);
  [[nodiscard]] absl::Status WaitUntilRunning();
  void Release();
  void SetFailed(const absl::Status& reason);
  void RequestStop();
  void Join();
  [[nodiscard]] bool WaitEnded(absl::Time deadline);
  void Interrupt();
  [[nodiscard]] bool is_alive() const;

  // Asks one instance. kInvalidArgument: there is none of this number.
  [[nodiscard]] absl::StatusOr<std::string> Call(uint32_t instance, std::string payload, absl::Time deadline,
                                                 const std::function<bool()>& is_given_up);

  // The function's retained checkpoints, each of all instances, and who asks a running one for more.
  [[nodiscard]] state::RetainedCheckpoints& checkpoints() { return checkpoints_; }
  [[nodiscard]] Retention& retention() { return retention_; }
  [[nodiscard]] RetainedInfo Describe(const state::RetainedCheckpoint& checkpoint) const;
  // Only when it does not run; errors as RetainedCheckpoints has them.
  [[nodiscard]] absl::Status Restore(uint64_t checkpoint);

  // Removes states, retained checkpoints and log, and what connectors keep. Only when it does not run.
  [[nodiscard]] absl::Status Destroy();

  [[nodiscard]] Description Describe() const;
  [[nodiscard]] absl::StatusOr<std::unique_ptr<observe::FunctionLogReader>> ReadLog(std::optional<uint64_t> tail,
                                                                                    std::function<void()> on_growth) const;
  [[nodiscard]] const catalog::Function& function() const { return *function_; }

  // Serialises start, stop and drop of this function; the Supervisor's calls hold it.
  absl::Mutex& lifecycle() { return lifecycle_; }
  // The same for a stop or a drop: where a start holds it and waits for the user's code, it is the start that ends.
  class StopTurn {
   public:
    explicit StopTurn(InstanceGroup& group);
    ~StopTurn();
    StopTurn(const StopTurn&) = delete;
    StopTurn& operator=(const StopTurn&) = delete;

   private:
    InstanceGroup& group_;
  };

 private:
  // An instance has failed for good, on its thread.
  void Fail(uint32_t failed, const absl::Status& reason);
  [[nodiscard]] absl::StatusOr<std::shared_ptr<observe::FunctionLog>> OpenLog();

  const TaskEnvironment environment_;
  const std::shared_ptr<const catalog::Function> function_;
  state::RetainedCheckpoints checkpoints_;
  Retention retention_;
  absl::Mutex lifecycle_;

  const std::shared_ptr<observe::LogFollowers> log_followers_ = std::make_shared<observe::LogFollowers>();
  std::atomic<uint64_t> log_lines_dropped_{0};
  LimitUse log_use_;

  absl::Mutex start_mutex_;  // so that whoever fails at once finds all others started
  std::atomic<bool> has_failed_{false};
  absl::Status failure_ ABSL_GUARDED_BY(start_mutex_);  // of the first
  std::vector<std::unique_ptr<Task>> tasks_;
};

// Several instances' as one: sums; the status that is worst; of watermarks the least, of last checkpoints and errors the newest.
[[nodiscard]] Description Merge(std::vector<Description> instances);

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_INSTANCE_GROUP_H_
