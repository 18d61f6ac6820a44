// A guest that does with the host whatever the input says: every import of the ABI and of WASI with any arguments, and any words in its
// fs_shared, in a real Wasmtime over the real state.
//
// The input becomes a program: 40-byte steps (what to call, eight arguments) and bytes for them to point at. The guest holds an interpreter
// for it and runs it in each of its exports. Addresses lean towards the program's bytes and the memory's end, numbers towards small ones,
// which are the handles.
#include <absl/time/time.h>
#include <fs_abi.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.h"
#include "observe/log.h"
#include "unit/sandbox/test_host.h"
#include "unit/sandbox/wat_guest.h"

namespace fs::sandbox {
namespace {

using fuzz::Require;

struct Function {
  std::string_view module, name, parameters, result;  // letters: i for i32, I for i64
};
constexpr std::string_view kFs = "fs", kWasi = "wasi_snapshot_preview1";
constexpr std::array kFunctions = {
    Function{kFs, "kv_open", "ii", "i"},
    Function{kFs, "kv_get", "iiiii", "I"},
    Function{kFs, "kv_put", "iiiii", "i"},
    Function{kFs, "kv_delete", "iii", "i"},
    Function{kFs, "kv_list", "iiiii", "i"},
    Function{kFs, "ck_get", "iiii", "I"},
    Function{kFs, "ck_put", "iiii", "i"},
    Function{kFs, "ck_delete", "ii", "i"},
    Function{kFs, "ck_merge", "iiii", "i"},
    Function{kFs, "ck_delete_prefix", "ii", "i"},
    Function{kFs, "ck_list", "iiiiii", "i"},
    Function{kFs, "ck_scan", "ii", "i"},
    Function{kFs, "iter_next", "iii", "I"},
    Function{kFs, "iter_close", "i", ""},
    Function{kFs, "log", "iii", ""},
    Function{kFs, "last_error", "ii", "i"},
    Function{kWasi, "args_get", "ii", "i"},
    Function{kWasi, "environ_sizes_get", "ii", "i"},
    Function{kWasi, "clock_res_get", "ii", "i"},
    Function{kWasi, "clock_time_get", "iIi", "i"},
    Function{kWasi, "random_get", "ii", "i"},
    Function{kWasi, "poll_oneoff", "iiii", "i"},
    Function{kWasi, "proc_exit", "i", ""},
    Function{kWasi, "fd_write", "iiii", "i"},
    Function{kWasi, "fd_fdstat_get", "ii", "i"},
    Function{kWasi, "fd_filestat_get", "ii", "i"},
    Function{kWasi, "fd_seek", "iIii", "i"},
    Function{kWasi, "fd_prestat_dir_name", "iii", "i"},
    Function{kWasi, "path_open", "iiiiiIIii", "i"},
};
// Beyond the imports: a step may write a word of memory, a word of fs_shared, or grow the memory.
constexpr uint32_t kStore = kFunctions.size(), kShare = kStore + 1, kGrow = kStore + 2, kSteps = kStore + 3;

constexpr size_t kArguments = 9, kStepBytes = 40, kMaxSteps = 64;
// wat_guest.h: input at 65536, fs_shared at 1024. The program is kept at 1 MiB: count, status, steps.
constexpr uint32_t kProgram = 1 << 20, kMemoryEnd = 32 << 16;

std::string Imports() {
  std::string text;
  for (const Function& function : kFunctions) {
    text += fmt::format("(import \"{}\" \"{}\" (func ${} ", function.module, function.name, function.name);
    for (const char letter : function.parameters) text += letter == 'I' ? "(param i64)" : "(param i32)";
    if (!function.result.empty()) text += function.result == "I" ? "(result i64)" : "(result i32)";
    text += "))";
  }
  return text;
}

std::string Argument(size_t index, bool is_wide) {
  const std::string load = fmt::format("(i32.load offset={} (local.get $at))", 4 + 4 * index);
  return is_wide ? "(i64.extend_i32_s " + load + ")" : load;
}

std::string Interpreter() {
  const auto when = [](uint32_t what, const std::string& then) {
    return fmt::format("(if (i32.eq (i32.load (local.get $at)) (i32.const {})) (then {}))", what, then);
  };
  std::string step;
  for (uint32_t i = 0; i < kFunctions.size(); ++i) {
    std::string call = fmt::format("(call ${}", kFunctions[i].name);
    for (size_t k = 0; k < kFunctions[i].parameters.size(); ++k) call += " " + Argument(k, kFunctions[i].parameters[k] == 'I');
    call += ")";
    step += when(i, kFunctions[i].result.empty() ? call : "(drop " + call + ")");
  }
  step += when(kStore, "(i32.store " + Argument(0, false) + Argument(1, false) + ")");
  step +=
      when(kShare, "(i32.store (i32.add (i32.const 1024) (i32.and " + Argument(0, false) + "(i32.const 28)))" + Argument(1, false) + ")");
  step += when(kGrow, "(drop (memory.grow (i32.and " + Argument(0, false) + "(i32.const 3))))");
  return "(func $step (param $at i32)" + step + ")" +
         fmt::format(
             "(func $run (result i32) (local $at i32) (local $left i32)"
             "(local.set $at (i32.const {})) (local.set $left (i32.load (i32.const {})))"
             "(block $done (loop $next (br_if $done (i32.eqz (local.get $left)))"
             "(local.set $left (i32.sub (local.get $left) (i32.const 1)))"
             "(call $step (local.get $at)) (local.set $at (i32.add (local.get $at) (i32.const {}))) (br $next)))"
             "(i32.load (i32.const {})))",
             kProgram + 8, kProgram, kStepBytes, kProgram + 4);
}

WatGuest Guest() {
  WatGuest guest;
  guest.imports = Imports();
  // custom() brings the program.
  guest.hook = fmt::format(
      "(if (i32.eq (local.get 0) (i32.const {})) (then (memory.copy (i32.const {}) (i32.const 65536) (local.get 3)))) (call $run)",
      static_cast<int>(FS_HOOK_CUSTOM), kProgram);
  guest.process = "(i32.store (i32.const 1028) (local.get 1)) (call $run)";
  guest.extra = Interpreter();
  return guest;
}

uint32_t TakeNumber(FuzzedDataProvider& input, uint32_t data_at, uint32_t data_size) {
  switch (input.ConsumeIntegralInRange<int>(0, 7)) {
    case 0:
    case 1:
    case 2:
      return input.ConsumeIntegral<uint8_t>() % 32;
    case 3:
    case 4:
      return data_at + input.ConsumeIntegralInRange<uint32_t>(0, data_size);
    case 5:
      return kMemoryEnd - input.ConsumeIntegral<uint8_t>();
    case 6:
      return input.ConsumeIntegral<uint32_t>();
    default:
      return UINT32_MAX - input.ConsumeIntegral<uint8_t>();
  }
}

void AppendU32(std::string& out, uint32_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof(value)); }

std::string Program(FuzzedDataProvider& input) {
  const std::string data = input.ConsumeRandomLengthString(1024);
  const auto count = input.ConsumeIntegralInRange<uint32_t>(0, kMaxSteps);
  const auto data_at = static_cast<uint32_t>(kProgram + 8 + count * kStepBytes);
  std::string program;
  AppendU32(program, count);
  AppendU32(program, input.ConsumeBool() ? 0 : input.ConsumeIntegralInRange<uint32_t>(0, 6));
  for (uint32_t i = 0; i < count; ++i) {
    AppendU32(program, input.ConsumeIntegralInRange<uint32_t>(0, kSteps - 1));
    for (size_t k = 0; k < kArguments; ++k) {
      AppendU32(program, input.remaining_bytes() == 0 ? 0 : TakeNumber(input, data_at, static_cast<uint32_t>(data.size())));
    }
  }
  return program + data;
}

// Reads every byte that a call is said to have emitted.
void TakeEmitted(sandbox::Guest& guest) {
  volatile uint8_t last = 0;
  const absl::Status status = guest.ForEachEmitted([&](const Emitted& emitted) {
    Require(emitted.channel == 0, "channel {}", emitted.channel);
    for (const std::string_view part : {emitted.record.value, emitted.record.key.value_or(""), emitted.record.headers}) {
      for (const char c : part) last = static_cast<uint8_t>(c);
    }
    return true;
  });
  (void)last;
  if (!status.ok()) Require(guest.is_dead(), "a guest that lives on after a malformed output");
}

// What ends a guest, ends it for good; what user code raised does not.
void Check(const absl::Status& status, const sandbox::Guest& guest) {
  const bool is_fatal = !status.ok() && status.code() != absl::StatusCode::kAborted && status.code() != absl::StatusCode::kInvalidArgument;
  Require(!is_fatal || guest.is_dead(), "a guest that lives on after: {}", Message(status));
  if (status.ok()) Require(!guest.is_dead(), "a dead guest that answers");
}

class Sandbox {
 public:
  Sandbox() {
    spdlog::set_level(spdlog::level::off);
    auto runtime = LoadRuntime(Guest().Text());
    Require(runtime.ok(), "no runtime: {}", Message(runtime.status()));
    runtime_ = *std::move(runtime);
  }

