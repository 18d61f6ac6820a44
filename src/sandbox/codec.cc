#include "sandbox/codec.h"

#include <bit>
#include <cstring>

namespace fs::sandbox {
namespace {

static_assert(std::endian::native == std::endian::little, "the ABI's structures are copied as they are");
static_assert(sizeof(fs_record) == 40 && sizeof(fs_emitted) == 32 && sizeof(fs_shared) == 32 && sizeof(fs_complex_key) == 32);
static_assert(FS_NO_TIMESTAMP == kNoTimestamp);

constexpr uint64_t kAlignment = 8;

constexpr uint64_t Padded(uint64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

uint8_t* Append(uint8_t* out, std::string_view bytes) {
  // memcpy must not be given the null of an empty view.
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

void AppendString(std::string& image, std::string_view text) {
  const auto length = static_cast<uint32_t>(text.size());
  image.append(reinterpret_cast<const char*>(&length), sizeof(length));
  image.append(text);
}

std::string_view KindLetter(PackageFile::Kind kind) {
  switch (kind) {
    case PackageFile::Kind::kModule:
      return "m";
    case PackageFile::Kind::kPackage:
      return "p";
    case PackageFile::Kind::kData:
      return "d";
  }
  return "d";
}

std::optional<std::string_view> TakeString(std::string_view& bytes) {
  uint32_t length;
  if (bytes.size() < sizeof(length)) return std::nullopt;
  std::memcpy(&length, bytes.data(), sizeof(length));
  bytes.remove_prefix(sizeof(length));
  if (length > bytes.size()) return std::nullopt;
  const std::string_view text = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return text;
}

}  // namespace

uint64_t EncodedSize(const Record& record) {
  return Padded(sizeof(fs_record) + record.value.size() + (record.key ? record.key->size() : 0) + record.headers.size());
}

uint8_t* EncodeRecord(const Record& record, uint32_t topic, uint8_t* out) {
  const uint64_t size = EncodedSize(record);
  const fs_record header = {
      .size = static_cast<uint32_t>(size),
      .value_len = static_cast<uint32_t>(record.value.size()),
      .key_len = record.key ? static_cast<int32_t>(record.key->size()) : -1,
      .headers_len = static_cast<uint32_t>(record.headers.size()),
      .timestamp_ms = record.timestamp_ms,
      .offset = record.offset,
      .partition = record.partition,
      .topic = topic,
  };
  std::memcpy(out, &header, sizeof(header));
  uint8_t* end = Append(out + sizeof(header), record.value);
  if (record.key) end = Append(end, *record.key);
  end = Append(end, record.headers);
  std::memset(end, 0, static_cast<size_t>(out + size - end));
  return out + size;
}

std::string EncodeLoadImage(const GuestProgram& program) {
  std::string image;
  size_t size = 4096;
  for (const auto& file : program.files) size += file.path.size() + file.bytes.size() + 16;
  image.reserve(size);

  AppendString(image, "1");
  AppendString(image, program.function_name);
  AppendString(image, program.entry_module);
  AppendString(image, program.class_name);
  AppendString(image, std::to_string(program.channel_count));
  AppendString(image, std::to_string(program.topics.size()));
  for (const auto& topic : program.topics) AppendString(image, topic);
  AppendString(image, std::to_string(program.config.size()));
  for (const auto& [key, value] : program.config) {
    AppendString(image, key);
    AppendString(image, value);
  }
  AppendString(image, std::to_string(program.files.size()));
  for (const auto& file : program.files) {
    AppendString(image, KindLetter(file.kind));
    AppendString(image, file.path);
    AppendString(image, file.bytes);
  }
  return image;
}

absl::StatusOr<std::optional<Emitted>> EmittedReader::Next() {
  if (index_ == count_) {
    if (position_ != bytes_.size()) return Internal("the guest's output has {} bytes after its last record", bytes_.size() - position_);
    return std::nullopt;
  }
  const std::string_view rest = bytes_.substr(position_);
  fs_emitted header;
  if (rest.size() < sizeof(header)) return Internal("the guest's output ends before record {} of {}", index_, count_);
  std::memcpy(&header, rest.data(), sizeof(header));

  const uint64_t key_size = header.key_len < 0 ? 0 : static_cast<uint64_t>(header.key_len);
  const uint64_t needed = sizeof(header) + uint64_t{header.value_len} + key_size + uint64_t{header.headers_len};
  if (header.size > rest.size() || header.size % kAlignment != 0 || needed > header.size || header.key_len < -1) {
    return Internal("the guest's output has a malformed record {} of {}: size {}, value {}, key {}, headers {}", index_, count_,
                    header.size, header.value_len, header.key_len, header.headers_len);
  }
  if (header.channel >= channel_count_) {
    return Internal("the guest emitted to channel {}, the function has {}", header.channel, channel_count_);
  }
  if (header.kind != FS_EMIT_RECORD && header.kind != FS_EMIT_WATERMARK)
    return Internal("the guest emitted an unknown kind {}", header.kind);

  std::string_view payload = rest.substr(sizeof(header));
  Emitted emitted;
  emitted.channel = header.channel;
  emitted.is_watermark = header.kind == FS_EMIT_WATERMARK;
  emitted.record.timestamp_ms = header.timestamp_ms;
  emitted.record.value = payload.substr(0, header.value_len);
  payload.remove_prefix(header.value_len);
  if (header.key_len >= 0) emitted.record.key = payload.substr(0, key_size);
  payload.remove_prefix(key_size);
  emitted.record.headers = payload.substr(0, header.headers_len);

  position_ += header.size;
  ++index_;
  return emitted;
}

absl::StatusOr<UserError> DecodeErrorReport(std::string_view bytes) {
  // The guest keeps to this; a function that has tampered with its interpreter may not, and what it says is kept in many places.
  constexpr size_t kMaxPartBytes = size_t{64} << 10;
  UserError error;
  if (bytes.empty()) return error;
  for (std::string* part : {&error.type, &error.message, &error.traceback}) {
    const auto text = TakeString(bytes);
    if (!text) return Internal("the guest's error report is cut off");
    *part = text->substr(0, kMaxPartBytes);
    if (part->size() < text->size()) *part += fmt::format("... ({} bytes, cut)", text->size());
  }
  if (!bytes.empty()) return Internal("the guest's error report has {} bytes too many", bytes.size());
  return error;
}

std::string UserErrorText(const UserError& error) {
  std::string text = error.message.empty() ? error.type : fmt::format("{}: {}", error.type, error.message);
  if (!error.traceback.empty()) {
    text += '\n';
    text += error.traceback;
  }
  return text;
}

}  // namespace fs::sandbox
