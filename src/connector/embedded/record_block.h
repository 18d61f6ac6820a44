// Records as the embedded log stores them: encoded into blocks, many to one database entry, and read back as views.
//
// Value types; thread-compatible. A block is format u8 = 1, then u32 count, then i64 the time it was begun (ms since the epoch), then for
// each record: u32 value length, i32 key length (-1: no key), u32 headers length, i64 timestamp, value, key, headers (encoded as
// runtime/abi/fs_abi.h says). Little-endian, no padding. Offsets are not in it: the entry's key has that of the first.
#ifndef FUNCTION_STREAM_CONNECTOR_EMBEDDED_RECORD_BLOCK_H_
#define FUNCTION_STREAM_CONNECTOR_EMBEDDED_RECORD_BLOCK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.h"
#include "base/status.h"

namespace fs::connector::embedded {

// A block is closed when it holds this many bytes: big enough that an entry's cost is spread over many records, small enough that reading
// from its middle is cheap.
inline constexpr size_t kBlockBytes = 32 << 10;

// Records on their way into one topic. Clear() keeps the memory, so a steady writer allocates nothing.
class RecordBlocks {
 public:
  struct Block {
    std::string bytes;
    uint32_t count = 0;
  };

  // Takes a copy. A timestamp of kNoTimestamp becomes now_ms.
  void Add(const OutputRecord& record, int64_t now_ms);
  void Clear();

  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  // The blocks in use.
  [[nodiscard]] std::vector<Block>::const_iterator begin() const { return blocks_.begin(); }
  [[nodiscard]] std::vector<Block>::const_iterator end() const { return blocks_.begin() + static_cast<std::ptrdiff_t>(used_); }

 private:
  std::vector<Block> blocks_;
  size_t used_ = 0;
  uint64_t count_ = 0;
  size_t bytes_ = 0;
};

// Reads one block, which must outlive it and the records it gives.
class BlockReader {
 public:
  // kDataLoss: not a block. kFailedPrecondition: of a newer format.
  static absl::StatusOr<BlockReader> Open(std::string_view block, int64_t first_offset);

  [[nodiscard]] uint32_t count() const { return count_; }
  [[nodiscard]] int64_t written_ms() const { return written_ms_; }
  // The next record, nullopt after the last. kDataLoss: the block is cut short.
  [[nodiscard]] absl::StatusOr<std::optional<Record>> Next();

 private:
  std::string_view rest_;
  int64_t offset_ = 0;
  int64_t written_ms_ = 0;
  uint32_t count_ = 0;
  uint32_t left_ = 0;
};

}  // namespace fs::connector::embedded

#endif  // FUNCTION_STREAM_CONNECTOR_EMBEDDED_RECORD_BLOCK_H_
