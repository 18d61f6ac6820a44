// What becomes of messages that fail: the function's `on_error`, and what is known of the messages that failed before.
//
// Owned by the Task, so that it outlives the instances that messages end; used on the function's thread. A message is known by its
// input, partition and offset, for after a restart inputs may take turns in another order. Three things count as a message's failure:
//
//   process() raised            counted; tried again in place, after a pause
//   an output refuses its emit  the same; out of a batch of many, a new instance first takes the batch one by one to find it
//   it ended the instance       counted; tried again by a new instance, alone and after what came before it is committed. Running out of
//                               memory may be the fault of those before it: that counts from the second time on, when it was alone
//
// After `retries` further attempts the policy decides. Nothing here is durable: a server that restarts counts from the beginning, and what
// was not committed is counted again, so a message may be tried more often than configured, never less.
#ifndef FUNCTION_STREAM_TASK_ERROR_POLICY_H_
#define FUNCTION_STREAM_TASK_ERROR_POLICY_H_

#include <absl/time/time.h>

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/record.h"
#include "base/status.h"
#include "config/function_config.h"
#include "connector/connector.h"

namespace fs::task {

struct MessageId {
  size_t input = 0;
  int32_t partition = 0;
  int64_t offset = 0;
  auto operator<=>(const MessageId&) const = default;
};

struct MessageError {
  std::string type;  // the exception's class, or one of the names below
  std::string message;
  std::string traceback;  // may be empty
};
// Failures that are no exception of the user's code.
inline constexpr std::string_view kTimeoutError = "Timeout";
inline constexpr std::string_view kMemoryError = "OutOfMemory";
inline constexpr std::string_view kOutputError = "TooMuchOutput";
inline constexpr std::string_view kCrashError = "Crash";
inline constexpr std::string_view kRefusedError = "OutputRefused";

// The error of a message that ended its instance, from the status of the guest's call.
[[nodiscard]] MessageError ErrorOfEnd(const absl::Status& status, std::optional<Limit> limit);

class ErrorPolicy {
 public:
  enum class Action { kTry, kFail, kSkip, kDeadLetter };
  struct Verdict {
    Action action = Action::kTry;
    uint32_t attempts = 0;      // made so far
    absl::Duration wait;        // kTry: before the next one
    bool is_dangerous = false;  // it ended an instance: commit what came before
    MessageError error;         // of the last attempt
  };

  explicit ErrorPolicy(const config::OnError& config) : config_(config) {}

  // Forgets all: the user starts the function anew.
  void Reset();

  // How many of these may be processed as one batch, counted from the first; 0: the first one goes alone, after asking Next. Hot path:
  // all of them, as long as nothing has failed.
  [[nodiscard]] size_t Together(size_t input, std::span<const Record> records) const;
  // Whether the message is tried (again), or what is done instead.
  [[nodiscard]] Verdict Next(const MessageId& message) const;

  // What happened. Failed and Ended answer what follows.
  Verdict Failed(const MessageId& message, MessageError error);
  Verdict Ended(const MessageId& message, MessageError error);
  // One of these did what nobody can tell of which: the next instance takes them one by one, at once.
  void OneByOne(size_t input, std::span<const Record> records);
  // The message is done, by processing it or otherwise; not yet committed.
  void Done(const MessageId& message);
  void Committed(std::span<const connector::Positions> positions);

  // Once after an instance has ended, if a message is the reason and this policy decides when the next instance starts: the pause.
  [[nodiscard]] std::optional<absl::Duration> TakeRestart();

  // "attempt 2 of 4", "attempt 2".
  [[nodiscard]] std::string AttemptText(uint32_t attempt) const;

 private:
  struct Suspect {
    uint32_t attempts = 0;
    bool has_ended = false;
    MessageError error;
  };
  struct Range {
    size_t input;
    int32_t partition;
    int64_t first, last;
  };

  [[nodiscard]] bool IsSuspect(size_t input, const Record& record) const;
  [[nodiscard]] Verdict Judge(const Suspect& suspect) const;

  const config::OnError& config_;
  std::map<MessageId, Suspect> suspects_;
  std::vector<Range> one_by_one_;
  std::optional<absl::Duration> restart_;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_ERROR_POLICY_H_
