#include "connector/embedded/partitioner.h"

#include <cstddef>
#include <cstring>

namespace fs::connector::embedded {
namespace {

uint32_t Murmur2(std::string_view key) {
  constexpr uint32_t kMultiplier = 0x5bd1e995;
  uint32_t hash = 0x9747b28c ^ static_cast<uint32_t>(key.size());
  size_t at = 0;
  for (; at + 4 <= key.size(); at += 4) {
    uint32_t word = 0;
    std::memcpy(&word, key.data() + at, 4);
    word *= kMultiplier;
    word ^= word >> 24;
    hash = hash * kMultiplier ^ word * kMultiplier;
  }
  const auto byte = [&](size_t index) { return static_cast<uint32_t>(static_cast<uint8_t>(key[at + index])); };
  const size_t rest = key.size() - at;
  if (rest > 2) hash ^= byte(2) << 16;
  if (rest > 1) hash ^= byte(1) << 8;
  if (rest > 0) hash = (hash ^ byte(0)) * kMultiplier;
  hash ^= hash >> 13;
  hash *= kMultiplier;
  return hash ^ hash >> 15;
}

}  // namespace

int32_t PartitionOfKey(std::string_view key, int32_t count) {
  if (count == 1) return 0;
  return static_cast<int32_t>((Murmur2(key) & 0x7fffffff) % static_cast<uint32_t>(count));
}

}  // namespace fs::connector::embedded
