// Text from outside: is it UTF-8, and what to show where it is not.
//
// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Pure functions, any thread.
#ifndef FUNCTION_STREAM_BASE_UTF8_H_
#define FUNCTION_STREAM_BASE_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace fs {

// Length of the well-formed sequence that `text` begins with, 1 to 4; 0 when it begins with none (or is empty).
[[nodiscard]] size_t Utf8SequenceLength(std::string_view text);
[[nodiscard]] bool IsUtf8(std::string_view text);
// The same text with U+FFFD in place of each byte that belongs to no well-formed sequence.
[[nodiscard]] std::string ToUtf8(std::string_view text);
// At most `limit` bytes of a UTF-8 text, ending at a whole character.
[[nodiscard]] std::string_view CutUtf8(std::string_view text, size_t limit);

}  // namespace fs

#endif  // FUNCTION_STREAM_BASE_UTF8_H_
