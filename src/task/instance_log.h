// A function's log as one of several instances writes it: each line says which.
//
// Owned by its Task; thread-safe as the log behind it.
#ifndef FUNCTION_STREAM_TASK_INSTANCE_LOG_H_
#define FUNCTION_STREAM_TASK_INSTANCE_LOG_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "observe/function_log.h"

namespace fs::task {

class InstanceLog final : public observe::FunctionLog {
 public:
  InstanceLog(std::shared_ptr<observe::FunctionLog> log, uint32_t instance)
      : log_(std::move(log)), prefix_(fmt::format("[{}] ", instance)) {}

  void Write(int level, std::string_view text) override {
    std::string lines = prefix_;
    for (const char c : text) {
      lines.push_back(c);
      if (c == '\n') lines += prefix_;
    }
    if (text.ends_with('\n')) lines.resize(lines.size() - prefix_.size());
    log_->Write(level, lines);
  }

 private:
  const std::shared_ptr<observe::FunctionLog> log_;
  const std::string prefix_;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_INSTANCE_LOG_H_
