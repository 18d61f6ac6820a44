#include "connector/kafka/headers.h"

#include <bit>
#include <cstdint>
#include <cstring>

namespace fs::connector::kafka {
namespace {

static_assert(std::endian::native == std::endian::little, "the ABI's integers are little-endian");

constexpr size_t kPrefixBytes = sizeof(uint32_t) + sizeof(int32_t);

}  // namespace

void AppendHeader(std::string_view name, const void* value, size_t value_size, std::string& out) {
  const auto name_length = static_cast<uint32_t>(name.size());
  const int32_t value_length = value == nullptr ? -1 : static_cast<int32_t>(value_size);
  char prefix[kPrefixBytes];
  std::memcpy(prefix, &name_length, sizeof(name_length));
  std::memcpy(prefix + sizeof(name_length), &value_length, sizeof(value_length));
  out.append(prefix, sizeof(prefix));
  out.append(name);
  if (value != nullptr) out.append(static_cast<const char*>(value), value_size);
}

absl::Status AppendHeaders(const rd_kafka_message_t& message, std::string& out) {
  rd_kafka_headers_t* headers = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_message_headers(&message, &headers);
  if (error == RD_KAFKA_RESP_ERR__NOENT) return absl::OkStatus();
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return DataLoss("its headers cannot be read: {}", rd_kafka_err2str(error));
  const char* name = nullptr;
  const void* value = nullptr;
  size_t value_size = 0;
  for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &value_size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    AppendHeader(name, value, value_size, out);
  }
  return absl::OkStatus();
}

absl::StatusOr<OutgoingHeaders> DecodeHeaders(std::string_view encoded) {
  OutgoingHeaders result;
  while (!encoded.empty()) {
    uint32_t name_length = 0;
    int32_t value_length = 0;
    if (encoded.size() < kPrefixBytes) return InvalidArgument("headers: cut off within a header's lengths");
    std::memcpy(&name_length, encoded.data(), sizeof(name_length));
    std::memcpy(&value_length, encoded.data() + sizeof(name_length), sizeof(value_length));
    encoded.remove_prefix(kPrefixBytes);
    const uint64_t value_bytes = value_length < 0 ? 0 : static_cast<uint64_t>(value_length);
    if (value_length < -1 || name_length > encoded.size() || value_bytes > encoded.size() - name_length) {
      return InvalidArgument("headers: a header's length ({} and {} bytes) goes past the end", name_length, value_length);
    }
    const std::string_view name = encoded.substr(0, name_length);
    const std::string_view value = encoded.substr(name_length, value_bytes);
    encoded.remove_prefix(name_length + value_bytes);
    if (name == kTombstoneHeader) {
      result.is_tombstone = true;
      continue;
    }
    if (result.list == nullptr) result.list.reset(rd_kafka_headers_new(8));
    const rd_kafka_resp_err_t error =
        rd_kafka_header_add(result.list.get(), name.empty() ? "" : name.data(), static_cast<ssize_t>(name.size()),
                            value_length < 0 ? nullptr : (value.empty() ? "" : value.data()), static_cast<ssize_t>(value.size()));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return InvalidArgument("header `{}`: {}", name, rd_kafka_err2str(error));
  }
  return result;
}

}  // namespace fs::connector::kafka
