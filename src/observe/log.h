// The server's log: structured, rotated, one line an event. spdlog does the work; this room sets it up and names it.
//
// Any thread. Messages never hold payloads. LogInfo("function {}: started", name) and its siblings below.
#ifndef FUNCTION_STREAM_OBSERVE_LOG_H_
#define FUNCTION_STREAM_OBSERVE_LOG_H_

#include <spdlog/spdlog.h>

#include <filesystem>
#include <string>
#include <utility>

#include "base/status.h"

namespace fs::observe {

struct LogOptions {
  std::string level = "info";  // trace | debug | info | warn | error | critical | off
  bool json = true;            // else text
  std::filesystem::path file;  // empty: stderr only
  uint64_t max_file_bytes = uint64_t{100} << 20;
  uint32_t max_files = 5;
  bool also_stderr = true;
};

// Once, at start, before other threads log. Until then lines go to stderr as text. kInternal naming the path.
[[nodiscard]] absl::Status InitLog(const LogOptions& options);
// Writes out what is buffered and ends the log.
void ShutdownLog();

template <typename... Args>
void LogDebug(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::debug(format, std::forward<Args>(args)...);
}
template <typename... Args>
void LogInfo(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::info(format, std::forward<Args>(args)...);
}
template <typename... Args>
void LogWarning(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::warn(format, std::forward<Args>(args)...);
}
template <typename... Args>
void LogError(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::error(format, std::forward<Args>(args)...);
}

}  // namespace fs::observe

#endif  // FUNCTION_STREAM_OBSERVE_LOG_H_
