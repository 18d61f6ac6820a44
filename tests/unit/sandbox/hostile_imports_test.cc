// Every import of module "fs", with every address, length and handle wrong in turn: an address outside ends the guest with the import's
// name, a handle that was never given out is an answer, and what is odd but inside works.
#include <fs_abi.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/test_host.h"
#include "sandbox/wat_guest.h"

namespace fs::sandbox {
namespace {

using ::testing::HasSubstr;

constexpr int32_t kKey = 131072, kValue = 131080, kOut = 135168, kStoredKey = 139264, kMemoryEnd = 2097152;
// Where the hook finds its arguments and the complex key, both of the payload.
constexpr int32_t kArguments = 65536, kComplexKey = 65600;
constexpr size_t kPayload = 96;

enum class Use { kRead, kFilled, kWritten };  // kFilled: all of it is checked; kWritten: as much as there is to write
struct Range {
  size_t address;  // index of the argument; the length follows it
  Use use;
};

struct ImportCase {
  std::string name;
  std::string result;
  std::vector<int32_t> arguments;
  std::vector<Range> ranges;
  bool has_handle = true;
  bool has_complex_key = false;
};

// A guest with a store, a value, an entry under a complex key, an open iterator and a last error; custom() makes the call and answers with
// its result.
std::string Calling(const ImportCase& tested) {
  std::string parameters, arguments;
  for (size_t i = 0; i < tested.arguments.size(); ++i) {
    parameters += " i32";
    arguments += "(i32.load (i32.const " + std::to_string(kArguments + 4 * i) + "))";
  }
  const std::string result = tested.result.empty() ? "" : "(result " + tested.result + ")";
  WatGuest wat;
  wat.imports = R"((import "fs" "kv_open" (func $open (param i32 i32) (result i32)))
                   (import "fs" "kv_put" (func $put (param i32 i32 i32 i32 i32) (result i32)))
                   (import "fs" "kv_delete" (func $delete (param i32 i32 i32) (result i32)))
                   (import "fs" "ck_put" (func $ck_put (param i32 i32 i32 i32) (result i32)))
                   (import "fs" "ck_scan" (func $scan (param i32 i32) (result i32)))
                   (import "fs" ")" +
                tested.name + "\" (func $tested (param" + parameters + ") " + result + "))";
  std::string call = "(call $tested " + arguments + ")";
  if (tested.result == "i32") call = "(i64.extend_i32_s " + call + ")";
  wat.hook = R"((drop (call $open (i32.const 131072) (i32.const 1)))
                (drop (call $put (i32.const 0) (i32.const 131072) (i32.const 8) (i32.const 131080) (i32.const 8)))
                (drop (call $ck_put (i32.const 0) (i32.const 139264) (i32.const 131080) (i32.const 8)))
                (drop (call $scan (i32.const 0) (i32.const 139264)))
                (drop (call $delete (i32.const -1) (i32.const 0) (i32.const 0))))" +
             (tested.result.empty() ? call : "(i64.store (i32.const 4096) " + call + ")") +
             "(i32.store (i32.const 1044) (i32.const 4096)) (i32.store (i32.const 1048) (i32.const 8)) i32.const 0";
  // The stored key's parts: each the byte at kKey.
  wat.extra = R"((data (i32.const 131072) "key.....value...")
                 (data (i32.const 139264) "\00\00\02\00\01\00\00\00\00\00\02\00\01\00\00\00\00\00\02\00\01\00\00\00\00\00\02\00\01\00\00\00"))";
  return wat.Text();
}

using Parts = std::array<int32_t, 8>;
constexpr Parts kGoodParts = {kKey, 1, kKey, 1, kKey, 1, kKey, 1};

class HostileImport : public ::testing::TestWithParam<ImportCase> {
 protected:
  void SetUp() override {
    auto runtime = LoadRuntime(Calling(GetParam()));
    ASSERT_TRUE(runtime.ok()) << runtime.status();
    runtime_ = *std::move(runtime);
  }

  // Makes the call in a guest of its own, which lives on exactly when the call did not end it.
  absl::StatusOr<int64_t> Call(const std::vector<int32_t>& arguments, const Parts& parts = kGoodParts) {
    std::string payload(kPayload, '\0');
    std::memcpy(payload.data(), arguments.data(), arguments.size() * sizeof(int32_t));
    std::memcpy(payload.data() + (kComplexKey - kArguments), parts.data(), sizeof(parts));
    TestHost host;
    GuestLimits limits;
    limits.memory_bytes = size_t{8} << 20;
    FS_ASSIGN_OR_RETURN(const std::unique_ptr<Guest> guest, Guest::Create(*runtime_, limits, host));
    FS_RETURN_IF_ERROR(guest->Load(OneChannelProgram()));
    const auto answer = guest->Custom(payload);
    EXPECT_EQ(guest->is_dead(), !answer.ok());
    FS_RETURN_IF_ERROR(answer.status());
    int64_t result = 0;
    std::memcpy(&result, answer->data(), sizeof(result));
    return result;
  }
  void ExpectEnded(const absl::StatusOr<int64_t>& called, const std::string& what) {
    EXPECT_EQ(called.status().code(), absl::StatusCode::kInternal) << what;
    EXPECT_THAT(std::string(Message(called.status())), HasSubstr("fs." + GetParam().name + ": ")) << what;
    EXPECT_THAT(std::string(Message(called.status())), HasSubstr("outside of the guest's memory")) << what;
  }
  [[nodiscard]] std::vector<int32_t> With(size_t index, std::initializer_list<int32_t> values) const {
    std::vector<int32_t> arguments = GetParam().arguments;
    for (const int32_t value : values) arguments[index++] = value;
    return arguments;
  }

