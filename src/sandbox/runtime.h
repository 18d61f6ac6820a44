// The compiled interpreter, shared by all guests: Wasmtime's engine, the module, its host functions, the watchdog.
//
// One per server, made before the first guest and outliving the last; thread-safe. Loading is fast when the cache holds the compiled
// code for this module and this engine (some 50 ms, most of it checking that the code is undamaged), and compiles it when not (5 to 20 s of
// CPU), saying so in the log.
#ifndef FUNCTION_STREAM_SANDBOX_RUNTIME_H_
#define FUNCTION_STREAM_SANDBOX_RUNTIME_H_

#include <filesystem>
#include <memory>

#include "base/status.h"

namespace fs::sandbox {

struct RuntimeOptions {
  std::filesystem::path wasm_path;
  std::filesystem::path cache_dir;
  bool enable_cache = true;
};

class Runtime {
 public:
  // kInternal naming the path: the module is missing, unreadable, of another ABI version, or the cache cannot be written (then it
  // runs uncached, with a warning). A damaged cache entry is compiled anew.
  static absl::StatusOr<std::unique_ptr<Runtime>> Load(const RuntimeOptions& options);
  ~Runtime();

  // Compiles into the cache and returns the entry's path; what the build calls, so that no server ever has to.
  static absl::StatusOr<std::filesystem::path> Precompile(const RuntimeOptions& options);

  class Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit Runtime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_RUNTIME_H_
