#include "config/endpoint.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <vector>

namespace fs::config {
namespace {

// Longer words are not misspelt names, and what comes from outside must not choose how long we compare.
constexpr size_t kLongestName = 100;

// Names that differ in case or separator only (`bootstrap.servers`, `input_groups`) are the same word mistyped.
char Folded(char c) {
  if (c == '_' || c == '.') return '-';
  return (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
}

// Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = Folded(a[i - 1]) == Folded(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && Folded(a[i - 1]) == Folded(b[j - 2]) && Folded(a[i - 2]) == Folded(b[j - 1])) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::optional<std::string_view> NearestName(std::string_view word, std::span<const std::string_view> known) {
  if (word.empty() || word.size() > kLongestName) return std::nullopt;
  std::optional<std::string_view> nearest;
  size_t nearest_distance = 0;
  for (const std::string_view candidate : known) {
    const size_t distance = EditDistance(word, candidate);
    const size_t length = std::max(word.size(), candidate.size());
    const bool is_near =
        distance == 0 || (distance <= std::max<size_t>(1, length / 3) && distance < std::min(word.size(), candidate.size()));
    if (is_near && (!nearest || distance < nearest_distance)) {
      nearest = candidate;
      nearest_distance = distance;
    }
  }
  return nearest;
}

const Property* Endpoint::Find(std::string_view key) const {
  for (const Property& property : properties) {
    if (!property.is_runtime && property.key == key) return &property;
  }
  return nullptr;
}

absl::StatusOr<std::string> Endpoint::RequireString(std::string_view key) const {
  const Property* property = Find(key);
  if (property == nullptr) {
    FS_RETURN_IF_ERROR(CheckSlip(key));
    return ErrorAt(key, fmt::format("required for {} {}", path.starts_with("outputs") ? "output-type" : "input-type", type));
  }
  if (property->value.empty()) return ErrorAt(key, "must not be empty");
  return property->value;
}

absl::StatusOr<std::optional<int64_t>> Endpoint::OptionalInt(std::string_view key, int64_t min, int64_t max) const {
  const Property* property = Find(key);
  if (property == nullptr) return std::optional<int64_t>();
  const std::string_view text = property->value;
  const auto range = [&] {
    return max == std::numeric_limits<int64_t>::max() ? fmt::format("a whole number of at least {}", min)
                                                      : fmt::format("a whole number from {} to {}", min, max);
  };
  if (property->is_quoted) return ErrorAt(key, fmt::format("must be {}, written without quotes", range()));
  // A leading zero is octal to some YAML readers and decimal to others.
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || (digits.size() > 1 && digits[0] == '0') || value < min || value > max) {
    return ErrorAt(key, fmt::format("must be {}, not `{}`", range(), text.substr(0, kLongestName)));
  }
  return std::optional<int64_t>(value);
}

absl::Status Endpoint::RequireOnly(std::span<const std::string_view> known) const {
  for (const Property& property : properties) {
    if (!property.is_runtime && std::find(known.begin(), known.end(), property.key) != known.end()) continue;
    const std::string shown = property.key.substr(0, kLongestName);
    if (property.is_runtime) {
      return InvalidArgument("{}.runtime.{} (line {}): type {} takes no client properties; remove it", path, shown, property.line, type);
    }
    const std::optional<std::string_view> nearest = NearestName(property.key, known);
    return InvalidArgument("{}.{} (line {}): unknown key `{}` for type {}{}", path, shown, property.line, shown, type,
                           nearest ? fmt::format("; did you mean `{}`?", *nearest) : fmt::format("; known: {}", fmt::join(known, ", ")));
  }
  return absl::OkStatus();
}

absl::Status Endpoint::CheckSlip(std::string_view key) const {
  for (const Property& property : properties) {
    if (property.is_runtime || !NearestName(property.key, {&key, 1})) continue;
    return InvalidArgument("{}.{} (line {}): unknown key `{}`; did you mean `{}`?", path, property.key, property.line, property.key, key);
  }
  return absl::OkStatus();
}

absl::Status Endpoint::ErrorAt(std::string_view key, std::string_view what) const {
  const auto found = std::find_if(properties.begin(), properties.end(), [&](const Property& property) { return property.key == key; });
  const Property* property = Find(key);
  if (property == nullptr && found != properties.end()) {
    return InvalidArgument("{}.runtime.{} (line {}): {}", path, key, found->line, what);
  }
  return InvalidArgument("{}.{} (line {}): {}", path, key, property == nullptr ? line : property->line, what);
}

}  // namespace fs::config