  std::unique_ptr<Runtime> runtime_;
};

TEST_P(HostileImport, WorksAsItShould) {
  const auto called = Call(GetParam().arguments);
  ASSERT_TRUE(called.ok()) << called.status();
  EXPECT_GE(*called, 0);
}

TEST_P(HostileImport, AnAddressOutsideEndsTheGuest) {
  // What wraps around 32 bits, what is far away, and what is one byte too much.
  const std::vector<std::pair<int32_t, int32_t>> checked = {
      {-1, -1}, {0, -1}, {-8, 16}, {kMemoryEnd, 1}, {kMemoryEnd - 7, 8}, {INT32_MAX, INT32_MAX}, {INT32_MIN, INT32_MIN}, {1, kMemoryEnd}};
  const std::vector<std::pair<int32_t, int32_t>> written = {
      {-1, -1}, {-4, 64}, {kMemoryEnd - 4, 64}, {INT32_MAX, INT32_MAX}, {INT32_MIN, 64}};
  for (const Range& range : GetParam().ranges) {
    for (const auto& [address, length] : range.use == Use::kWritten ? written : checked) {
      ExpectEnded(Call(With(range.address, {address, length})), fmt::format("argument {}: {} bytes at {}", range.address, length, address));
    }
  }
}

TEST_P(HostileImport, AComplexKeyOutsideEndsTheGuest) {
  if (!GetParam().has_complex_key) return;
  for (const int32_t address : {-1, -31, kMemoryEnd - 31, kMemoryEnd, INT32_MAX, INT32_MIN}) {
    ExpectEnded(Call(With(1, {address})), fmt::format("key at {}", address));
  }
  for (size_t part = 0; part < 4; ++part) {
    for (const auto& [address, length] : std::initializer_list<std::pair<int32_t, int32_t>>{
             {-1, -1}, {0, -1}, {-8, 16}, {kMemoryEnd - 7, 8}, {INT32_MAX, INT32_MAX}, {1, kMemoryEnd}}) {
      Parts parts = kGoodParts;
      parts[2 * part] = address;
      parts[2 * part + 1] = length;
      ExpectEnded(Call(GetParam().arguments, parts), fmt::format("part {}: {} bytes at {}", part, length, address));
    }
  }
}

TEST_P(HostileImport, AHandleThatWasNeverGivenOutIsAnAnswer) {
  if (!GetParam().has_handle) return;
  for (const int32_t handle : {-1, 1, 1'000'000, INT32_MAX, INT32_MIN}) {
    const auto called = Call(With(0, {handle}));
    ASSERT_TRUE(called.ok()) << called.status();
    EXPECT_EQ(*called, GetParam().result.empty() ? 0 : FS_KV_OTHER) << handle;
  }
}

TEST_P(HostileImport, NothingAtAnAddressAndWhatOverlapsIsAllowed) {
  const bool is_name = GetParam().name == "kv_open";  // a store without a name is refused, by an answer
  for (const Range& range : GetParam().ranges) {
    for (const int32_t address : {0, kMemoryEnd}) {
      const auto called = Call(With(range.address, {address, 0}));
      ASSERT_TRUE(called.ok()) << called.status();
      EXPECT_EQ(*called == FS_KV_OTHER, is_name);
    }
    // Over the arguments themselves, the key and the value.
    for (const int32_t address : {kArguments, kComplexKey, kKey, kStoredKey}) {
      const auto called = Call(With(range.address, {address, 64}));
      ASSERT_TRUE(called.ok()) << called.status();
    }
  }
  if (!GetParam().has_complex_key) return;
  const auto called = Call(GetParam().arguments, {kComplexKey, 32, kComplexKey, 32, kComplexKey, 32, kComplexKey + 1, 31});
  ASSERT_TRUE(called.ok()) << called.status();
}

const Range kFirst = {0, Use::kRead}, kSecond = {1, Use::kRead};

INSTANTIATE_TEST_SUITE_P(
    All, HostileImport,
    ::testing::Values(ImportCase{"kv_open", "i32", {kKey, 1}, {kFirst}, false},
                      ImportCase{"kv_get", "i64", {0, kKey, 8, kOut, 64}, {kSecond, {3, Use::kWritten}}},
                      ImportCase{"kv_put", "i32", {0, kKey, 8, kValue, 8}, {kSecond, {3, Use::kRead}}},
                      ImportCase{"kv_delete", "i32", {0, kKey, 8}, {kSecond}},
                      ImportCase{"kv_list", "i32", {0, kKey, 0, kKey, 8}, {kSecond, {3, Use::kRead}}},
                      ImportCase{"ck_get", "i64", {0, kComplexKey, kOut, 64}, {{2, Use::kWritten}}, true, true},
                      ImportCase{"ck_put", "i32", {0, kComplexKey, kValue, 8}, {{2, Use::kRead}}, true, true},
                      ImportCase{"ck_delete", "i32", {0, kComplexKey}, {}, true, true},
                      ImportCase{"ck_merge", "i32", {0, kComplexKey, kValue, 8}, {{2, Use::kRead}}, true, true},
                      ImportCase{"ck_delete_prefix", "i32", {0, kComplexKey}, {}, true, true},
                      ImportCase{"ck_list", "i32", {0, kComplexKey, kKey, 0, kKey, 8}, {{2, Use::kRead}, {4, Use::kRead}}, true, true},
                      ImportCase{"ck_scan", "i32", {0, kComplexKey}, {}, true, true},
                      ImportCase{"iter_next", "i64", {0, kOut, 64}, {{1, Use::kFilled}}}, ImportCase{"iter_close", "", {0}, {}},
                      ImportCase{"log", "", {20, kKey, 8}, {kSecond}, false},
                      ImportCase{"last_error", "i32", {kOut, 64}, {{0, Use::kWritten}}, false}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace fs::sandbox
