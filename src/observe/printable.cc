#include "observe/printable.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

#include "base/utf8.h"

namespace fs::observe {
namespace {

// The code point of a well-formed sequence.
uint32_t CodePoint(std::string_view sequence) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(sequence[i])); };
  switch (sequence.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1f) << 6 | (byte(1) & 0x3f);
    case 3:
      return (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
  }
}

bool IsCommand(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

// Calls plain(sequence) or command(code point) for each character, broken(byte) for each byte of none.
template <class Plain, class Command, class Broken>
void ForEachCharacter(std::string_view text, Plain plain, Command command, Broken broken) {
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    if (length == 0) {
      broken(static_cast<uint8_t>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    const std::string_view sequence = text.substr(0, length);
    if (const uint32_t c = CodePoint(sequence); IsCommand(c)) {
      command(c);
    } else {
      plain(sequence);
    }
    text.remove_prefix(length);
  }
}

}  // namespace

void AppendPrintable(std::string_view text, std::string& out) {
  const auto append = std::back_inserter(out);
  ForEachCharacter(
      text, [&](std::string_view sequence) { out += sequence; },
      [&](uint32_t c) {
        if (c == '\t') {
          out += '\t';
        } else if (c == '\n') {
          out += "\\n";
        } else if (c == '\r') {
          out += "\\r";
        } else if (c < 0x100) {
          fmt::format_to(append, "\\x{:02x}", c);
        } else {
          fmt::format_to(append, "\\u{:04x}", c);
        }
      },
      [&](uint8_t byte) { fmt::format_to(append, "\\x{:02x}", byte); });
}

std::string PrintableLines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    const size_t end = text.find('\n');
    AppendPrintable(text.substr(0, end), out);
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  ForEachCharacter(
      text,
      [&](std::string_view sequence) {
        if (sequence == "\"" || sequence == "\\") out += '\\';
        out += sequence;
      },
      [&](uint32_t c) {
        if (c == '\n') {
          out += "\\n";
        } else if (c == '\t') {
          out += "\\t";
        } else {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
        }
      },
      [&](uint8_t) { out += "\xef\xbf\xbd"; });
  out += '"';
}

}  // namespace fs::observe
