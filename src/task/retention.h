// When a running function's checkpoints are retained: periodically as its configuration says, and when somebody asks.
//
// Owned by the Task, over all of its instances. Ask() may be called by any thread; Begin, is_asked and AfterCheckpoint belong to the
// function's thread. A failure to retain is told to who asked and to the logs, and never ends the function.
#ifndef FUNCTION_STREAM_TASK_RETENTION_H_
#define FUNCTION_STREAM_TASK_RETENTION_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/status.h"
#include "base/steady_clock.h"
#include "base/waker.h"
#include "config/function_config.h"
#include "observe/function_log.h"
#include "state/retained.h"

namespace fs::task {

class Retention {
 public:
  Retention(const config::FunctionConfig& config, state::RetainedCheckpoints& checkpoints, Waker& waker)
      : config_(config), checkpoints_(checkpoints), waker_(waker) {}

  // From any thread: waits until the running function has taken a checkpoint and retained it. nullopt: it does not run, or ended before.
  // kDeadlineExceeded at the deadline; kCancelled once is_cancelled, which is looked at now and then, says so.
  [[nodiscard]] std::optional<absl::StatusOr<state::RetainedCheckpoint>> Ask(absl::Time deadline,
                                                                             const std::function<bool()>& is_cancelled);

  // The function's thread begins and ends: what asks meanwhile waits, and is let go at the end.
  void Open();
  void Close();

  // An instance begins: sets when the next periodic one is due.
  void Begin();
  // Somebody waits for a checkpoint.
  [[nodiscard]] bool is_asked() const { return is_asked_.load(std::memory_order_acquire); }
  // A checkpoint is complete: retains it where that is due or asked for.
  void AfterCheckpoint(state::FunctionState& state, observe::FunctionLog& log);

 private:
  struct Request {
    std::optional<absl::StatusOr<state::RetainedCheckpoint>> answer;
    bool is_over = false;
  };
  [[nodiscard]] bool is_periodic() const { return config_.enable_checkpoint; }
  [[nodiscard]] absl::StatusOr<state::RetainedCheckpoint> Make(state::FunctionState& state, state::RetainReason reason,
                                                               observe::FunctionLog& log);

  const config::FunctionConfig& config_;
  state::RetainedCheckpoints& checkpoints_;
  Waker& waker_;
  absl::Time due_ = absl::InfiniteFuture();

  std::atomic<bool> is_asked_{false};
  absl::Mutex mutex_;
  SteadyCondition over_;  // a request is
  bool is_open_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<Request>> requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_RETENTION_H_
