// The real interpreter behind Guest: the seed's example, hooks, errors, isolation.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <span>

#include "sandbox/python_runtime.h"

namespace fs::sandbox {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kMetricProcessor = R"(
from fs_api import FSProcessorDriver, Context
import json

class MetricProcessor(FSProcessorDriver):
    def init(self, ctx: Context, config: dict):
        self.metric_name = config.get("metric_name", "default_event")

    def process(self, ctx: Context, source_id: int, data: bytes):
        # 1. Parse input
        event = json.loads(data.decode())
        
        # 2. Atomic state operation: Accumulate count
        store = ctx.getOrCreateKVStore("stats_db")
        key = f"count:{self.metric_name}".encode()
        current_val = int(store.get_state(key) or 0)
        
        new_val = current_val + event.get("value", 1)
        store.put_state(key, str(new_val).encode())
        
        # 3. Emit processing result
        result = {"metric": self.metric_name, "total": new_val}
        ctx.emit(json.dumps(result).encode(), 0)
)";

TEST(PythonTest, TheSeedsMetricProcessorCounts) {
  PythonGuest python(std::string(kMetricProcessor), "MetricProcessor");
  python.program.config = {{"metric_name", "user_click"}};
  ASSERT_TRUE(python.Start().ok());
  std::vector<std::string> events;
  for (int i = 1; i <= 1000; ++i) events.push_back(fmt::format(R"({{"value": {}}})", i));
  const auto result = python.Process(events);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_FALSE(result->error) << result->error->traceback;
  EXPECT_EQ(result->processed, 1000U);
  const auto output = TakeOutput(*python.guest);
  ASSERT_EQ(output.size(), 1000U);
  EXPECT_EQ(output.front().value, R"({"metric": "user_click", "total": 1})");
  EXPECT_EQ(output.back().value, R"({"metric": "user_click", "total": 500500})");
  EXPECT_EQ(python.host.Stored("stats_db", "count:user_click"), "500500");
  // Each message marked once, before its write.
  ASSERT_EQ(python.host.begun.size(), 1000U);
  EXPECT_EQ(python.host.begun[999], 999U);
}

TEST(PythonTest, AnErrorNamesFileAndLineAndSparesTheMessagesBefore) {
  PythonGuest python(FunctionWith("ctx.emit(data)\nif data == b'bad': raise ValueError('no good')"));
  ASSERT_TRUE(python.Start().ok());
  const auto result = python.Process({"a", "b", "bad", "c"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->processed, 2U);
  ASSERT_TRUE(result->error);
  EXPECT_EQ(result->error->type, "ValueError");
  EXPECT_EQ(result->error->message, "no good");
  EXPECT_THAT(result->error->traceback, HasSubstr("main.py\", line 6"));
  EXPECT_THAT(result->error->traceback, Not(HasSubstr("fs_runtime")));
  EXPECT_EQ(TakeOutput(*python.guest).size(), 2U);
  // The instance goes on with the rest.
  const auto rest = python.Process({"c"});
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(rest->processed, 1U);
}

TEST(PythonTest, AnImportThatRaisesIsABadPackageWithItsTraceback) {
  PythonGuest python("import no_such_module\n" + FunctionWith("pass"));
  const absl::Status status = python.Load();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("no_such_module"));
  EXPECT_THAT(std::string(Message(status)), HasSubstr("line 1"));
}

TEST(PythonTest, AMissingClassIsABadPackage) {
  PythonGuest python(FunctionWith("pass"), "Other");
  const absl::Status status = python.Load();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("Other"));
}

constexpr std::string_view kHooks = R"(
from fs_api import FSProcessorDriver
class F(FSProcessorDriver):
    def init(self, ctx, config):
        self.seen = config["start"].encode()
        ctx.logger.warning("hello from %s", "init")
        print("printed")
        print("open", end="")
    def process(self, ctx, source_id, data):
        self.seen += data
        m = ctx.message
        ctx.emit(self.seen, 1, key=m.key, headers=m.headers, timestamp=m.timestamp + 1)
    def process_watermark(self, ctx, source_id, watermark):
        ctx.emit_watermark(watermark + source_id)
    def take_checkpoint(self, ctx, checkpoint_id):
        return None if checkpoint_id == 1 else self.seen
    def restore_checkpoint(self, ctx, checkpoint_id, data):
        self.seen = data + str(checkpoint_id).encode()
    def check_heartbeat(self, ctx):
        return self.seen != b"dead"
    def close(self, ctx):
        raise RuntimeError("closing")
    def custom(self, payload):
        return payload[::-1]
)";

