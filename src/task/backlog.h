// Records that an input has handed out and that must wait: the first of them failed and is tried again after a pause.
//
// Owned by the Instance, one per input, used on its thread. Holds copies, so that the source can be polled in the meantime (a group
// protocol wants that). The order of records is kept: while there is a backlog, nothing newer is taken from the input.
#ifndef FUNCTION_STREAM_TASK_BACKLOG_H_
#define FUNCTION_STREAM_TASK_BACKLOG_H_

#include <absl/time/time.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/record.h"

namespace fs::task {

class Backlog {
 public:
  [[nodiscard]] bool empty() const { return next_ == records_.size(); }
  [[nodiscard]] std::span<const Record> records() const { return std::span(records_).subspan(next_); }
  // When the first record is tried again, and what is said until then.
  [[nodiscard]] absl::Time due() const { return due_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  void Wait(absl::Time due, std::string reason);

  // Copies records into an empty backlog.
  void Keep(std::span<const Record> records);
  // The first ones are done.
  void Drop(size_t count);
  // The partitions are no longer ours, so neither are their records.
  void Forget(std::span<const int32_t> partitions);

 private:
  void Clear();

  std::string bytes_;
  std::vector<Record> records_;  // views into bytes_
  size_t next_ = 0;
  absl::Time due_ = absl::InfinitePast();
  std::string reason_;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_BACKLOG_H_
