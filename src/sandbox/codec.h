// The bytes of runtime/abi/fs_abi.h, written for a guest and read back from one.
//
// Pure functions over views; nothing read here is trusted. EncodeRecord and NextEmitted are on the hot path.
#ifndef FUNCTION_STREAM_SANDBOX_CODEC_H_
#define FUNCTION_STREAM_SANDBOX_CODEC_H_

#include <fs_abi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/record.h"
#include "base/status.h"
#include "sandbox/guest.h"

namespace fs::sandbox {

// Bytes a record takes in the input buffer, padding included. May exceed 32 bits for an absurd record.
[[nodiscard]] uint64_t EncodedSize(const Record& record);
// Writes EncodedSize(record) bytes, which is below 4 GiB, and returns where they end.
uint8_t* EncodeRecord(const Record& record, uint32_t topic, uint8_t* out);

[[nodiscard]] std::string EncodeLoadImage(const GuestProgram& program);

// Walks the fs_emitted structures in `bytes`.
class EmittedReader {
 public:
  EmittedReader(std::string_view bytes, uint32_t count, size_t channel_count)
      : bytes_(bytes), count_(count), channel_count_(channel_count) {}
  // nullopt at the end. kInternal saying what the guest wrote wrongly.
  [[nodiscard]] absl::StatusOr<std::optional<Emitted>> Next();

 private:
  std::string_view bytes_;
  uint32_t count_;
  size_t channel_count_;
  size_t position_ = 0;
  uint32_t index_ = 0;
};

// An error report. Empty bytes give an empty error: there was no memory left to write one.
[[nodiscard]] absl::StatusOr<UserError> DecodeErrorReport(std::string_view bytes);

// "Type: message\n" and the traceback.
[[nodiscard]] std::string UserErrorText(const UserError& error);

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_CODEC_H_
