// What one function may use: the keys under `limits:` of its configuration, and the server's caps on them, which have the same names.
//
// Value types. Numbers are in the unit that their key names; the accessors give what the other rooms count in.
#ifndef FUNCTION_STREAM_CONFIG_FUNCTION_LIMITS_H_
#define FUNCTION_STREAM_CONFIG_FUNCTION_LIMITS_H_

#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "config/key_table.h"

namespace fs::config {

struct FunctionLimits {
  int64_t memory_mb = 256;
  int64_t process_timeout_ms = 30'000;
  int64_t batch_timeout_ms = 30'000;
  int64_t output_mb = 64;
  int64_t custom_mb = 4;
  int64_t checkpoint_mb = 64;
  int64_t state_mb = 10'240;
  int64_t stores = 1000;
  int64_t iterators = 1000;
  int64_t log_mb = 16;
  int64_t log_lines_per_second = 1000;
  int64_t log_kb_per_second = 1024;

  // Every key with its number, in the order of the reference.
  [[nodiscard]] std::vector<std::pair<std::string_view, int64_t>> ByKey() const;

  std::map<std::string_view, int> lines;  // where each that was written stands

  [[nodiscard]] uint64_t memory_bytes() const { return static_cast<uint64_t>(memory_mb) << 20; }
  [[nodiscard]] absl::Duration process_timeout() const { return absl::Milliseconds(process_timeout_ms); }
  [[nodiscard]] absl::Duration batch_timeout() const { return absl::Milliseconds(batch_timeout_ms); }
  [[nodiscard]] uint64_t output_bytes() const { return static_cast<uint64_t>(output_mb) << 20; }
  [[nodiscard]] uint64_t custom_bytes() const { return static_cast<uint64_t>(custom_mb) << 20; }
  [[nodiscard]] uint64_t checkpoint_bytes() const { return static_cast<uint64_t>(checkpoint_mb) << 20; }
  [[nodiscard]] uint64_t state_bytes() const { return static_cast<uint64_t>(state_mb) << 20; }
  [[nodiscard]] uint64_t log_bytes() const { return static_cast<uint64_t>(log_mb) << 20; }
  [[nodiscard]] uint64_t log_bytes_per_second() const { return static_cast<uint64_t>(log_kb_per_second) << 10; }
};

// `limits` of a function's configuration.
[[nodiscard]] const KeyTable<FunctionLimits>& FunctionLimitsTable();
// Keys that must agree with each other, and defaults that follow from others.
[[nodiscard]] absl::Status CompleteLimits(const Value& section, FunctionLimits& limits);

// `limits.per_function` of the server's: as far as a function may go. Without a key, as far as the key itself.
[[nodiscard]] FunctionLimits WidestLimits();
// Lowers defaults to the caps. kInvalidArgument naming both keys when the configuration itself asks for more.
[[nodiscard]] absl::Status ApplyCaps(const FunctionLimits& caps, FunctionLimits& limits);

}  // namespace fs::config

#endif  // FUNCTION_STREAM_CONFIG_FUNCTION_LIMITS_H_
