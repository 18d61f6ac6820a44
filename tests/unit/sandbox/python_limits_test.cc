// The real interpreter at its limits: each ends that guest alone, in time, with a text that says what happened and where.
#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "sandbox/python_runtime.h"
#include "support/slow_build.h"

namespace fs::sandbox {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

GuestLimits Limits(absl::Duration timeout, size_t memory_mb = 256) {
  GuestLimits limits;
  limits.call_timeout = timeout;
  limits.memory_bytes = memory_mb << 20;
  return limits;
}

struct RunawayCase {
  std::string name;
  std::string body;
  std::string text;  // what the error must hold beside its name
};

class Runaway : public ::testing::TestWithParam<RunawayCase> {};

INSTANTIATE_TEST_SUITE_P(
    All, Runaway,
    ::testing::Values(
        RunawayCase{"Loop", "while True: pass", "line 5"},
        RunawayCase{"LoopThatCatchesAll", "while True:\n  try:\n    while True: pass\n  except BaseException: pass", "by force"},
        RunawayCase{"LongPower", "10 ** 10 ** 8", ""}, RunawayCase{"Regex", "import re\nre.match(r'(a*)*b', 'a' * 40)", ""},
        RunawayCase{"Sleep", "import time\ntime.sleep(1000)", "line 6"},
        RunawayCase{"SleepAgainAndAgain", "import time\nwhile True:\n  try: time.sleep(1000)\n  except BaseException: pass", "by force"},
        RunawayCase{"SortWithSlowKey", "[1, 2].sort(key=lambda x: [0 for _ in iter(int, 1)])", "line 5"},
        RunawayCase{"LoopInDel", "class D:\n  def __del__(self):\n    while True: pass\nD()", ""},
        RunawayCase{"LoopInFinally", "try: raise ValueError\nfinally:\n  while True: pass", "line 7"},
        RunawayCase{"HugeSort", "l = list(range(3000000))\nwhile True: l.sort(key=lambda x: -x)", ""},
        RunawayCase{"Copies", "b = bytearray(50000000)\nwhile True:\n  b[:] = bytes(50000000)", ""},
        RunawayCase{"StateLoop", "s = ctx.getOrCreateKVStore('s')\nwhile True: s.put_state(b'k', b'v')", "line 6"}),
    [](const auto& tested) { return tested.param.name; });

TEST_P(Runaway, IsStoppedByTheTimeLimit) {
  PythonGuest python(FunctionWith(GetParam().body), "F", Limits(absl::Milliseconds(300)));
  ASSERT_TRUE(python.Start().ok());
  const absl::Time begin = absl::Now();
  const auto result = python.Process({"x"});
  const absl::Duration took = absl::Now() - begin;
  ASSERT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  EXPECT_THAT(std::string(Message(result.status())), AllOf(HasSubstr("limits.process_timeout_ms (300 ms)"), HasSubstr(GetParam().text)));
  EXPECT_LT(took, absl::Milliseconds(300) + absl::Seconds(1) * kSlowBuild);
  RecordProperty("over_ms", static_cast<int>(absl::ToInt64Milliseconds(took) - 300));
  EXPECT_TRUE(python.guest->is_dead());
}

TEST_P(Runaway, IsStoppedByAnInterruptWithinASecond) {
  PythonGuest python(FunctionWith(GetParam().body), "F", Limits(absl::Seconds(30)));
  ASSERT_TRUE(python.Start().ok());
  absl::Time interrupted;
  std::thread other([&] {
    absl::SleepFor(absl::Milliseconds(150));
    interrupted = absl::Now();
    python.guest->Interrupt();
    python.guest->Interrupt();
  });
  const auto result = python.Process({"x"});
  const absl::Time end = absl::Now();
  other.join();
  ASSERT_EQ(result.status().code(), absl::StatusCode::kCancelled) << result.status();
  EXPECT_LT(end - interrupted, absl::Seconds(1) * kSlowBuild);
  RecordProperty("interrupt_ms", static_cast<int>(absl::ToInt64Milliseconds(end - interrupted)));
}

TEST(PythonLimitsTest, EachMessageHasTheWholeTimeLimit) {
  PythonGuest python(FunctionWith("import time\ntime.sleep(0.06)"), "F", Limits(absl::Milliseconds(600)));
  ASSERT_TRUE(python.Start().ok());
  const auto result = python.Process(std::vector<std::string>(12, "x"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->processed, 12U);
}

TEST(PythonLimitsTest, AllMessagesOfABatchShareASecondLimit) {
  GuestLimits limits = Limits(absl::Seconds(1));
  limits.batch_timeout = absl::Seconds(1);
  LimitUse use;
  limits.use = &use;
  PythonGuest python(FunctionWith("import time\ntime.sleep(0.15)"), "F", limits);
  ASSERT_TRUE(python.Start().ok());
  const auto result = python.Process(std::vector<std::string>(100, "x"));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  EXPECT_THAT(std::string(Message(result.status())),
              HasSubstr("the messages of one batch took longer than limits.batch_timeout_ms (1000 ms)"));
  EXPECT_EQ(python.guest->ended_by(), Limit::kBatchTimeout);
  EXPECT_EQ(use.refused(Limit::kBatchTimeout), 1U);
  EXPECT_EQ(use.refused(Limit::kProcessTimeout), 0U);
}

TEST(PythonLimitsTest, StoresAndIteratorsBeyondTheirLimitsAreErrorsInTheCode) {
  GuestLimits limits;
  limits.stores = 3;
  limits.iterators = 2;
  LimitUse use;
  limits.use = &use;
  PythonGuest python(FunctionWith("if data == b'stores':\n"
                                  "  for i in range(4): ctx.getOrCreateKVStore(str(i))\n"
                                  "if data == b'iterators':\n"
                                  "  from fs_api import ComplexKey\n"
                                  "  s = ctx.getOrCreateKVStore('0')\n"
                                  "  s.put(ComplexKey(b'', b'', b'', b'k'), b'v')\n"
                                  "  l = [s.scan_complex(b'', b'', b'') for _ in range(3)]"),
                     "F", limits);
  ASSERT_TRUE(python.Start().ok());
  const auto stores = python.Process({"stores"});
  ASSERT_TRUE(stores.ok() && stores->error) << stores.status();
  EXPECT_THAT(stores->error->type, HasSubstr("KvOtherError"));
  EXPECT_THAT(stores->error->message, HasSubstr("3 are open, which is the limit (limits.stores"));
  const auto iterators = python.Process({"iterators"});
  ASSERT_TRUE(iterators.ok() && iterators->error) << iterators.status();
  EXPECT_THAT(iterators->error->message, HasSubstr("2 are open, which is the limit (limits.iterators"));
  EXPECT_EQ(use.refused(Limit::kStores), 1U);
  EXPECT_EQ(use.refused(Limit::kIterators), 1U);
  EXPECT_DOUBLE_EQ(use.used(Limit::kStores), 1);
  EXPECT_FALSE(python.guest->is_dead());
}

TEST(PythonLimitsTest, AnInterruptBeforeACallRefusesIt) {
  PythonGuest python(FunctionWith("pass"));
  ASSERT_TRUE(python.Start().ok());
  python.guest->Interrupt();
  EXPECT_EQ(python.Process({"x"}).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(python.Process({"x"}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(PythonLimitsTest, AnImportThatNeverEndsIsStopped) {
  PythonGuest python("while True: pass\n" + FunctionWith("pass"), "F", Limits(absl::Milliseconds(200)));
  const absl::Status status = python.Load();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

TEST(PythonLimitsTest, AMemoryBombNamesTheLimit) {
  for (const char* body : {"l = []\nwhile True: l.append('x' * 1000000)", "l = []\nwhile True: l.append([1])", "bytearray(10 ** 9)"}) {
    PythonGuest python(FunctionWith(body), "F", Limits(absl::Seconds(30), 64));
    ASSERT_TRUE(python.Start().ok());
    const auto result = python.Process({"x"});
    EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted) << body << result.status();
    EXPECT_THAT(std::string(Message(result.status())), HasSubstr("limits.memory_mb is 64"));
    EXPECT_LE(python.guest->memory_bytes(), size_t{64} << 20);
  }
}

TEST(PythonLimitsTest, AMemoryErrorThatIsHandledIsTheFunctionsOwnBusiness) {
  PythonGuest python(FunctionWith("try: bytearray(10 ** 9)\nexcept MemoryError: ctx.emit(b'caught')"), "F", Limits(absl::Seconds(30), 64));
  ASSERT_TRUE(python.Start().ok());
  const auto result = python.Process({"x"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(TakeOutput(*python.guest).at(0).value, "caught");
}

TEST(PythonLimitsTest, DeepRecursionIsARecursionError) {
  for (const char* body :
       {"def f(): f()\nf()", "import json\njson.loads('[' * 100000)", "x = []\nfor i in range(200000): x = [x]\nrepr(x)",
        "class A:\n  def __repr__(self): return repr(self)\nrepr(A())",
        "import sys\nsys.setrecursionlimit(10**6)\nclass A:\n  def __getattr__(self, n): return getattr(self, n)\nA().x"}) {
    PythonGuest python(FunctionWith(body));
    ASSERT_TRUE(python.Start().ok());
    const auto result = python.Process({"x"});
    ASSERT_TRUE(result.ok()) << body << result.status();
    ASSERT_TRUE(result->error) << body;
    EXPECT_EQ(result->error->type, "RecursionError") << body << result->error->message;
  }
}

TEST(PythonLimitsTest, AFloodOfOutputEndsTheGuest) {
  GuestLimits limits;
  limits.output_bytes = size_t{6} << 20;
  PythonGuest python(FunctionWith("for i in range(100): ctx.emit(bytes(1000000))"), "F", limits);
  ASSERT_TRUE(python.Start().ok());
  const auto result = python.Process({"x"});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted) << result.status();
  EXPECT_THAT(std::string(Message(result.status())), HasSubstr("emitted 100"));
  EXPECT_THAT(std::string(Message(result.status())), HasSubstr("limits.output_mb is 6"));
  EXPECT_EQ(python.guest->ended_by(), Limit::kOutput);
}

// A bug once: the message after it was to blame, and was skipped in its place.
TEST(PythonLimitsTest, TheMessageThatEmitsTooMuchIsToBlame) {
  GuestLimits limits;
  limits.output_bytes = size_t{6} << 20;
  PythonGuest python(FunctionWith("ctx.emit(bytes(8 << 20) if data == b'bad' else data)"), "F", limits);
  ASSERT_TRUE(python.Start().ok());
  const auto result = python.Process({"a", "b", "bad", "c", "d"});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted) << result.status();
  EXPECT_EQ(python.guest->processed_before_end(), 2U);
}

TEST(PythonLimitsTest, AFullOutputBufferEndsTheBatchEarly) {
  PythonGuest python(FunctionWith("ctx.emit(bytes(1000000))"));
  ASSERT_TRUE(python.Start().ok());
  const auto result = python.Process(std::vector<std::string>(50, "x"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->error);
  EXPECT_GT(result->processed, 0U);
  EXPECT_LT(result->processed, 50U);
  EXPECT_EQ(TakeOutput(*python.guest).size(), result->processed);
}

TEST(PythonLimitsTest, OneGuestsEndLeavesTheOthersAlone) {
  PythonGuest runaway(FunctionWith("while True: pass"), "F", Limits(absl::Milliseconds(100)));
  PythonGuest calm(FunctionWith("ctx.emit(data)"));
  ASSERT_TRUE(runaway.Start().ok());
  ASSERT_TRUE(calm.Start().ok());
  std::thread other([&] { EXPECT_FALSE(runaway.Process({"x"}).ok()); });
  for (int i = 0; i < 200; ++i) {
    const auto result = calm.Process({"a", "b"});
    ASSERT_TRUE(result.ok()) << result.status();
  }
  other.join();
  runaway.guest.reset();
  EXPECT_TRUE(calm.Process({"x"}).ok());
}

TEST(PythonLimitsTest, InterruptsAtAnyMomentNeverHarmTheProcess) {
  for (int i = 0; i < 40; ++i) {
    PythonGuest python(
        FunctionWith("import hashlib\ns = ctx.getOrCreateKVStore('s')\nfor i in range(200):\n"
                     "  s.put_state(b'%d' % i, hashlib.sha256(data).digest())\n  len(s.list_states(b'', b'9'))"));
    ASSERT_TRUE(python.Start().ok());
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(i * 137));
      python.guest->Interrupt();
    });
    absl::Status status;
    while (status.ok()) status = python.Process(std::vector<std::string>(20, "x")).status();
    other.join();
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  }
}

}  // namespace
}  // namespace fs::sandbox
