// A range of a store as it was at one moment: the database's entries with the uncommitted ones over them.
//
// Made by the FunctionState; on its thread. It holds copies of the uncommitted entries in the range and RocksDB's own view of the rest, so
// nothing that is written later is seen.
#ifndef FUNCTION_STREAM_STATE_MERGED_ITERATOR_H_
#define FUNCTION_STREAM_STATE_MERGED_ITERATOR_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/database.h"
#include "state/kv_store.h"
#include "state/overlay.h"

namespace fs::state {

class MergedIterator final : public KvIterator {
 public:
  // Over database keys in [lower, upper); entries are told without the first prefix_bytes of their key. `copied_bytes` counts what all
  // iterators of the state hold copies of, and outlives them. kResourceExhausted: with this one's it would be more than limit_bytes.
  static absl::StatusOr<std::unique_ptr<MergedIterator>> Make(const Database& database, Overlay& overlay, std::string_view lower,
                                                              std::string upper, size_t prefix_bytes, size_t& copied_bytes,
                                                              size_t limit_bytes);
  ~MergedIterator() override { copied_bytes_ -= own_bytes_; }

  [[nodiscard]] absl::StatusOr<std::optional<KvEntry>> Next() override;

 private:
  struct Write {
    std::string key;
    std::string value;
    Overlay::Kind kind;
  };

  MergedIterator(const Database& database, std::string upper, size_t prefix_bytes, size_t& copied_bytes)
      : database_(database), upper_(std::move(upper)), upper_slice_(upper_), prefix_bytes_(prefix_bytes), copied_bytes_(copied_bytes) {}
  absl::Status Begin(Overlay& overlay, std::string_view lower, size_t limit_bytes);

  const Database& database_;
  std::string upper_;
  rocksdb::Slice upper_slice_;
  size_t prefix_bytes_;
  size_t& copied_bytes_;
  size_t own_bytes_ = 0;
  std::vector<Write> writes_;
  size_t next_write_ = 0;
  std::unique_ptr<rocksdb::Iterator> stored_;
  bool step_stored_ = false;  // the entry told last was the database's
  std::string joined_;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_MERGED_ITERATOR_H_
