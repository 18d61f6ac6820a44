#include "connector/embedded/log_keys.h"

#include "connector/embedded/embedded_log.h"

namespace fs::connector::embedded {
namespace {

constexpr size_t kLimitNameBytes = 255;

void AppendBigEndian(uint64_t number, int bytes, std::string& out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
}

std::string Marked(char mark, std::string_view rest) {
  std::string key(1, mark);
  key.append(rest);
  return key;
}

bool IsTopicByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

}  // namespace

absl::Status CheckTopicName(std::string_view topic) {
  if (topic.empty()) return InvalidArgument("the topic's name is empty");
  if (topic.size() > kLimitNameBytes)
    return InvalidArgument("the topic's name has {} bytes, the limit is {}", topic.size(), kLimitNameBytes);
  if (topic == "." || topic == "..") return InvalidArgument("`{}` is no name for a topic", topic);
  for (const char c : topic) {
    if (!IsTopicByte(c)) {
      return InvalidArgument("byte 0x{:02x} in the topic's name: allowed are letters, digits, '.', '_' and '-'", static_cast<uint8_t>(c));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckGroupId(std::string_view group) {
  if (group.empty()) return InvalidArgument("the group's id is empty");
  if (group.size() > kLimitNameBytes) return InvalidArgument("the group's id has {} bytes, the limit is {}", group.size(), kLimitNameBytes);
  for (const char c : group) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      return InvalidArgument("byte 0x{:02x} in the group's id: control characters are not allowed", static_cast<uint8_t>(c));
    }
  }
  return absl::OkStatus();
}

std::string TopicKey(std::string_view topic) { return Marked(kTopicMark, topic); }

std::string OwnerKey(std::string_view owner) { return Marked(kOwnerMark, owner); }

std::string GroupKey(std::string_view group, std::string_view topic) {
  std::string key = Marked(kGroupMark, group);
  key.push_back('\0');
  key.append(topic);
  key.push_back('\0');
  AppendBigEndian(kOnlyPartition, 4, key);
  return key;
}

std::string RecordKey(uint32_t topic_number, int64_t offset) {
  std::string key(1, kRecordMark);
  AppendBigEndian(topic_number, 4, key);
  AppendBigEndian(kOnlyPartition, 4, key);
  AppendBigEndian(static_cast<uint64_t>(offset), 8, key);
  return key;
}

int64_t RecordKeyOffset(std::string_view key) { return *DecodeOffset(key.substr(key.size() - 8)); }

std::string EncodeOffset(int64_t offset) {
  std::string bytes;
  AppendBigEndian(static_cast<uint64_t>(offset), 8, bytes);
  return bytes;
}

std::optional<int64_t> DecodeOffset(std::string_view bytes) {
  if (bytes.size() != 8) return std::nullopt;
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return static_cast<int64_t>(number);
}

}  // namespace fs::connector::embedded
