// What all databases of the server have in common: quiet options, and RocksDB's errors as ours. Any thread.
#ifndef FUNCTION_STREAM_BASE_ROCKSDB_H_
#define FUNCTION_STREAM_BASE_ROCKSDB_H_

#include <rocksdb/options.h>
#include <rocksdb/status.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fs {

inline std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// The error with "folder: " in front and RocksDB's reason behind; OK for OK. Corruption is kDataLoss, a full disk or budget
// kResourceExhausted, everything else kInternal.
[[nodiscard]] absl::Status RocksDbError(const rocksdb::Status& status, const std::filesystem::path& folder);

// Options fit for many small databases in one process: threads shared, no log files, no timers, files grow as they are written.
[[nodiscard]] rocksdb::Options DatabaseOptions(rocksdb::Env* env);

// Where RocksDB's own warnings go, for all databases opened with DatabaseOptions; nowhere before the first call. `write` is called by any
// thread. (RocksDB's log files are not an option: Debian's build aborts the process at the second line after one that a full disk refused.)
void SetDatabaseWarnings(void (*write)(std::string_view warning));

// The claim of this process to the database in one folder, held for as long as it is open.
class DatabaseFolder {
 public:
  // Makes the folder where it is missing (not in a memory environment). kInternal: it cannot be made. kFailedPrecondition: this
  // process has the database open already.
  static absl::StatusOr<DatabaseFolder> Claim(const std::filesystem::path& folder, rocksdb::Env* env);

  DatabaseFolder(DatabaseFolder&& other) noexcept;
  DatabaseFolder& operator=(DatabaseFolder&&) = delete;
  ~DatabaseFolder();

  // Where to open it: absolute in a memory environment, which takes nothing else; as given on disk.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  // Why opening failed: kFailedPrecondition, naming the process, when another one has it open; kDataLoss when files are missing or
  // damaged; else as RocksDbError.
  [[nodiscard]] absl::Status OpenError(const rocksdb::Status& status) const;

 private:
  DatabaseFolder(std::filesystem::path path, std::string claim, bool on_disk)
      : path_(std::move(path)), claim_(std::move(claim)), on_disk_(on_disk) {}
  std::filesystem::path path_;
  std::string claim_;
  bool on_disk_ = true;
};

}  // namespace fs

#endif  // FUNCTION_STREAM_BASE_ROCKSDB_H_
