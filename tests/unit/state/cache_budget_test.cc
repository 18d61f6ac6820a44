#include "state/cache_budget.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "state/overlay.h"

namespace fs::state {
namespace {

constexpr size_t kBytes = size_t{32} << 20;
constexpr size_t kPiece = size_t{1} << 20;
constexpr size_t kBlock = size_t{32} << 10;
constexpr uint64_t kLooks = 10'000;

class CacheBudgetTest : public testing::Test {
 protected:
  // What can be taken until there is no more, given back at once.
  size_t Share() {
    size_t pieces = 0;
    while (budget_.Take(kPiece)) ++pieces;
    budget_.GiveBack(pieces * kPiece);
    return pieces * kPiece;
  }

  void FillWithBlocks() {
    for (size_t n = 0; n < 4 * kBytes; n += kBlock) {  // its shards do not fill evenly
      ASSERT_TRUE(blocks_->Insert(fmt::format("{:016}", next_block_++), nullptr, kBlock, [](const rocksdb::Slice&, void*) {}).ok());
    }
  }

  void LookAllFound() { budget_.Looked(kLooks, 0); }
  void LookManyRead() {
    FillWithBlocks();
    budget_.Looked(kLooks / 2, kLooks / 2);
  }

  std::shared_ptr<rocksdb::Cache> blocks_ = rocksdb::NewLRUCache(kBytes);
  CacheBudget budget_{kBytes, blocks_};

