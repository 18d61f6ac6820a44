#include "state/key_codec.h"

#include <cstring>

namespace fs::state {
namespace {

void StartKey(uint32_t store, char space, std::string& out) {
  out.clear();
  AppendU32(store, out);
  out.push_back(space);
}

// The end mark sorts before every escaped zero and every other byte, so a part that is the beginning of another comes first.
void AppendEscaped(std::string_view part, std::string& out) {
  while (!part.empty()) {
    const void* zero = std::memchr(part.data(), 0, part.size());
    if (zero == nullptr) break;
    const size_t length = static_cast<size_t>(static_cast<const char*>(zero) - part.data());
    out.append(part.substr(0, length));
    out.append("\x00\xff", 2);
    part.remove_prefix(length + 1);
  }
  out.append(part);
  out.append("\x00\x01", 2);
}

}  // namespace

void AppendU32(uint32_t number, std::string& out) {
  const char bytes[4] = {static_cast<char>(number >> 24), static_cast<char>(number >> 16), static_cast<char>(number >> 8),
                         static_cast<char>(number)};
  out.append(bytes, sizeof(bytes));
}

uint32_t DecodeU32(std::string_view bytes) {
  uint32_t number = 0;
  for (const char byte : bytes.substr(0, 4)) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

void EncodeKey(uint32_t store, std::string_view key, std::string& out) {
  StartKey(store, kPlainSpace, out);
  out.append(key);
}

void EncodeComplexPrefix(uint32_t store, const ComplexKey& key, std::string& out) {
  StartKey(store, kComplexSpace, out);
  AppendEscaped(key.key_group, out);
  AppendEscaped(key.key, out);
  AppendEscaped(key.name_space, out);
}

void EncodeKey(uint32_t store, const ComplexKey& key, std::string& out) {
  EncodeComplexPrefix(store, key, out);
  out.append(key.user_key);
}

std::string PrefixEnd(std::string_view prefix) {
  while (static_cast<uint8_t>(prefix.back()) == 0xff) prefix.remove_suffix(1);
  std::string end(prefix);
  end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

}  // namespace fs::state
