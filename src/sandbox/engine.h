// Wasmtime's engine as this server configures it, and the owning handles and error texts of its C API.
//
// The settings decide what compiled code looks like, so EngineFingerprint() names them all and keys the module cache: change a
// setting here and its line in the fingerprint. Thread-safe, as Wasmtime's engine and module are.
#ifndef FUNCTION_STREAM_SANDBOX_ENGINE_H_
#define FUNCTION_STREAM_SANDBOX_ENGINE_H_

#include <wasmtime.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"

namespace fs::sandbox {

template <auto Destroy>
struct DestroyWith {
  template <typename T>
  void operator()(T* handle) const {
    Destroy(handle);
  }
};
using EngineHandle = std::unique_ptr<wasm_engine_t, DestroyWith<wasm_engine_delete>>;
using ModuleHandle = std::unique_ptr<wasmtime_module_t, DestroyWith<wasmtime_module_delete>>;
using LinkerHandle = std::unique_ptr<wasmtime_linker_t, DestroyWith<wasmtime_linker_delete>>;
using InstancePreHandle = std::unique_ptr<wasmtime_instance_pre_t, DestroyWith<wasmtime_instance_pre_delete>>;
using StoreHandle = std::unique_ptr<wasmtime_store_t, DestroyWith<wasmtime_store_delete>>;
using ErrorHandle = std::unique_ptr<wasmtime_error_t, DestroyWith<wasmtime_error_delete>>;
using TrapHandle = std::unique_ptr<wasm_trap_t, DestroyWith<wasm_trap_delete>>;

// Address space set aside for a guest's memory. With all 4 GiB that 32 bits can reach, no access needs a bounds check and the memory
// never moves: the watchdog relies on both (watchdog.h).
inline constexpr uint64_t kMemoryReservation = uint64_t{4} << 30;
inline constexpr uint64_t kMemoryGuard = uint64_t{32} << 20;

// What a guest's frames may take of its thread's stack (base/thread.h has 8 MiB). CPython's own limit in the guest is lower, so that
// deep recursion is a RecursionError; this one is behind it.
inline constexpr size_t kMaxWasmStack = size_t{4} << 20;

// kInternal: this machine cannot run compiled modules.
[[nodiscard]] absl::StatusOr<EngineHandle> MakeEngine();

// Everything of the engine and the machine that compiled code depends on, as text.
[[nodiscard]] std::string EngineFingerprint();

// The text of an error or trap; for a trap the first line, without the frames.
[[nodiscard]] std::string ErrorText(const wasmtime_error_t& error);
[[nodiscard]] std::string TrapText(const wasm_trap_t& trap);

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_ENGINE_H_
