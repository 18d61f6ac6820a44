#include "base/rocksdb.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <fcntl.h>
#include <rocksdb/env.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <set>
#include <system_error>

namespace fs {
namespace {

struct OpenFolders {
  absl::Mutex mutex;
  std::set<std::string> claims ABSL_GUARDED_BY(mutex);
};

OpenFolders& open_folders() {
  static auto* folders = new OpenFolders;
  return *folders;
}

constexpr size_t kLongestWarning = 1024;
std::atomic<void (*)(std::string_view)> write_warning{nullptr};

class WarningLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  WarningLogger() : Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  // Reached for WARN_LEVEL and above only.
  void Logv(const char* format, va_list arguments) override {
    const auto write = write_warning.load(std::memory_order_acquire);
    if (write == nullptr) return;
    char text[kLongestWarning];
    const int size = std::vsnprintf(text, sizeof(text), format, arguments);
    if (size > 0) write({text, std::min<size_t>(static_cast<size_t>(size), sizeof(text) - 1)});
  }
};

// The process that holds RocksDB's lock file. Only asked when this process does not hold it itself: closing any descriptor of the
// file would give up the lock.
std::optional<pid_t> LockHolder(const std::filesystem::path& folder) {
  const int file = open((folder / "LOCK").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool asked = fcntl(file, F_GETLK, &lock) == 0;
  close(file);
  if (!asked || lock.l_type == F_UNLCK) return std::nullopt;
  return lock.l_pid;
}

}  // namespace

absl::Status RocksDbError(const rocksdb::Status& status, const std::filesystem::path& folder) {
  if (status.ok()) return absl::OkStatus();
  absl::StatusCode code = absl::StatusCode::kInternal;
  if (status.IsCorruption()) code = absl::StatusCode::kDataLoss;
  if (status.IsNoSpace() || status.IsMemoryLimit() || status.subcode() == rocksdb::Status::kSpaceLimit)
    code = absl::StatusCode::kResourceExhausted;
  return MakeError(code, "{}: {}", folder.native(), status.ToString());
}

void SetDatabaseWarnings(void (*write)(std::string_view warning)) { write_warning.store(write, std::memory_order_release); }

rocksdb::Options DatabaseOptions(rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  // A write that was cut short by a power failure is dropped, whole; what was synced before it stays.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.track_and_verify_wals_in_manifest = true;
  options.avoid_flush_during_shutdown = true;
  options.info_log = std::make_shared<WarningLogger>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.max_open_files = 256;
  options.max_file_opening_threads = 1;
  options.skip_stats_update_on_db_open = true;
  // Thousands of databases must not each set aside megabytes of disk.
  options.allow_fallocate = false;
  options.manifest_preallocation_size = 64 << 10;
  options.max_manifest_file_size = 4 << 20;
  options.max_background_jobs = 2;
  return options;
}

absl::StatusOr<DatabaseFolder> DatabaseFolder::Claim(const std::filesystem::path& folder, rocksdb::Env* env) {
  const bool on_disk = env == rocksdb::Env::Default();
  std::error_code error;
  std::filesystem::path database_path = folder;
  std::string claim = folder.lexically_normal().native();
  if (on_disk) {
    std::filesystem::create_directories(folder, error);
    if (error) return Internal("{}: cannot make the folder: {}", folder.native(), error.message());
    if (auto canonical = std::filesystem::canonical(folder, error); !error) claim = canonical.native();
  } else {
    claim = fmt::format("{}@{}", claim, static_cast<const void*>(env));
    database_path = std::filesystem::absolute(folder, error);
  }
  OpenFolders& folders = open_folders();
  absl::MutexLock lock(&folders.mutex);
  if (!folders.claims.insert(claim).second) {
    return FailedPrecondition("{}: the database is open already in this process", folder.native());
  }
  return DatabaseFolder(std::move(database_path), std::move(claim), on_disk);
}

DatabaseFolder::DatabaseFolder(DatabaseFolder&& other) noexcept
    : path_(std::move(other.path_)), claim_(std::exchange(other.claim_, {})), on_disk_(other.on_disk_) {}

DatabaseFolder::~DatabaseFolder() {
  if (claim_.empty()) return;
  OpenFolders& folders = open_folders();
  absl::MutexLock lock(&folders.mutex);
  folders.claims.erase(claim_);
}

absl::Status DatabaseFolder::OpenError(const rocksdb::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  if (on_disk_ && status.IsIOError()) {
    if (const auto holder = LockHolder(path_)) {
      return FailedPrecondition("{}: the database is held by another process ({}): stop it, or give this server another folder",
                                path_.native(), *holder);
    }
  }
  // The folder is there, so what RocksDB misses is a file of its own.
  if (status.IsPathNotFound()) return DataLoss("{}: a file of the database is missing: {}", path_.native(), status.ToString());
  return RocksDbError(status, path_);
}

}  // namespace fs