  void Run(FuzzedDataProvider& input) {
    // A state of its own for each input would be most of the work.
    if (runs_++ % 500 == 0) host_ = std::make_unique<TestHost>();
    host_->lines.clear();
    host_->begun.clear();
    const GuestLimits limits = {.memory_bytes = size_t{4} << 20, .call_timeout = absl::Milliseconds(200), .output_bytes = size_t{1} << 20};
    auto created = sandbox::Guest::Create(*runtime_, limits, *host_);
    // A busy machine may take longer than the limit.
    if (created.status().code() == absl::StatusCode::kDeadlineExceeded) return;
    Require(created.ok(), "no guest: {}", Message(created.status()));
    sandbox::Guest& guest = **created;
    const absl::Status loaded = guest.Load(OneChannelProgram());
    if (loaded.code() == absl::StatusCode::kDeadlineExceeded) return;
    Require(loaded.ok(), "not loaded: {}", Message(loaded));

    Check(guest.Custom(Program(input)).status(), guest);
    TakeEmitted(guest);
    Record records[2];
    records[0].value = "first";
    records[0].key = "k";
    records[1].value = "second";
    const auto result = guest.Process(0, 0, records);
    Check(result.status(), guest);
    if (result.ok()) Require(result->processed <= 2 && (result->error.has_value() || result->processed > 0), "a batch of nothing");
    TakeEmitted(guest);
    Check(guest.TakeCheckpoint(1).status(), guest);
    Check(guest.CheckHeartbeat().status(), guest);
    Check(guest.Close(), guest);
    created->reset();
    if (host_->state) host_->state->DiscardPending();
    for (const auto& [level, text] : host_->lines) Require(text.size() <= (64u << 10) + 100, "a log line of {} bytes", text.size());
  }

 private:
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<TestHost> host_;
  size_t runs_ = 0;
};

}  // namespace
}  // namespace fs::sandbox

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const sandbox = new fs::sandbox::Sandbox;
  FuzzedDataProvider input(data, size);
  sandbox->Run(input);
  return 0;
}
