#include "state/merged_iterator.h"

namespace fs::state {

absl::StatusOr<std::unique_ptr<MergedIterator>> MergedIterator::Make(const Database& database, Overlay& overlay, std::string_view lower,
                                                                     std::string upper, size_t prefix_bytes, size_t& copied_bytes,
                                                                     size_t limit_bytes) {
  std::unique_ptr<MergedIterator> iterator(new MergedIterator(database, std::move(upper), prefix_bytes, copied_bytes));
  FS_RETURN_IF_ERROR(iterator->Begin(overlay, lower, limit_bytes));
  return iterator;
}

absl::Status MergedIterator::Begin(Overlay& overlay, std::string_view lower, size_t limit_bytes) {
  if (lower >= upper_) return absl::OkStatus();
  const std::vector<const Overlay::Entry*> entries = overlay.DirtyBetween(lower, upper_);
  size_t bytes = entries.size() * sizeof(Write);
  for (const Overlay::Entry* entry : entries) bytes += entry->key.size() + entry->value.size();
  if (copied_bytes_ + bytes > limit_bytes) {
    return ResourceExhausted(
        "iterator: {} bytes of its range wait for a checkpoint, open iterators hold {} more, and the limit for both is {}: finish or "
        "delete "
        "some, or read the range before writing so much into it",
        bytes, copied_bytes_, limit_bytes);
  }
  copied_bytes_ += own_bytes_ = bytes;
  writes_.reserve(entries.size());
  for (const Overlay::Entry* entry : entries) {
    const bool is_whole = entry->kind != Overlay::Kind::kAppend || entry->base_known;
    const Overlay::Kind kind = entry->kind == Overlay::Kind::kAppend && is_whole ? Overlay::Kind::kValue : entry->kind;
    writes_.push_back({entry->key.substr(prefix_bytes_), entry->value, kind});
  }
  stored_ = database_.NewIterator(upper_slice_);
  stored_->Seek(lower);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<KvEntry>> MergedIterator::Next() {
  if (stored_ == nullptr) return std::nullopt;
  if (step_stored_) stored_->Next();
  step_stored_ = false;
  while (true) {
    const bool has_stored = stored_->Valid();
    if (!has_stored && !stored_->status().ok()) return database_.Error(stored_->status());
    const bool has_write = next_write_ < writes_.size();
    if (!has_stored && !has_write) return std::nullopt;

    const std::string_view stored_key = has_stored ? View(stored_->key()).substr(prefix_bytes_) : std::string_view();
    const int order = !has_write ? -1 : !has_stored ? 1 : stored_key.compare(writes_[next_write_].key);
    if (order < 0) {
      step_stored_ = true;
      return KvEntry{stored_key, View(stored_->value())};
    }
    const Write& write = writes_[next_write_++];
    if (order == 0 && write.kind == Overlay::Kind::kAppend) {
      joined_.assign(View(stored_->value())).append(write.value);
      step_stored_ = true;
      return KvEntry{write.key, joined_};
    }
    if (order == 0) stored_->Next();
    if (write.kind != Overlay::Kind::kAbsent) return KvEntry{write.key, write.value};
  }
}

}  // namespace fs::state
