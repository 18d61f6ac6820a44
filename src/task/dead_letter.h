// How a failed message is told about: the headers of a dead letter, and the lines in the function's log.
//
// Value types and pure functions, but for FailureLog: one per Task, on the function's thread.
#ifndef FUNCTION_STREAM_TASK_DEAD_LETTER_H_
#define FUNCTION_STREAM_TASK_DEAD_LETTER_H_

#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/record.h"
#include "observe/function_log.h"
#include "task/error_policy.h"

namespace fs::task {

struct FailedMessage {
  std::string_view function;
  uint32_t source_id = 0;
  std::string_view topic;
  const Record& record;
  uint32_t attempts = 0;
  const MessageError& error;
};

// The record's own headers, in the ABI's encoding, and after them ours (docs/configuration.md has the list). Ours of an earlier dead letter
// are replaced, so that a letter that fails again does not grow.
[[nodiscard]] std::string DeadLetterHeaders(const FailedMessage& failed, absl::Time now);

// "Type: message", one line, of a bounded length.
[[nodiscard]] std::string Headline(const MessageError& error);

// Lines about failures, bounded in number so that a stream of bad messages does not drown what the function itself logs: some have their
// traceback, more have one line, and of the others the number is told.
class FailureLog {
 public:
  static constexpr int kTracebacksPerSecond = 10;
  static constexpr int kLinesPerSecond = 100;

  void Write(observe::FunctionLog& log, absl::Time now, int level, std::string_view what, const MessageError& error);

 private:
  absl::Time second_ = absl::InfinitePast();
  int written_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_DEAD_LETTER_H_
