// A range of a store as it was at one moment: the database's entries with the uncommitted ones over them.
//
// Made by the FunctionState; on its thread. It holds copies of the uncommitted entries in the range and RocksDB's own view of the rest, so
// nothing that is written later is seen.
#ifndef FUNCTION_STREAM_STATE_MERGED_ITERATOR_H_
#define FUNCTION_STREAM_STATE_MERGED_ITERATOR_H_

#include <memory>
#include <string>
#include <vector>

#include "state/database.h"
#include "state/kv_store.h"
#include "state/overlay.h"

namespace fs::state {

class MergedIterator final : public KvIterator {
 public:
  // Over database keys in [lower, upper); entries are told without the first prefix_bytes of their key.
  MergedIterator(const Database& database, Overlay& overlay, std::string_view lower, std::string upper, size_t prefix_bytes);

  [[nodiscard]] absl::StatusOr<std::optional<KvEntry>> Next() override;

 private:
  struct Write {
    std::string key;
    std::string value;
    Overlay::Kind kind;
  };

  const Database& database_;
  std::string upper_;
  rocksdb::Slice upper_slice_;
  size_t prefix_bytes_;
  std::vector<Write> writes_;
  size_t next_write_ = 0;
  std::unique_ptr<rocksdb::Iterator> stored_;
  bool step_stored_ = false;  // the entry told last was the database's
  std::string joined_;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_MERGED_ITERATOR_H_
