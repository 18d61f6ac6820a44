// The key-value state a function sees: one named store of an instance, plain keys and complex keys side by side.
//
// Owned by the FunctionState it came from, used on the instance's thread only. Reads see the function's own uncommitted writes. Keys,
// parts and values may hold any bytes, be empty and contain zeros; order is bytewise, for complex keys part by part (key_group, key,
// namespace, user_key). Plain and complex keys never meet. Errors: kInternal and kDataLoss when the database cannot be read or
// written, kResourceExhausted for a limit; a failed call leaves the store as it was.
#ifndef FUNCTION_STREAM_STATE_KV_STORE_H_
#define FUNCTION_STREAM_STATE_KV_STORE_H_

#include <memory>
#include <optional>
#include <string_view>

#include "base/status.h"

namespace fs::state {

struct ComplexKey {
  std::string_view key_group;
  std::string_view key;
  std::string_view name_space;
  std::string_view user_key;
};

struct KvEntry {
  std::string_view key;  // the plain key, or the user_key
  std::string_view value;
};

// A stable view: what the store held when the iterator was made, own uncommitted writes included, whatever is written, committed or
// rolled back since. Must not outlive its FunctionState.
class KvIterator {
 public:
  virtual ~KvIterator() = default;
  // The next entry in byte order, or nullopt at the end. The views hold until the next call.
  [[nodiscard]] virtual absl::StatusOr<std::optional<KvEntry>> Next() = 0;
};

class KvStore {
 public:
  virtual ~KvStore() = default;

  // The value's view holds until the next call to this FunctionState.
  [[nodiscard]] virtual absl::StatusOr<std::optional<std::string_view>> Get(std::string_view key) = 0;
  [[nodiscard]] virtual absl::Status Put(std::string_view key, std::string_view value) = 0;
  [[nodiscard]] virtual absl::Status Delete(std::string_view key) = 0;
  // Keys in [start, end).
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<KvIterator>> Range(std::string_view start, std::string_view end) = 0;

  [[nodiscard]] virtual absl::StatusOr<std::optional<std::string_view>> Get(const ComplexKey& key) = 0;
  [[nodiscard]] virtual absl::Status Put(const ComplexKey& key, std::string_view value) = 0;
  [[nodiscard]] virtual absl::Status Delete(const ComplexKey& key) = 0;
  // Appends to the stored bytes; an absent key counts as empty.
  [[nodiscard]] virtual absl::Status Merge(const ComplexKey& key, std::string_view value) = 0;
  // Deletes all that share the first three parts and start with user_key.
  [[nodiscard]] virtual absl::Status DeletePrefix(const ComplexKey& key) = 0;
  // User keys in [start, end) under the first three parts of `key`.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<KvIterator>> Range(const ComplexKey& key, std::string_view start,
                                                                          std::string_view end) = 0;
  // All user keys under the first three parts.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<KvIterator>> Scan(const ComplexKey& key) = 0;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_KV_STORE_H_
