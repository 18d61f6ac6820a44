#include "config/function_limits.h"

#include <algorithm>
#include <array>

namespace fs::config {
namespace {

constexpr int64_t kDayMs = int64_t{24} * 3600 * 1000;
// A batch is sized to take 20 ms, but the first one is a guess.
constexpr int64_t kLeastBatchMs = 5'000;

struct Row {
  std::string_view key;
  int64_t FunctionLimits::* member;
  int64_t min;
  int64_t max;
};
using L = FunctionLimits;
constexpr std::array<Row, 12> kRows = {{
    {"memory_mb", &L::memory_mb, 32, 4096},
    {"process_timeout_ms", &L::process_timeout_ms, 10, kDayMs},
    {"batch_timeout_ms", &L::batch_timeout_ms, 10, kDayMs},
    {"output_mb", &L::output_mb, 4, 1024},  // a batch hands over at 4 MiB: only then the last message is to blame
    {"custom_mb", &L::custom_mb, 1, 1024},
    {"checkpoint_mb", &L::checkpoint_mb, 1, 1024},
    {"state_mb", &L::state_mb, 1, int64_t{1} << 30},
    {"stores", &L::stores, 1, 1'000'000},
    {"iterators", &L::iterators, 1, 1'000'000},
    {"log_mb", &L::log_mb, 1, 1024},
    {"log_lines_per_second", &L::log_lines_per_second, 1, 1'000'000},
    {"log_kb_per_second", &L::log_kb_per_second, 1, int64_t{1} << 20},
}};

Reader<FunctionLimits> NumberWithLine(const Row& row) {
  Reader<FunctionLimits> reader = Whole(row.member, row.min, row.max);
  reader.read = [read = reader.read, key = row.key](const Value& value, FunctionLimits& limits) {
    limits.lines[key] = value.line;
    return read(value, limits);
  };
  return reader;
}

}  // namespace

std::vector<std::pair<std::string_view, int64_t>> FunctionLimits::ByKey() const {
  std::vector<std::pair<std::string_view, int64_t>> all;
  for (const Row& row : kRows) all.emplace_back(row.key, this->*row.member);
  return all;
}

const KeyTable<FunctionLimits>& FunctionLimitsTable() {
  static const KeyTable<FunctionLimits> table = [] {
    KeyTable<FunctionLimits> keys;
    for (const Row& row : kRows) keys.push_back({row.key, NumberWithLine(row)});
    return keys;
  }();
  return table;
}

absl::Status CompleteLimits(const Value& section, FunctionLimits& limits) {
  if (!limits.lines.contains("batch_timeout_ms")) {
    limits.batch_timeout_ms = std::max(limits.process_timeout_ms, kLeastBatchMs);
  } else if (limits.batch_timeout_ms < limits.process_timeout_ms) {
    return section.Error(fmt::format("batch_timeout_ms ({}) must not be below process_timeout_ms ({}): a batch may be a single message",
                                     limits.batch_timeout_ms, limits.process_timeout_ms));
  }
  return absl::OkStatus();
}

FunctionLimits WidestLimits() {
  FunctionLimits limits;
  for (const Row& row : kRows) limits.*row.member = row.max;
  return limits;
}

absl::Status ApplyCaps(const FunctionLimits& caps, FunctionLimits& limits) {
  for (const Row& row : kRows) {
    const int64_t cap = caps.*row.member;
    if (limits.*row.member <= cap) continue;
    if (const auto line = limits.lines.find(row.key); line != limits.lines.end()) {
      return InvalidArgument(
          "limits.{} (line {}): {} is more than this server allows, limits.per_function.{} of its configuration is {}; ask for less, or "
          "have that raised",
          row.key, line->second, limits.*row.member, row.key, cap);
    }
    limits.*row.member = cap;
  }
  return absl::OkStatus();
}

}  // namespace fs::config
