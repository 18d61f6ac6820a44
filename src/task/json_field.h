// One number out of a JSON object, without building the rest: the event time of a record whose value has it.
//
// Pure, any thread; hot where a function's watermark.source is json:<field>. Looks at top-level members only, allocates nothing.
#ifndef FUNCTION_STREAM_TASK_JSON_FIELD_H_
#define FUNCTION_STREAM_TASK_JSON_FIELD_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace fs::task {

// The number that the object's member of this name holds, fractions cut off; the last one where the name occurs twice, as Python's json.
// nullopt: not a JSON object, no such member, no number, or not within 64 bits. A name with escapes in the JSON is not recognised.
[[nodiscard]] std::optional<int64_t> JsonNumber(std::string_view json, std::string_view field);

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_JSON_FIELD_H_
