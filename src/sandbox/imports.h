// The door between compiled wasm and a host function: finds the guest, shakes hands with the watchdog, lets no exception out.
//
// A body gets its arguments as raw values (argument 0 first), writes its result over value 0, and returns null or a trap. The type is
// declared beside it in a table, and Wasmtime checks the module's imports against that table when they are linked.
#ifndef FUNCTION_STREAM_SANDBOX_IMPORTS_H_
#define FUNCTION_STREAM_SANDBOX_IMPORTS_H_

#include <wasmtime.h>

#include <cstdint>
#include <exception>
#include <span>
#include <string_view>

#include "base/status.h"
#include "sandbox/host_side.h"

namespace fs::sandbox {

using HostBody = wasm_trap_t* (*)(HostSide& side, wasmtime_val_raw_t* values);

struct Import {
  std::string_view name;
  std::string_view parameters;  // a letter each: i for i32, I for i64
  std::string_view result;      // likewise; empty: none
  wasmtime_func_unchecked_callback_t callback;
};

template <HostBody body>
wasm_trap_t* HostFunction(void*, wasmtime_caller_t* caller, wasmtime_val_raw_t* values, size_t) noexcept {
  HostSide& side = *static_cast<HostSide*>(wasmtime_context_get_data(wasmtime_caller_context(caller)));
  if (!side.watched().EnterHost()) [[unlikely]]
    return wasmtime_trap_new_code(WASMTIME_TRAP_CODE_INTERRUPT);
  wasm_trap_t* trap = nullptr;
  try {
    trap = body(side, values);
  } catch (const std::exception& error) {
    trap = wasmtime_trap_new(error.what(), std::string_view(error.what()).size());
  }
  if (!side.watched().LeaveHost()) [[unlikely]] {
    if (trap == nullptr) trap = wasmtime_trap_new_code(WASMTIME_TRAP_CODE_INTERRUPT);
  }
  return trap;
}

inline uint32_t U32(const wasmtime_val_raw_t& value) { return static_cast<uint32_t>(value.i32); }

[[nodiscard]] absl::Status DefineImports(wasmtime_linker_t* linker, std::string_view module, std::span<const Import> imports);

// Module "fs" (host_functions.cc) and WASI preview 1 (wasi.cc).
[[nodiscard]] absl::Status DefineHostFunctions(wasmtime_linker_t* linker);
[[nodiscard]] absl::Status DefineWasi(wasmtime_linker_t* linker);

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_IMPORTS_H_
