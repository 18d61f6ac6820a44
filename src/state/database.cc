#include "state/database.h"

#include <rocksdb/file_checksum.h>
#include <rocksdb/metadata.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include <system_error>
#include <vector>

#include "state/key_codec.h"

namespace fs::state {
namespace {

constexpr char kTransactionName[] = "checkpoint";
// Of writes since it was opened make a database a busy one.
constexpr uint64_t kBusyBytes = 8 << 20;
// Of a memtable's size: 10 bits a key for entries of 60 bytes.
constexpr char kFilterRatio[] = "0.02";

// As TransactionDB::Open, which would write the options a second time to turn compaction on after the opening, for other ways of writing
// than ours, and would keep flushed memtables in memory to look for conflicts in.
rocksdb::Status OpenWithTransactions(rocksdb::Options options, const std::string& folder, std::unique_ptr<rocksdb::TransactionDB>& opened) {
  rocksdb::TransactionDBOptions transactions;
  transactions.write_policy = rocksdb::TxnDBWritePolicy::WRITE_COMMITTED;
  // One thread writes, so nothing has to be locked.
  transactions.skip_concurrency_control = true;
  transactions.num_stripes = 1;

  options.allow_2pc = true;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* database = nullptr;
  rocksdb::Status status =
      rocksdb::DB::Open(options, folder, {{rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions(options)}}, &handles, &database);
  if (!status.ok()) return status;
  rocksdb::TransactionDB* wrapped = nullptr;
  status = rocksdb::TransactionDB::WrapDB(database, transactions, {}, handles, &wrapped);
  if (!status.ok()) return status;
  opened.reset(wrapped);
  // The database has one of its own.
  delete handles.front();
  return status;
}

// RocksDB looks for its tables when it opens, and for a blob file when a value in it is read.
absl::Status CheckBlobFiles(rocksdb::DB& database, const std::filesystem::path& folder) {
  rocksdb::ColumnFamilyMetaData described;
  database.GetColumnFamilyMetaData(&described);
  for (const rocksdb::BlobMetaData& file : described.blob_files) {
    const std::filesystem::path path = folder / fmt::format("{:06}.blob", file.blob_file_number);
    uint64_t bytes = 0;
    const rocksdb::Status status = database.GetEnv()->GetFileSize(path.native(), &bytes);
    if (!status.ok()) return DataLoss("{}: a file of the database is missing: {}", folder.native(), status.ToString());
    if (bytes != file.blob_file_size) {
      return DataLoss("{}: {} has {} bytes, not {}", folder.native(), path.filename().native(), bytes, file.blob_file_size);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(Environment& environment, const std::filesystem::path& folder) {
  FS_ASSIGN_OR_RETURN(DatabaseFolder claim, DatabaseFolder::Claim(folder, environment.env()));
  std::unique_ptr<rocksdb::TransactionDB> database;
  const rocksdb::Status status = OpenWithTransactions(environment.database_options(), claim.path().native(), database);
  if (!status.ok()) return claim.OpenError(status);
  FS_RETURN_IF_ERROR(CheckBlobFiles(*database, claim.path()));

  std::vector<rocksdb::Transaction*> prepared;
  database->GetAllPreparedTransactions(&prepared);
  if (prepared.size() > 1) {
    return DataLoss("{}: {} checkpoints are prepared where there can be one", folder.native(), prepared.size());
  }
  auto result = std::unique_ptr<Database>(new Database(std::move(claim), std::move(database), !environment.in_memory()));
  if (!prepared.empty()) result->transaction_.reset(prepared.front());
  return result;
}

absl::Status Database::Destroy(Environment& environment, const std::filesystem::path& folder) {
  std::error_code error;
  if (environment.in_memory()) {
    const std::string path = std::filesystem::absolute(folder, error).native();
    if (environment.env()->FileExists(path).IsNotFound()) return absl::OkStatus();
    return RocksDbError(rocksdb::DestroyDB(path, environment.database_options()), folder);
  }
  std::filesystem::remove_all(folder, error);
  if (error) return Internal("{}: cannot remove the database: {}", folder.native(), error.message());
  return absl::OkStatus();
}

absl::Status Database::Error(const rocksdb::Status& status) const {
  if (status.ok()) [[likely]]
    return absl::OkStatus();
  absl::Status error = RocksDbError(status, folder_.path());
  failure_.Update(error);
  return error;
}

absl::StatusOr<bool> Database::Get(std::string_view key, rocksdb::PinnableSlice& value) const {
  value.Reset();
  const rocksdb::Status status = database_->Get(rocksdb::ReadOptions(), database_->DefaultColumnFamily(), key, &value);
  if (status.ok()) return true;
  if (status.IsNotFound()) return false;
  return Error(status);
}

std::unique_ptr<rocksdb::Iterator> Database::NewIterator(const rocksdb::Slice& upper) const {
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  return std::unique_ptr<rocksdb::Iterator>(database_->NewIterator(options));
}

absl::Status Database::Write(rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions options;
  options.sync = is_durable_;
  rocksdb::TransactionDBWriteOptimizations optimizations;
  optimizations.skip_concurrency_control = true;
  optimizations.skip_duplicate_key_check = true;
  FS_RETURN_IF_ERROR(Error(database_->Write(options, optimizations, &batch)));
  Wrote(batch.GetDataSize());
  return absl::OkStatus();
}

// A filter saves most reads the way through a memtable that does not have their key. It is as large as it may ever have to be from the
// first, so idle databases have none.
void Database::Wrote(size_t bytes) {
  written_bytes_ += bytes;
  if (has_filters_ || written_bytes_ < kBusyBytes) return;
  has_filters_ = true;
  // Without it reads are slower, that is all.
  static_cast<void>(database_->SetOptions({{"memtable_prefix_bloom_size_ratio", kFilterRatio}}));
}

absl::Status Database::Prepare(const std::function<absl::Status(rocksdb::WriteBatch& batch)>& fill) {
  rocksdb::WriteOptions write;
  write.sync = is_durable_;
  rocksdb::TransactionOptions options;
  options.skip_concurrency_control = true;
  std::unique_ptr<rocksdb::Transaction> transaction(database_->BeginTransaction(write, options));
  FS_RETURN_IF_ERROR(fill(*transaction->GetWriteBatch()->GetWriteBatch()));
  FS_RETURN_IF_ERROR(Error(transaction->SetName(kTransactionName)));
  FS_RETURN_IF_ERROR(Error(transaction->Prepare()));
  transaction_ = std::move(transaction);
  return absl::OkStatus();
}

rocksdb::WriteBatch* Database::prepared() const {
  return transaction_ == nullptr ? nullptr : transaction_->GetWriteBatch()->GetWriteBatch();
}

absl::Status Database::CommitPrepared() {
  transaction_->SetWriteOptions(rocksdb::WriteOptions());
  const size_t bytes = prepared()->GetDataSize();
  FS_RETURN_IF_ERROR(Error(transaction_->Commit()));
  transaction_.reset();
  Wrote(bytes);
  return absl::OkStatus();
}

absl::Status Database::RollbackPrepared() {
  transaction_->SetWriteOptions(rocksdb::WriteOptions());
  FS_RETURN_IF_ERROR(Error(transaction_->Rollback()));
  transaction_.reset();
  return absl::OkStatus();
}

uint64_t Database::stored_bytes() const {
  uint64_t bytes = 0;
  for (const std::string& part : {rocksdb::DB::Properties::kTotalSstFilesSize, rocksdb::DB::Properties::kTotalBlobFileSize,
                                  rocksdb::DB::Properties::kCurSizeAllMemTables}) {
    uint64_t of_part = 0;
    database_->GetIntProperty(part, &of_part);
    bytes += of_part;
  }
  return bytes;
}

absl::Status Database::Compact(std::atomic<bool>& is_cancelled) {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
  options.blob_garbage_collection_age_cutoff = 1.0;
  options.canceled = &is_cancelled;
  // Not Error(): that is of the state's own thread, and nothing was lost.
  return RocksDbError(database_->CompactRange(options, nullptr, nullptr), folder_.path());
}

absl::StatusOr<std::unordered_map<std::string, uint32_t>> Database::CopyTo(const std::filesystem::path& folder) {
  if (transaction_ != nullptr)
    return FailedPrecondition("{}: a checkpoint is undecided, which a copy would keep so", folder_.path().native());
  rocksdb::Checkpoint* made = nullptr;
  FS_RETURN_IF_ERROR(Error(rocksdb::Checkpoint::Create(database_.get(), &made)));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  FS_RETURN_IF_ERROR(Error(checkpoint->CreateCheckpoint(folder.native())));

  // RocksDB reckons the checksum of a table or a blob file as it writes it.
  const std::unique_ptr<rocksdb::FileChecksumList> list(rocksdb::NewFileChecksumList());
  FS_RETURN_IF_ERROR(Error(database_->GetLiveFilesChecksumInfo(list.get())));
  std::vector<uint64_t> numbers;
  std::vector<std::string> checksums;
  std::vector<std::string> functions;
  FS_RETURN_IF_ERROR(Error(list->GetAllFileChecksums(&numbers, &checksums, &functions)));
  std::unordered_map<std::string, uint32_t> known;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (functions[i] != rocksdb::kStandardDbFileChecksumFuncName || checksums[i].size() != sizeof(uint32_t)) continue;
    // A number is a table's or a blob file's, whichever there is.
    for (const char* kind : {"sst", "blob"}) known[fmt::format("{:06}.{}", numbers[i], kind)] = DecodeU32(checksums[i]);
  }
  return known;
}

}  // namespace fs::state