// Pages that are there, be they the guest's own or the snapshot's.
size_t PresentPages(std::span<const uint8_t> memory) {
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<uint64_t> entries(memory.size() / page_bytes);
  const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  const auto offset = static_cast<off_t>(reinterpret_cast<uintptr_t>(memory.data()) / page_bytes * sizeof(uint64_t));
  const ssize_t size = pread(pagemap, entries.data(), entries.size() * sizeof(uint64_t), offset);
  close(pagemap);
  EXPECT_EQ(size, static_cast<ssize_t>(entries.size() * sizeof(uint64_t)));
  return static_cast<size_t>(std::ranges::count_if(entries, [](uint64_t entry) { return entry >> 63 != 0; }));
}

TEST(PythonTest, ARestGivesPagesBackAndLosesNothing) {
  PythonGuest python(FunctionWith("self.seen = getattr(self, 'seen', b'') + data\nctx.emit(self.seen)"));
  ASSERT_TRUE(python.Start().ok());
  std::string expected;
  for (int round = 0; round < 3; ++round) {
    const std::string value(size_t{1} << (10 + round), static_cast<char>('a' + round));
    ASSERT_TRUE(python.Process({value}).ok());
    EXPECT_FALSE(python.guest->is_rested());
    const size_t before = PresentPages(python.guest->memory());
    python.guest->Rest();
    EXPECT_TRUE(python.guest->is_rested());
    EXPECT_LT(PresentPages(python.guest->memory()), before / 2);
    expected += value;
    ASSERT_TRUE(python.Process({""}).ok());
    const auto output = TakeOutput(*python.guest);
    ASSERT_EQ(output.size(), 1U);
    EXPECT_EQ(output[0].value, expected);
  }
}

TEST(PythonTest, OnlyAHeartbeatOfTheUsersOwnNeedsAsking) {
  const std::string set_in_init =
      "from fs_api import FSProcessorDriver\nclass F(FSProcessorDriver):\n"
      "    def init(self, ctx, config):\n        self.check_heartbeat = lambda ctx: False\n"
      "    def process(self, ctx, source_id, data):\n        pass\n";
  const std::pair<std::string, bool> cases[] = {{FunctionWith("pass"), false}, {std::string(kHooks), true}, {set_in_init, true}};
  for (const auto& [source, has_heartbeat] : cases) {
    PythonGuest python{source};
    python.program.config = {{"start", "s"}};
    ASSERT_TRUE(python.Start().ok());
    EXPECT_EQ(python.guest->has_heartbeat(), has_heartbeat) << source;
  }
}

TEST(PythonTest, EveryHookCrossesTheWall) {
  PythonGuest python{std::string(kHooks)};
  python.program.config = {{"start", "s"}};
  ASSERT_TRUE(python.Start().ok());
  EXPECT_TRUE(python.host.Logged("hello from init"));
  EXPECT_TRUE(python.host.Logged("printed"));
  EXPECT_FALSE(python.host.Logged("open"));

  Record record;
  record.value = "v";
  record.key = std::string_view("\0k", 2);
  record.timestamp_ms = 41;
  const auto result = python.guest->Process(0, 0, {&record, 1});
  ASSERT_TRUE(result.ok() && !result->error) << result.status() << (result.ok() ? result->error->traceback : "");
  auto output = TakeOutput(*python.guest);
  ASSERT_EQ(output.size(), 1U);
  EXPECT_EQ(output[0].channel, 1U);
  EXPECT_EQ(output[0].value, "sv");
  EXPECT_EQ(output[0].key, std::string("\0k", 2));
  EXPECT_EQ(output[0].timestamp_ms, 42);

  ASSERT_TRUE(python.guest->ProcessWatermark(3, 1000).ok());
  output = TakeOutput(*python.guest);
  ASSERT_EQ(output.size(), 1U);
  EXPECT_TRUE(output[0].is_watermark);
  EXPECT_EQ(output[0].timestamp_ms, 1003);

  const auto none = python.guest->TakeCheckpoint(1);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_FALSE(none->has_value());
  const auto bytes = python.guest->TakeCheckpoint(2);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(**bytes, "sv");

  EXPECT_TRUE(*python.guest->CheckHeartbeat());
  ASSERT_TRUE(python.guest->RestoreCheckpoint(7, "x").ok());
  EXPECT_EQ(**python.guest->TakeCheckpoint(2), "x7");
  EXPECT_EQ(*python.guest->Custom("abc"), "cba");

  const absl::Status closed = python.guest->Close();
  EXPECT_EQ(closed.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(Message(closed)), HasSubstr("RuntimeError: closing"));
  EXPECT_TRUE(python.host.Logged("open"));
}

