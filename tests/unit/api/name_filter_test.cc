#include "api/name_filter.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace fs::api {
namespace {

TEST(NameFilter, WildcardsMatchTheWholeNameAndWordsAnyPart) {
  struct Case {
    std::string_view name, filter;
    bool matches;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"python-etl-job", "", true},
           {"python-etl-job", "python-etl-job", true},
           {"python-etl-job", "etl", true},
           {"python-etl-job", "ETL", false},
           {"python-etl-job", "python-*", true},
           {"python-etl-job", "*job", true},
           {"python-etl-job", "*etl*", true},
           {"python-etl-job", "etl*", false},
           {"python-etl-job", "python?etl?job", true},
           {"python-etl-job", "python?etl", false},
           {"aXbXc", "a*b*c", true},
           {"abcabd", "a*abd", true},
           {"a", "*", true},
           {"a", "**", true},
           {"a", "?", true},
           {"a", "??", false},
           {"a.b", "a?b", true},
           {"ab", "a*b", true},
           {"a[b]", "a[b]", true},
       }) {
    EXPECT_EQ(MatchesFilter(c.name, c.filter), c.matches) << c.name << " / " << c.filter;
  }
}

TEST(NameFilter, HostilePatternIsQuick) {
  std::string pattern;
  for (int i = 0; i < 10'000; ++i) pattern += "*a";
  EXPECT_FALSE(MatchesFilter(std::string(255, 'a'), pattern + "b"));
}

}  // namespace
}  // namespace fs::api
