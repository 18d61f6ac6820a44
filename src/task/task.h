// One instance of a function: its thread, its status, and the policy that brings it back after a failure.
//
// Owned by the function's InstanceGroup, thread-safe. The thread exists from Start until the function is stopped or has failed; on it lives
// one Instance after the other. What ends an instance decides what follows:
//
//   stop requested                                        STOPPED
//   a message failed (on_error: fail), bad configuration  FAILED, with the reason; start tries again
//   state of another run, or damaged                      FAILED
//   a message's trap or time-out, or its emit refused     RESTARTING: a new instance from the last checkpoint; on_error decides how often
//   trap or time-out of a hook, memory, heartbeat, I/O    RESTARTING: the same, after a back-off that doubles; FAILED after
//                                                         restart.max_attempts in a row; a minute of health forgives
#ifndef FUNCTION_STREAM_TASK_TASK_H_
#define FUNCTION_STREAM_TASK_TASK_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/steady_clock.h"
#include "base/thread.h"
#include "base/waker.h"
#include "task/admission.h"
#include "task/calls.h"
#include "task/instance.h"
#include "task/retention.h"
#include "task/start_gate.h"
#include "task/supervisor.h"

namespace fs::task {

// What all tasks share; outlives them.
struct TaskEnvironment {
  sandbox::Runtime* runtime = nullptr;
  state::StateEnvironment* states = nullptr;
  connector::Registry* connectors = nullptr;
  std::filesystem::path state_dir;
  std::filesystem::path checkpoint_dir;
  std::filesystem::path log_dir;
  std::string server_id;
  Admission* admission = nullptr;
  StartGate* start_gate = nullptr;
  config::FunctionLimits limit_caps = {};  // how far a function's limits may go
};

class Task {
 public:
  // A task that does not run yet, with the status that its function has then. `retention` is the function's, and outlives it. on_failed:
  // called on its thread when it has FAILED, before it ends.
  Task(const TaskEnvironment& environment, std::shared_ptr<const catalog::Function> function, uint32_t index, Status status,
       Retention& retention, std::function<void(const absl::Status&)> on_failed);
  // Stops it.
  ~Task();

  // Starts the thread; nothing to do when it runs. kInvalidArgument, kResourceExhausted: the server's limits do not allow it.
  // WaitUntilRunning: OK once the function runs (also when it is between restarts), or what ended it. kHeld: it runs only after Release:
  // init has been called, no record was taken. kPatient: nobody waits for the answer, so a first instance that cannot be opened is tried
  // again as a later one would be.
  enum class StartMode { kNow, kHeld, kPatient };
  [[nodiscard]] absl::Status Start(StartMode mode, std::shared_ptr<observe::FunctionLog> log);
  [[nodiscard]] absl::Status WaitUntilRunning();
  void Release();
  // While some stop waits for its turn, a start that waits for the user's code gives up: see InstanceGroup::StopTurn.
  void AddWaitingStops(int change);
  // FAILED, because it could not even be started.
  void SetFailed(const absl::Status& reason) { SetStatus(Status::kFailed, std::string(Message(reason))); }

  // Asks it to stop: it commits what it has, calls close, and ends; a call that does not return is interrupted after a moment.
  // Join waits for that, within about a second. OK when it is not running.
  void RequestStop();
  void Join();
  // The two halves of Join's wait, for whoever stops many at once. False: it still runs at the deadline. Interrupt gives up the call in
  // progress.
  [[nodiscard]] bool WaitEnded(absl::Time deadline);
  void Interrupt();
  // How long a call may go on after a stop was asked for.
  static constexpr absl::Duration kStopGrace = absl::Milliseconds(400);

  // Any thread: what custom() answers (task/calls.h). kAlreadyExists: it does not run.
  [[nodiscard]] absl::StatusOr<std::string> Call(std::string payload, absl::Time deadline, const std::function<bool()>& is_given_up);

  [[nodiscard]] bool is_alive() const;
  // As the instance's checkpoints have them, for people.
  [[nodiscard]] std::vector<InputPosition> ToInputPositions(std::span<const connector::Positions> inputs) const;

  // Removes the state. Only when it does not run.
  [[nodiscard]] absl::Status Destroy();

  [[nodiscard]] Description Describe() const;

 private:
  void Body();
  // Runs one instance to its end.
  [[nodiscard]] absl::Status RunInstance();
  void SetStatus(Status status, const std::string& reason);

  const TaskEnvironment environment_;
  const std::shared_ptr<const catalog::Function> function_;
  const uint32_t index_;
  const std::string label_;  // the function's name and, of several instances, which
  const std::function<void(const absl::Status&)> on_failed_;
  const std::filesystem::path state_folder_;
  config::FunctionLimits limits_;       // with the server's caps
  const absl::Status limits_accepted_;  // else what they exceed

  std::atomic<bool> stopping_{false};
  std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  InstanceCounters counters_;
  Calls calls_;
  Retention::Part retention_;
  absl::Mutex thread_mutex_;
  Thread thread_ ABSL_GUARDED_BY(thread_mutex_);

  mutable absl::Mutex mutex_;
  Instance* instance_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Admission::Place place_;                      // of the running thread
  std::shared_ptr<observe::FunctionLog> log_;   // likewise
  ErrorPolicy errors_;                          // likewise
  FailureLog failure_log_;                      // likewise
  bool alive_ ABSL_GUARDED_BY(mutex_) = false;  // the thread has work
  SteadyCondition ended_;                       // it has none any more
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  bool patient_ ABSL_GUARDED_BY(mutex_) = false;
  bool opened_ ABSL_GUARDED_BY(mutex_) = false;  // an instance was opened since Start
  int waiting_stops_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);  // what ended the thread
  Status status_ ABSL_GUARDED_BY(mutex_);
  std::string reason_ ABSL_GUARDED_BY(mutex_);
  std::string waiting_for_ ABSL_GUARDED_BY(mutex_);
  std::string last_error_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_error_at_ ABSL_GUARDED_BY(mutex_);
  uint64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time since_ ABSL_GUARDED_BY(mutex_);
  uint64_t restarts_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<connector::Positions> positions_ ABSL_GUARDED_BY(mutex_);
  std::vector<connector::Positions> ends_ ABSL_GUARDED_BY(mutex_);
  Recent recent_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_TASK_H_
