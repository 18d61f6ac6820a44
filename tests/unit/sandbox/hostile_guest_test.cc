// Guests that break the ABI, run away or crash: each is ended with an error that says why, and the process lives.
#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "sandbox/test_host.h"
#include "sandbox/wat_guest.h"

namespace fs::sandbox {
namespace {

using ::testing::HasSubstr;

// Stores `value` into the field of fs_shared at this offset.
std::string Set(int offset, const std::string& value) {
  return "(i32.store (i32.const " + std::to_string(1024 + offset) + ") (i32.const " + value + "))";
}
constexpr int kProcessed = 4, kOutPtr = 8, kOutLen = 12, kOutCount = 16, kResultPtr = 20, kResultLen = 24, kInterruptPtr = 28;

// Touches memory for ever.
const char* const kEndlessLoop =
    "(loop (i32.store (i32.const 4096) (i32.add (i32.load (i32.const 4096)) (i32.const 1))) (br 0)) i32.const 0";

struct HostileCase {
  std::string name;
  std::function<void(WatGuest&)> change;
  absl::StatusCode code;
  std::string text;
};

absl::Status RunAll(Guest& guest) {
  FS_RETURN_IF_ERROR(guest.Load(OneChannelProgram()));
  FS_RETURN_IF_ERROR(guest.Init());
  Record record;
  record.value = "hello";
  const std::vector<Record> records(3, record);
  auto result = guest.Process(0, 0, records);
  FS_RETURN_IF_ERROR(result.status());
  if (result->error) return Aborted("{}: {}", result->error->type, result->error->message);
  if (result->processed != 3) return Internal("processed {}", result->processed);
  FS_RETURN_IF_ERROR(guest.ForEachEmitted([](const Emitted&) { return true; }));
  FS_RETURN_IF_ERROR(guest.TakeCheckpoint(1).status());
  return absl::OkStatus();
}

absl::Status RunWhole(const WatGuest& wat, GuestLimits limits) {
  auto runtime = LoadRuntime(wat.Text());
  FS_RETURN_IF_ERROR(runtime.status());
  TestHost host;
  auto guest = Guest::Create(**runtime, limits, host);
  FS_RETURN_IF_ERROR(guest.status());
  const absl::Status status = RunAll(**guest);
  const bool lives_on = status.ok() || status.code() == absl::StatusCode::kAborted || status.code() == absl::StatusCode::kInvalidArgument;
  EXPECT_EQ((*guest)->is_dead(), !lives_on) << status;
  if ((*guest)->is_dead()) {
    EXPECT_EQ((*guest)->Init().code(), absl::StatusCode::kFailedPrecondition);
  }
  return status;
}

class HostileGuest : public ::testing::TestWithParam<HostileCase> {};

TEST_P(HostileGuest, IsEndedWithTheReason) {
  WatGuest wat;
  GetParam().change(wat);
  GuestLimits limits;
  limits.memory_bytes = size_t{8} << 20;
  limits.call_timeout = absl::Milliseconds(60);
  limits.output_bytes = size_t{1} << 20;
  const absl::Status status = RunWhole(wat, limits);
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr(GetParam().text));
}

const std::string kOk = "i32.const 0";
const std::string kThree = Set(kProcessed, "3");

INSTANTIATE_TEST_SUITE_P(
    All, HostileGuest,
    ::testing::Values(
        HostileCase{"Nothing", [](WatGuest&) {}, absl::StatusCode::kOk, ""},
        HostileCase{"Version", [](WatGuest& w) { w.version = "i32.const 7"; }, absl::StatusCode::kInternal, "version 7 of the ABI"},
        HostileCase{"SharedVersion", [](WatGuest& w) { w.shared[1] = '1', w.shared[2] = '1'; }, absl::StatusCode::kInternal, "is of version 17"},
        HostileCase{"SharedOutside", [](WatGuest& w) { w.shared_address = "i32.const -16"; }, absl::StatusCode::kInternal, "outside of its memory"},
        HostileCase{"SharedUnaligned", [](WatGuest& w) { w.shared_address = "i32.const 1025"; }, absl::StatusCode::kInternal, "fs_shared"},
        HostileCase{"InterruptWordOutside", [](WatGuest& w) { w.load = Set(kInterruptPtr, "-4") + kOk; }, absl::StatusCode::kInternal,
                    "interrupt word"},
        HostileCase{"InterruptWordUnaligned", [](WatGuest& w) { w.load = Set(kInterruptPtr, "2049") + kOk; }, absl::StatusCode::kInternal,
                    "interrupt word"},
        HostileCase{"InterruptWordMissing", [](WatGuest& w) { w.load = Set(kInterruptPtr, "0") + kOk; }, absl::StatusCode::kInternal,
                    "interrupt word"},
        HostileCase{"ReserveNull", [](WatGuest& w) { w.reserve = kOk; }, absl::StatusCode::kResourceExhausted, "limits.memory_mb"},
        HostileCase{"ReserveOutside", [](WatGuest& w) { w.reserve = "i32.const -65536"; }, absl::StatusCode::kInternal, "input buffer"},
        HostileCase{"ReserveAtTheEnd", [](WatGuest& w) { w.reserve = "i32.const 2097144"; }, absl::StatusCode::kInternal, "input buffer"},
        HostileCase{"ReserveUnaligned", [](WatGuest& w) { w.reserve = "i32.const 65537"; }, absl::StatusCode::kInternal, "input buffer"},
        HostileCase{"ProcessedTooMany", [](WatGuest& w) { w.process = Set(kProcessed, "4") + kOk; }, absl::StatusCode::kInternal, "processed 4 of 3"},
        HostileCase{"ProcessedHuge", [](WatGuest& w) { w.process = Set(kProcessed, "-1") + kOk; }, absl::StatusCode::kInternal, "of 3"},
        HostileCase{"ProcessedNone", [](WatGuest& w) { w.process = Set(kProcessed, "0") + kOk; }, absl::StatusCode::kInternal, "processed 0 of 3"},
        HostileCase{"RaisedPastTheEnd", [](WatGuest& w) { w.process = kThree + "i32.const 1"; }, absl::StatusCode::kInternal, "raised"},
        HostileCase{"OutputOutside", [](WatGuest& w) { w.process = kThree + Set(kOutPtr, "-8") + Set(kOutLen, "64") + kOk; },
                    absl::StatusCode::kInternal, "output"},
        HostileCase{"OutputEndsOutside", [](WatGuest& w) { w.process = kThree + Set(kOutPtr, "2097120") + Set(kOutLen, "64") + kOk; },
                    absl::StatusCode::kInternal, "output"},
        HostileCase{"OutputTooLong", [](WatGuest& w) { w.process = kThree + Set(kOutPtr, "8") + Set(kOutLen, "1048577") + kOk; },
                    absl::StatusCode::kResourceExhausted, "emitted 1048577 bytes in one call; limits.output_mb is 1"},
        HostileCase{"OutputNegative", [](WatGuest& w) { w.process = kThree + Set(kOutLen, "-1") + kOk; }, absl::StatusCode::kResourceExhausted,
                    "4294967295 bytes"},
        HostileCase{"OutputCountTooHigh",
                    [](WatGuest& w) {
                      w.process = kThree + Set(kOutPtr, "8192") + Set(kOutLen, "32") + Set(kOutCount, "-1") + kOk;
                      w.extra = R"((data (i32.const 8192) "\20\00\00\00\00\00\00\00\00\00\00\00\ff\ff\ff\ff"))";
                    },
                    absl::StatusCode::kInternal, "ends before record 1"},
        HostileCase{"OutputCountTooLow",
                    [](WatGuest& w) {
                      w.process = kThree + Set(kOutPtr, "8192") + Set(kOutLen, "64") + Set(kOutCount, "1") + kOk;
                      w.extra = R"((data (i32.const 8192) "\20\00\00\00\00\00\00\00\00\00\00\00\ff\ff\ff\ff"))";
                    },
                    absl::StatusCode::kInternal, "after its last record"},
        HostileCase{"EmittedSizeZero",
                    [](WatGuest& w) { w.process = kThree + Set(kOutPtr, "8192") + Set(kOutLen, "64") + Set(kOutCount, "1") + kOk; },
                    absl::StatusCode::kInternal, "malformed record"},
        HostileCase{"EmittedSizePastTheEnd",
                    [](WatGuest& w) {
                      w.process = kThree + Set(kOutPtr, "8192") + Set(kOutLen, "64") + Set(kOutCount, "1") + kOk;
                      w.extra = R"((data (i32.const 8192) "\f8\ff\ff\ff\00\00\00\00\10\00\00\00\ff\ff\ff\ff"))";
                    },
                    absl::StatusCode::kInternal, "malformed record"},
        HostileCase{"EmittedLengthsOverflow",
                    [](WatGuest& w) {
                      w.process = kThree + Set(kOutPtr, "8192") + Set(kOutLen, "64") + Set(kOutCount, "1") + kOk;
                      w.extra = R"((data (i32.const 8192) "\40\00\00\00\00\00\00\00\f8\ff\ff\ff\ff\ff\ff\7f\f8\ff\ff\ff"))";
                    },
                    absl::StatusCode::kInternal, "malformed record"},
        HostileCase{"EmittedKeyNegative",
                    [](WatGuest& w) {
                      w.process = kThree + Set(kOutPtr, "8192") + Set(kOutLen, "64") + Set(kOutCount, "1") + kOk;
                      w.extra = R"((data (i32.const 8192) "\40\00\00\00\00\00\00\00\00\00\00\00\fe\ff\ff\ff"))";
                    },
                    absl::StatusCode::kInternal, "malformed record"},
        HostileCase{"EmittedToNoChannel",
                    [](WatGuest& w) {
                      w.process = kThree + Set(kOutPtr, "8192") + Set(kOutLen, "32") + Set(kOutCount, "1") + kOk;
                      w.extra = R"((data (i32.const 8192) "\20\00\00\00\01\00\00\00\00\00\00\00\ff\ff\ff\ff"))";
                    },
                    absl::StatusCode::kInternal, "channel 1, the function has 1"},
        HostileCase{"EmittedOfNoKind",
                    [](WatGuest& w) {
                      w.process = kThree + Set(kOutPtr, "8192") + Set(kOutLen, "32") + Set(kOutCount, "1") + kOk;
                      w.extra = R"((data (i32.const 8192) "\20\00\00\00\00\00\00\00\00\00\00\00\ff\ff\ff\ff\00\00\00\00\09"))";
                    },
                    absl::StatusCode::kInternal, "unknown kind 9"},
        HostileCase{"ResultOutside", [](WatGuest& w) { w.hook = Set(kResultPtr, "2097151") + Set(kResultLen, "2") + kOk; },
                    absl::StatusCode::kInternal, "result"},
        HostileCase{"ResultNegative", [](WatGuest& w) { w.hook = Set(kResultPtr, "4") + Set(kResultLen, "-1") + kOk; },
                    absl::StatusCode::kInternal, "result"},
        HostileCase{"ReportCutOff", [](WatGuest& w) { w.hook = Set(kResultPtr, "8192") + Set(kResultLen, "5") + "i32.const 1"; },
                    absl::StatusCode::kInternal, "error report"},
        HostileCase{"ReportLengthHuge",
                    [](WatGuest& w) {
                      w.hook = Set(kResultPtr, "8192") + Set(kResultLen, "12") + "i32.const 1";
                      w.extra = R"((data (i32.const 8192) "\ff\ff\ff\ff"))";
                    },
                    absl::StatusCode::kInternal, "cut off"},
        HostileCase{"StatusUnknown", [](WatGuest& w) { w.hook = "i32.const 99"; }, absl::StatusCode::kInternal, "unknown status 99"},
        HostileCase{"StatusNegative", [](WatGuest& w) { w.process = kThree + "i32.const -1"; }, absl::StatusCode::kInternal, "unknown status -1"},
        HostileCase{"StatusFatal", [](WatGuest& w) { w.process = kThree + "i32.const 5"; }, absl::StatusCode::kInternal, "cannot go on"},
        HostileCase{"StatusNoMemory", [](WatGuest& w) { w.process = kThree + "i32.const 3"; }, absl::StatusCode::kResourceExhausted,
                    "limits.memory_mb is 8"},
        HostileCase{"BadPackageFromProcess", [](WatGuest& w) { w.process = kThree + "i32.const 2"; }, absl::StatusCode::kInternal, "process"},
        HostileCase{"UserErrorFromLoad", [](WatGuest& w) { w.load = "i32.const 1"; }, absl::StatusCode::kInvalidArgument, ""},
        HostileCase{"UserErrorWithEmptyReport", [](WatGuest& w) { w.hook = "i32.const 1"; }, absl::StatusCode::kAborted, ""},
        HostileCase{"Unreachable", [](WatGuest& w) { w.process = "unreachable"; }, absl::StatusCode::kInternal, "unreachable"},
        HostileCase{"DivisionByZero", [](WatGuest& w) { w.process = "(i32.div_s (i32.const 1) (i32.const 0))"; }, absl::StatusCode::kInternal,
                    "crashed"},
        HostileCase{"OutOfBounds", [](WatGuest& w) { w.process = "(i32.load (i32.const -4))"; }, absl::StatusCode::kInternal, "out of bounds"},
        HostileCase{"Recursion",
                    [](WatGuest& w) {
                      w.process = "call $deep";
                      w.extra = "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))";
                    },
                    absl::StatusCode::kInternal, "stack overflowed"},
        HostileCase{"EndlessLoop", [](WatGuest& w) { w.process = kEndlessLoop; }, absl::StatusCode::kDeadlineExceeded,
                    "process: took longer than limits.process_timeout_ms (60 ms)"},
        HostileCase{"EndlessLoopInLoad", [](WatGuest& w) { w.load = kEndlessLoop; }, absl::StatusCode::kDeadlineExceeded, "load: took longer"},
        HostileCase{"EndlessLoopInHook", [](WatGuest& w) { w.hook = kEndlessLoop; }, absl::StatusCode::kDeadlineExceeded, "init: took longer"},
        HostileCase{"EndlessLoopInReserve", [](WatGuest& w) { w.reserve = kEndlessLoop; }, absl::StatusCode::kDeadlineExceeded,
                    "load: took longer"},
        HostileCase{"EndlessCopies",
                    [](WatGuest& w) {
                      // Faults in Wasmtime's own memmove while the memory is taken away.
                      w.process =
                          "(loop (memory.copy (i32.const 262144) (i32.const 131072) (i32.const 1048576)) "
                          "(memory.copy (i32.const 8192) (i32.const 16384) (i32.const 64)) "
                          "(memory.fill (i32.const 524288) (i32.const 7) (i32.const 1048576)) (drop (i32.load8_u (i32.const 5000))) (br 0)) i32.const 0";
                    },
                    absl::StatusCode::kDeadlineExceeded, "process: took longer"},
        HostileCase{"EndlessGrowth",
                    [](WatGuest& w) {
                      // Lives in the pages it grew last.
                      w.process =
                          "(local $page i32) (loop (local.set $page (memory.grow (i32.const 1))) "
                          "(if (i32.eq (local.get $page) (i32.const -1)) (then (local.set $page (i32.const 40)))) "
                          "(i32.store (i32.mul (local.get $page) (i32.const 65536)) (i32.const 1)) (br 0)) i32.const 0";
                    },
                    absl::StatusCode::kDeadlineExceeded, "process: took longer"},
        HostileCase{"EndlessHostCalls",
                    [](WatGuest& w) {
                      w.imports = R"((import "fs" "log" (func $log (param i32 i32 i32)))
                                     (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32))))";
                      w.process =
                          "(loop (drop (call $random (i32.const 131072) (i32.const 262144))) (call $log (i32.const 20) (i32.const 1024) (i32.const 8)) (br 0)) "
                          "i32.const 0";
                    },
                    absl::StatusCode::kDeadlineExceeded, "process: took longer"},
        HostileCase{"MemoryBomb",
                    [](WatGuest& w) { w.process = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable"; },
                    absl::StatusCode::kResourceExhausted, "limits.memory_mb is 8"},
        HostileCase{"TableBomb",
                    [](WatGuest& w) {
                      // Up to the limit of elements, and not one further; then it dies of what it does next.
                      w.extra = "(table $t 1 funcref)";
                      w.process =
                          "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) "
                          "(if (i32.gt_u (table.size $t) (i32.const 100000)) (then (loop (br 0)))) unreachable";
                    },
                    absl::StatusCode::kInternal, "unreachable"},
        HostileCase{"LogOutside",
                    [](WatGuest& w) {
                      w.imports = R"((import "fs" "log" (func $log (param i32 i32 i32))))";
                      w.process = "(call $log (i32.const 20) (i32.const 2097000) (i32.const 1000)) i32.const 0";
                    },
                    absl::StatusCode::kInternal, "fs.log: the text"},
        HostileCase{"KeyOutside",
                    [](WatGuest& w) {
                      w.imports = R"((import "fs" "kv_open" (func $open (param i32 i32) (result i32)))
                                     (import "fs" "kv_put" (func $put (param i32 i32 i32 i32 i32) (result i32))))";
                      w.process =
                          "(drop (call $open (i32.const 1024) (i32.const 1))) "
                          "(call $put (i32.const 0) (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0))";
                    },
                    absl::StatusCode::kInternal, "fs.kv_put: the key"},
        HostileCase{"ComplexKeyOutside",
                    [](WatGuest& w) {
                      w.imports = R"((import "fs" "kv_open" (func $open (param i32 i32) (result i32)))
                                     (import "fs" "ck_get" (func $get (param i32 i32 i32 i32) (result i64))))";
                      w.process =
                          "(drop (call $open (i32.const 1024) (i32.const 1))) "
                          "(i32.wrap_i64 (call $get (i32.const 0) (i32.const 8192) (i32.const 0) (i32.const 0)))";
                      w.extra = R"((data (i32.const 8192) "\00\00\00\00\00\00\00\00\ff\ff\ff\ff\ff\ff\ff\ff"))";
                    },
                    absl::StatusCode::kInternal, "fs.ck_get: the key"},
        HostileCase{"Exit",
                    [](WatGuest& w) {
                      w.imports = R"((import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))))";
                      w.process = "(call $exit (i32.const 3)) i32.const 0";
                    },
                    absl::StatusCode::kInternal, "exit code 3"},
        HostileCase{"StartFunction",
                    [](WatGuest& w) { w.extra = "(func $s) (start $s)"; }, absl::StatusCode::kInternal, "start function"},
        HostileCase{"NoMemory", [](WatGuest& w) { w.memory = "(memory 32)"; }, absl::StatusCode::kInternal, "does not export a memory"},
        HostileCase{"UnknownImport", [](WatGuest& w) { w.imports = R"((import "fs" "open_file" (func)))"; }, absl::StatusCode::kInternal,
                    "open_file"},
        HostileCase{"ImportOfOtherType", [](WatGuest& w) { w.imports = R"((import "fs" "log" (func (param i64))))"; }, absl::StatusCode::kInternal,
                    "log"}),
    [](const auto& tested) { return tested.param.name; });

