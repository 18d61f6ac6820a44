#include "task/watermark_stamp.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>

namespace fs::task {
namespace {

constexpr size_t kMaxStampBytes = 512;
constexpr size_t kPrefix = sizeof(uint32_t) + sizeof(int32_t);

// Calls take(name, value, whole) for each header until it answers false.
template <class Take>
void ForEachHeader(std::string_view headers, const Take& take) {
  while (headers.size() >= kPrefix) {
    uint32_t name_length;
    int32_t value_length;
    std::memcpy(&name_length, headers.data(), sizeof(name_length));
    std::memcpy(&value_length, headers.data() + sizeof(name_length), sizeof(value_length));
    const size_t value_bytes = static_cast<size_t>(std::max(value_length, 0));
    const size_t size = kPrefix + name_length + value_bytes;
    if (size > headers.size()) return;
    if (!take(headers.substr(kPrefix, name_length), headers.substr(kPrefix + name_length, value_bytes), headers.substr(0, size))) return;
    headers.remove_prefix(size);
  }
}

void AppendLength(std::string& out, size_t length) {
  const auto number = static_cast<uint32_t>(length);
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

}  // namespace

std::optional<WatermarkStamp> FindStamp(std::string_view headers) {
  std::optional<WatermarkStamp> found;
  ForEachHeader(headers, [&](std::string_view name, std::string_view value, std::string_view) {
    if (name != kWatermarkHeader) return true;
    const size_t space = value.find(' ');
    if (space == std::string_view::npos || value.size() > kMaxStampBytes || space + 1 == value.size()) return true;
    const std::string_view number = value.substr(0, space);
    WatermarkStamp stamp = {std::nullopt, value.substr(space + 1)};
    if (number != "-") {
      int64_t watermark = 0;
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), watermark);
      if (error != std::errc() || end != number.data() + number.size()) return true;
      stamp.watermark = watermark;
    }
    found = stamp;
    return false;
  });
  return found;
}

void WatermarkStamps::Advance(size_t channel, int64_t watermark) {
  Channel& to = channels_[channel];
  if (to.watermark == watermark) return;
  to.watermark = watermark;
  to.stamped = to.keyless = 0;
  ++to.salt;
}

void WatermarkStamps::Renew() {
  for (Channel& channel : channels_) {
    channel.stamped = channel.keyless = 0;
    ++channel.salt;
  }
}

bool WatermarkStamps::IsDue(Channel& channel, const OutputRecord& record) {
  if (!record.key) return channel.keyless < kBuckets && ++channel.keyless > 0;
  if (channel.stamped == ~uint64_t{0}) return false;
  uint64_t hash = (std::hash<std::string_view>()(*record.key) ^ channel.salt) * 0x9e3779b97f4a7c15;
  const uint64_t bit = uint64_t{1} << (hash >> 58);
  if ((channel.stamped & bit) != 0) return false;
  channel.stamped |= bit;
  return true;
}

OutputRecord WatermarkStamps::Apply(size_t channel, const OutputRecord& record) {
  const bool has_foreign = !record.headers.empty() && record.headers.find(kWatermarkHeader) != std::string_view::npos;
  const bool is_due = is_stamping_ && IsDue(channels_[channel], record);
  if (!has_foreign && !is_due) [[likely]]
    return record;
  headers_.clear();
  if (has_foreign) {
    ForEachHeader(record.headers, [&](std::string_view name, std::string_view, std::string_view whole) {
      if (name != kWatermarkHeader) headers_.append(whole);
      return true;
    });
  } else {
    headers_.append(record.headers);
  }
  if (is_due) {
    const std::optional<int64_t>& watermark = channels_[channel].watermark;
    const std::string value = fmt::format("{} {}", watermark ? std::to_string(*watermark) : "-", writer_);
    AppendLength(headers_, kWatermarkHeader.size());
    AppendLength(headers_, value.size());
    headers_.append(kWatermarkHeader).append(value);
  }
  OutputRecord stamped = record;
  stamped.headers = headers_;
  stamped.takes_turns = is_due && !record.key;
  return stamped;
}

}  // namespace fs::task
