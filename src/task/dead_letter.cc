#include "task/dead_letter.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/utf8.h"

namespace fs::task {
namespace {

constexpr std::string_view kPrefix = "function-stream.";
constexpr std::array<std::string_view, 11> kNames = {"function",     "source-id",  "topic", "partition", "offset",      "attempt",
                                                     "failed-at-ms", "error-type", "error", "traceback", "timestamp-ms"};
// Brokers limit whole records, so a letter should not be much larger than its message.
constexpr size_t kMaxTraceback = size_t{16} << 10;
constexpr size_t kMaxMessage = size_t{4} << 10;
constexpr size_t kMaxHeadline = size_t{1} << 10;

bool IsOurs(std::string_view name) {
  return name.starts_with(kPrefix) && std::find(kNames.begin(), kNames.end(), name.substr(kPrefix.size())) != kNames.end();
}

void AppendLength(std::string& headers, uint32_t length) { headers.append(reinterpret_cast<const char*>(&length), sizeof(length)); }

// Copies the headers that are not ours.
void AppendForeign(std::string_view headers, std::string& out) {
  while (headers.size() >= 2 * sizeof(uint32_t)) {
    uint32_t name_length;
    int32_t value_length;
    std::memcpy(&name_length, headers.data(), sizeof(name_length));
    std::memcpy(&value_length, headers.data() + sizeof(name_length), sizeof(value_length));
    const size_t prefix = sizeof(name_length) + sizeof(value_length);
    const size_t size = prefix + name_length + static_cast<size_t>(std::max(value_length, 0));
    if (size > headers.size()) return;
    if (!IsOurs(headers.substr(prefix, name_length))) out.append(headers.substr(0, size));
    headers.remove_prefix(size);
  }
}

// The end of a traceback says most: the error and where it was raised.
std::string Bounded(std::string_view text, size_t limit) {
  std::string valid = ToUtf8(text);
  if (valid.size() <= limit) return valid;
  const std::string_view head = CutUtf8(valid, limit / 4);
  size_t begin = valid.size() - (limit - limit / 4);
  while (begin < valid.size() && Utf8SequenceLength(std::string_view(valid).substr(begin)) == 0) ++begin;
  return fmt::format("{}\n... {} bytes left out ...\n{}", head, begin - head.size(), std::string_view(valid).substr(begin));
}

}  // namespace

std::string DeadLetterHeaders(const FailedMessage& failed, absl::Time now) {
  std::string headers;
  AppendForeign(failed.record.headers, headers);
  const auto add = [&](std::string_view name, std::string_view value) {
    AppendLength(headers, static_cast<uint32_t>(kPrefix.size() + name.size()));
    AppendLength(headers, static_cast<uint32_t>(value.size()));
    headers.append(kPrefix).append(name).append(value);
  };
  add("function", failed.function);
  add("source-id", std::to_string(failed.source_id));
  add("topic", failed.topic);
  add("partition", std::to_string(failed.record.partition));
  add("offset", std::to_string(failed.record.offset));
  if (failed.record.timestamp_ms != kNoTimestamp) add("timestamp-ms", std::to_string(failed.record.timestamp_ms));
  add("attempt", std::to_string(failed.attempts));
  add("failed-at-ms", std::to_string(absl::ToUnixMillis(now)));
  add("error-type", Bounded(failed.error.type, kMaxHeadline));
  add("error", Bounded(failed.error.message, kMaxMessage));
  if (!failed.error.traceback.empty()) add("traceback", Bounded(failed.error.traceback, kMaxTraceback));
  return headers;
}

std::string Headline(const MessageError& error) {
  std::string text = error.message.empty() ? error.type : fmt::format("{}: {}", error.type, error.message);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.size() <= kMaxHeadline ? text : fmt::format("{} [cut]", CutUtf8(text, kMaxHeadline));
}

void FailureLog::Write(observe::FunctionLog& log, absl::Time now, int level, std::string_view what, const MessageError& error) {
  if (now - second_ >= absl::Seconds(1)) {
    if (left_out_ > 0) log.Write(30, fmt::format("{} more failures of messages were not logged", std::exchange(left_out_, 0)));
    second_ = now;
    written_ = 0;
  }
  if (written_ >= kLinesPerSecond) {
    ++left_out_;
    return;
  }
  log.Write(level, fmt::format("{}: {}", what, Headline(error)));
  if (written_ < kTracebacksPerSecond && !error.traceback.empty()) log.Write(level, error.traceback);
  ++written_;
}

}  // namespace fs::task
