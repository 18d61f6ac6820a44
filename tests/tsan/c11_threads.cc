// Shows ThreadSanitizer the threads of librdkafka, which starts them by C11's thrd_create. TSan knows pthread_create only, and a thread
// that it has not seen begin crashes in its first allocation. Linked into the preset tsan; glibc's thrd_t is a pthread_t.
#include <pthread.h>
#include <threads.h>

#include <cstdint>
#include <memory>

namespace {

struct Start {
  thrd_start_t body;
  void* argument;
};

void* Run(void* given) {
  const std::unique_ptr<Start> start(static_cast<Start*>(given));
  return reinterpret_cast<void*>(static_cast<intptr_t>(start->body(start->argument)));
}

}  // namespace

extern "C" int thrd_create(thrd_t* thread, thrd_start_t body, void* argument) {
  auto start = std::make_unique<Start>(Start{body, argument});
  if (pthread_create(thread, nullptr, &Run, start.get()) != 0) return thrd_error;
  static_cast<void>(start.release());  // Run took it
  return thrd_success;
}

extern "C" int thrd_join(thrd_t thread, int* result) {
  void* returned = nullptr;
  if (pthread_join(thread, &returned) != 0) return thrd_error;
  if (result != nullptr) *result = static_cast<int>(reinterpret_cast<intptr_t>(returned));
  return thrd_success;
}
