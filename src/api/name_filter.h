// Which functions ShowFunctions lists: with `*` (any characters) or `?` (one) in it the filter is a pattern for the whole name, else
// any part of the name. An empty one lists all. Pure, any thread.
#ifndef FUNCTION_STREAM_API_NAME_FILTER_H_
#define FUNCTION_STREAM_API_NAME_FILTER_H_

#include <string_view>

namespace fs::api {

[[nodiscard]] bool MatchesFilter(std::string_view name, std::string_view filter);

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_NAME_FILTER_H_
