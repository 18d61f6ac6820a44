// Where a function's log lies: two files, of which the previous one is what the current one was before it was full.
#ifndef FUNCTION_STREAM_OBSERVE_FUNCTION_LOG_FILES_H_
#define FUNCTION_STREAM_OBSERVE_FUNCTION_LOG_FILES_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fs::observe {

struct FunctionLogFiles {
  std::string current, previous;
};

// kInvalidArgument: the name cannot name a file.
[[nodiscard]] absl::StatusOr<FunctionLogFiles> FunctionLogFilesOf(const std::filesystem::path& folder, std::string_view name);

}  // namespace fs::observe

#endif  // FUNCTION_STREAM_OBSERVE_FUNCTION_LOG_FILES_H_
