#include "catalog/catalog.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>

#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "base/rocksdb.h"
#include "catalog/records.h"

namespace fs::catalog {
namespace {

// The database: "@format" → "1"; "@server" → the server's id; "f" + name → FunctionRecord; "p" + name → PackageRecord.
constexpr std::string_view kFormatKey = "@format";
constexpr std::string_view kFormat = "1";
constexpr std::string_view kServerKey = "@server";

std::string FunctionKey(std::string_view name) { return fmt::format("f{}", name); }
std::string PackageKey(std::string_view name) { return fmt::format("p{}", name); }

rocksdb::Slice SliceOf(std::string_view text) { return {text.data(), text.size()}; }

class RocksCatalog : public Catalog {
 public:
  RocksCatalog(std::filesystem::path path, std::unique_ptr<rocksdb::Env> memory) : path_(std::move(path)), memory_(std::move(memory)) {}

  absl::Status OpenDatabase() {
    rocksdb::Env* env = memory_ == nullptr ? rocksdb::Env::Default() : memory_.get();
    FS_ASSIGN_OR_RETURN(DatabaseFolder folder, DatabaseFolder::Claim(path_, env));
    folder_.emplace(std::move(folder));
    rocksdb::Options options = DatabaseOptions(env);
    // Every write is synced, so only the very last can be torn; damage anywhere else must be seen, not cut off.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    rocksdb::DB* database = nullptr;
    if (const rocksdb::Status status = rocksdb::DB::Open(options, path_.string(), &database); !status.ok()) {
      return folder_->OpenError(status);
    }
    database_.reset(database);
    FS_RETURN_IF_ERROR(CheckFormat());
    FS_RETURN_IF_ERROR(LoadServerId());
    return LoadAll();
  }

  absl::Status Reserve(std::string_view name) override {
    absl::MutexLock lock(&mutex_);
    if (functions_.contains(name))
      return AlreadyExists("function {}: the name is taken; drop that function first, or choose another name", name);
    if (!reserved_.emplace(name).second) return AlreadyExists("function {}: the name is taken: it is being created right now", name);
    return absl::OkStatus();
  }

  void Release(std::string_view name) override {
    absl::MutexLock lock(&mutex_);
    if (const auto found = reserved_.find(name); found != reserved_.end()) reserved_.erase(found);
  }

  absl::Status Put(std::shared_ptr<const Function> function) override {
    FS_ASSIGN_OR_RETURN(const std::string package, EncodePackage(*function->package));
    absl::MutexLock write_lock(&write_mutex_);
    {
      absl::MutexLock lock(&mutex_);
      if (functions_.contains(function->name)) return AlreadyExists("function {}: the name is taken", function->name);
    }
    rocksdb::WriteBatch batch;
    batch.Put(FunctionKey(function->name), EncodeFunction(*function));
    batch.Put(PackageKey(function->name), package);
    FS_RETURN_IF_ERROR(Write(batch));
    absl::MutexLock lock(&mutex_);
    if (const auto found = reserved_.find(function->name); found != reserved_.end()) reserved_.erase(found);
    const std::string name = function->name;
    functions_.insert_or_assign(name, std::move(function));
    return absl::OkStatus();
  }

  absl::Status SetWanted(std::string_view name, WantedStatus wanted) override {
    absl::MutexLock write_lock(&write_mutex_);
    FS_ASSIGN_OR_RETURN(const std::shared_ptr<const Function> present, Get(name));
    if (present->wanted == wanted) return absl::OkStatus();
    auto changed = std::make_shared<Function>(*present);
    changed->wanted = wanted;
    rocksdb::WriteBatch batch;
    batch.Put(FunctionKey(name), EncodeFunction(*changed));
    FS_RETURN_IF_ERROR(Write(batch));
    absl::MutexLock lock(&mutex_);
    functions_.insert_or_assign(std::string(name), std::move(changed));
    return absl::OkStatus();
  }

