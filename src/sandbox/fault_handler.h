// Faults in a guest's memory that are not the guest's: what keeps Wasmtime's own copies alive when the watchdog takes the memory away.
//
// memory.copy and memory.fill of a guest run as native code of Wasmtime, where a fault would end the process. This handler stands behind
// Wasmtime's in the chain for SIGSEGV, so it sees only faults that are no traps; one in memory taken from the guest of this very thread is
// answered by giving that page back, and the copy goes on. All others go to whoever was there before: they are bugs, and end the process.
#ifndef FUNCTION_STREAM_SANDBOX_FAULT_HANDLER_H_
#define FUNCTION_STREAM_SANDBOX_FAULT_HANDLER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fs::sandbox {

// A guest's memory while it is taken away, empty otherwise. Set by the watchdog's thread, read in the signal handler of the guest's.
class TakenMemory {
 public:
  // Before the memory becomes inaccessible.
  void Set(uint8_t* memory, size_t size) {
    begin_.store(reinterpret_cast<uintptr_t>(memory), std::memory_order_relaxed);
    size_.store(size, std::memory_order_release);
  }
  // After it is accessible again.
  void Clear() { size_.store(0, std::memory_order_release); }
  [[nodiscard]] bool Contains(uintptr_t address) const {
    const size_t size = size_.load(std::memory_order_acquire);
    return address - begin_.load(std::memory_order_relaxed) < size;
  }

 private:
  std::atomic<uintptr_t> begin_{0};
  std::atomic<size_t> size_{0};
};

// Once per process, before Wasmtime's first engine. Later calls do nothing.
void InstallFaultHandler();

// The memory that the guest on this thread works on, until it is null again.
void WatchFaults(const TakenMemory* memory);

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_FAULT_HANDLER_H_
