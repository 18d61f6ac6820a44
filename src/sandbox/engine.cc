#include "sandbox/engine.h"

#include <algorithm>
#include <string_view>

#include "sandbox/fault_handler.h"

namespace fs::sandbox {
namespace {

std::string TakeText(wasm_byte_vec_t& bytes) {
  std::string text(bytes.data == nullptr ? "" : std::string(bytes.data, bytes.size));
  wasm_byte_vec_delete(&bytes);
  while (!text.empty() && (text.back() == '\0' || text.back() == '\n')) text.pop_back();
  return text;
}

}  // namespace

absl::StatusOr<EngineHandle> MakeEngine() {
  // Wasmtime puts its handler in front with the first engine of the process.
  InstallFaultHandler();
  wasm_config_t* config = wasm_config_new();

  wasmtime_config_strategy_set(config, WASMTIME_STRATEGY_CRANELIFT);
  wasmtime_config_cranelift_opt_level_set(config, WASMTIME_OPT_LEVEL_SPEED);
  wasmtime_config_parallel_compilation_set(config, true);
  wasmtime_config_native_unwind_info_set(config, false);
  wasmtime_config_debug_info_set(config, false);

  // Neither epochs (23 % of the cost of a message) nor fuel (36 %): guests are stopped through their memory, see watchdog.h.
  wasmtime_config_epoch_interruption_set(config, false);
  wasmtime_config_consume_fuel_set(config, false);
  wasmtime_config_signals_based_traps_set(config, true);

  // No call is asynchronous; Wasmtime wants room for one all the same.
  wasmtime_config_async_stack_size_set(config, 2 * kMaxWasmStack);
  wasmtime_config_max_wasm_stack_set(config, kMaxWasmStack);
  wasmtime_config_memory_reservation_set(config, kMemoryReservation);
  wasmtime_config_memory_guard_size_set(config, kMemoryGuard);
  wasmtime_config_memory_may_move_set(config, false);
  wasmtime_config_memory_init_cow_set(config, true);

  // CPython is built without these. (Bulk memory stays on: wasi-libc's memcpy has it.)
  wasmtime_config_shared_memory_set(config, false);
  wasmtime_config_wasm_relaxed_simd_set(config, false);
  wasmtime_config_wasm_multi_memory_set(config, false);
  wasmtime_config_wasm_memory64_set(config, false);
  wasmtime_config_wasm_wide_arithmetic_set(config, false);
  wasmtime_config_wasm_custom_page_sizes_set(config, false);
  wasmtime_config_wasm_stack_switching_set(config, false);
  wasmtime_config_wasm_tail_call_set(config, false);
  wasmtime_config_gc_support_set(config, false);

  EngineHandle engine(wasm_engine_new_with_config(config));
  if (!engine) return Internal("sandbox: Wasmtime cannot make an engine on this machine");
  return engine;
}

std::string EngineFingerprint() {
  return fmt::format(
      "wasmtime {} cranelift speed; no epoch, no fuel, signals; stack {} reservation {} guard {} fixed cow; "
      "no relaxed-simd multi-memory memory64 wide page-sizes switching tail-call gc; no unwind debug",
      WASMTIME_VERSION, kMaxWasmStack, kMemoryReservation, kMemoryGuard);
}

std::string ErrorText(const wasmtime_error_t& error) {
  wasm_byte_vec_t message;
  wasmtime_error_message(&error, &message);
  return TakeText(message);
}

std::string TrapText(const wasm_trap_t& trap) {
  wasm_message_t message;
  wasm_trap_message(&trap, &message);
  std::string text = TakeText(message);
  // "error while executing at wasm backtrace:" and the frames come first, the cause last.
  if (const size_t cause = text.find("Caused by:"); cause != std::string::npos) {
    text = text.substr(cause + std::string_view("Caused by:").size());
    text.erase(0, text.find_first_not_of(" \n"));
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace fs::sandbox
