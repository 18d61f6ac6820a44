#include "config/key_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/utf8.h"

namespace fs::config {
namespace {

constexpr size_t kShownBytes = 100;

bool IsText(const Value& value) { return value.node->kind == YamlNode::Kind::kScalar; }

}  // namespace

absl::Status Value::Error(std::string_view what) const {
  if (path.empty()) return InvalidArgument("line {}: {}", line, what);
  return InvalidArgument("{} (line {}): {}", path, line, what);
}

absl::Status Value::MustBe(std::string_view form) const {
  std::string there(KindName(node->kind));
  if (node->kind == YamlNode::Kind::kScalar) {
    const std::string_view shown = CutUtf8(node->text, kShownBytes);
    there = node->is_quoted ? fmt::format("the text \"{}\"", shown) : fmt::format("`{}`", shown);
  }
  return Error(fmt::format("must be {}, not {}", form, there));
}

absl::Status Value::ErrorAt(std::string_view key, std::string_view what) const {
  for (const YamlEntry& entry : node->entries) {
    if (entry.key == key) return Child(entry).Error(what);
  }
  return Error(fmt::format("{}: {}", key, what));
}

Value Value::Child(const YamlEntry& entry) const {
  const std::string_view key = CutUtf8(entry.key, kShownBytes);
  return {.node = &entry.value, .path = path.empty() ? std::string(key) : fmt::format("{}.{}", path, key), .line = entry.line};
}

Value Value::Child(size_t index) const {
  const YamlNode& item = node->items[index];
  return {.node = &item, .path = fmt::format("{}[{}]", path, index), .line = item.line};
}

absl::StatusOr<std::string> ReadText(const Value& value, std::string_view form) {
  if (!IsText(value)) return value.MustBe(form);
  if (value.node->text.find('\0') != std::string::npos) return value.Error("must not hold a zero byte");
  return value.node->text;
}

absl::StatusOr<bool> ReadBool(const Value& value) {
  if (IsText(value) && !value.node->is_quoted) {
    const std::string& text = value.node->text;
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
  }
  return value.MustBe("true or false");
}

absl::StatusOr<int64_t> ReadWhole(const Value& value, int64_t min, int64_t max, std::string_view form) {
  if (!IsText(value) || value.node->is_quoted) return value.MustBe(form);
  const std::string_view text = value.node->text;
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  // A leading zero is octal to some YAML readers and decimal to others.
  const bool is_whole = error == std::errc() && end == text.data() + text.size() && (digits.size() == 1 || digits[0] != '0');
  if (!is_whole || number < min || number > max) return value.MustBe(form);
  return number;
}

absl::StatusOr<double> ReadNumber(const Value& value, double min, double max, std::string_view form) {
  if (!IsText(value) || value.node->is_quoted) return value.MustBe(form);
  const std::string_view text = value.node->text;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size() && std::isfinite(number);
  if (!is_number || number < min || number > max) return value.MustBe(form);
  return number;
}

absl::StatusOr<size_t> ReadChoice(const Value& value, const std::vector<std::string_view>& words) {
  const std::string form = fmt::format("one of {}", fmt::join(words, ", "));
  if (!IsText(value)) return value.MustBe(form);
  const auto found = std::find(words.begin(), words.end(), value.node->text);
  if (found == words.end()) return value.MustBe(form);
  return static_cast<size_t>(found - words.begin());
}

absl::Status MissingKey(const Value& map, std::string_view key, std::string_view form) {
  return InvalidArgument("{}{}{} (line {}): required: {}", map.path, map.path.empty() ? "" : ".", key, map.line, form);
}

absl::Status RefuseUnknownKey(const Value& unknown, std::string_view key, const std::vector<std::string_view>& known) {
  const std::optional<std::string_view> nearest = NearestName(key, known);
  return unknown.Error(
      fmt::format("unknown key `{}`; {}", CutUtf8(key, kShownBytes),
                  nearest ? fmt::format("did you mean `{}`?", *nearest) : fmt::format("known: {}", fmt::join(known, ", "))));
}

}  // namespace fs::config
