// Stops guests that run too long or are interrupted, at no cost per message: nothing is compiled into their code for it.
//
// Two stages. Soft: a bit is OR-ed into the interpreter's eval_breaker word, so that Python raises FunctionTimeout with a traceback.
// Hard, kGrace later (at once for a guest without such a word): the guest's memory is made inaccessible, so that its next load or store
// traps in Wasmtime's signal handler; the guest is dead then. This stops all that a C compiler makes of an interpreter, which cannot go far
// without its memory. It would not stop wasm written to spin on nothing but its registers: modules of users' own making need Wasmtime's
// epochs.
//
// Threads: the watchdog's own, the guest's, and whoever calls Interrupt(). A Watched belongs to one guest. All its fields but the
// atomics are guarded by its mutex, taken by the guest at the two ends of a call and in a sleep, never per message or host call. The
// watchdog sleeps without a timer while no guest is in a call; while some are it looks every tick (an eighth of the shortest limit, at most
// 100 ms), which also tells when the next message was begun (fs_shared.processed): each message has the whole limit to itself, and
// all of a call share a second one.
//
// The races, and what settles each:
//  - Interrupt before a call: BeginCall sees the flag under the mutex and refuses; the guest is never entered.
//  - Interrupt or limit just as a call ends: stages are taken under the mutex and only while in_call. Either EndCall came first
//    and nothing is done to the guest, or the stage came first and EndCall reports its verdict even if the call returned well: a
//    bit left in the eval_breaker could not be taken back, so the guest is done for in any case.
//  - A call begins as the watchdog falls asleep: `asleep_` and `in_call` are both written before the other is read (sequentially
//    consistent); at least one side sees the other.
//  - Host function at work while the memory is taken away: it must not fault in our code. EnterHost raises `in_host`, then reads
//    `kill`; the watchdog raises `kill`, then reads `in_host`, with a membarrier in between (or both sides use full fences where
//    the kernel has none). So either the watchdog sees the host function and leaves the memory alone, and LeaveHost, which reads
//    `kill` after lowering `in_host`, ends the guest by a trap; or EnterHost sees `kill` and traps before any access. Between the
//    two the guest may reach wasm again with `kill` unseen: the watchdog looks again every kRetry and takes the memory then.
//  - Wasmtime's own code at work on the memory (memory.copy and memory.fill, which wasi-libc's memcpy uses, run as calls into it,
//    or inline at places that may not trap): no handshake there. fault_handler.h gives it the pages it needs, one at a time; the
//    guest traps at its next own access.
//  - memory.grow: makes new pages accessible behind our back. The whole reservation is taken, at every kRetry anew, so that a
//    guest cannot live in pages that it grew afterwards. Wasmtime itself touches no contents when it grows, for the memory never
//    moves.
//  - Instantiation and load: a module has no start function (module_cache.cc), so instantiation runs no wasm. Until Attach has
//    told of the memory a call can only be waited for; Attach comes before the first call. Until SetWords there is no soft stage.
//  - Double interrupt, or interrupt and limit together: the first stage taken fixes the verdict, an interrupt wins when both are
//    due.
//  - Sleep in a host function (poll_oneoff): waits on the Watched's condition variable, which the soft stage signals; a sleep
//    begun later in the same call returns at once. A host function that blocks elsewhere (a database read) is waited for:
//    LeaveHost ends it.
//  - After the trap: EndCall gives the memory back, under the mutex, before anything of ours reads it or the store is deleted.
//  - Destruction: the Watched leaves the watchdog's list under the list's mutex, which the watchdog holds while it looks at
//    anyone. It is destroyed before the store, so the memory outlives every look at it.
#ifndef FUNCTION_STREAM_SANDBOX_WATCHDOG_H_
#define FUNCTION_STREAM_SANDBOX_WATCHDOG_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "base/steady_clock.h"
#include "base/thread.h"
#include "sandbox/fault_handler.h"

namespace fs::sandbox {

class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr Clock::duration kGrace = std::chrono::milliseconds(300);
  static constexpr Clock::duration kRetry = std::chrono::milliseconds(5);
  static constexpr Clock::duration kLongestTick = std::chrono::milliseconds(100);
  static constexpr Clock::duration kShortestTick = std::chrono::milliseconds(1);

  enum class Verdict : uint8_t { kNone, kTimeout, kBatchTimeout, kInterrupted };

  class Watched {
   public:
    // `limit` for each message, and each call that is none; `call_limit` for all messages of a call.
    Watched(Watchdog& watchdog, Clock::duration limit, Clock::duration call_limit);
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    ~Watched();

