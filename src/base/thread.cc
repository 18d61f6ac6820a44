#include "base/thread.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

namespace fs {
namespace {

// Wasmtime's own limit for guest frames (sandbox/) is below this, so that a guest overflows its stack before we overflow ours.
constexpr size_t kStackBytes = size_t{8} << 20;

struct Entry {
  std::string name;
  std::function<void()> body;
};

// The thread names itself, so that its body never runs, and is never seen, without the name.
void* Run(void* argument) {
  std::unique_ptr<Entry> entry(static_cast<Entry*>(argument));
  pthread_setname_np(pthread_self(), entry->name.c_str());
  entry->body();
  return nullptr;
}

}  // namespace

absl::StatusOr<Thread> Thread::Start(const std::string& name, std::function<void()> body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);

  // Signals that end the server are the main thread's to take; a new thread inherits its maker's mask.
  sigset_t ending, previous;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, &previous);

  Thread thread;
  auto argument = std::make_unique<Entry>(name.substr(0, 15), std::move(body));
  const int error = pthread_create(&thread.handle_, &attributes, &Run, argument.get());
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) return Internal("thread {}: cannot be started: {}", name, std::strerror(error));

  static_cast<void>(argument.release());
  thread.running_ = true;
  return thread;
}

Thread::Thread(Thread&& other) noexcept : running_(std::exchange(other.running_, false)), handle_(other.handle_) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  if (this != &other) {
    Join();
    running_ = std::exchange(other.running_, false);
    handle_ = other.handle_;
  }
  return *this;
}

Thread::~Thread() { Join(); }

void Thread::Join() {
  if (std::exchange(running_, false)) pthread_join(handle_, nullptr);
}

void ReleaseUnusedStack() {
  // Below this frame, with room for what is called from here.
  constexpr uintptr_t kMargin = 16 << 10;
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  void* lowest = nullptr;
  size_t size = 0;
  const bool is_known = pthread_attr_getstack(&attributes, &lowest, &size) == 0;
  pthread_attr_destroy(&attributes);
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t low = (reinterpret_cast<uintptr_t>(lowest) + page - 1) & ~(page - 1);
  const uintptr_t high = (reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) - kMargin) & ~(page - 1);
  if (is_known && low < high) madvise(reinterpret_cast<void*>(low), high - low, MADV_DONTNEED);
}

}  // namespace fs
