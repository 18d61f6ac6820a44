// Reads a function's log from its files, from the past into the present, beside whoever writes it.
//
// One thread at a time. Rotation is followed; where the writer rotated faster than this reads, a line says that lines are missing.
#ifndef FUNCTION_STREAM_OBSERVE_FUNCTION_LOG_READER_H_
#define FUNCTION_STREAM_OBSERVE_FUNCTION_LOG_READER_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "observe/log_followers.h"

namespace fs::observe {

struct LogLine {
  std::string time;   // RFC 3339, in UTC; empty where the line in the file had none
  std::string level;  // DEBUG, INFO, WARNING, ERROR, CRITICAL
  std::string text;   // printable: control characters are escapes already
};

class FunctionLogReader {
 public:
  // Begins with the last `tail` lines, or with the oldest there is. `on_growth` as LogFollowers has it; empty: nobody waits.
  // kInternal naming the file.
  static absl::StatusOr<std::unique_ptr<FunctionLogReader>> Open(const std::filesystem::path& folder, std::string_view name,
                                                                 std::optional<uint64_t> tail, std::shared_ptr<LogFollowers> followers,
                                                                 std::function<void()> on_growth);
  virtual ~FunctionLogReader() = default;

  // Appends what is there, about max_bytes at most. Nothing appended: the present end.
  [[nodiscard]] virtual absl::Status Read(size_t max_bytes, std::vector<LogLine>& lines) = 0;
  // The function was dropped; what is left to read can still be read. Ask before a Read that finds nothing.
  [[nodiscard]] virtual bool is_over() const = 0;
};

}  // namespace fs::observe

#endif  // FUNCTION_STREAM_OBSERVE_FUNCTION_LOG_READER_H_
