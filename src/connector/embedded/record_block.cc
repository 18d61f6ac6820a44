#include "connector/embedded/record_block.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace fs::connector::embedded {
namespace {

static_assert(std::endian::native == std::endian::little, "blocks are written as the machine has its integers");

constexpr uint8_t kFormat = 1;
constexpr size_t kBlockHeaderBytes = 1 + 4 + 8;
constexpr size_t kRecordHeaderBytes = 4 + 4 + 4 + 8;
constexpr size_t kCountAt = 1;
constexpr size_t kLargestSpare = 4 * kBlockBytes;
constexpr size_t kMostSpareBlocks = 256;

template <typename Integer>
void AppendInteger(Integer value, std::string& out) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out.append(bytes, sizeof(value));
}

template <typename Integer>
Integer ReadInteger(std::string_view bytes, size_t at) {
  Integer value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

}  // namespace

void RecordBlocks::Add(const OutputRecord& record, int64_t now_ms) {
  const size_t size = kRecordHeaderBytes + record.value.size() + (record.key ? record.key->size() : 0) + record.headers.size();
  if (used_ == 0 || blocks_[used_ - 1].bytes.size() + size > kBlockBytes) {
    if (used_ == blocks_.size()) blocks_.emplace_back();
    Block& fresh = blocks_[used_++];
    fresh.count = 0;
    fresh.bytes.clear();
    fresh.bytes.push_back(static_cast<char>(kFormat));
    AppendInteger<uint32_t>(0, fresh.bytes);
    AppendInteger<int64_t>(now_ms, fresh.bytes);
    bytes_ += kBlockHeaderBytes;
  }
  Block& block = blocks_[used_ - 1];
  AppendInteger<uint32_t>(static_cast<uint32_t>(record.value.size()), block.bytes);
  AppendInteger<int32_t>(record.key ? static_cast<int32_t>(record.key->size()) : -1, block.bytes);
  AppendInteger<uint32_t>(static_cast<uint32_t>(record.headers.size()), block.bytes);
  AppendInteger<int64_t>(record.timestamp_ms == kNoTimestamp ? now_ms : record.timestamp_ms, block.bytes);
  block.bytes.append(record.value);
  if (record.key) block.bytes.append(*record.key);
  block.bytes.append(record.headers);
  ++block.count;
  std::memcpy(block.bytes.data() + kCountAt, &block.count, sizeof(block.count));
  ++count_;
  bytes_ += size;
}

void RecordBlocks::Clear() {
  if (blocks_.size() > kMostSpareBlocks) blocks_.resize(kMostSpareBlocks);
  for (size_t i = 0; i < std::min(used_, blocks_.size()); ++i) {
    if (blocks_[i].bytes.capacity() > kLargestSpare) std::string().swap(blocks_[i].bytes);
  }
  used_ = 0;
  count_ = 0;
  bytes_ = 0;
}

absl::StatusOr<BlockReader> BlockReader::Open(std::string_view block, int64_t first_offset) {
  if (block.empty()) return DataLoss("record block at offset {}: empty", first_offset);
  const uint8_t format = static_cast<uint8_t>(block[0]);
  if (format > kFormat) {
    return FailedPrecondition("record block at offset {}: format {}; this server reads formats up to {}", first_offset, format, kFormat);
  }
  if (format != kFormat || block.size() < kBlockHeaderBytes) return DataLoss("record block at offset {}: damaged", first_offset);
  BlockReader reader;
  reader.offset_ = first_offset;
  reader.count_ = reader.left_ = ReadInteger<uint32_t>(block, kCountAt);
  reader.written_ms_ = ReadInteger<int64_t>(block, kCountAt + 4);
  reader.rest_ = block.substr(kBlockHeaderBytes);
  return reader;
}

absl::StatusOr<std::optional<Record>> BlockReader::Next() {
  if (left_ == 0) return std::nullopt;
  if (rest_.size() < kRecordHeaderBytes) return DataLoss("record at offset {}: cut short", offset_);
  const uint64_t value_bytes = ReadInteger<uint32_t>(rest_, 0);
  const int32_t key_length = ReadInteger<int32_t>(rest_, 4);
  const uint64_t headers_bytes = ReadInteger<uint32_t>(rest_, 8);
  const uint64_t key_bytes = key_length < 0 ? 0 : static_cast<uint64_t>(key_length);
  if (rest_.size() - kRecordHeaderBytes < value_bytes + key_bytes + headers_bytes) {
    return DataLoss("record at offset {}: cut short", offset_);
  }
  Record record;
  record.timestamp_ms = ReadInteger<int64_t>(rest_, 12);
  rest_.remove_prefix(kRecordHeaderBytes);
  record.value = rest_.substr(0, value_bytes);
  if (key_length >= 0) record.key = rest_.substr(value_bytes, key_bytes);
  record.headers = rest_.substr(value_bytes + key_bytes, headers_bytes);
  rest_.remove_prefix(value_bytes + key_bytes + headers_bytes);
  record.offset = offset_++;
  --left_;
  return record;
}

}  // namespace fs::connector::embedded
