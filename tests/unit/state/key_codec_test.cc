#include "state/key_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

namespace fs::state {
namespace {

using std::string_literals::operator""s;

std::string Encode(const ComplexKey& key) {
  std::string out;
  EncodeKey(7, key, out);
  return out;
}

std::vector<std::string> AwkwardParts() {
  return {"", "\0"s, "\0\0"s, "\0\1"s, "\0\xff"s, "\1", "\1\0"s, "a", "a\0"s, "a\0b"s, "ab", "b", "\xfe", "\xff", "\xff\xff", "\xff\0"s};
}

TEST(KeyCodec, ComplexKeysSortPartByPart) {
  const std::vector<std::string> parts = AwkwardParts();
  std::mt19937 random(1);
  const auto pick = [&]() -> const std::string& { return parts[random() % parts.size()]; };
  for (int i = 0; i < 200000; ++i) {
    const ComplexKey a{pick(), pick(), pick(), pick()};
    const ComplexKey b{pick(), pick(), pick(), pick()};
    const auto tie = [](const ComplexKey& key) { return std::tie(key.key_group, key.key, key.name_space, key.user_key); };
    const std::string x = Encode(a);
    const std::string y = Encode(b);
    ASSERT_EQ(tie(a) < tie(b), x < y);
    ASSERT_EQ(tie(a) == tie(b), x == y);
  }
}

TEST(KeyCodec, OnlyKeysWithTheSameThreePartsBeginWithTheirPrefix) {
  const std::vector<std::string> parts = AwkwardParts();
  std::mt19937 random(2);
  const auto pick = [&]() -> const std::string& { return parts[random() % parts.size()]; };
  for (int i = 0; i < 200000; ++i) {
    const ComplexKey a{pick(), pick(), pick(), {}};
    const ComplexKey b{pick(), pick(), pick(), pick()};
    std::string prefix;
    EncodeComplexPrefix(7, a, prefix);
    const std::string key = Encode(b);
    const bool is_same = a.key_group == b.key_group && a.key == b.key && a.name_space == b.name_space;
    ASSERT_EQ(is_same, key.starts_with(prefix));
    ASSERT_EQ(is_same, key >= prefix && key < PrefixEnd(prefix));
  }
}

TEST(KeyCodec, PlainKeysKeepTheirOrderAndNeverMeetComplexOnes) {
  std::string plain, complex;
  for (const std::string& a : AwkwardParts()) {
    for (const std::string& b : AwkwardParts()) {
      std::string x, y;
      EncodeKey(7, a, x);
      EncodeKey(7, b, y);
      EXPECT_EQ(a < b, x < y);
      EncodeKey(7, ComplexKey{a, b, "", ""}, complex);
      EncodeKey(7, a, plain);
      EXPECT_LT(plain, complex);
      EncodeKey(8, b, plain);
      EXPECT_LT(complex, plain);
    }
  }
}

TEST(KeyCodec, PrefixEndSkipsBytesThatCannotGrow) {
  EXPECT_EQ(PrefixEnd("a"), "b");
  EXPECT_EQ(PrefixEnd("a\xff\xff"), "b");
  EXPECT_EQ(PrefixEnd("\0"s), "\1");
}

}  // namespace
}  // namespace fs::state
