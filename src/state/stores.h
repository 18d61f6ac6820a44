// FunctionState as it is built: stores over one overlay over one database. Header of the room itself; users include function_state.h.
#ifndef FUNCTION_STREAM_STATE_STORES_H_
#define FUNCTION_STREAM_STATE_STORES_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "state/database.h"
#include "state/function_state.h"
#include "state/overlay.h"
#include "state/size_limit.h"

namespace fs::state {

class State;

class Store final : public KvStore {
 public:
  Store(State& state, uint32_t number) : state_(state), number_(number) {}

  absl::StatusOr<std::optional<std::string_view>> Get(std::string_view key) override;
  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::Status Delete(std::string_view key) override;
  absl::StatusOr<std::unique_ptr<KvIterator>> Range(std::string_view start, std::string_view end) override;

  absl::StatusOr<std::optional<std::string_view>> Get(const ComplexKey& key) override;
  absl::Status Put(const ComplexKey& key, std::string_view value) override;
  absl::Status Delete(const ComplexKey& key) override;
  absl::Status Merge(const ComplexKey& key, std::string_view value) override;
  absl::Status DeletePrefix(const ComplexKey& key) override;
  absl::StatusOr<std::unique_ptr<KvIterator>> Range(const ComplexKey& key, std::string_view start, std::string_view end) override;
  absl::StatusOr<std::unique_ptr<KvIterator>> Scan(const ComplexKey& key) override;

 private:
  friend class State;
  State& state_;
  uint32_t number_;
};

class State final : public FunctionState {
 public:
  static absl::StatusOr<std::unique_ptr<State>> Open(Environment& environment, const std::filesystem::path& folder);
  explicit State(Environment& environment, std::unique_ptr<Database> database)
      : database_(std::move(database)), cache_budget_(environment.cache_budget()), overlay_(cache_budget_), size_limit_(*database_) {}

  absl::StatusOr<KvStore*> GetOrCreateStore(std::string_view name) override;
  void Mark() override { overlay_.Mark(); }
  void RollbackToMark() override { overlay_.RollbackToMark(); }
  size_t pending_bytes() const override { return overlay_.pending_bytes(); }
  uint64_t stored_bytes() const override { return database_->stored_bytes(); }
  [[nodiscard]] bool keeps_state() const override { return !stores_.empty() || (last_ && last_->function_bytes); }
  void SetLimit(uint64_t bytes, LimitUse* use) override { size_limit_.Set(bytes, use); }
  void DiscardPending() override;

  const std::optional<Checkpoint>& last() const override { return last_; }
  absl::Status Commit(const Checkpoint& checkpoint) override;
  absl::Status Prepare(const Checkpoint& checkpoint) override;
  const std::optional<Checkpoint>& prepared() const override { return prepared_; }
  absl::Status CommitPrepared() override;
  absl::Status RollbackPrepared() override;
  absl::StatusOr<std::unordered_map<std::string, uint32_t>> CopyTo(const std::filesystem::path& folder) override {
    return database_->CopyTo(folder);
  }

 private:
  friend class Store;

  // Reads what stands beside the stores: format, store names, the last checkpoint.
  absl::Status LoadMeta();
  absl::Status LoadPrepared();
  absl::Status FillBatch(const Checkpoint& checkpoint, rocksdb::WriteBatch& batch);
  void TellBlockReads();
  // What follows a committed batch.
  void Committed(const Checkpoint& checkpoint, size_t batch_bytes);

  // On database keys.
  absl::StatusOr<std::optional<std::string_view>> Read(std::string_view key);
  absl::Status CheckWrite(std::string_view key, size_t value_bytes) const;
  // Whether so much more may wait for a checkpoint.
  absl::Status CheckPending(size_t bytes) const;
  // For what makes the state larger.
  absl::Status CheckGrowth(size_t bytes) { return size_limit_.Check(overlay_.pending_payload_bytes() + bytes); }
  absl::Status Append(std::string_view key, std::string_view operand);
  absl::Status DeleteBetween(std::string_view lower, std::string upper);
  absl::StatusOr<std::unique_ptr<KvIterator>> NewIterator(std::string_view lower, std::string upper, size_t prefix_bytes);

  std::unique_ptr<Database> database_;
  CacheBudget& cache_budget_;
  Overlay overlay_;
  size_t copied_bytes_ = 0;  // by open iterators
  SizeLimit size_limit_;
  rocksdb::PinnableSlice pinned_;  // the value read last, if the overlay does not keep it
  std::string key_;                // the database key in hand

  std::map<std::string, std::unique_ptr<Store>, std::less<>> stores_;
  std::vector<std::pair<std::string, uint32_t>> unsaved_stores_;  // to be written with the next batch
  uint32_t last_store_number_ = 0;
  bool is_format_saved_ = false;

  std::optional<Checkpoint> last_;
  std::optional<Checkpoint> prepared_;
  bool is_prepared_by_predecessor_ = false;  // found at Open: what it holds is not in the overlay
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_STORES_H_
