// Compiled modules on disk: found by what went into them, checked before they run, replaced in one step.
//
// An entry is named by the SHA-256 of the module's bytes and the engine's fingerprint, and by the SHA-256 of its own content, for
// Wasmtime checks only the header of what it loads and would run damaged code. Several processes may share the folder.
#ifndef FUNCTION_STREAM_SANDBOX_MODULE_CACHE_H_
#define FUNCTION_STREAM_SANDBOX_MODULE_CACHE_H_

#include <filesystem>
#include <string>

#include "base/status.h"
#include "sandbox/engine.h"
#include "sandbox/runtime.h"

namespace fs::sandbox {

struct CompiledModule {
  ModuleHandle module;
  std::filesystem::path entry;  // where it lies in the cache; empty when it could not be kept
  absl::Status kept;            // why it could not
};

// From the cache, or compiled and kept there. kInternal naming the path: the module cannot be read or is not one the engine takes.
[[nodiscard]] absl::StatusOr<CompiledModule> LoadModule(wasm_engine_t* engine, const RuntimeOptions& options);

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_MODULE_CACHE_H_
