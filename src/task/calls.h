// Requests to a function's custom() hook: how other threads reach its instance, and get an answer.
//
// Owned by a Task, outliving its instances: a request that comes between two of them waits for the next. Call runs on the caller's thread,
// which it holds; everything else on the function's. At most kMaxWaiting requests wait; each is given up at its caller's deadline.
#ifndef FUNCTION_STREAM_TASK_CALLS_H_
#define FUNCTION_STREAM_TASK_CALLS_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/status.h"
#include "base/steady_clock.h"

namespace fs::task {

class Calls {
 public:
  static constexpr size_t kMaxWaiting = 64;

  // Payloads, and answers, of at most so many bytes (limits.custom_mb).
  Calls(uint64_t limit_bytes, LimitUse& use) : limit_bytes_(limit_bytes), use_(use) {}

  class Request {
   public:
    const std::string payload;

   private:
    friend class Calls;
    explicit Request(std::string bytes) : payload(std::move(bytes)) {}
    std::optional<absl::StatusOr<std::string>> answer_;  // guarded by the Calls' mutex, as is the next
    bool is_taken_ = false;
  };

  // Any thread: waits for the answer until the deadline (SteadyNow's), or until `is_given_up` says that nobody waits any more, which is
  // asked a few times a second. `wake` tells the function's thread. kAlreadyExists: it does not run. kInvalidArgument: the payload is too
  // large. kResourceExhausted: too many wait. kDeadlineExceeded: not answered in time, saying whether it had begun.
  [[nodiscard]] absl::StatusOr<std::string> Call(std::string payload, absl::Time deadline, const std::function<bool()>& is_given_up,
                                                 const std::function<void()>& wake);

  // The function's thread. Between Open and Close requests are taken in; Close answers those that wait with the reason, and later ones too.
  void Open();
  void Close(const absl::Status& reason);
  // The next request whose caller still waits; nullptr: none. Costs one load when there is none.
  [[nodiscard]] std::shared_ptr<Request> Take();
  void Answer(Request& request, absl::StatusOr<std::string> answer);
  // kInvalidArgument naming the limit; `what` is "payload" or "custom() answered".
  [[nodiscard]] absl::Status CheckSize(std::string_view what, size_t bytes, std::string_view advice) const;

 private:
  const uint64_t limit_bytes_;
  LimitUse& use_;
  absl::Mutex mutex_;
  SteadyCondition answered_;
  std::deque<std::shared_ptr<Request>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::atomic<size_t> waiting_count_{0};
  absl::Status closed_ ABSL_GUARDED_BY(mutex_) = absl::AlreadyExistsError("it does not run: start it first");
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_CALLS_H_
