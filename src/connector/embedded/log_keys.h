// The keys of the embedded log's database, and the names that go into them. Pure functions, any thread.
#ifndef FUNCTION_STREAM_CONNECTOR_EMBEDDED_LOG_KEYS_H_
#define FUNCTION_STREAM_CONNECTOR_EMBEDDED_LOG_KEYS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fs::connector::embedded {

// The first byte says what an entry is.
inline constexpr char kFormatMark = 'f';
inline constexpr char kGroupMark = 'g';
inline constexpr char kOwnerMark = 'o';
inline constexpr char kRecordMark = 'r';
inline constexpr char kTopicMark = 't';

inline constexpr uint32_t kOnlyPartition = 0;

[[nodiscard]] std::string TopicKey(std::string_view topic);
[[nodiscard]] std::string OwnerKey(std::string_view owner);
[[nodiscard]] std::string GroupKey(std::string_view group, std::string_view topic);
// Of the block that begins with `offset`.
[[nodiscard]] std::string RecordKey(uint32_t topic_number, int64_t offset);
[[nodiscard]] int64_t RecordKeyOffset(std::string_view key);

[[nodiscard]] std::string EncodeOffset(int64_t offset);
[[nodiscard]] std::optional<int64_t> DecodeOffset(std::string_view bytes);

}  // namespace fs::connector::embedded

#endif  // FUNCTION_STREAM_CONNECTOR_EMBEDDED_LOG_KEYS_H_
