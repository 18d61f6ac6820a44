// A state at its limit: what is refused, what goes on, and how it comes back.
#include <gmock/gmock.h>

#include <string>

#include "base/steady_clock.h"
#include "state_fixture.h"

namespace fs::state {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kLimit = uint64_t{4} << 20;

class SizeLimitTest : public StateTest {
 protected:
  void SetUp() override {
    StateTest::SetUp();
    state_->SetLimit(kLimit, &use_);
  }
  // Not compressible, so that the limit on bytes is one on these.
  static std::string Value(uint64_t seed) {
    std::string value(10'000, '\0');
    for (char& c : value) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      c = static_cast<char>(seed >> 56);
    }
    return value;
  }
  void Commit() { ASSERT_TRUE(state_->Commit(At(++sequence_)).ok()); }
  // Puts different keys until one is refused; how many there are then.
  int Fill() {
    for (int i = 0;; ++i) {
      const absl::Status status = store().Put(fmt::format("key {}", i), Value(static_cast<uint64_t>(i)));
      if (!status.ok()) {
        refused_ = status;
        return i;
      }
      if (i % 20 == 0) Commit();
    }
  }

  LimitUse use_;
  absl::Status refused_;
  uint64_t sequence_ = 0;
};

INSTANTIATE_TEST_SUITE_P(OnDiskAndInMemory, SizeLimitTest, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "Memory" : "Disk"; });

TEST_P(SizeLimitTest, APutBeyondTheLimitIsRefusedAndChangesNothing) {
  const int count = Fill();
  EXPECT_GT(count, 300);
  EXPECT_LT(count, 430);
  EXPECT_EQ(refused_.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(Message(refused_)), HasSubstr("more than limits.state_mb (4 MiB) of the function's configuration"));
  EXPECT_GE(use_.refused(Limit::kState), 1u);
  EXPECT_EQ(Read(store(), fmt::format("key {}", count)), "(absent)");
  EXPECT_EQ(Read(store(), "key 0"), Value(0));
  EXPECT_FALSE(store().Merge(ComplexKey{"", "", "", "k"}, Value(1)).ok());
  // What came before is there, and can be committed.
  Commit();
  Reopen();
  EXPECT_EQ(Read(store(), fmt::format("key {}", count - 1)), Value(static_cast<uint64_t>(count - 1)));
}

TEST_P(SizeLimitTest, DeletingIsAlwaysPossibleAndMakesRoom) {
  const int count = Fill();
  Commit();
  for (int i = 0; i < count; ++i) ASSERT_TRUE(store().Delete(fmt::format("key {}", i)).ok());
  ASSERT_TRUE(store().DeletePrefix(ComplexKey{"", "", "", ""}).ok());
  Commit();
  // Cleared away when it is needed; a compaction that was done just before may have to rest first.
  const absl::Time deadline = SteadyNow() + absl::Seconds(30);
  absl::Status status;
  do {
    status = store().Put("new", Value(7));
  } while (!status.ok() && SteadyNow() < deadline);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_GT(Fill(), 300);
}

TEST_P(SizeLimitTest, AStateThatIsRewrittenIsNotTakenForALargeOne) {
  for (int i = 0; i < 3000; ++i) {
    const absl::Status status = store().Put(fmt::format("key {}", i % 50), Value(static_cast<uint64_t>(i)));
    ASSERT_TRUE(status.ok()) << i << ": " << status;
    if (i % 10 == 0) Commit();
  }
  EXPECT_EQ(use_.refused(Limit::kState), 0u);
}

TEST_P(SizeLimitTest, AStateWithoutALimitTakesAll) {
  state_->SetLimit(0, nullptr);
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(store().Put(fmt::format("key {}", i), Value(static_cast<uint64_t>(i))).ok());
  Commit();
  // One that was given a lower limit than it has is read and made smaller, not lost.
  state_->SetLimit(kLimit, &use_);
  EXPECT_FALSE(store().Put("one more", "").ok());
  EXPECT_EQ(Read(store(), "key 0"), Value(0));
}

}  // namespace
}  // namespace fs::state
