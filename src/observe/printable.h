// Text from outside made safe to show: no control character, and nothing that is not UTF-8, reaches a terminal or breaks a line.
//
// Pure functions, any thread.
#ifndef FUNCTION_STREAM_OBSERVE_PRINTABLE_H_
#define FUNCTION_STREAM_OBSERVE_PRINTABLE_H_

#include <string>
#include <string_view>

namespace fs::observe {

// Appends `text` with control characters (C0, DEL, C1), line and paragraph separators and bidirectional overrides as escapes (\n, \x1b,
// \u202e), and bytes that are not UTF-8 as \xNN. A tab stays.
void AppendPrintable(std::string_view text, std::string& out);

// The same for text of several lines, such as a traceback: their ends stay.
[[nodiscard]] std::string PrintableLines(std::string_view text);

// Appends `text` as a JSON string, quotes included; the same characters are escaped, bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string_view text, std::string& out);

}  // namespace fs::observe

#endif  // FUNCTION_STREAM_OBSERVE_PRINTABLE_H_