TEST(PythonTest, AnEmptyCheckpointIsNotNone) {
  PythonGuest python(
      "from fs_api import FSProcessorDriver\nclass F(FSProcessorDriver):\n  def process(self, c, s, d): pass\n"
      "  def take_checkpoint(self, c, i): return b''\n");
  ASSERT_TRUE(python.Start().ok());
  const auto bytes = python.guest->TakeCheckpoint(1);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  ASSERT_TRUE(bytes->has_value());
  EXPECT_EQ(**bytes, "");
}

constexpr std::string_view kState = R"(
from fs_api import FSProcessorDriver, ComplexKey, KvIOError, KvOtherError
class F(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        s = ctx.getOrCreateKVStore("s")
        for i in range(300):
            s.put_state(b"k%03d" % i, b"x" * i)
        assert s.list_states(b"k001", b"k004") == [b"k001", b"k002", b"k003"], s.list_states(b"k001", b"k004")
        s.delete_state(b"k002")
        assert s.get_state(b"k002") is None
        assert len(s.list_states(b"", b"\xff")) == 299
        assert s.get_state(b"k000") == b""
        big = bytes(range(256)) * 40960
        s.put_state(b"", big)
        assert s.get_state(b"") == big
        k = ComplexKey(b"g", b"k", b"n", b"u1")
        s.put(k, b"1"); s.merge(k, b"2")
        assert s.get(k) == b"12"
        s.put(ComplexKey(b"g", b"k", b"n", b"u2"), big)
        s.put(ComplexKey(b"g", b"k", b"", b"\x00"), b"other")
        assert s.list_complex(b"g", b"k", b"n", b"", b"\xff") == [b"u1", b"u2"]
        assert list(s.scan_complex(b"g", b"k", b"n")) == [(b"u1", b"12"), (b"u2", big)]
        s.delete_prefix(ComplexKey(b"g", b"k", b"n", b"u"))
        assert s.get(k) is None
        held = []
        try:
            for i in range(1001):
                held.append(s.scan_complex(b"g", b"k", b""))
            raise AssertionError("no limit")
        except KvOtherError as e:
            assert "1000" in str(e), e
        held.clear()
        assert list(s.scan_complex(b"g", b"k", b"")) == [(b"\x00", b"other")]
        ctx.emit(b"done")
)";

TEST(PythonTest, StateOfAllKindsCrossesTheWall) {
  PythonGuest python{std::string(kState)};
  ASSERT_TRUE(python.Start().ok());
  const auto result = python.Process({"x"});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_FALSE(result->error) << result->error->traceback;
  EXPECT_EQ(TakeOutput(*python.guest).size(), 1U);
}

// A store on a disk that went away.
class BrokenStore : public state::KvStore {
 public:
  absl::StatusOr<std::optional<std::string_view>> Get(std::string_view) override { return Broken(); }
  absl::Status Put(std::string_view, std::string_view) override { return Broken(); }
  absl::Status Delete(std::string_view) override { return Broken(); }
  absl::StatusOr<std::unique_ptr<state::KvIterator>> Range(std::string_view, std::string_view) override { return Broken(); }
  absl::StatusOr<std::optional<std::string_view>> Get(const state::ComplexKey&) override { return Broken(); }
  absl::Status Put(const state::ComplexKey&, std::string_view) override { return Broken(); }
  absl::Status Delete(const state::ComplexKey&) override { return Broken(); }
  absl::Status Merge(const state::ComplexKey&, std::string_view) override { return Broken(); }
  absl::Status DeletePrefix(const state::ComplexKey&) override { return Broken(); }
  absl::StatusOr<std::unique_ptr<state::KvIterator>> Range(const state::ComplexKey&, std::string_view, std::string_view) override {
    return Broken();
  }
  absl::StatusOr<std::unique_ptr<state::KvIterator>> Scan(const state::ComplexKey&) override { return Broken(); }

