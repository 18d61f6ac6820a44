// Shows ThreadSanitizer what Debian's Abseil synchronises.
//
// libabsl_synchronization is not instrumented, and absl::Mutex is made of atomics, so that ThreadSanitizer would take everything that a
// mutex guards for a race. These definitions stand in front of the library's, for our code and for every library that uses it: each calls
// the real one and tells what it means. Linked into the binaries of preset tsan only.
#include <absl/base/options.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace {

// The mutex in which this thread is: conditions of waiters are called from there, by whoever holds it.
thread_local void* current_mutex = nullptr;

class Inside {
 public:
  explicit Inside(void* mutex) : before_(std::exchange(current_mutex, mutex)) {}
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() { current_mutex = before_; }

 private:
  void* before_;
};

template <class Function>
Function* Real(const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    std::fprintf(stderr, "Abseil has no %s: tests/tsan/absl_mutex.cc is for another version\n", name);
    std::abort();
  }
  return reinterpret_cast<Function*>(found);
}

}  // namespace

// The library's own function of a mangled name below absl's namespace, as Debian calls it; the object comes first.
#define FS_REAL(answer, name, ...) static auto* const real = Real<answer(__VA_ARGS__)>("_ZN4absl7debian3" name)

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  FS_REAL(void, "5Mutex4LockEv", Mutex*);
  real(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  FS_REAL(void, "5Mutex6UnlockEv", Mutex*);
  __tsan_release(this);
  const Inside inside(this);
  real(this);
}

bool Mutex::TryLock() {
  FS_REAL(bool, "5Mutex7TryLockEv", Mutex*);
  const bool is_locked = real(this);
  if (is_locked) __tsan_acquire(this);
  return is_locked;
}

void Mutex::ReaderLock() {
  FS_REAL(void, "5Mutex10ReaderLockEv", Mutex*);
  real(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  FS_REAL(void, "5Mutex12ReaderUnlockEv", Mutex*);
  __tsan_release(this);
  const Inside inside(this);
  real(this);
}

bool Mutex::ReaderTryLock() {
  FS_REAL(bool, "5Mutex13ReaderTryLockEv", Mutex*);
  const bool is_locked = real(this);
  if (is_locked) __tsan_acquire(this);
  return is_locked;
}

void Mutex::LockWhen(const Condition& condition) {
  FS_REAL(void, "5Mutex8LockWhenERKNS0_9ConditionE", Mutex*, const Condition&);
  const Inside inside(this);
  real(this, condition);
  __tsan_acquire(this);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  FS_REAL(bool, "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE", Mutex*, const Condition&, Duration);
  const Inside inside(this);
  const bool is_true = real(this, condition, timeout);
  __tsan_acquire(this);
  return is_true;
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  FS_REAL(bool, "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE", Mutex*, const Condition&, Time);
  const Inside inside(this);
  const bool is_true = real(this, condition, deadline);
  __tsan_acquire(this);
  return is_true;
}

void Mutex::Await(const Condition& condition) {
  FS_REAL(void, "5Mutex5AwaitERKNS0_9ConditionE", Mutex*, const Condition&);
  __tsan_release(this);
  const Inside inside(this);
  real(this, condition);
  __tsan_acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  FS_REAL(bool, "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE", Mutex*, const Condition&, Duration);
  __tsan_release(this);
  const Inside inside(this);
  const bool is_true = real(this, condition, timeout);
  __tsan_acquire(this);
  return is_true;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  FS_REAL(bool, "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE", Mutex*, const Condition&, Time);
  __tsan_release(this);
  const Inside inside(this);
  const bool is_true = real(this, condition, deadline);
  __tsan_acquire(this);
  return is_true;
}

bool Condition::Eval() const {
  static auto* const real = Real<bool(const Condition*)>("_ZNK4absl7debian39Condition4EvalEv");
  if (current_mutex != nullptr) __tsan_acquire(current_mutex);
  const bool is_true = real(this);
  if (current_mutex != nullptr) __tsan_release(current_mutex);
  return is_true;
}

void CondVar::Wait(Mutex* mutex) {
  FS_REAL(void, "7CondVar4WaitEPNS0_5MutexE", CondVar*, Mutex*);
  __tsan_release(mutex);
  const Inside inside(mutex);
  real(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  FS_REAL(bool, "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE", CondVar*, Mutex*, Duration);
  __tsan_release(mutex);
  const Inside inside(mutex);
  const bool is_late = real(this, mutex, timeout);
  __tsan_acquire(mutex);
  return is_late;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  FS_REAL(bool, "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", CondVar*, Mutex*, Time);
  __tsan_release(mutex);
  const Inside inside(mutex);
  const bool is_late = real(this, mutex, deadline);
  __tsan_acquire(mutex);
  return is_late;
}

ABSL_NAMESPACE_END
}  // namespace absl
