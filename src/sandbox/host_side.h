// What a guest's host functions work on: its memory, its stores and iterators, its log, and why it must end.
//
// One per guest, owned by it, the store's user data; used on the guest's thread, inside calls. Host functions are in
// host_functions.cc (module "fs") and wasi.cc (WASI preview 1); imports.h has the door that each of them passes.
#ifndef FUNCTION_STREAM_SANDBOX_HOST_SIDE_H_
#define FUNCTION_STREAM_SANDBOX_HOST_SIDE_H_

#include <fs_abi.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/engine.h"
#include "sandbox/guest.h"
#include "sandbox/memory_view.h"
#include "sandbox/watchdog.h"

namespace fs::sandbox {

// A line longer than this reaches the log in pieces, a logger's text is cut.
inline constexpr size_t kMaxLogLine = size_t{16} << 10;
inline constexpr size_t kMaxLogText = size_t{64} << 10;

class HostSide {
 public:
  HostSide(Host& host, Watchdog::Watched& watched, const GuestLimits& limits) : host_(host), watched_(watched), limits_(limits) {}
  HostSide(const HostSide&) = delete;
  HostSide& operator=(const HostSide&) = delete;

  MemoryView& memory() { return memory_; }
  Watchdog::Watched& watched() { return watched_; }
  Host& host() { return host_; }

  void SetMemory(const MemoryView& memory) { memory_ = memory; }
  void SetShared(const uint8_t* shared) { shared_ = shared; }

  // ---- Messages. A batch begins: its first write marks message 0. Outside of batches nothing is marked.
  void BeginBatch() {
    marked_ = kNothingMarked;
    in_batch_ = true;
  }
  void EndBatch() { in_batch_ = false; }
  // Before each state write. Hot path.
  void MarkMessage() {
    if (!in_batch_) return;
    uint32_t processed;
    std::memcpy(&processed, shared_ + offsetof(fs_shared, processed), sizeof(processed));
    if (processed == marked_) return;
    marked_ = processed;
    host_.BeginMessage(processed);
  }

  // ---- Stores. Negative results are enum fs_kv_error, their text is kept for last_error.
  [[nodiscard]] int32_t OpenStore(std::string_view name);
  // Null, with the error kept, for a handle never given out.
  [[nodiscard]] state::KvStore* StoreAt(int32_t handle);
  [[nodiscard]] int32_t Fail(const absl::Status& status);
  [[nodiscard]] std::string_view last_error() const { return last_error_; }

  // ---- Iterators.
  struct Iterator {
    std::unique_ptr<state::KvIterator> entries;
    bool keys_only = false;
    std::optional<state::KvEntry> next;  // fetched, but did not fit
    absl::Status failed;                 // met after entries that were handed out
  };
  [[nodiscard]] int32_t AddIterator(absl::StatusOr<std::unique_ptr<state::KvIterator>> entries, bool keys_only);
  [[nodiscard]] Iterator* IteratorAt(int32_t handle);
  void CloseIterator(int32_t handle);
  void CloseIterators() { iterators_.clear(); }

  // ---- The function's log. Stream 1 or 2: whole lines go out, the rest waits for its end.
  void Log(int level, std::string_view text);
  void WriteStream(uint32_t descriptor, std::string_view bytes);
  void FlushStreams();

  // ---- Ending the guest. The reason is what its call's error will say.
  template <typename... Args>
  [[nodiscard]] wasm_trap_t* Trap(fmt::format_string<Args...> format, Args&&... args) {
    return TrapBecause(fmt::format(format, std::forward<Args>(args)...));
  }
  [[nodiscard]] wasm_trap_t* TrapBecause(std::string reason);
  [[nodiscard]] const std::string& trap_reason() const { return trap_reason_; }
  void ForgetTrap() { trap_reason_.clear(); }

 private:
  static constexpr uint64_t kNothingMarked = UINT64_MAX;

  void Used(Limit limit, size_t used, size_t allowed);

  Host& host_;
  Watchdog::Watched& watched_;
  const GuestLimits& limits_;
  MemoryView memory_;
  const uint8_t* shared_ = nullptr;
  bool in_batch_ = false;
  uint64_t marked_ = kNothingMarked;

  std::vector<state::KvStore*> stores_;
  std::map<std::string, int32_t, std::less<>> handles_;
  std::vector<Iterator> iterators_;  // a free place has no entries
  size_t open_iterators_ = 0;
  std::string last_error_;

  std::array<std::string, 2> partial_lines_;
  std::string trap_reason_;
};

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_HOST_SIDE_H_
