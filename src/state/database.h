// The database of one instance: RocksDB, and its two ways to a checkpoint. The seam behind which two-phase commit can be done otherwise.
//
// Owned by the FunctionState, on its thread. A batch is written at once (Write) or in two phases (Prepare, then CommitPrepared or
// RollbackPrepared); one batch at most is prepared. All errors name the folder.
#ifndef FUNCTION_STREAM_STATE_DATABASE_H_
#define FUNCTION_STREAM_STATE_DATABASE_H_

#include <rocksdb/iterator.h>
#include <rocksdb/slice.h>
#include <rocksdb/utilities/transaction.h>
#include <rocksdb/utilities/transaction_db.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/rocksdb.h"
#include "base/status.h"
#include "state/environment.h"

namespace fs::state {

class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(Environment& environment, const std::filesystem::path& folder);
  static absl::Status Destroy(Environment& environment, const std::filesystem::path& folder);

  // False: no such key. What was prepared is not seen before it is committed.
  [[nodiscard]] absl::StatusOr<bool> Get(std::string_view key, rocksdb::PinnableSlice& value) const;
  // Over [lower, end of `upper`), on the state of now. `upper` must outlive the iterator.
  [[nodiscard]] std::unique_ptr<rocksdb::Iterator> NewIterator(const rocksdb::Slice& upper) const;

  // Durable on return.
  [[nodiscard]] absl::Status Write(rocksdb::WriteBatch& batch);
  // Undecided, and so found by the next Open, on return. `fill` is given the empty batch that will be prepared, for a large one takes its
  // time to be copied; an error of its own is returned, and nothing is prepared.
  [[nodiscard]] absl::Status Prepare(const std::function<absl::Status(rocksdb::WriteBatch& batch)>& fill);
  // nullptr when nothing is prepared.
  [[nodiscard]] rocksdb::WriteBatch* prepared() const;
  // Not synced: after a crash the batch is found prepared again, and whoever decided gives the same answer again.
  [[nodiscard]] absl::Status CommitPrepared();
  [[nodiscard]] absl::Status RollbackPrepared();

  // Any thread.
  [[nodiscard]] uint64_t stored_bytes() const;
  // Writes anew what is stored, without what was overwritten and deleted; takes as long as reading and writing all of it. Any thread.
  // Ends early, with an error, once `is_cancelled`.
  [[nodiscard]] absl::Status Compact(std::atomic<bool>& is_cancelled);
  // FunctionState::CopyTo.
  [[nodiscard]] absl::StatusOr<std::unordered_map<std::string, uint32_t>> CopyTo(const std::filesystem::path& folder);

  // The status as an error of this database.
  [[nodiscard]] absl::Status Error(const rocksdb::Status& status) const;
  // The first error since Open. What was read since may be wrong: nothing that follows from it may be written.
  [[nodiscard]] const absl::Status& failure() const { return failure_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  Database(DatabaseFolder folder, std::unique_ptr<rocksdb::TransactionDB> database, bool is_durable)
      : folder_(std::move(folder)), database_(std::move(database)), is_durable_(is_durable) {}

  void Wrote(size_t bytes);

  DatabaseFolder folder_;
  std::unique_ptr<rocksdb::TransactionDB> database_;
  std::unique_ptr<rocksdb::Transaction> transaction_;  // the prepared one
  bool is_durable_;
  uint64_t written_bytes_ = 0;  // since Open
  bool has_filters_ = false;
  mutable absl::Status failure_;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_DATABASE_H_
