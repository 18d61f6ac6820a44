#include "config/yaml_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "base/utf8.h"

namespace fs::config {
namespace {

using ::testing::HasSubstr;

std::string Repeated(std::string_view text, size_t times) {
  std::string result;
  for (size_t i = 0; i < times; ++i) result += text;
  return result;
}

TEST(YamlTree, ValuesKeepTheirTextAndLine) {
  const auto root = ParseYaml("a: 1\nb:\n  - 0x10\n  - \"5\"\nc: 'x'\nd:\n");
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_EQ(root->entries.size(), 4u);
  const YamlNode& list = root->entries[1].value;
  EXPECT_EQ(list.line, 2);
  EXPECT_EQ(list.items[0].text, "0x10");
  EXPECT_FALSE(list.items[0].is_quoted);
  EXPECT_EQ(list.items[1].text, "5");
  EXPECT_TRUE(list.items[1].is_quoted);
  EXPECT_EQ(list.items[1].line, 4);
  EXPECT_TRUE(root->entries[2].value.is_quoted);
  EXPECT_EQ(root->entries[3].value.kind, YamlNode::Kind::kNull);
}

TEST(YamlTree, AliasStandsForItsValue) {
  const auto root = ParseYaml("a: &x {k: v}\nb: [*x, *x]\n");
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_EQ(root->entries[1].value.items[1].entries[0].value.text, "v");
}

TEST(YamlTree, WhatIsNoPlainDocumentIsRefusedWithItsLine) {
  struct Case {
    std::string text;
    std::string_view message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"a: 1\nb: 2\na: 3\n", "a (line 3): given twice; first on line 1"},
           {"g:\n  - i:\n      - {t: 1, t: 2}\n", "g[0].i[0].t (line 3): given twice"},
           {"a: [1\nb: 2\n", "line 2"},
           {"a: *nothing\n", "line 1"},
           {"a: &x [*x]\n", "line 1"},
           {"a: !!python/object:os.system x\n", "line 1: type tags such as"},
           {"a: 1\n---\nb: 2\n", "more than one document"},
           {"? [1, 2]\n: 3\n", "line 1: a list in place of a key"},
           {"a: \xff\n", "line 1: not UTF-8"},
           {std::string("a: 1\nb: \0\n", 10), "line 2: a zero byte"},
           {"a: 1\nb: '\x1b[2J'\n", "line 2: the control character 0x1b; write it as an escape in double quotes"},
           {"# \x7f\n", "line 1: the control character 0x7f"},
           {"\t- a", "line 1"},
           {"a: \"\\\u02a3\"\n", "line 1, column 7: unknown escape character: \ufffd"},
       }) {
    const auto root = ParseYaml(c.text);
    EXPECT_EQ(root.status().code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(Message(root.status()), HasSubstr(c.message)) << c.text;
    EXPECT_TRUE(IsUtf8(Message(root.status()))) << c.text;
  }
}

TEST(YamlTree, BombsAreRefusedInAMoment) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    laughs += fmt::format("a{}: &a{} [{}*a{}]\n", i, i, Repeated(fmt::format("*a{}, ", i - 1), 9), i - 1);
  }
  struct Case {
    std::string name, text;
  };
  const size_t kMiB = size_t{1} << 20;
  for (const Case& c :
       std::initializer_list<Case>{{"laughs", laughs},
                                   {"brackets", Repeated("[", kMiB)},
                                   {"braces", Repeated("{", kMiB)},
                                   {"dashes", Repeated("- ", kMiB / 2)},
                                   {"nested maps", Repeated("{a: ", 100'000)},
                                   {"question marks", Repeated("? ", kMiB / 2)},
                                   {"many values", "a: [" + Repeated("1,", 400'000) + "1]"},
                                   {"one text many times", "a: &a " + Repeated("x", 50'000) + "\nb: [" + Repeated("*a,", 9'000) + "]"},
                                   {"too long", "a: " + Repeated("x", kMiB)},
                                   {"long key", Repeated("k", kMiB - 10) + ": 1"},
                                   {"colons", Repeated(":", kMiB)},
                                   {"keys on one line", Repeated("a: ", kMiB / 3)},
                                   {"anchors", Repeated("&a ", kMiB / 3)},
                                   {"tags", Repeated("!", kMiB)},
                                   {"open quote", "\"" + Repeated("\\n", kMiB / 2 - 2)},
                                   {"documents", Repeated("---\n", kMiB / 4)}}) {
    // Of this process: a busy machine is not the parser's.
    const std::clock_t start = std::clock();
    EXPECT_FALSE(ParseYaml(c.text).ok()) << c.name;
    EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 2) << c.name;
  }
}

}  // namespace
}  // namespace fs::config
