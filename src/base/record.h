// A record on its way from a source through a guest to a sink, as views into somebody else's bytes.
//
// Nobody owns anything here: the maker of the views says how long they hold (connector/connector.h, sandbox/guest.h).
#ifndef FUNCTION_STREAM_BASE_RECORD_H_
#define FUNCTION_STREAM_BASE_RECORD_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace fs {

inline constexpr int64_t kNoTimestamp = std::numeric_limits<int64_t>::min();

// One consumed record. Headers are encoded as runtime/abi/fs_abi.h says (for each: u32 name length, i32 value length or -1
// for null, name, value; little-endian), so that they cross into the guest without being taken apart.
struct Record {
  std::string_view value;
  std::optional<std::string_view> key;
  std::string_view headers;
  int64_t timestamp_ms = kNoTimestamp;
  int64_t offset = 0;
  int32_t partition = 0;
};

// One record to be written. A timestamp of kNoTimestamp means: the time of writing.
struct OutputRecord {
  std::string_view value;
  std::optional<std::string_view> key;
  std::string_view headers;
  int64_t timestamp_ms = kNoTimestamp;
  // Without a key, and what it carries concerns all partitions: as many such records as there are partitions go to each of them once.
  bool takes_turns = false;
};

}  // namespace fs

#endif  // FUNCTION_STREAM_BASE_RECORD_H_
