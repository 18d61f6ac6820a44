#include "api/record_codec.h"

#include <cstdint>

#include "base/utf8.h"

namespace fs::api {
namespace {

// Headers as runtime/abi/fs_abi.h has them: for each u32 name length, i32 value length or -1, name, value; little-endian.
constexpr uint32_t kNullLength = 0xffffffff;
constexpr size_t kLengthsBytes = 8;

void AppendLength(std::string& out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}

uint32_t LengthAt(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[at + i - 1]);
  return value;
}

std::string EncodeHeaders(const ::google::protobuf::RepeatedPtrField<::function_stream::Header>& headers) {
  std::string encoded;
  for (const ::function_stream::Header& header : headers) {
    AppendLength(encoded, static_cast<uint32_t>(header.name().size()));
    AppendLength(encoded, header.has_value() ? static_cast<uint32_t>(header.value().size()) : kNullLength);
    encoded += header.name();
    encoded += header.value();
  }
  return encoded;
}

}  // namespace

PublishedRecords::PublishedRecords(const ::function_stream::PublishRequest& request) {
  records_.reserve(static_cast<size_t>(request.records_size()));
  for (const ::function_stream::EmbeddedRecord& wire : request.records()) {
    OutputRecord& record = records_.emplace_back();
    record.value = wire.value();
    if (wire.has_key()) record.key = wire.key();
    if (wire.has_timestamp_ms()) record.timestamp_ms = wire.timestamp_ms();
    if (wire.headers_size() > 0) record.headers = headers_.emplace_back(EncodeHeaders(wire.headers()));
  }
}

absl::Status ToWire(const Record& record, ::function_stream::EmbeddedRecord& wire) {
  wire.set_value(record.value.data(), record.value.size());
  if (record.key) wire.set_key(record.key->data(), record.key->size());
  if (record.timestamp_ms != kNoTimestamp) wire.set_timestamp_ms(record.timestamp_ms);
  wire.set_offset(record.offset);
  wire.set_partition(record.partition);
  for (std::string_view rest = record.headers; !rest.empty();) {
    if (rest.size() < kLengthsBytes) return DataLoss("the record at offset {}: its headers are cut short", record.offset);
    const uint32_t name_length = LengthAt(rest, 0), value_length = LengthAt(rest, 4);
    const size_t value_bytes = value_length == kNullLength ? 0 : value_length;
    rest.remove_prefix(kLengthsBytes);
    if (rest.size() < name_length || rest.size() - name_length < value_bytes) {
      return DataLoss("the record at offset {}: its headers are cut short", record.offset);
    }
    ::function_stream::Header& header = *wire.add_headers();
    header.set_name(ToUtf8(rest.substr(0, name_length)));
    if (value_length != kNullLength) header.set_value(rest.data() + name_length, value_bytes);
    rest.remove_prefix(name_length + value_bytes);
  }
  return absl::OkStatus();
}

}  // namespace fs::api
