// WASI preview 1 as guests get it: what works, what is refused and how, and that bad addresses are answers, not crashes.
#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "sandbox/test_host.h"
#include "sandbox/wat_guest.h"

namespace fs::sandbox {
namespace {

struct WasiCase {
  std::string name;
  std::string type;  // of the imported function
  std::string arguments;
  int32_t answer;
};

// A guest whose custom hook calls `name` and answers with 64 bytes: the result, then memory from 4096 on.
WatGuest Calling(const std::string& name, const std::string& type, const std::string& arguments, const std::string& extra = "") {
  WatGuest wat;
  wat.imports = "(import \"wasi_snapshot_preview1\" \"" + name + "\" (func $f " + type + "))";
  wat.hook = "(i32.store (i32.const 4092) (call $f " + arguments + "))" +
             "(i32.store (i32.const 1044) (i32.const 4092)) (i32.store (i32.const 1048) (i32.const 64)) i32.const 0";
  wat.extra = extra;
  return wat;
}

struct Called {
  int32_t answer = -1;
  std::string memory;
  TestHost host;
};

void Call(const WatGuest& wat, Called& called) {
  auto runtime = LoadRuntime(wat.Text());
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  auto guest = Guest::Create(**runtime, {}, called.host);
  ASSERT_TRUE(guest.ok()) << guest.status();
  ASSERT_TRUE((*guest)->Load(OneChannelProgram()).ok());
  const auto bytes = (*guest)->Custom("");
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  std::memcpy(&called.answer, bytes->data(), sizeof(called.answer));
  called.memory = bytes->substr(4);
}

class Wasi : public ::testing::TestWithParam<WasiCase> {};

TEST_P(Wasi, Answers) {
  Called called;
  std::string name = GetParam().name;
  Call(Calling(name.substr(0, name.find(' ')), GetParam().type, GetParam().arguments), called);
  EXPECT_EQ(called.answer, GetParam().answer);
}

const char* const kTwo = "(param i32 i32) (result i32)";
const char* const kThree = "(param i32 i32 i32) (result i32)";
const char* const kFour = "(param i32 i32 i32 i32) (result i32)";
std::string I(std::initializer_list<int64_t> values) {
  std::string text;
  for (const int64_t value : values) text += "(i32.const " + std::to_string(value) + ")";
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    All, Wasi,
    ::testing::Values(
        WasiCase{"args_sizes_get", kTwo, I({4096, 4100}), 0}, WasiCase{"environ_sizes_get", kTwo, I({4096, 4100}), 0},
        WasiCase{"environ_sizes_get outside", kTwo, I({4096, -1}), 21}, WasiCase{"environ_get", kTwo, I({4096, 4100}), 0},
        WasiCase{"clock_time_get", "(param i32 i64 i32) (result i32)", "(i32.const 1)(i64.const 0)(i32.const 4096)", 0},
        WasiCase{"clock_time_get unknown", "(param i32 i64 i32) (result i32)", "(i32.const 9)(i64.const 0)(i32.const 4096)", 28},
        WasiCase{"clock_time_get outside", "(param i32 i64 i32) (result i32)", "(i32.const 0)(i64.const 0)(i32.const -4)", 21},
        WasiCase{"clock_res_get", kTwo, I({0, 4096}), 0}, WasiCase{"random_get outside", kTwo, I({4096, -1}), 21},
        WasiCase{"random_get empty", kTwo, I({4096, 0}), 0}, WasiCase{"sched_yield", "(result i32)", "", 0},
        WasiCase{"proc_raise", "(param i32) (result i32)", I({9}), 52}, WasiCase{"fd_close", "(param i32) (result i32)", I({1}), 0},
        WasiCase{"fd_close other", "(param i32) (result i32)", I({3}), 8}, WasiCase{"fd_prestat_get", kTwo, I({3, 4096}), 8},
        WasiCase{"fd_fdstat_get", kTwo, I({1, 4096}), 0}, WasiCase{"fd_fdstat_get stdin", kTwo, I({0, 4096}), 8},
        WasiCase{"fd_filestat_get", kTwo, I({2, 4096}), 0},
        WasiCase{"fd_seek", "(param i32 i64 i32 i32) (result i32)", "(i32.const 1)(i64.const 0)(i32.const 0)(i32.const 4096)", 70},
        WasiCase{"fd_read", kFour, I({0, 4096, 1, 4100}), 8}, WasiCase{"fd_write closed", kFour, I({3, 4096, 1, 4100}), 8},
        WasiCase{"fd_write outside", kFour, I({1, -4, 1, 4100}), 21}, WasiCase{"fd_write wraps", kFour, I({1, -8, 2, 4100}), 21},
        WasiCase{"fd_write too many", kFour, I({1, 4096, -1, 4100}), 28}, WasiCase{"fd_write nothing", kFour, I({1, 4096, 0, 4100}), 0},
        WasiCase{"path_unlink_file", kThree, I({3, 4096, 4}), 8}, WasiCase{"sock_accept", kThree, I({3, 0, 4096}), 8},
        WasiCase{"poll_oneoff none", kFour, I({8192, 4096, 0, 4100}), 28},
        WasiCase{"poll_oneoff outside", kFour, I({-16, 4096, 1, 4100}), 21},
        WasiCase{"poll_oneoff many outside", kFour, I({8192, 4096, 90000000, 4100}), 28}),
    [](const auto& tested) {
      std::string name = tested.param.name;
      for (char& c : name) {
        if (c == ' ') c = '_';
      }
      return name;
    });

TEST(WasiTest, RandomBytesAreWritten) {
  Called first, second;
  Call(Calling("random_get", kTwo, I({4096, 48})), first);
  Call(Calling("random_get", kTwo, I({4096, 48})), second);
  EXPECT_EQ(first.answer, 0);
  EXPECT_NE(first.memory.substr(0, 48), second.memory.substr(0, 48));
}

TEST(WasiTest, WritesBecomeLinesAndTheRestWaits) {
  Called called;
  // Two vectors: "one\ntw" and "o\nthr".
  Call(Calling("fd_write", kFour, I({2, 8192, 2, 4096}),
               R"((data (i32.const 8192) "\00\24\00\00\06\00\00\00\06\24\00\00\05\00\00\00") (data (i32.const 9216) "one\ntwo\nthr"))"),
       called);
  EXPECT_EQ(called.answer, 0);
  EXPECT_EQ(called.memory[0], 11);
  ASSERT_EQ(called.host.lines.size(), 2U);
  EXPECT_EQ(called.host.lines[0], (std::pair<int, std::string>(40, "one")));
  EXPECT_EQ(called.host.lines[1], (std::pair<int, std::string>(40, "two")));
}

TEST(WasiTest, ALineWithoutEndIsCutNotCollected) {
  Called called;
  // 64 KiB of zeros, in pieces of 16 KiB.
  Call(Calling("fd_write", kFour, I({1, 8192, 1, 4096}), R"((data (i32.const 8192) "\00\24\00\00\00\00\01\00"))"), called);
  EXPECT_EQ(called.answer, 0);
  ASSERT_EQ(called.host.lines.size(), 4U);
  EXPECT_EQ(called.host.lines[0].second.size(), size_t{16} << 10);
}

// A bug once: one call wrote all it was given, lines without number, and nothing could stop it.
TEST(WasiTest, OneCallWritesNoMoreThan64KiB) {
  Called called;
  // Two vectors: 40,000 bytes and a mebibyte.
  Call(Calling("fd_write", kFour, I({1, 8192, 2, 4096}), R"((data (i32.const 8192) "\00\24\00\00\40\9c\00\00\00\24\00\00\00\00\10\00"))"),
       called);
  EXPECT_EQ(called.answer, 0);
  uint32_t written = 0;
  std::memcpy(&written, called.memory.data(), sizeof(written));
  EXPECT_EQ(written, 64U << 10);
}

TEST(WasiTest, SleepTakesItsTimeAndSaysWhichClock) {
  Called called;
  // user_data 0x2a; clock 1; 40 ms.
  const std::string subscription =
      R"((data (i32.const 8192) "\2a\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\00\5a\62\02"))";
  const absl::Time begin = absl::Now();
  Call(Calling("poll_oneoff", kFour, I({8192, 4096, 1, 4140}), subscription), called);
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(40));
  EXPECT_EQ(called.answer, 0);
  EXPECT_EQ(called.memory[0], 0x2a);
  EXPECT_EQ(called.memory[44], 1);
}

}  // namespace
}  // namespace fs::sandbox