    // ---- Any thread.
    void Interrupt();

    // ---- The guest's thread, outside of calls. `processed` and `interrupt_word` lie in the memory.
    void Attach(uint8_t* memory, size_t reservation);
    void SetWords(const uint32_t* processed, uint32_t* interrupt_word);
    // False: it was interrupted; do not enter the guest.
    [[nodiscard]] bool BeginCall();
    // `accessible` bytes of the memory are the guest's now. Anything but kNone: the guest is dead, whatever the call returned.
    [[nodiscard]] Verdict EndCall(size_t accessible);

    // ---- The guest's thread, in host functions. False: return a trap; after EnterHost without touching the guest's memory.
    [[nodiscard]] bool EnterHost() noexcept {
      if (is_asymmetric_) [[likely]] {
        in_host_.store(true, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);
      } else {
        in_host_.exchange(true, std::memory_order_seq_cst);
      }
      return !kill_.load(std::memory_order_acquire);
    }
    [[nodiscard]] bool LeaveHost() noexcept {
      if (is_asymmetric_) [[likely]] {
        in_host_.store(false, std::memory_order_release);
        std::atomic_signal_fence(std::memory_order_seq_cst);
      } else {
        in_host_.exchange(false, std::memory_order_seq_cst);
      }
      return !kill_.load(std::memory_order_acquire);
    }
    // In a host function that takes long: it is to return a trap soon.
    [[nodiscard]] bool IsKilled() const noexcept { return kill_.load(std::memory_order_acquire); }
    // Waits until then, or until the call is to end.
    void SleepUntil(Clock::time_point deadline);

   private:
    friend class Watchdog;
    enum class Stage : uint8_t { kRunning, kSoft, kHard };

    // The watchdog's look at a guest in a call; returns when it wants to look again.
    Clock::time_point Look(Clock::time_point now) ABSL_LOCKS_EXCLUDED(mutex_);
    Clock::time_point Advance(Clock::time_point now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void TakeMemory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    Watchdog& watchdog_;
    const Clock::duration limit_;
    const Clock::duration call_limit_;
    const bool is_asymmetric_;

    std::atomic<bool> in_host_{false};
    std::atomic<bool> kill_{false};
    std::atomic<bool> in_call_{false};  // written under the mutex, read without
    std::atomic<uint64_t> calls_{0};    // begun so far; likewise
    uint64_t calls_seen_ = 0;           // the watchdog's

    absl::Mutex mutex_;
    SteadyCondition stopped_;
    bool is_interrupted_ ABSL_GUARDED_BY(mutex_) = false;
    Stage stage_ ABSL_GUARDED_BY(mutex_) = Stage::kRunning;
    Verdict verdict_ ABSL_GUARDED_BY(mutex_) = Verdict::kNone;
    Clock::time_point begun_at_ ABSL_GUARDED_BY(mutex_);     // the call
    Clock::time_point progress_at_ ABSL_GUARDED_BY(mutex_);  // when the message in hand, or the call, was begun
    Clock::time_point soft_at_ ABSL_GUARDED_BY(mutex_);
    uint32_t processed_seen_ ABSL_GUARDED_BY(mutex_) = 0;
    uint8_t* memory_ ABSL_GUARDED_BY(mutex_) = nullptr;
    size_t reservation_ ABSL_GUARDED_BY(mutex_) = 0;
    bool is_memory_taken_ ABSL_GUARDED_BY(mutex_) = false;
    TakenMemory taken_;  // the same, for the fault handler of the guest's thread
    const uint32_t* processed_ ABSL_GUARDED_BY(mutex_) = nullptr;
    uint32_t* interrupt_word_ ABSL_GUARDED_BY(mutex_) = nullptr;
  };

  static absl::StatusOr<std::unique_ptr<Watchdog>> Start();
  // Every Watched is gone by then.
  ~Watchdog();

 private:
  Watchdog();
  void Run();
  // Looks at everyone in a call; returns when to look again. `active`: a call is on, or was begun since the last look.
  Clock::time_point LookAtAll(Clock::time_point now, bool& active) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool AnyInCall() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake();

  const bool is_asymmetric_;  // the kernel has membarrier
  std::atomic<bool> asleep_{false};

  absl::Mutex mutex_;
  SteadyCondition woken_;
  bool wake_ ABSL_GUARDED_BY(mutex_) = false;
  bool end_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Watched*> watched_ ABSL_GUARDED_BY(mutex_);
  Thread thread_;
};

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_WATCHDOG_H_
