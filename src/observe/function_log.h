// A function's own log: what it printed and logged, bounded on disk, removed when it is dropped.
//
// Owned by its Task; Write may be called by any thread. Two files at most (current and previous), limit_bytes in all; a rate limit drops
// what a flood brings and says how many lines it dropped, by a clock that nobody sets; control characters are escaped, so that nothing a
// function prints reaches a terminal as a command.
#ifndef FUNCTION_STREAM_OBSERVE_FUNCTION_LOG_H_
#define FUNCTION_STREAM_OBSERVE_FUNCTION_LOG_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "base/limits.h"
#include "base/status.h"
#include "observe/log_followers.h"

namespace fs::observe {

class FunctionLog {
 public:
  struct Options {
    uint64_t limit_bytes = uint64_t{16} << 20;
    uint64_t lines_per_second = 1000;
    uint64_t bytes_per_second = uint64_t{1} << 20;      // a line that would be more is dropped, and so are those after it
    LimitUse* use = nullptr;                            // told of what was used and refused; outlives the log
    std::atomic<uint64_t>* dropped_lines = nullptr;     // counted there too; outlives the log
    std::shared_ptr<LogFollowers> followers = nullptr;  // told when something was written
  };
  // The file is `folder`/`name`.log, appended to. kInternal naming the path.
  static absl::StatusOr<std::unique_ptr<FunctionLog>> Open(const std::filesystem::path& folder, std::string_view name,
                                                           const Options& options);
  static absl::Status Remove(const std::filesystem::path& folder, std::string_view name);
  virtual ~FunctionLog() = default;

  // `level` as Python's logging has it: 10, 20, 30, 40, 50. Several lines become several entries.
  virtual void Write(int level, std::string_view text) = 0;
};

}  // namespace fs::observe

#endif  // FUNCTION_STREAM_OBSERVE_FUNCTION_LOG_H_