  absl::Status Remove(std::string_view name) override {
    absl::MutexLock write_lock(&write_mutex_);
    FS_RETURN_IF_ERROR(Get(name).status());
    rocksdb::WriteBatch batch;
    batch.Delete(FunctionKey(name));
    batch.Delete(PackageKey(name));
    FS_RETURN_IF_ERROR(Write(batch));
    absl::MutexLock lock(&mutex_);
    functions_.erase(functions_.find(name));
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<const Function>> Get(std::string_view name) const override {
    absl::MutexLock lock(&mutex_);
    const auto found = functions_.find(name);
    if (found == functions_.end()) return NotFound("function {}: there is none of that name", name);
    return found->second;
  }

  std::vector<std::shared_ptr<const Function>> List() const override {
    absl::MutexLock lock(&mutex_);
    std::vector<std::shared_ptr<const Function>> functions;
    for (const auto& [name, function] : functions_) functions.push_back(function);
    return functions;
  }

  const std::string& server_id() const override { return server_id_; }

 private:
  absl::Status Failed(const rocksdb::Status& status) const { return RocksDbError(status, path_); }

  absl::Status Write(rocksdb::WriteBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    rocksdb::WriteOptions options;
    options.sync = true;
    const rocksdb::Status status = database_->Write(options, &batch);
    return Failed(status);
  }

  absl::Status CheckFormat() {
    std::string format;
    const rocksdb::Status status = database_->Get(rocksdb::ReadOptions(), SliceOf(kFormatKey), &format);
    if (status.IsNotFound()) {
      absl::MutexLock write_lock(&write_mutex_);
      rocksdb::WriteBatch batch;
      batch.Put(SliceOf(kFormatKey), SliceOf(kFormat));
      return Write(batch);
    }
    if (!status.ok()) return Failed(status);
    if (format != kFormat) {
      return FailedPrecondition("catalog {}: stored in format {}, by a newer server; this one reads format {}", path_.string(), format,
                                kFormat);
    }
    return absl::OkStatus();
  }

  absl::Status LoadServerId() {
    const rocksdb::Status status = database_->Get(rocksdb::ReadOptions(), SliceOf(kServerKey), &server_id_);
    if (!status.IsNotFound()) return Failed(status);
    std::random_device entropy;
    server_id_ = fmt::format("{:08x}{:08x}", entropy(), entropy());
    absl::MutexLock write_lock(&write_mutex_);
    rocksdb::WriteBatch batch;
    batch.Put(SliceOf(kServerKey), server_id_);
    return Write(batch);
  }

  absl::Status LoadAll() {
    absl::MutexLock lock(&mutex_);
    const std::unique_ptr<rocksdb::Iterator> iterator(database_->NewIterator(rocksdb::ReadOptions()));
    for (iterator->Seek("f"); iterator->Valid() && iterator->key().starts_with("f"); iterator->Next()) {
      FS_RETURN_IF_ERROR(LoadOne(View(iterator->key()).substr(1), View(iterator->value())));
    }
    return Failed(iterator->status());
  }

  absl::Status LoadOne(std::string_view name, std::string_view record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::string place = fmt::format("catalog {}: function {}", path_.string(), name);
    FS_ASSIGN_OR_RETURN_CONTEXT(Function function, DecodeFunction(name, record), place);
    std::string package;
    const rocksdb::Status status = database_->Get(rocksdb::ReadOptions(), PackageKey(name), &package);
    if (status.IsNotFound()) return DataLoss("{}: its package is missing", place);
    if (!status.ok()) return Failed(status);
    FS_ASSIGN_OR_RETURN_CONTEXT(function.package, DecodePackage(package), place);
    functions_.emplace(std::string(name), std::make_shared<const Function>(std::move(function)));
    return absl::OkStatus();
  }

  const std::filesystem::path path_;
  const std::unique_ptr<rocksdb::Env> memory_;  // outlives the database
  std::optional<DatabaseFolder> folder_;
  std::unique_ptr<rocksdb::DB> database_;
  std::string server_id_;  // set while opening

  // Changes go one at a time, disk first; readers wait for neither.
  absl::Mutex write_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const Function>, std::less<>> functions_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> reserved_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Catalog>> Catalog::Open(const std::filesystem::path& path, bool in_memory) {
  std::unique_ptr<rocksdb::Env> memory(in_memory ? rocksdb::NewMemEnv(rocksdb::Env::Default()) : nullptr);
  auto catalog = std::make_unique<RocksCatalog>(in_memory ? "/catalog" : path, std::move(memory));
  FS_RETURN_IF_ERROR(catalog->OpenDatabase());
  return std::unique_ptr<Catalog>(std::move(catalog));
}

}  // namespace fs::catalog