 private:
  static absl::Status Broken() { return Internal("data/state/f: no space left on device"); }
};

TEST(PythonTest, AFailingStoreRaisesWithTheReason) {
  for (const char* call :
       {"s.get_state(b'k')", "s.delete_state(b'k')", "s.list_states(b'', b'z')", "s.get(k)", "s.put(k, b'')", "s.merge(k, b'')",
        "s.delete(k)", "s.delete_prefix(k)", "s.list_complex(b'', b'', b'', b'', b'z')", "list(s.scan_complex(b'', b'', b''))"}) {
    PythonGuest python(FunctionWith(fmt::format("k = ComplexKey(b'', b'', b'', b'')\ns = ctx.getOrCreateKVStore('s')\n"
                                                "try: {}\nexcept KvIOError as e: ctx.emit(str(e).encode())",
                                                call),
                                    "from fs_api import ComplexKey, KvIOError"));
    ASSERT_TRUE(python.Start().ok());
    BrokenStore broken;
    python.host.broken_store = &broken;
    const auto result = python.Process({"x"});
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_FALSE(result->error) << call << result->error->traceback;
    const auto output = TakeOutput(*python.guest);
    ASSERT_EQ(output.size(), 1U) << call;
    EXPECT_THAT(output[0].value, HasSubstr("no space left on device")) << call;
  }
}

TEST(PythonTest, TheWritesOfAMessageThatRaisedCanBeUndoneAlone) {
  PythonGuest python(FunctionWith("s = ctx.getOrCreateKVStore('s')\ns.put_state(b'last', data)\nif data == b'bad': raise ValueError()"));
  ASSERT_TRUE(python.Start().ok());
  const auto result = python.Process({"a", "b", "bad", "c"});
  ASSERT_TRUE(result.ok() && result->error) << result.status();
  EXPECT_EQ(python.host.begun, (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_EQ(python.host.Stored("s", "last"), "bad");
  python.host.state->RollbackToMark();
  EXPECT_EQ(python.host.Stored("s", "last"), "b");
}

TEST(PythonTest, TwoGuestsShareNothing) {
  const std::string source = FunctionWith(
      "global n\nn += 1\nctx.emit(b'%d %d %d' % (n, hash('no snapshot holds this'), random.getrandbits(62)))", "import random\nn = 0\n");
  PythonGuest first(source), second(source);
  ASSERT_TRUE(first.Start().ok());
  ASSERT_TRUE(second.Start().ok());
  ASSERT_TRUE(first.Process({"a", "b", "c"}).ok());
  ASSERT_TRUE(second.Process({"a"}).ok());
  ASSERT_TRUE(first.Process({"a"}).ok());
  const std::string a = TakeOutput(*first.guest).at(0).value;
  const std::string b = TakeOutput(*second.guest).at(0).value;
  const auto words = [](const std::string& text) {
    std::vector<std::string> found;
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(' ', begin), text.size());
      found.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return found;
  };
  EXPECT_EQ(words(a).at(0), "4");
  EXPECT_EQ(words(b).at(0), "1");
  EXPECT_NE(words(a).at(1), words(b).at(1)) << "hash seed";
  EXPECT_NE(words(a).at(2), words(b).at(2)) << "random";
}

TEST(PythonTest, LargeMessagesPassWhole) {
  PythonGuest python(FunctionWith("ctx.emit(data)"));
  ASSERT_TRUE(python.Start().ok());
  const std::string big(size_t{10} << 20, 'x');
  std::vector<std::string> values(4, big);
  size_t done = 0, emitted = 0;
  while (done < values.size()) {
    const auto result = python.Process({values.begin() + static_cast<ptrdiff_t>(done), values.end()});
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_FALSE(result->error) << result->error->traceback;
    done += result->processed;
    for (const Output& output : TakeOutput(*python.guest)) emitted += output.value == big ? 1 : 0;
  }
  EXPECT_EQ(emitted, 4U);
}

}  // namespace
}  // namespace fs::sandbox