TEST(GuestLimitsTest, OneCallForGigabytesOfRandomnessEndsWithItsTime) {
  WatGuest wat;
  wat.memory = R"((memory (export "memory") 32768))";
  wat.imports = R"((import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32))))";
  wat.process = "(call $random (i32.const 131072) (i32.const 2000000000))";
  GuestLimits limits;
  limits.memory_bytes = size_t{4} << 30;
  limits.call_timeout = absl::Milliseconds(60);
  const absl::Time start = absl::Now();
  const absl::Status status = RunWhole(wat, limits);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_LT(absl::Now() - start, absl::Seconds(2));
}

TEST(GuestLimitsTest, MemorySmallerThanTheRuntimeIsRefusedByName) {
  auto runtime = LoadRuntime(WatGuest().Text());
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  TestHost host;
  GuestLimits limits;
  limits.memory_bytes = size_t{1} << 20;
  const auto guest = Guest::Create(**runtime, limits, host);
  EXPECT_EQ(guest.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(Message(guest.status())), HasSubstr("limits.memory_mb"));
}

TEST(RuntimeTest, ExportOfAnotherTypeIsRefused) {
  std::string text = WatGuest().Text();
  const std::string right = "(func (export \"fs_load\") (param i32) (result i32) i32.const 0)";
  text.replace(text.find(right), right.size(), "(func (export \"fs_load\") (param i64) (result i32) i32.const 0)");
  EXPECT_THAT(std::string(Message(LoadRuntime(text).status())), HasSubstr("export fs_load is of another type"));
}

TEST(RuntimeTest, NoModuleIsRefusedNamingThePath) {
  const auto missing = Runtime::Load({.wasm_path = "/nowhere/python.wasm", .cache_dir = "", .enable_cache = false});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(Message(missing.status())), HasSubstr("/nowhere/python.wasm"));
  const TemporaryFolder folder;
  const auto path = folder.Write("text.wasm", "not wasm at all");
  const auto garbage = Runtime::Load({.wasm_path = path, .cache_dir = "", .enable_cache = false});
  EXPECT_THAT(std::string(Message(garbage.status())), HasSubstr("not a WebAssembly core module"));
}

}  // namespace
}  // namespace fs::sandbox
