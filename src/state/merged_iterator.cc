#include "state/merged_iterator.h"

namespace fs::state {

MergedIterator::MergedIterator(const Database& database, Overlay& overlay, std::string_view lower, std::string upper, size_t prefix_bytes)
    : database_(database), upper_(std::move(upper)), upper_slice_(upper_), prefix_bytes_(prefix_bytes) {
  if (lower >= upper_) return;
  const std::vector<const Overlay::Entry*> entries = overlay.DirtyBetween(lower, upper_);
  writes_.reserve(entries.size());
  for (const Overlay::Entry* entry : entries) {
    const bool is_whole = entry->kind != Overlay::Kind::kAppend || entry->base_known;
    const Overlay::Kind kind = entry->kind == Overlay::Kind::kAppend && is_whole ? Overlay::Kind::kValue : entry->kind;
    writes_.push_back({entry->key.substr(prefix_bytes_), entry->value, kind});
  }
  stored_ = database.NewIterator(upper_slice_);
  stored_->Seek(lower);
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
