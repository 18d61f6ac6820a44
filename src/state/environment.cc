#include "state/environment.h"

#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/merge_operator.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include "base/rocksdb.h"
#include "state/opening.h"

namespace fs::state {
namespace {

// A filter of a million keys is one block of more than a megabyte, and a shard that it does not fit into reads it anew for every key.
constexpr int kCacheShardBits = 3;

// KvStore::Merge: the operands, one after the other, behind what was there.
class AppendOperator final : public rocksdb::MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    size_t size = in.existing_value == nullptr ? 0 : in.existing_value->size();
    for (const rocksdb::Slice& operand : in.operand_list) size += operand.size();
    out->new_value.clear();
    out->new_value.reserve(size);
    if (in.existing_value != nullptr) out->new_value.append(View(*in.existing_value));
    for (const rocksdb::Slice& operand : in.operand_list) out->new_value.append(View(operand));
    return true;
  }
  bool PartialMergeMulti(const rocksdb::Slice&, const std::deque<rocksdb::Slice>& operands, std::string* value,
                         rocksdb::Logger*) const override {
    value->clear();
    for (const rocksdb::Slice& operand : operands) value->append(View(operand));
    return true;
  }
  const char* Name() const override { return "function_stream.Append"; }
};

}  // namespace

Environment::Environment(const Options& options, std::unique_ptr<rocksdb::Env> memory_env)
    : memory_env_(std::move(memory_env)),
      opening_env_(memory_env_ != nullptr ? nullptr : MakeOpeningEnv()),
      block_cache_(rocksdb::NewLRUCache(options.cache_bytes, kCacheShardBits)),
      options_(DatabaseOptions(memory_env_ != nullptr ? memory_env_.get() : opening_env_.get())),
      cache_budget_(options.cache_bytes, block_cache_) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = block_cache_;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  options_.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options_.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(options.write_buffer_bytes);
  options_.merge_operator = std::make_shared<AppendOperator>();
  options_.max_successive_merges = 100;
  // The memory of an idle database: a memtable takes small pieces, and so grows with what is written.
  options_.write_buffer_size = 32 << 20;
  options_.arena_block_size = 16 << 10;
  // The same for files: a log and a manifest hold a buffer each while they are open, and what is larger goes past it. One thread looks
  // tables up, so their cache needs no shards.
  options_.writable_file_max_buffer_size = 16 << 10;
  options_.table_cache_numshardbits = 0;
  options_.max_write_buffer_number = 3;
  options_.compression = rocksdb::kLZ4Compression;
  // Retained checkpoints are verified by these.
  options_.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  options_.level_compaction_dynamic_level_bytes = true;
  // Values of some size are written once, beside the tables, and moved only to give back the space of others: compaction, which writes what
  // it reads again and again, handles their keys alone.
  options_.enable_blob_files = true;
  options_.min_blob_size = 512;
  options_.enable_blob_garbage_collection = true;
  // By the filters that a database gets once it writes much (Database::Wrote).
  options_.memtable_whole_key_filtering = true;
}

StateEnvironment::Memory Environment::memory() const {
  return {.block_cache_bytes = block_cache_->GetUsage(), .memtable_bytes = options_.write_buffer_manager->memory_usage()};
}

absl::StatusOr<std::unique_ptr<StateEnvironment>> StateEnvironment::Create(const Options& options) {
  std::unique_ptr<rocksdb::Env> memory_env;
  if (options.in_memory) memory_env.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
  return std::make_unique<Environment>(options, std::move(memory_env));
}

}  // namespace fs::state
