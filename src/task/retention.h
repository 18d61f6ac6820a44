// When a running function's checkpoints are retained: periodically as its configuration says, and when somebody asks.
//
// Owned by the InstanceGroup, over all of its instances' lives. One is made in a round: every instance adds its part after a checkpoint of
// its own, on its thread, those that are idle too, and the last one makes the whole appear. One round at a time; one whose missing instance
// ends is given up. A failure to retain is told to who asked and to the logs, and never ends the function.
#ifndef FUNCTION_STREAM_TASK_RETENTION_H_
#define FUNCTION_STREAM_TASK_RETENTION_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
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
  // What an instance has of it. Owned by its Task; but for Open and Close, its own thread's.
  class Part {
   public:
    // Before any is opened.
    Part(Retention& retention, uint32_t instance, Waker& waker);

    // The instance's thread begins and ends. Who asks is answered while all have begun, and let go when all have ended.
    void Open() { retention_.Open(); }
    void Close() { retention_.Close(instance_); }

    // Before the instance's state is opened: ends what a crash interrupted, once for all instances.
    [[nodiscard]] absl::Status Recover() { return retention_.Recover(); }
    // A checkpoint of this instance is waited for.
    [[nodiscard]] bool is_asked() const { return is_asked_.load(std::memory_order_acquire); }
    // A checkpoint of this instance is complete: retains it where that is due or asked for.
    void AfterCheckpoint(state::FunctionState& state, observe::FunctionLog& log) { retention_.AfterCheckpoint(*this, state, log); }

   private:
    friend class Retention;
    Retention& retention_;
    const uint32_t instance_;
    Waker& waker_;
    std::atomic<bool> is_asked_{false};
  };

  Retention(const config::FunctionConfig& config, state::RetainedCheckpoints& checkpoints, uint32_t instances);

  // From any thread: waits until every instance of the running function has taken a checkpoint, and all are retained. nullopt: it does not
  // run, or ended before. kDeadlineExceeded at the deadline; kCancelled once is_cancelled, which is looked at now and then, says so.
  [[nodiscard]] std::optional<absl::StatusOr<state::RetainedCheckpoint>> Ask(absl::Time deadline,
                                                                             const std::function<bool()>& is_cancelled);

 private:
  struct Request {
    std::optional<absl::StatusOr<state::RetainedCheckpoint>> answer;
    bool is_over = false;
  };
  struct Round {
    state::RetainedCheckpoints::Making making;
    std::shared_ptr<Request> request;  // of who asked; none: a periodic one
    std::vector<bool> is_missing;      // by instance: its part was not begun
    size_t missing = 0;
    size_t at_work = 0;  // instances
  };

  void Open();
  void Close(uint32_t instance);
  [[nodiscard]] absl::Status Recover();
  void AfterCheckpoint(Part& part, state::FunctionState& state, observe::FunctionLog& log);
  [[nodiscard]] bool is_open() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return open_ == parts_.size(); }
  [[nodiscard]] bool is_due() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return config_.enable_checkpoint && SteadyNow() >= due_; }
  // The round whose part is the instance's to make now, begun where somebody waits or it is time; none: nothing to do.
  [[nodiscard]] std::shared_ptr<Round> TakePart(uint32_t instance, observe::FunctionLog& log);
  void FinishPart(const std::shared_ptr<Round>& round, const absl::Status& made, observe::FunctionLog& log);
  void BeginRound(observe::FunctionLog& log) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // No part of it is begun any more. What there is goes when nobody is at work on it.
  void GiveUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // To who asked, if anybody did, and to the logs.
  void Tell(const std::shared_ptr<Request>& request, absl::StatusOr<state::RetainedCheckpoint> outcome, observe::FunctionLog& log)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sets who has to take a checkpoint, and wakes them.
  void AskParts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::Status Late(const Request* request) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const config::FunctionConfig& config_;
  state::RetainedCheckpoints& checkpoints_;
  std::vector<Part*> parts_;

  absl::Mutex mutex_;
  SteadyCondition over_;                               // a request is
  size_t open_ ABSL_GUARDED_BY(mutex_) = 0;            // instances
  bool is_recovered_ ABSL_GUARDED_BY(mutex_) = false;  // since the first of them was opened
  absl::Time due_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  std::shared_ptr<Round> round_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Request>> requests_ ABSL_GUARDED_BY(mutex_);  // that no round is for yet
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_RETENTION_H_
