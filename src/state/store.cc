// The stores: keys encoded, reads through the overlay, writes into it.
#include "state/key_codec.h"
#include "state/merged_iterator.h"
#include "state/stores.h"

namespace fs::state {
namespace {

// RocksDB's advice for keys, and what protobuf, the guest's 32-bit addresses and RocksDB's batches all bear for values.
constexpr size_t kLimitKeyBytes = 8 << 20;
constexpr size_t kLimitValueBytes = 1 << 30;
// What waits for a checkpoint is in memory, some five times over while the checkpoint is taken, and so are an iterator's copies of it.
// Checkpoints come between messages, so this bounds what one message may write; it is four times what makes a checkpoint due.
constexpr size_t kLimitPendingBytes = size_t{128} << 20;
constexpr size_t kLimitIteratorBytes = size_t{128} << 20;

}  // namespace

absl::StatusOr<std::optional<std::string_view>> Store::Get(std::string_view key) {
  EncodeKey(number_, key, state_.key_);
  return state_.Read(state_.key_);
}

absl::Status Store::Put(std::string_view key, std::string_view value) {
  EncodeKey(number_, key, state_.key_);
  FS_RETURN_IF_ERROR(state_.CheckWrite(state_.key_, value.size()));
  FS_RETURN_IF_ERROR(state_.CheckPending(state_.key_.size() + value.size()));
  FS_RETURN_IF_ERROR(state_.CheckGrowth(state_.key_.size() + value.size()));
  state_.overlay_.Put(state_.key_, value);
  return absl::OkStatus();
}

absl::Status Store::Delete(std::string_view key) {
  EncodeKey(number_, key, state_.key_);
  FS_RETURN_IF_ERROR(state_.CheckWrite(state_.key_, 0));
  FS_RETURN_IF_ERROR(state_.CheckPending(state_.key_.size()));
  state_.overlay_.Delete(state_.key_);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<KvIterator>> Store::Range(std::string_view start, std::string_view end) {
  std::string upper;
  EncodeKey(number_, start, state_.key_);
  EncodeKey(number_, end, upper);
  return state_.NewIterator(state_.key_, std::move(upper), kPlainPrefixBytes);
}

absl::StatusOr<std::optional<std::string_view>> Store::Get(const ComplexKey& key) {
  EncodeKey(number_, key, state_.key_);
  return state_.Read(state_.key_);
}

absl::Status Store::Put(const ComplexKey& key, std::string_view value) {
  EncodeKey(number_, key, state_.key_);
  FS_RETURN_IF_ERROR(state_.CheckWrite(state_.key_, value.size()));
  FS_RETURN_IF_ERROR(state_.CheckPending(state_.key_.size() + value.size()));
  FS_RETURN_IF_ERROR(state_.CheckGrowth(state_.key_.size() + value.size()));
  state_.overlay_.Put(state_.key_, value);
  return absl::OkStatus();
}

absl::Status Store::Delete(const ComplexKey& key) {
  EncodeKey(number_, key, state_.key_);
  FS_RETURN_IF_ERROR(state_.CheckWrite(state_.key_, 0));
  FS_RETURN_IF_ERROR(state_.CheckPending(state_.key_.size()));
  state_.overlay_.Delete(state_.key_);
  return absl::OkStatus();
}

absl::Status Store::Merge(const ComplexKey& key, std::string_view value) {
  EncodeKey(number_, key, state_.key_);
  return state_.Append(state_.key_, value);
}

absl::Status Store::DeletePrefix(const ComplexKey& key) {
  EncodeKey(number_, key, state_.key_);
  FS_RETURN_IF_ERROR(state_.CheckWrite(state_.key_, 0));
  return state_.DeleteBetween(state_.key_, PrefixEnd(state_.key_));
}

absl::StatusOr<std::unique_ptr<KvIterator>> Store::Range(const ComplexKey& key, std::string_view start, std::string_view end) {
  EncodeComplexPrefix(number_, key, state_.key_);
  const size_t prefix_bytes = state_.key_.size();
  std::string upper = state_.key_;
  upper.append(end);
  state_.key_.append(start);
  return state_.NewIterator(state_.key_, std::move(upper), prefix_bytes);
}

absl::StatusOr<std::unique_ptr<KvIterator>> Store::Scan(const ComplexKey& key) {
  EncodeComplexPrefix(number_, key, state_.key_);
  return state_.NewIterator(state_.key_, PrefixEnd(state_.key_), state_.key_.size());
}

absl::StatusOr<std::optional<std::string_view>> State::Read(std::string_view key) {
  Overlay::Entry* entry = overlay_.Find(key);
  if (entry == nullptr) {
    FS_ASSIGN_OR_RETURN(const bool is_there, database_->Get(key, pinned_));
    const std::optional<std::string_view> value = is_there ? std::optional(View(pinned_)) : std::nullopt;
    overlay_.Remember(key, value);
    return value;
  }
  if (entry->kind == Overlay::Kind::kAbsent) return std::nullopt;
  if (entry->kind == Overlay::Kind::kAppend && !entry->base_known) {
    FS_ASSIGN_OR_RETURN(const bool is_there, database_->Get(key, pinned_));
    overlay_.SetBase(*entry, is_there ? View(pinned_) : std::string_view());
  }
  return std::string_view(entry->value);
}

absl::Status State::CheckWrite(std::string_view key, size_t value_bytes) const {
  if (prepared_.has_value()) [[unlikely]] {
    return FailedPrecondition("{}: checkpoint {} awaits its decision, until then nothing can be written", database_->folder().native(),
                              prepared_->sequence);
  }
  if (key.size() > kLimitKeyBytes) [[unlikely]] {
    return ResourceExhausted("state key of {} bytes: the limit is {}", key.size(), kLimitKeyBytes);
  }
  if (value_bytes > kLimitValueBytes) [[unlikely]] {
    return ResourceExhausted("state value of {} bytes: the limit is {}", value_bytes, kLimitValueBytes);
  }
  return absl::OkStatus();
}

absl::Status State::CheckPending(size_t bytes) const {
  if (overlay_.pending_bytes() + bytes <= kLimitPendingBytes) [[likely]]
    return absl::OkStatus();
  return ResourceExhausted(
      "state: {} bytes wait for a checkpoint, and {} more would be over the limit of {}: one message cannot write that much, spread it "
      "over "
      "several",
      overlay_.pending_bytes(), bytes, kLimitPendingBytes);
}

absl::Status State::Append(std::string_view key, std::string_view operand) {
  const Overlay::Entry* entry = overlay_.Find(key);
  FS_RETURN_IF_ERROR(CheckWrite(key, operand.size() + (entry == nullptr ? 0 : entry->value.size())));
  FS_RETURN_IF_ERROR(CheckPending(key.size() + operand.size()));
  FS_RETURN_IF_ERROR(CheckGrowth(key.size() + operand.size()));
  overlay_.Append(key, operand);
  return absl::OkStatus();
}

absl::Status State::DeleteBetween(std::string_view lower, std::string upper) {
  // All are found before the first is deleted, so that a failed read leaves everything as it was.
  const std::string prefix(lower);
  std::vector<std::string> rests;
  FS_ASSIGN_OR_RETURN(const std::unique_ptr<KvIterator> iterator, NewIterator(lower, std::move(upper), prefix.size()));
  size_t bytes = 0;
  while (true) {
    FS_ASSIGN_OR_RETURN(const std::optional<KvEntry> entry, iterator->Next());
    if (!entry) break;
    rests.emplace_back(entry->key);
    bytes += Overlay::kEntryBytes + prefix.size() + entry->key.size();
    FS_RETURN_IF_ERROR(CheckPending(bytes));
  }
  std::string key;
  for (const std::string& rest : rests) {
    key.assign(prefix).append(rest);
    overlay_.Delete(key);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<KvIterator>> State::NewIterator(std::string_view lower, std::string upper, size_t prefix_bytes) {
  return MergedIterator::Make(*database_, overlay_, lower, std::move(upper), prefix_bytes, copied_bytes_, kLimitIteratorBytes);
}

}  // namespace fs::state
