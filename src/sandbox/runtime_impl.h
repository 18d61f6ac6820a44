// What the guests of a Runtime share. Made once, read-only afterwards but for the watchdog, which is thread-safe.
#ifndef FUNCTION_STREAM_SANDBOX_RUNTIME_IMPL_H_
#define FUNCTION_STREAM_SANDBOX_RUNTIME_IMPL_H_

#include <memory>
#include <string>

#include "sandbox/engine.h"
#include "sandbox/guest.h"
#include "sandbox/runtime.h"
#include "sandbox/snapshot_pages.h"
#include "sandbox/watchdog.h"

namespace fs::sandbox {

class Runtime::Impl {
 public:
  std::string name;  // the module's path, for messages
  EngineHandle engine;
  ModuleHandle module;
  LinkerHandle linker;
  InstancePreHandle instance_pre;
  uint64_t initial_memory_bytes = 0;
  std::unique_ptr<Watchdog> watchdog;
  // A guest that is never called, for what the snapshot holds.
  std::unique_ptr<Host> silent_host;
  std::unique_ptr<Guest> pristine;
  std::unique_ptr<SnapshotPages> snapshot_pages;
};

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_RUNTIME_IMPL_H_
