#include "state/overlay.h"

#include <absl/hash/hash.h>
#include <absl/strings/string_view.h>

#include <algorithm>
#include <optional>

namespace fs::state {
namespace {

constexpr size_t kLargestKept = 16 << 10;  // a clean value above this is left to RocksDB's block cache
constexpr size_t kLargestSpare = 4 << 10;  // buffers above this are not kept for reuse
constexpr size_t kMostSpareUndo = 4096;
constexpr size_t kMostSpareEntries = 1024;
constexpr size_t kOwnCleanBytes = 64 << 10;  // what a state may keep without asking the budget
constexpr size_t kGrantBytes = 64 << 10;
constexpr size_t kMostSpared = 64;  // entries in turn: the time that one call takes has a bound

void TrimSpare(std::string& buffer) {
  if (buffer.capacity() > kLargestSpare) {
    std::string().swap(buffer);
  } else {
    buffer.clear();
  }
}

}  // namespace

Overlay::~Overlay() { budget_.GiveBack(granted_bytes_); }

size_t Overlay::Hash::operator()(std::string_view key) const {
  return absl::Hash<absl::string_view>{}(absl::string_view(key.data(), key.size()));
}

size_t Overlay::Cost(const Entry& entry) { return kEntryBytes + entry.key.size() + entry.value.size(); }

Overlay::Entry* Overlay::Find(std::string_view key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  (*found)->is_used = true;
  return *found;
}

Overlay::Entry& Overlay::Insert(std::string_view key) {
  Entry* entry = nullptr;
  if (free_.empty()) {
    entry = &pool_.emplace_back();
  } else {
    entry = free_.back();
    free_.pop_back();
  }
  entry->key.assign(key);
  entry->hash = Hash()(key);
  entries_.insert(entry);
  return *entry;
}

void Overlay::Remove(Entry& entry) {
  entries_.erase(&entry);
  Free(entry);
}

void Overlay::Free(Entry& entry) {
  TrimSpare(entry.key);
  TrimSpare(entry.value);
  entry.base_bytes = 0;
  entry.moved_at = entry.cut_at = 0;
  entry.kind = Kind::kAbsent;
  entry.base_known = entry.is_dirty = false;
  free_.push_back(&entry);
}

Overlay::Undo& Overlay::NextUndo(Entry& entry, Undo::What what) {
  if (undo_used_ == undo_.size()) undo_.emplace_back();
  Undo& undo = undo_[undo_used_++];
  undo.entry = &entry;
  undo.what = what;
  undo.kind = entry.kind;
  undo.base_bytes = entry.base_bytes;
  undo.base_known = entry.base_known;
  undo.was_dirty = entry.is_dirty;
  return undo;
}

void Overlay::ForgetUndo() {
  if (undo_used_ > kMostSpareUndo) {
    std::vector<Undo>().swap(undo_);
  } else if (undo_holds_much_) {
    for (size_t i = 0; i < undo_used_; ++i) TrimSpare(undo_[i].value);
  }
  undo_holds_much_ = false;
  undo_used_ = 0;
}

// Takes the entry out of the account it is in; MakeDirty puts it into the one for uncommitted writes.
void Overlay::MoveAside(Entry& entry) {
  if (entry.is_dirty) {
    pending_bytes_ -= Cost(entry);
  } else {
    DropClean(entry);
  }
  if (entry.moved_at == mark_) return;
  entry.moved_at = mark_;
  Undo& undo = NextUndo(entry, Undo::What::kRestore);
  undo.value.swap(entry.value);
  if (undo.value.capacity() > kLargestSpare) undo_holds_much_ = true;
}

void Overlay::MakeDirty(Entry& entry) {
  pending_bytes_ += Cost(entry);
  if (entry.is_dirty) return;
  entry.is_dirty = true;
  dirty_.push_back(&entry);
  if (is_ordered_) ordered_.insert(&entry);
}

void Overlay::Put(std::string_view key, std::string_view value) {
  Entry* entry = Find(key);
  if (entry == nullptr) {
    entry = &Insert(key);
    NextUndo(*entry, Undo::What::kRemove);
    entry->moved_at = mark_;
  } else {
    MoveAside(*entry);
  }
  entry->kind = Kind::kValue;
  entry->base_known = false;
  entry->base_bytes = 0;
  entry->value.assign(value);
  MakeDirty(*entry);
}

void Overlay::Delete(std::string_view key) {
  Put(key, {});
  Find(key)->kind = Kind::kAbsent;
}

void Overlay::Append(std::string_view key, std::string_view operand) {
  Entry* entry = Find(key);
  if (entry == nullptr) {
    entry = &Insert(key);
    NextUndo(*entry, Undo::What::kRemove);
    entry->moved_at = mark_;
    entry->kind = Kind::kAppend;
    entry->value.assign(operand);
    MakeDirty(*entry);
    return;
  }
  if (entry->kind == Kind::kAbsent) {
    Put(key, operand);
    return;
  }
  if (entry->moved_at != mark_ && entry->cut_at != mark_) {
    entry->cut_at = mark_;
    NextUndo(*entry, Undo::What::kCut).length = entry->kind == Kind::kAppend ? entry->operand().size() : entry->value.size();
  }
  if (entry->is_dirty) {
    pending_bytes_ -= Cost(*entry);
  } else {
    DropClean(*entry);
    entry->kind = Kind::kAppend;
    entry->base_known = true;
    entry->base_bytes = entry->value.size();
  }
  entry->value.append(operand);
  MakeDirty(*entry);
}

void Overlay::SetBase(Entry& entry, std::string_view base) {
  pending_bytes_ += base.size();
  entry.value.insert(0, base);
  entry.base_bytes = base.size();
  entry.base_known = true;
}

void Overlay::RollbackToMark() {
  while (undo_used_ > 0) {
    Undo& undo = undo_[--undo_used_];
    Entry& entry = *undo.entry;
    pending_bytes_ -= Cost(entry);
    if (!undo.was_dirty && is_ordered_) ordered_.erase(&entry);
    if (undo.what == Undo::What::kRemove) {
      Remove(entry);
      continue;
    }
    if (undo.what == Undo::What::kRestore) {
      entry.value.swap(undo.value);
      entry.base_bytes = undo.base_bytes;
      entry.base_known = undo.base_known;
      TrimSpare(undo.value);
    } else if (undo.kind == Kind::kAppend) {
      entry.value.resize(entry.base_bytes + undo.length);
    } else {
      entry.value.resize(undo.length);
      entry.base_bytes = 0;
      entry.base_known = false;
    }
    entry.kind = undo.kind;
    entry.is_dirty = undo.was_dirty;
    if (entry.is_dirty) {
      pending_bytes_ += Cost(entry);
    } else {
      AddClean(entry);
    }
  }
  undo_holds_much_ = false;
  dirty_.resize(dirty_at_mark_);
  ++mark_;
}

std::vector<const Overlay::Entry*> Overlay::DirtyBetween(std::string_view lower, std::string_view upper) {
  was_range_read_ = true;
  if (!is_ordered_) {
    is_ordered_ = true;
    ordered_.insert(dirty_.begin(), dirty_.end());
  }
  const auto begin = ordered_.lower_bound(lower);
  const auto end = ordered_.lower_bound(upper);
  return {begin, end};
}

void Overlay::Remember(std::string_view key, std::optional<std::string_view> value) {
  const size_t size = value ? value->size() : 0;
  if (size > kLargestKept) return;
  if (!HasRoom(kEntryBytes + key.size() + size)) return;
  Entry& entry = Insert(key);
  entry.kind = value ? Kind::kValue : Kind::kAbsent;
  if (value) entry.value.assign(*value);
  AddClean(entry);
}

bool Overlay::HasRoom(size_t bytes) {
  const auto fits = [&] { return clean_bytes_ + bytes <= granted_bytes_ + kOwnCleanBytes; };
  if (budget_.is_exceeded() && granted_bytes_ > 0) [[unlikely]] {
    granted_bytes_ -= kGrantBytes;
    budget_.GiveBack(kGrantBytes);
  }
  while (!fits() && budget_.Take(kGrantBytes)) granted_bytes_ += kGrantBytes;
  for (size_t spared = 0; !fits() && !clean_queue_.empty();) {
    Entry& entry = *clean_queue_.front();
    clean_queue_.pop_front();
    entry.is_queued = false;
    if (!entry.is_clean) continue;
    if (entry.is_used && spared < kMostSpared) {
      ++spared;
      Queue(entry);
      continue;
    }
    DropClean(entry);
    Remove(entry);
  }
  return fits();
}

void Overlay::Queue(Entry& entry) {
  // What is queued still was written since.
  entry.is_used = entry.is_queued;
  if (entry.is_queued) return;
  entry.is_queued = true;
  clean_queue_.push_back(&entry);
}

void Overlay::AddClean(Entry& entry) {
  entry.is_clean = true;
  clean_bytes_ += Cost(entry);
  Queue(entry);
}

void Overlay::DropClean(Entry& entry) {
  entry.is_clean = false;
  clean_bytes_ -= Cost(entry);
}

void Overlay::Committed() {
  for (Entry* entry : dirty_) {
    pending_bytes_ -= Cost(*entry);
    const bool is_whole = entry->kind != Kind::kAppend || entry->base_known;
    if (!is_whole || entry->value.size() > kLargestKept || !HasRoom(Cost(*entry))) {
      Remove(*entry);
      continue;
    }
    if (entry->kind == Kind::kAppend) entry->kind = Kind::kValue;
    entry->base_known = false;
    entry->base_bytes = 0;
    entry->is_dirty = false;
    AddClean(*entry);
  }
  dirty_.clear();
  dirty_at_mark_ = 0;
  ordered_.clear();
  is_ordered_ = was_range_read_;
  was_range_read_ = false;
  ForgetUndo();
  ++mark_;
  if (entries_.empty() && pool_.size() > kMostSpareEntries) Clear();
}

void Overlay::Discard() {
  for (Entry* entry : dirty_) Remove(*entry);
  dirty_.clear();
  dirty_at_mark_ = 0;
  pending_bytes_ = 0;
  ordered_.clear();
  is_ordered_ = was_range_read_ = false;
  ForgetUndo();
  ++mark_;
  if (entries_.empty() && pool_.size() > kMostSpareEntries) Clear();
}

void Overlay::Clear() {
  entries_.clear();
  clean_queue_.clear();
  free_.clear();
  pool_.clear();
  dirty_.clear();
  dirty_at_mark_ = 0;
  pending_bytes_ = 0;
  ordered_.clear();
  is_ordered_ = was_range_read_ = false;
  ForgetUndo();
  clean_bytes_ = 0;
  budget_.GiveBack(granted_bytes_);
  granted_bytes_ = 0;
  ++mark_;
}

}  // namespace fs::state
