#include "api/name_filter.h"

#include <cstddef>

namespace fs::api {
namespace {

// Going back to the last `*` only is enough, and bounds the work by the product of the lengths.
bool MatchesPattern(std::string_view name, std::string_view pattern) {
  size_t n = 0, p = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*') {
      ++n;
      ++p;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

bool MatchesFilter(std::string_view name, std::string_view filter) {
  if (filter.find_first_of("*?") != std::string_view::npos) return MatchesPattern(name, filter);
  return name.find(filter) != std::string_view::npos;
}

}  // namespace fs::api
