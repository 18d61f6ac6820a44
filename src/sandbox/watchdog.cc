#include "sandbox/watchdog.h"

#include <fs_abi.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "observe/log.h"

namespace fs::sandbox {
namespace {

int Membarrier(int command) { return static_cast<int>(syscall(SYS_membarrier, command, 0, 0)); }

bool RegisterMembarrier() { return Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0; }

void SetAccess(uint8_t* memory, size_t size, int protection) {
  if (size == 0 || mprotect(memory, size, protection) == 0) return;
  // Only when the kernel is out of memory for its own tables; a guest that cannot be stopped, or whose memory cannot be given back,
  // leaves no safe way on.
  observe::LogError("sandbox: mprotect of a guest's memory: {}", std::strerror(errno));
  std::abort();
}

Watchdog::Clock::duration Tick(Watchdog::Clock::duration limit) {
  return std::clamp(limit / 8, Watchdog::kShortestTick, Watchdog::kLongestTick);
}

}  // namespace

Watchdog::Watched::Watched(Watchdog& watchdog, Clock::duration limit, Clock::duration call_limit)
    : watchdog_(watchdog), limit_(limit), call_limit_(call_limit), is_asymmetric_(watchdog.is_asymmetric_) {
  absl::MutexLock lock(&watchdog_.mutex_);
  watchdog_.watched_.push_back(this);
}

Watchdog::Watched::~Watched() {
  absl::MutexLock lock(&watchdog_.mutex_);
  std::erase(watchdog_.watched_, this);
}

void Watchdog::Watched::Interrupt() {
  {
    absl::MutexLock lock(&mutex_);
    is_interrupted_ = true;
    if (!in_call_.load(std::memory_order_relaxed)) return;
  }
  watchdog_.Wake();
}

void Watchdog::Watched::Attach(uint8_t* memory, size_t reservation) {
  absl::MutexLock lock(&mutex_);
  memory_ = memory;
  reservation_ = reservation;
}

void Watchdog::Watched::SetWords(const uint32_t* processed, uint32_t* interrupt_word) {
  absl::MutexLock lock(&mutex_);
  processed_ = processed;
  interrupt_word_ = interrupt_word;
}

bool Watchdog::Watched::BeginCall() {
  {
    absl::MutexLock lock(&mutex_);
    if (is_interrupted_) return false;
    begun_at_ = progress_at_ = Clock::now();
    if (processed_ != nullptr) processed_seen_ = __atomic_load_n(processed_, __ATOMIC_RELAXED);
    calls_.fetch_add(1, std::memory_order_relaxed);
    WatchFaults(&taken_);
    in_call_.store(true, std::memory_order_seq_cst);
  }
  if (watchdog_.asleep_.load(std::memory_order_seq_cst)) watchdog_.Wake();
  return true;
}

Watchdog::Verdict Watchdog::Watched::EndCall(size_t accessible) {
  absl::MutexLock lock(&mutex_);
  in_call_.store(false, std::memory_order_seq_cst);
  in_host_.store(false, std::memory_order_relaxed);
  if (is_memory_taken_) {
    SetAccess(memory_, std::min(accessible, reservation_), PROT_READ | PROT_WRITE);
    is_memory_taken_ = false;
    taken_.Clear();
  }
  WatchFaults(nullptr);
  return verdict_;
}

void Watchdog::Watched::SleepUntil(Clock::time_point deadline) {
  absl::MutexLock lock(&mutex_);
  while (stage_ == Stage::kRunning) {
    if (!stopped_.WaitUntil(mutex_, deadline)) return;
  }
}

Watchdog::Clock::time_point Watchdog::Watched::Look(Clock::time_point now) {
  absl::MutexLock lock(&mutex_);
  if (!in_call_.load(std::memory_order_relaxed)) return Clock::time_point::max();
  return Advance(now);
}

Watchdog::Clock::time_point Watchdog::Watched::Advance(Clock::time_point now) {
  if (stage_ == Stage::kRunning) {
    if (processed_ != nullptr) {
      const uint32_t processed = __atomic_load_n(processed_, __ATOMIC_RELAXED);
      if (processed != processed_seen_) {
        processed_seen_ = processed;
        progress_at_ = now;
      }
    }
    const Clock::time_point message_due = progress_at_ + limit_;
    const Clock::time_point call_due = begun_at_ + call_limit_;
    if (!is_interrupted_ && now < message_due && now < call_due) {
      return std::min({message_due, call_due, now + Tick(limit_)});
    }
    stage_ = Stage::kSoft;
    verdict_ = is_interrupted_ ? Verdict::kInterrupted : now >= message_due ? Verdict::kTimeout : Verdict::kBatchTimeout;
    soft_at_ = now;
    stopped_.SignalAll();
    if (interrupt_word_ != nullptr) {
      __atomic_fetch_or(interrupt_word_, FS_INTERRUPT_BIT, __ATOMIC_SEQ_CST);
      return now + kGrace;
    }
  }
  if (stage_ == Stage::kSoft) {
    if (interrupt_word_ != nullptr && now < soft_at_ + kGrace) return soft_at_ + kGrace;
    stage_ = Stage::kHard;
  }
  TakeMemory();
  return now + kRetry;
}

void Watchdog::Watched::TakeMemory() {
  kill_.store(true, std::memory_order_seq_cst);
  if (is_asymmetric_) Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  if (memory_ == nullptr || in_host_.load(std::memory_order_seq_cst)) return;
  is_memory_taken_ = true;
  taken_.Set(memory_, reservation_);
  SetAccess(memory_, reservation_, PROT_NONE);
}

absl::StatusOr<std::unique_ptr<Watchdog>> Watchdog::Start() {
  std::unique_ptr<Watchdog> watchdog(new Watchdog);
  FS_ASSIGN_OR_RETURN(watchdog->thread_, Thread::Start("fs-watchdog", [raw = watchdog.get()] { raw->Run(); }));
  return watchdog;
}

Watchdog::Watchdog() : is_asymmetric_(RegisterMembarrier()) {}

Watchdog::~Watchdog() {
  {
    absl::MutexLock lock(&mutex_);
    end_ = true;
    woken_.SignalAll();
  }
  thread_.Join();
}

void Watchdog::Wake() {
  absl::MutexLock lock(&mutex_);
  wake_ = true;
  woken_.SignalAll();
}

bool Watchdog::AnyInCall() const {
  return std::any_of(watched_.begin(), watched_.end(),
                     [](const Watched* watched) { return watched->in_call_.load(std::memory_order_seq_cst); });
}

Watchdog::Clock::time_point Watchdog::LookAtAll(Clock::time_point now, bool& active) {
  Clock::time_point next = now + kLongestTick;
  active = false;
  for (Watched* watched : watched_) {
    next = std::min(next, now + Tick(watched->limit_));
    const uint64_t calls = watched->calls_.load(std::memory_order_relaxed);
    if (calls != watched->calls_seen_) {
      watched->calls_seen_ = calls;
      active = true;
    }
    if (!watched->in_call_.load(std::memory_order_relaxed)) continue;
    active = true;
    next = std::min(next, watched->Look(now));
  }
  return next;
}

void Watchdog::Run() {
  absl::MutexLock lock(&mutex_);
  while (!end_) {
    wake_ = false;
    bool active = false;
    const Clock::time_point now = Clock::now();
    const Clock::time_point next = LookAtAll(now, active);
    if (active) {
      while (!wake_ && !end_ && woken_.WaitUntil(mutex_, next)) {
      }
      continue;
    }
    asleep_.store(true, std::memory_order_seq_cst);
    while (!wake_ && !end_ && !AnyInCall()) woken_.Wait(mutex_);
    asleep_.store(false, std::memory_order_seq_cst);
  }
}

}  // namespace fs::sandbox
