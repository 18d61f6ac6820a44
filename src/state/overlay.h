// What a function wrote and read since its last checkpoint, in memory in front of the database. Hot path.
//
// Owned by the FunctionState, on its thread. An entry says what a key holds now: dirty ones are uncommitted writes, clean ones
// copies of committed values kept for the next read, within the budget that all states share. Writes since Mark() can be taken back;
// for that, what an entry held is moved aside, not copied, and nothing is allocated when the same keys are written again.
// Views into entries hold until the next call that is not const.
#ifndef FUNCTION_STREAM_STATE_OVERLAY_H_
#define FUNCTION_STREAM_STATE_OVERLAY_H_

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/cache_budget.h"

namespace fs::state {

class Overlay {
 public:
  // What an entry costs beside its bytes: itself, its place in the table, the allocator's share.
  static constexpr size_t kEntryBytes = 160;

  enum class Kind : uint8_t {
    kAbsent,  // the key does not exist
    kValue,   // `value` is all of it
    kAppend,  // the committed value and then an operand: see base_known
  };

  struct Entry {
    std::string key;
    std::string value;  // kAppend: the operand alone or, when base_known, the first base_bytes are the committed value
    size_t hash = 0;    // of the key
    size_t base_bytes = 0;
    uint64_t moved_at = 0;  // the mark since which its earlier content is in the undo log
    uint64_t cut_at = 0;    // the mark since which its earlier length is in the undo log
    Kind kind = Kind::kAbsent;
    bool base_known = false;
    bool is_dirty = false;
    bool is_clean = false;   // in the account of clean entries; neither: in the pool, for reuse
    bool is_queued = false;  // in clean_queue_, whatever became of it since
    bool is_used = false;    // since it was queued

    [[nodiscard]] std::string_view operand() const { return std::string_view(value).substr(base_bytes); }
  };

  explicit Overlay(CacheBudget& budget) : budget_(budget) {}
  ~Overlay();
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  // nullptr: the overlay does not know the key.
  [[nodiscard]] Entry* Find(std::string_view key);

  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  void Append(std::string_view key, std::string_view operand);
  // Completes an entry of kind kAppend with the committed value (nothing, if there is none), so that it can be read.
  void SetBase(Entry& entry, std::string_view base);
  // Keeps what the database holds, if there is room: for a key that Find does not know. nullopt: the key does not exist there.
  void Remember(std::string_view key, std::optional<std::string_view> value);

  void Mark() {
    ++mark_;
    if (undo_used_ != 0) ForgetUndo();
    dirty_at_mark_ = dirty_.size();
  }
  void RollbackToMark();

  [[nodiscard]] size_t pending_bytes() const { return pending_bytes_; }
  // The same without what entries cost in memory beside their bytes.
  [[nodiscard]] size_t pending_payload_bytes() const { return pending_bytes_ - dirty_.size() * kEntryBytes; }
  // In the order in which they became so.
  [[nodiscard]] const std::vector<Entry*>& dirty() const { return dirty_; }
  // Those of the dirty entries with keys in [lower, upper), in order.
  [[nodiscard]] std::vector<const Entry*> DirtyBetween(std::string_view lower, std::string_view upper);

  // The dirty entries are committed now: what is worth it stays as clean.
  void Committed();
  // Drops the dirty entries.
  void Discard();
  // Drops everything.
  void Clear();

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const;
    size_t operator()(const Entry* entry) const { return entry->hash; }
  };
  struct Equal {
    using is_transparent = void;
    static std::string_view KeyOf(std::string_view key) { return key; }
    static std::string_view KeyOf(const Entry* entry) { return entry->key; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return KeyOf(a) == KeyOf(b);
    }
    // A key has one entry at most.
    bool operator()(const Entry* a, const Entry* b) const { return a == b; }
  };
  struct Less {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Equal::KeyOf(a) < Equal::KeyOf(b);
    }
  };
  struct Undo {
    enum class What : uint8_t { kRemove, kRestore, kCut };
    Entry* entry = nullptr;
    std::string value;      // kRestore
    size_t base_bytes = 0;  // kRestore
    size_t length = 0;      // kCut: of the operand of a kAppend, else of the value
    What what = What::kRemove;
    Kind kind = Kind::kAbsent;
    bool base_known = false;
    bool was_dirty = false;
  };

  [[nodiscard]] static size_t Cost(const Entry& entry);
  Entry& Insert(std::string_view key);
  void Remove(Entry& entry);
  // What is left to do with an entry that is in the table no more.
  void Free(Entry& entry);
  Undo& NextUndo(Entry& entry, Undo::What what);
  // For a write that replaces the entry's content.
  void MoveAside(Entry& entry);
  void MakeDirty(Entry& entry);
  void ForgetUndo();
  void AddClean(Entry& entry);
  void DropClean(Entry& entry);
  void Queue(Entry& entry);
  // Makes room for that much more of clean entries, at the price of others.
  bool HasRoom(size_t bytes);

  CacheBudget& budget_;
  absl::flat_hash_set<Entry*, Hash, Equal> entries_;
  std::deque<Entry> pool_;
  std::vector<Entry*> free_;

  std::vector<Entry*> dirty_;
  size_t dirty_at_mark_ = 0;
  size_t pending_bytes_ = 0;
  // The dirty entries in order: kept only while ranges are read.
  absl::btree_set<Entry*, Less> ordered_;
  bool is_ordered_ = false;
  bool was_range_read_ = false;

  uint64_t mark_ = 1;
  std::vector<Undo> undo_;  // the first undo_used_ are in use, the others keep their buffers for the next
  size_t undo_used_ = 0;
  bool undo_holds_much_ = false;

  size_t clean_bytes_ = 0;
  size_t granted_bytes_ = 0;  // taken from the budget
  // All clean entries, the longest there first, and some that are clean no more. The first that was not used since it was queued makes
  // room, one that was is queued again (a second chance, as in the CLOCK algorithm): so using an entry costs a flag.
  std::deque<Entry*> clean_queue_;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_OVERLAY_H_
