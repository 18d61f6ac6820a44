// Keys as they stand in an instance's database, so that RocksDB's bytewise order is the order that stores promise.
//
// Pure functions, any thread. A database key is a store's number (u32, big-endian), a byte for the space, then
//   plain    the key as it is
//   complex  key_group, key and namespace, each escaped (00 becomes 00 FF) and ended with 00 01, then the user_key as it is
// Store number 0 is the state's own: meta keys.
#ifndef FUNCTION_STREAM_STATE_KEY_CODEC_H_
#define FUNCTION_STREAM_STATE_KEY_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "state/kv_store.h"

namespace fs::state {

inline constexpr char kPlainSpace = 1;
inline constexpr char kComplexSpace = 2;
inline constexpr uint32_t kMaxStoreNumber = 0xfffffffe;

// Each replaces `out`, so that a buffer can be kept.
void EncodeKey(uint32_t store, std::string_view key, std::string& out);
void EncodeKey(uint32_t store, const ComplexKey& key, std::string& out);
// All complex keys that share the first three parts begin with this, and no others.
void EncodeComplexPrefix(uint32_t store, const ComplexKey& key, std::string& out);

// The smallest key greater than all that begin with `prefix`. The prefix must hold a byte other than FF, which every key here does.
[[nodiscard]] std::string PrefixEnd(std::string_view prefix);

// Of the plain and complex prefix of a key: what stands before the key or user_key that the user wrote.
inline constexpr size_t kPlainPrefixBytes = 5;

[[nodiscard]] uint32_t DecodeU32(std::string_view bytes);
void AppendU32(uint32_t number, std::string& out);

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_KEY_CODEC_H_
