// Keys of the state: whatever bytes the parts hold, database keys are told apart, lie in the order of their parts, and a prefix covers what
// shares it and nothing else.
#include "state/key_codec.h"

#include <compare>
#include <string>
#include <tuple>

#include "fuzz/fuzz.h"

namespace fs::state {
namespace {

using fuzz::Require;

struct Parts {
  uint32_t store;
  std::string key_group, key, name_space, user_key;

  [[nodiscard]] ComplexKey view() const { return {key_group, key, name_space, user_key}; }
  [[nodiscard]] auto prefix() const { return std::tie(store, key_group, key, name_space); }
  [[nodiscard]] auto all() const { return std::tie(store, key_group, key, name_space, user_key); }
};

Parts Take(FuzzedDataProvider& input) {
  Parts parts;
  parts.store = input.ConsumeIntegralInRange<uint32_t>(0, kMaxStoreNumber);
  for (std::string* part : {&parts.key_group, &parts.key, &parts.name_space, &parts.user_key}) *part = input.ConsumeRandomLengthString(32);
  return parts;
}

// As RocksDB compares: unsigned bytes.
std::strong_ordering Compare(std::string_view a, std::string_view b) { return a.compare(b) <=> 0; }

// Reads a complex key back, as the header of key_codec.h describes it.
Parts Decode(std::string_view encoded) {
  Parts parts;
  parts.store = DecodeU32(encoded);
  encoded.remove_prefix(kPlainPrefixBytes);
  for (std::string* part : {&parts.key_group, &parts.key, &parts.name_space}) {
    while (true) {
      const size_t zero = encoded.find('\0');
      Require(zero != std::string_view::npos && zero + 1 < encoded.size(), "a part without its end");
      part->append(encoded.substr(0, zero));
      const char after = encoded[zero + 1];
      encoded.remove_prefix(zero + 2);
      if (after == '\x01') break;
      Require(after == '\xff', "an unknown escape");
      part->push_back('\0');
    }
  }
  parts.user_key = encoded;
  return parts;
}

void CheckComplex(const Parts& a, const Parts& b) {
  std::string encoded_a, encoded_b, prefix_a = "left over", prefix_b;
  EncodeKey(a.store, a.view(), encoded_a);
  EncodeKey(b.store, b.view(), encoded_b);
  EncodeComplexPrefix(a.store, a.view(), prefix_a);
  EncodeComplexPrefix(b.store, b.view(), prefix_b);

  Require(Decode(encoded_a).all() == a.all(), "a key does not come back");
  Require(Compare(encoded_a, encoded_b) == (a.all() <=> b.all()), "keys do not lie in the order of their parts");
  Require(encoded_a == prefix_a + a.user_key, "a key does not end with its user key");
  Require(encoded_b.starts_with(prefix_a) == (a.prefix() == b.prefix()), "a prefix covers what does not share it, or not what does");

  const std::string end = PrefixEnd(prefix_a);
  Require((prefix_a <= encoded_b && encoded_b < end) == (a.prefix() == b.prefix()), "a prefix's range is not that of its keys");
  // delete_prefix: all that begin with the user key.
  const bool shares = a.prefix() == b.prefix() && b.user_key.starts_with(a.user_key);
  Require((encoded_a <= encoded_b && encoded_b < PrefixEnd(encoded_a)) == shares, "delete_prefix would remove the wrong keys");
}

void CheckPlain(const Parts& a, const Parts& b) {
  std::string plain_a, plain_b, complex_b;
  EncodeKey(a.store, a.user_key, plain_a);
  EncodeKey(b.store, b.user_key, plain_b);
  EncodeKey(b.store, b.view(), complex_b);
  Require(Compare(plain_a, plain_b) == (std::tie(a.store, a.user_key) <=> std::tie(b.store, b.user_key)), "plain keys out of order");
  Require(plain_a.substr(kPlainPrefixBytes) == a.user_key && DecodeU32(plain_a) == a.store, "a plain key does not come back");
  Require(plain_a != complex_b, "a plain key that is a complex one");
}

}  // namespace
}  // namespace fs::state

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const fs::state::Parts a = fs::state::Take(input);
  fs::state::Parts b = fs::state::Take(input);
  fs::state::CheckComplex(a, b);
  fs::state::CheckPlain(a, b);
  // Two keys that chance would never make alike: part by part the same, up to one that `b` keeps.
  const size_t shared = input.ConsumeIntegralInRange<size_t>(0, 4);
  if (shared > 0) b.store = a.store;
  if (shared > 1) b.key_group = a.key_group;
  if (shared > 2) b.key = a.key;
  if (shared > 3) b.name_space = a.name_space;
  if (input.ConsumeBool()) b.user_key = a.user_key + b.user_key;
  fs::state::CheckComplex(a, b);
  fs::state::CheckComplex(b, a);
  fs::state::CheckPlain(a, b);
  return 0;
}
