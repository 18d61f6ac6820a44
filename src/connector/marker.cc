#include "connector/marker.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace fs::connector {
namespace {

constexpr std::string_view kFormat = "function-stream/1";
constexpr std::string_view kStateful = "state";
constexpr std::string_view kStateless = "stateless";

}  // namespace

std::string EncodeMarker(const Marker& marker) {
  return fmt::format("{} {} {} {}{}{}", kFormat, marker.run_id, marker.sequence, marker.keeps_state ? kStateful : kStateless,
                     marker.owner.empty() ? "" : " ", marker.owner);
}

std::optional<Marker> DecodeMarker(std::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(absl::string_view(text.data(), text.size()), ' ');
  if ((parts.size() != 4 && parts.size() != 5) || parts[0] != kFormat || parts[1].empty() ||
      (parts[3] != kStateful && parts[3] != kStateless))
    return std::nullopt;
  const auto is_hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!std::all_of(parts[1].begin(), parts[1].end(), is_hexadecimal)) return std::nullopt;
  Marker marker;
  marker.run_id = parts[1];
  marker.keeps_state = parts[3] == kStateful;
  if (parts.size() == 5) {
    if (parts[4].empty()) return std::nullopt;
    marker.owner = parts[4];
  }
  if (!absl::SimpleAtoi(parts[2], &marker.sequence)) return std::nullopt;
  return marker;
}

}  // namespace fs::connector
