#include "sandbox/fault_handler.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace fs::sandbox {
namespace {

// Constant-initialised and in the executable itself, so that a signal handler may read it.
thread_local const TakenMemory* watched_memory = nullptr;

struct sigaction previous_action = {};
uintptr_t page_size = 4096;

// Async-signal-safe: one system call.
bool GiveBack(uintptr_t address) {
  const TakenMemory* memory = watched_memory;
  if (memory == nullptr || !memory->Contains(address)) return false;
  const int saved_errno = errno;
  const int result = mprotect(reinterpret_cast<void*>(address & ~(page_size - 1)), page_size, PROT_READ | PROT_WRITE);
  errno = saved_errno;
  return result == 0;
}

void OnFault(int signal_number, siginfo_t* info, void* context) {
  if (GiveBack(reinterpret_cast<uintptr_t>(info->si_addr))) return;
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal_number, info, context);
  } else if (previous_action.sa_handler == SIG_DFL || previous_action.sa_handler == SIG_IGN) {
    // The instruction faults again and meets the system's own answer.
    sigaction(signal_number, &previous_action, nullptr);
  } else {
    previous_action.sa_handler(signal_number);
  }
}

bool Install() {
  page_size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  struct sigaction action = {};
  action.sa_sigaction = &OnFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  return sigaction(SIGSEGV, &action, &previous_action) == 0;
}

}  // namespace

void InstallFaultHandler() {
  static const bool is_installed = Install();
  static_cast<void>(is_installed);
}

void WatchFaults(const TakenMemory* memory) { watched_memory = memory; }

}  // namespace fs::sandbox
