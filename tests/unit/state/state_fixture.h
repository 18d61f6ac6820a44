// A state in a folder of its own that can be closed and opened again, on disk and in memory, for the tests of this room.
#ifndef FUNCTION_STREAM_TESTS_STATE_FIXTURE_H_
#define FUNCTION_STREAM_TESTS_STATE_FIXTURE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "state/function_state.h"
#include "support/temporary_folder.h"

namespace fs::state {

class StateTest : public testing::TestWithParam<bool> {
 protected:
  static bool InMemory() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    return info->value_param() != nullptr && GetParam();
  }

  void SetUp() override {
    StateEnvironment::Options options;
    options.in_memory = InMemory();
    options.cache_bytes = 2 << 20;
    environment_ = StateEnvironment::Create(options).value();
    Reopen();
  }

  void Reopen() {
    state_.reset();
    auto opened = FunctionState::Open(*environment_, folder_.path() / "state");
    ASSERT_TRUE(opened.ok()) << opened.status();
    state_ = std::move(*opened);
  }

  KvStore& store(std::string_view name = "store") { return *state_->GetOrCreateStore(name).value(); }

  static Checkpoint At(uint64_t sequence, std::string positions = "p") { return {"run", sequence, std::move(positions), std::nullopt}; }

  static std::string Read(KvStore& store, std::string_view key) {
    const auto value = store.Get(key);
    EXPECT_TRUE(value.ok()) << value.status();
    return *value ? std::string(**value) : "(absent)";
  }
  static std::string Read(KvStore& store, const ComplexKey& key) {
    const auto value = store.Get(key);
    EXPECT_TRUE(value.ok()) << value.status();
    return *value ? std::string(**value) : "(absent)";
  }

  using Entries = std::vector<std::pair<std::string, std::string>>;
  static Entries Drain(KvIterator& iterator) {
    Entries entries;
    while (true) {
      const auto entry = iterator.Next();
      EXPECT_TRUE(entry.ok()) << entry.status();
      if (!entry.ok() || !*entry) return entries;
      entries.emplace_back((*entry)->key, (*entry)->value);
    }
  }
  static Entries Drain(absl::StatusOr<std::unique_ptr<KvIterator>> iterator) { return Drain(**iterator); }

  TemporaryFolder folder_;
  std::unique_ptr<StateEnvironment> environment_;
  std::unique_ptr<FunctionState> state_;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_TESTS_STATE_FIXTURE_H_
