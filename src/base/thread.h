// The one place where threads are made: each has a name (seen in ps, gdb and perf) and a stack big enough for a guest.
//
// A Thread joins on destruction; whoever owns it must have told its body to end. The body must not throw.
#ifndef FUNCTION_STREAM_BASE_THREAD_H_
#define FUNCTION_STREAM_BASE_THREAD_H_

#include <pthread.h>

#include <functional>
#include <string>

#include "base/status.h"

namespace fs {

class Thread {
 public:
  // Names longer than 15 bytes, the kernel's limit, are cut. kInternal: the machine has no more threads to give.
  static absl::StatusOr<Thread> Start(const std::string& name, std::function<void()> body);

  Thread() = default;
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread();

  // Waits for the body to return. Does nothing for a thread that was never started, or was joined.
  void Join();

 private:
  bool running_ = false;
  pthread_t handle_ = {};
};

// Gives the machine back what the calling thread's stack took at its deepest and does not use now.
void ReleaseUnusedStack();

}  // namespace fs

#endif  // FUNCTION_STREAM_BASE_THREAD_H_