 private:
  uint64_t next_block_ = 0;
};

TEST_F(CacheBudgetTest, BlocksHaveWhatOverlaysLeave) {
  ASSERT_TRUE(budget_.Take(8 * kPiece));
  EXPECT_EQ(blocks_->GetCapacity(), kBytes - 8 * kPiece);
  budget_.GiveBack(8 * kPiece);
  EXPECT_EQ(blocks_->GetCapacity(), kBytes);
}

TEST_F(CacheBudgetTest, SharesMoveWithinBoundsByWhetherBlocksAreFound) {
  for (int i = 0; i < 100; ++i) LookAllFound();
  EXPECT_EQ(Share(), kBytes - kBytes / 8);
  for (int i = 0; i < 100; ++i) LookManyRead();
  EXPECT_EQ(Share(), kBytes / 4);
  const size_t least = Share();
  for (int i = 0; i < 3000; ++i) LookAllFound();
  EXPECT_GT(Share(), least);
}

TEST_F(CacheBudgetTest, EachLossDoublesTheTimeToTheNextTry) {
  LookAllFound();
  const size_t share = Share();
  const auto looks_until_more = [&] {
    const size_t before = Share();
    int looks = 0;
    while (Share() == before) {
      LookAllFound();
      ++looks;
    }
    return looks;
  };
  LookManyRead();
  EXPECT_LT(Share(), share);
  EXPECT_EQ(looks_until_more(), 2);
  LookManyRead();
  EXPECT_EQ(looks_until_more(), 4);
  LookManyRead();
  LookAllFound();
  budget_.Looked(93 * kLooks / 100, 7 * kLooks / 100);  // neither few nor many: from the beginning
  EXPECT_EQ(looks_until_more(), 8);
}

TEST_F(CacheBudgetTest, BlocksThatAreReadForTheFirstTimeTakeNothingFromOverlays) {
  const size_t share = Share();
  for (int i = 0; i < 10; ++i) budget_.Looked(0, kLooks);
  EXPECT_EQ(Share(), share);
  LookManyRead();
  EXPECT_LT(Share(), share);
}

TEST_F(CacheBudgetTest, AFewLooksDecideNothing) {
  const size_t share = Share();
  FillWithBlocks();
  for (int i = 0; i < 9; ++i) budget_.Looked(0, kLooks / 10);
  EXPECT_EQ(Share(), share);
  FillWithBlocks();
  budget_.Looked(0, kLooks / 10);
  EXPECT_LT(Share(), share);
}

TEST_F(CacheBudgetTest, OverlaysGiveBackWhatIsNoLongerTheirs) {
  Overlay overlay(budget_);
  const std::string value(1000, 'v');
  int keys = 0;
  const auto remember = [&] { overlay.Remember(fmt::format("key-{:08}", keys++), value); };
  while (blocks_->GetCapacity() > kBytes / 4 + kPiece) remember();
  for (int i = 0; i < 100; ++i) LookManyRead();
  ASSERT_TRUE(budget_.is_exceeded());
  for (int i = 0; i < 1000 && budget_.is_exceeded(); ++i) remember();
  EXPECT_FALSE(budget_.is_exceeded());
  EXPECT_GE(blocks_->GetCapacity(), kBytes - kBytes / 4);
  EXPECT_NE(overlay.Find(fmt::format("key-{:08}", keys - 1)), nullptr);
  EXPECT_EQ(overlay.Find("key-00000000"), nullptr);
}

// 64 KiB that a state has without asking: some 50 entries.
TEST(OverlayCache, WhatIsUsedOutlivesWhatIsNot) {
  CacheBudget nothing(0, rocksdb::NewLRUCache(0));
  Overlay overlay(nothing);
  const std::string value(1000, 'v');
  overlay.Remember("used", value);
  overlay.Remember("unused", value);
  for (int i = 0; i < 1000; ++i) {
    overlay.Remember(fmt::format("{}", i), value);
    ASSERT_NE(overlay.Find("used"), nullptr) << i;
  }
  EXPECT_EQ(overlay.Find("unused"), nullptr);
}

TEST(OverlayCache, WhatIsWrittenAgainOutlivesWhatIsNot) {
  CacheBudget nothing(0, rocksdb::NewLRUCache(0));
  Overlay overlay(nothing);
  const std::string value(1000, 'v');
  for (int i = 0; i < 1000; ++i) {
    overlay.Mark();
    overlay.Put("hot", value);
    overlay.Put(fmt::format("{}", i), value);
    overlay.Committed();
    EXPECT_EQ(overlay.pending_bytes(), 0U);
  }
  EXPECT_NE(overlay.Find("hot"), nullptr);
  EXPECT_NE(overlay.Find("999"), nullptr);
  EXPECT_EQ(overlay.Find("0"), nullptr);
}

// Where all are used, each must be spared in turn; that takes many calls, and each of them makes room all the same.
TEST(OverlayCache, MakesRoomAmongEntriesThatAreAllUsed) {
  CacheBudget budget(kBytes, rocksdb::NewLRUCache(kBytes));
  Overlay overlay(budget);
  const std::string value(100, 'v');
  constexpr int kKeys = 50'000;
  for (int i = 0; i < kKeys; ++i) overlay.Remember(fmt::format("{}", i), value);
  for (int i = 0; i < kKeys; ++i) ASSERT_NE(overlay.Find(fmt::format("{}", i)), nullptr) << i;
  for (int i = 0; i < 200'000; ++i) {
    overlay.Remember(fmt::format("new-{}", i), value);
    ASSERT_NE(overlay.Find(fmt::format("new-{}", i)), nullptr) << i;
  }
}

// Entries go back to the pool and come out again while they are still queued.
TEST(OverlayCache, ReusedEntriesAreCountedOnce) {
  CacheBudget nothing(0, rocksdb::NewLRUCache(0));
  Overlay overlay(nothing);
  const std::string value(500, 'v');
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 40; ++i) overlay.Remember(fmt::format("{}-{}", round, i), value);
    overlay.Mark();
    for (int i = 0; i < 40; ++i) overlay.Delete(fmt::format("{}-{}", round, i));
    if (round % 2 == 0) overlay.RollbackToMark();
    overlay.Discard();
    EXPECT_EQ(overlay.pending_bytes(), 0U);
  }
  overlay.Remember("last", value);
  EXPECT_NE(overlay.Find("last"), nullptr);
}

}  // namespace
}  // namespace fs::state
