#include "task/json_field.h"

#include <charconv>
#include <cmath>

namespace fs::task {
namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view json) : rest_(json) {}

  bool Take(char wanted) {
    SkipSpace();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // What stands between the quotes, escapes as they are.
  std::optional<std::string_view> Text() {
    if (!Take('"')) return std::nullopt;
    for (size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        const std::string_view text = rest_.substr(0, i);
        rest_.remove_prefix(i + 1);
        return text;
      }
    }
    return std::nullopt;
  }

  // One value of any kind, as it stands.
  std::optional<std::string_view> Value() {
    SkipSpace();
    if (rest_.empty()) return std::nullopt;
    const char* const begin = rest_.data();
    if (rest_.front() == '"') {
      if (!Text()) return std::nullopt;
    } else if (rest_.front() == '{' || rest_.front() == '[') {
      if (!SkipNested()) return std::nullopt;
    } else {
      const size_t end = rest_.find_first_of(",}] \t\r\n");
      if (end == 0 || end == std::string_view::npos) return std::nullopt;
      rest_.remove_prefix(end);
    }
    return std::string_view(begin, static_cast<size_t>(rest_.data() - begin));
  }

  bool AtEnd() {
    SkipSpace();
    return rest_.empty();
  }

 private:
  void SkipSpace() {
    const size_t first = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(first == std::string_view::npos ? rest_.size() : first);
  }

  // Depth is counted, not recursed into: it is the sender's to choose.
  bool SkipNested() {
    size_t depth = 0;
    while (!rest_.empty()) {
      if (rest_.front() == '"') {
        if (!Text()) return false;
        continue;
      }
      const char at = rest_.front();
      rest_.remove_prefix(1);
      if (at == '{' || at == '[') ++depth;
      if ((at == '}' || at == ']') && --depth == 0) return true;
    }
    return false;
  }

  std::string_view rest_;
};

std::optional<int64_t> Number(std::string_view text) {
  int64_t whole = 0;
  const char* const end = text.data() + text.size();
  if (const auto [stop, error] = std::from_chars(text.data(), end, whole); error == std::errc() && stop == end) return whole;
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || !(std::abs(number) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(number);
}

}  // namespace

std::optional<int64_t> JsonNumber(std::string_view json, std::string_view field) {
  Scanner scanner(json);
  if (!scanner.Take('{')) return std::nullopt;
  std::optional<int64_t> found;
  if (scanner.Take('}')) return std::nullopt;
  do {
    const std::optional<std::string_view> name = scanner.Text();
    if (!name || !scanner.Take(':')) return std::nullopt;
    const std::optional<std::string_view> value = scanner.Value();
    if (!value) return std::nullopt;
    if (*name == field) found = Number(*value);
  } while (scanner.Take(','));
  return scanner.Take('}') && scanner.AtEnd() ? found : std::nullopt;
}

}  // namespace fs::task
