// Named points at which a test build (-DFS_FAILPOINTS=ON) can be made to die, as by SIGKILL. In other builds they are nothing.
//
// The environment variable FS_FAILPOINT names one, with a count: "state-prepared:3" dies at the third pass. Any thread.
//
// Sabotage breaks the checkpoint protocol on purpose, so that the tests of crashes can show that they would see it: true in a test build
// where the environment variable FS_SABOTAGE (names with commas between) has the name, false in every other build.
#ifndef FUNCTION_STREAM_BASE_FAILPOINT_H_
#define FUNCTION_STREAM_BASE_FAILPOINT_H_

#include <string_view>

namespace fs {

#ifdef FS_FAILPOINTS
void FailPoint(std::string_view name);
[[nodiscard]] bool Sabotage(std::string_view name);
#else
inline void FailPoint(std::string_view) {}
[[nodiscard]] constexpr bool Sabotage(std::string_view) { return false; }
#endif

}  // namespace fs

#endif  // FUNCTION_STREAM_BASE_FAILPOINT_H_
