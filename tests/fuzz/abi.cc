// The bytes that cross the wall of the sandbox, in buffers of exactly their size, so that AddressSanitizer sees one byte too far: what a
// guest says it emitted, its error reports, and the records written for it.
#include <fs_abi.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/fuzz.h"
#include "sandbox/codec.h"

namespace fs::sandbox {
namespace {

using fuzz::Require;

// Bytes on the heap with nothing behind them.
class Exactly {
 public:
  explicit Exactly(std::string_view bytes) : bytes_(new char[bytes.size()]), size_(bytes.size()) {
    if (!bytes.empty()) std::memcpy(bytes_.get(), bytes.data(), bytes.size());
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

void RequireInside(std::string_view part, std::string_view whole) {
  Require(part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size()),
          "a view out of the guest's output");
}

void CheckEmitted(std::string_view bytes, uint32_t count, size_t channel_count) {
  EmittedReader reader(bytes, count, channel_count);
  size_t given = 0, total = 0;
  while (true) {
    const auto emitted = reader.Next();
    fuzz::CheckRefusal(emitted.status(), {absl::StatusCode::kInternal});
    if (!emitted.ok()) return;
    if (!emitted->has_value()) break;
    const OutputRecord& record = (*emitted)->record;
    Require((*emitted)->channel < channel_count, "channel {} of {}", (*emitted)->channel, channel_count);
    for (const std::string_view part : {record.value, record.key.value_or(""), record.headers}) {
      RequireInside(part, bytes);
      total += part.size();
    }
    ++given;
  }
  Require(given == count, "{} records of {}", given, count);
  Require(total + given * sizeof(fs_emitted) <= bytes.size(), "records that overlap");
}

void CheckReport(std::string_view bytes) {
  const auto error = DecodeErrorReport(bytes);
  fuzz::CheckRefusal(error.status(), {absl::StatusCode::kInternal});
  if (error.ok()) Require(UserErrorText(*error).size() <= bytes.size(), "a text longer than its report");
}

// Records for the guest, as it would read them.
void CheckEncoded(FuzzedDataProvider& input) {
  const std::string value = input.ConsumeRandomLengthString(100), key = input.ConsumeRandomLengthString(20),
                    headers = input.ConsumeRandomLengthString(40);
  Record record{.value = value, .key = std::nullopt, .headers = headers};
  if (input.ConsumeBool()) record.key = key;
  record.timestamp_ms = input.ConsumeIntegral<int64_t>();
  record.offset = input.ConsumeIntegral<int64_t>();
  record.partition = input.ConsumeIntegral<int32_t>();

  const uint64_t size = EncodedSize(record);
  const std::unique_ptr<uint8_t[]> out(new uint8_t[size]);
  Require(EncodeRecord(record, 7, out.get()) == out.get() + size && size % 8 == 0, "a record of another size than was told");
  fs_record header;
  std::memcpy(&header, out.get(), sizeof(header));
  const std::string_view payload(reinterpret_cast<const char*>(out.get()) + sizeof(header), size - sizeof(header));
  const size_t key_size = record.key ? record.key->size() : 0;
  Require(header.size == size && header.topic == 7 && header.offset == record.offset && header.partition == record.partition &&
              header.timestamp_ms == record.timestamp_ms && (header.key_len < 0) == !record.key,
          "a record's numbers do not come back");
  Require(payload.substr(0, header.value_len) == value && payload.substr(header.value_len, key_size) == record.key.value_or("") &&
              payload.substr(header.value_len + key_size, header.headers_len) == headers,
          "a record's bytes do not come back");
}

}  // namespace
}  // namespace fs::sandbox

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fs::sandbox;
  if (size < 2) return 0;
  const Exactly bytes({reinterpret_cast<const char*>(data) + 2, size - 2});
  switch (data[0] % 3) {
    case 0:
      CheckEmitted(bytes.view(), data[1], 1 + data[1] % 3);
      break;
    case 1:
      CheckReport(bytes.view());
      break;
    default:
      FuzzedDataProvider input(data + 2, size - 2);
      CheckEncoded(input);
  }
  return 0;
}
