#include "state/kv_store.h"

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <random>
#include <vector>

#include "state_fixture.h"

namespace fs::state {
namespace {

using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;

class KvStoreTest : public StateTest {};
INSTANTIATE_TEST_SUITE_P(Storage, KvStoreTest, testing::Bool(), [](const auto& param) { return param.param ? "Memory" : "Disk"; });

TEST_P(KvStoreTest, HoldsAnyBytesAsKeyAndValue) {
  for (const std::string& key : {""s, "\0"s, "\xff\xff"s, "a\0b"s, "key"s}) {
    for (const std::string& value : {""s, "\0\0"s, "v"s, std::string(100000, 'x')}) {
      ASSERT_TRUE(store().Put(key, value).ok());
      EXPECT_EQ(Read(store(), key), value);
    }
  }
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  Reopen();
  for (const std::string& key : {""s, "\0"s, "\xff\xff"s, "a\0b"s, "key"s}) EXPECT_EQ(Read(store(), key).size(), 100000u);
}

TEST_P(KvStoreTest, StoresAndSpacesDoNotMeet) {
  ASSERT_TRUE(store("a").Put("k", "plain a").ok());
  ASSERT_TRUE(store("b").Put("k", "plain b").ok());
  ASSERT_TRUE(store("a").Put(ComplexKey{"", "", "", "k"}, "complex a").ok());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Read(store("a"), "k"), "plain a");
    EXPECT_EQ(Read(store("b"), "k"), "plain b");
    EXPECT_EQ(Read(store("a"), ComplexKey{"", "", "", "k"}), "complex a");
    EXPECT_EQ(Read(store("b"), ComplexKey{"", "", "", "k"}), "(absent)");
    EXPECT_EQ(Drain(store("a").Range("", "\xff")), (Entries{{"k", "plain a"}}));
    ASSERT_TRUE(state_->Commit(At(1)).ok());
    Reopen();
  }
}

TEST_P(KvStoreTest, RangesAreHalfOpenAndInByteOrder) {
  for (const std::string& key : {"b"s, "a"s, ""s, "a\0"s, "\xff"s, "ab"s}) ASSERT_TRUE(store().Put(key, key).ok());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Drain(store().Range("", "b")), (Entries{{"", ""}, {"a", "a"}, {"a\0"s, "a\0"s}, {"ab", "ab"}}));
    EXPECT_EQ(Drain(store().Range("a\0"s, "ab")), (Entries{{"a\0"s, "a\0"s}}));
    EXPECT_TRUE(Drain(store().Range("b", "b")).empty());
    EXPECT_TRUE(Drain(store().Range("b", "a")).empty());
    EXPECT_EQ(Drain(store().Range("b", "\xff\0"s)), (Entries{{"b", "b"}, {"\xff", "\xff"}}));
    ASSERT_TRUE(state_->Commit(At(1)).ok());
  }
}

TEST_P(KvStoreTest, ComplexRangesStayUnderTheirThreeParts) {
  const ComplexKey under{"g", "k\0"sv, "n", ""};
  for (const std::string& user_key : {""s, "\0"s, "a"s, "\xff"s, "\xff\xff"s}) {
    ASSERT_TRUE(store().Put(ComplexKey{"g", "k\0"s, "n", user_key}, user_key + "!").ok());
    ASSERT_TRUE(store().Put(ComplexKey{"g", "k", "n", user_key}, "other").ok());
    ASSERT_TRUE(store().Put(ComplexKey{"g", "k\0"s, "n\0"s, user_key}, "other").ok());
  }
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Drain(store().Scan(under)), (Entries{{"", "!"}, {"\0"s, "\0!"s}, {"a", "a!"}, {"\xff", "\xff!"}, {"\xff\xff", "\xff\xff!"}}));
    EXPECT_EQ(Drain(store().Range(under, "\0"s, "\xff")), (Entries{{"\0"s, "\0!"s}, {"a", "a!"}}));
    EXPECT_EQ(Drain(store().Range(under, "", "")).size(), 0u);
    ASSERT_TRUE(state_->Commit(At(1)).ok());
  }
}

TEST_P(KvStoreTest, DeletePrefixTakesExactlyWhatBeginsWithIt) {
  const std::vector<std::string> all = {"", "a", "ab", "b", "\xff", "\xff\xff", "\xff\xff\xff", "\0"s};
  const struct {
    std::string prefix;
    std::vector<std::string> left;
  } cases[] = {
      {"", {}},
      {"a", {"", "\0"s, "b", "\xff", "\xff\xff", "\xff\xff\xff"}},
      {"\xff", {"", "\0"s, "a", "ab", "b"}},
      {"\xff\xff", {"", "\0"s, "a", "ab", "b", "\xff"}},
      {"c", {"", "\0"s, "a", "ab", "b", "\xff", "\xff\xff", "\xff\xff\xff"}},
  };
  for (const bool is_committed : {false, true}) {
    for (const auto& [prefix, left] : cases) {
      for (const std::string& key : all) ASSERT_TRUE(store().Put(ComplexKey{"g", "k", "n", key}, "v").ok());
      ASSERT_TRUE(store().Put(ComplexKey{"g", "k", "o", "a"}, "neighbour").ok());
      if (is_committed) {
        ASSERT_TRUE(state_->Commit(At(1)).ok());
      }
      ASSERT_TRUE(store().DeletePrefix(ComplexKey{"g", "k", "n", prefix}).ok());
      std::vector<std::string> found;
      for (const auto& [key, value] : Drain(store().Scan(ComplexKey{"g", "k", "n", ""}))) found.push_back(key);
      EXPECT_EQ(found, left) << "prefix " << testing::PrintToString(prefix);
      EXPECT_EQ(Read(store(), ComplexKey{"g", "k", "o", "a"}), "neighbour");
    }
  }
}

TEST_P(KvStoreTest, MergeAppendsWhereverTheEarlierBytesAre) {
  const ComplexKey key{"g", "k", "n", "u"};
  ASSERT_TRUE(store().Merge(key, "a").ok());
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  ASSERT_TRUE(store().Merge(key, "b").ok());  // unread: only the operand is written
  ASSERT_TRUE(store().Merge(key, "c").ok());
  EXPECT_EQ(Drain(store().Scan(key)), (Entries{{"u", "abc"}}));
  EXPECT_EQ(Read(store(), key), "abc");
  ASSERT_TRUE(store().Merge(key, "d").ok());
  EXPECT_EQ(Drain(store().Scan(key)), (Entries{{"u", "abcd"}}));
  ASSERT_TRUE(state_->Commit(At(2)).ok());
  EXPECT_EQ(Read(store(), key), "abcd");
  Reopen();
  ASSERT_TRUE(store().Merge(key, "e").ok());
  ASSERT_TRUE(state_->Commit(At(3)).ok());
  Reopen();
  EXPECT_EQ(Read(store(), key), "abcde");
  ASSERT_TRUE(store().Delete(key).ok());
  ASSERT_TRUE(store().Merge(key, "").ok());
  EXPECT_EQ(Read(store(), key), "");
  ASSERT_TRUE(store().Merge(key, "f").ok());
  ASSERT_TRUE(state_->Commit(At(4)).ok());
  Reopen();
  EXPECT_EQ(Read(store(), key), "f");
  EXPECT_EQ(Read(store(), ComplexKey{"g", "k", "n", ""}), "(absent)");
}

TEST_P(KvStoreTest, IteratorsShowTheMomentTheyWereMade) {
  for (const char* key : {"a", "b", "c", "d"}) ASSERT_TRUE(store().Put(key, "old").ok());
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  ASSERT_TRUE(store().Put("b", "mine").ok());
  ASSERT_TRUE(store().Delete("c").ok());
  auto iterator = store().Range("a", "z").value();
  state_->Mark();
  ASSERT_TRUE(store().Put("a", "later").ok());
  ASSERT_TRUE(store().Put("e", "later").ok());
  ASSERT_TRUE(store().Delete("d").ok());
  ASSERT_TRUE(state_->Commit(At(2)).ok());
  state_->DiscardPending();
  EXPECT_EQ(Drain(*iterator), (Entries{{"a", "old"}, {"b", "mine"}, {"d", "old"}}));
}

TEST_P(KvStoreTest, HoldsValuesOfManyMegabytes) {
  std::string big(20 << 20, 'x');
  big[12345] = '\0';
  ASSERT_TRUE(store().Put("big", big).ok());
  EXPECT_GE(state_->pending_bytes(), big.size());
  EXPECT_TRUE(Read(store(), "big") == big);
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  EXPECT_EQ(state_->pending_bytes(), 0u);
  EXPECT_TRUE(Read(store(), "big") == big);
  Reopen();
  EXPECT_TRUE(Read(store(), "big") == big);
}

TEST_P(KvStoreTest, RollbackUndoesExactlyOneMessage) {
  const ComplexKey list{"", "", "", "list"};
  ASSERT_TRUE(store().Put("committed", "1").ok());
  ASSERT_TRUE(store().Merge(list, "1").ok());
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  ASSERT_TRUE(store().Put("earlier", "2").ok());
  ASSERT_TRUE(store().Merge(list, "2").ok());
  const size_t pending = state_->pending_bytes();
  state_->Mark();
  ASSERT_TRUE(store().Put("committed", "3").ok());
  ASSERT_TRUE(store().Put("committed", "4").ok());
  ASSERT_TRUE(store().Delete("earlier").ok());
  ASSERT_TRUE(store().Put("new", "3").ok());
  ASSERT_TRUE(store().Merge(list, "3").ok());
  EXPECT_EQ(Read(store(), list), "123");
  ASSERT_TRUE(store().Merge(list, "4").ok());
  ASSERT_TRUE(store().Put(list, "overwritten").ok());
  EXPECT_EQ(Drain(store().Range("", "z")), (Entries{{"committed", "4"}, {"new", "3"}}));
  state_->RollbackToMark();
  EXPECT_EQ(Drain(store().Range("", "z")), (Entries{{"committed", "1"}, {"earlier", "2"}}));
  EXPECT_EQ(Read(store(), list), "12");
  EXPECT_EQ(Read(store(), "committed"), "1");
  EXPECT_EQ(Read(store(), "new"), "(absent)");
  EXPECT_LE(state_->pending_bytes(), pending + 1);  // the list's committed part was read in between
  state_->RollbackToMark();
  EXPECT_EQ(Read(store(), "earlier"), "2");
  state_->DiscardPending();
  EXPECT_EQ(Drain(store().Range("", "z")), (Entries{{"committed", "1"}}));
  EXPECT_EQ(Read(store(), list), "1");
  EXPECT_EQ(state_->pending_bytes(), 0u);
}

// Bugs once: a message could make the server hold all that it wrote, and each open iterator a copy of it.
TEST_P(KvStoreTest, WhatWaitsForACheckpointIsBounded) {
  const std::string large(size_t{30} << 20, 'x');
  for (const char* key : {"a", "b", "c", "d"}) ASSERT_TRUE(store().Put(key, large).ok());
  ASSERT_TRUE(store().Put(ComplexKey{"g", "k", "n", "u"}, "small").ok());
  for (const absl::Status& refused : {store().Put("e", large), store().Put("a", large), store().Put(ComplexKey{"g", "k", "n", "v"}, large),
                                      store().Merge(ComplexKey{"g", "k", "n", "u"}, large)}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_THAT(std::string(Message(refused)), testing::HasSubstr("one message cannot write that much"));
  }
  EXPECT_EQ(Read(store(), ComplexKey{"g", "k", "n", "u"}), "small");
  ASSERT_TRUE(store().Delete("d").ok());
  ASSERT_TRUE(store().Merge(ComplexKey{"g", "k", "n", "u"}, large).ok());
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  EXPECT_TRUE(store().Put("e", large).ok());
}

TEST_P(KvStoreTest, WhatOpenIteratorsHoldIsBounded) {
  for (int key = 10; key < 50; ++key) ASSERT_TRUE(store().Put(std::to_string(key), std::string(1 << 20, 'x')).ok());
  std::vector<std::unique_ptr<KvIterator>> open;
  absl::Status refused;
  while (open.size() < 100 && refused.ok()) {
    auto iterator = store().Range("", "\xff");
    refused = iterator.status();
    if (iterator.ok()) open.push_back(*std::move(iterator));
  }
  EXPECT_EQ(open.size(), 3U);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(Message(refused)), testing::HasSubstr("finish or delete some"));
  // What the database holds costs an iterator nothing.
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  EXPECT_TRUE(store().Range("", "\xff").ok());
  open.clear();
  ASSERT_TRUE(store().Put("10", "y").ok());
  EXPECT_EQ(Drain(store().Range("1", "11")), (Entries{{"10", "y"}}));
}

TEST_P(KvStoreTest, BadNamesAreRefused) {
  EXPECT_EQ(state_->GetOrCreateStore("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(state_->GetOrCreateStore(std::string(256, 'n')).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(state_->GetOrCreateStore("\0"s).value(), state_->GetOrCreateStore("\0"s).value());
  EXPECT_EQ(store().Put(std::string(9 << 20, 'k'), "v").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(state_->pending_bytes(), 0u);
}

// Random operations against a model of three levels: committed, uncommitted, and the message in hand.
TEST_P(KvStoreTest, BehavesAsAMapWithCommitAndRollback) {
  using Map = std::map<std::string, std::string>;
  const uint32_t seeds = InMemory() ? 60 : 8;
  for (uint32_t seed = 0; seed < seeds; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto key = [&] { return std::string(1 + random() % 2, static_cast<char>(random() % 2 ? 'a' + random() % 4 : 0xff)); };
    const std::string name = "store" + std::to_string(seed);
    Map committed, message_start, now;
    uint64_t sequence = 1;
    const auto as_complex = [](std::string_view user_key) { return ComplexKey{"g", "\0"sv, "", user_key}; };
    for (int step = 0; step < 600; ++step) {
      KvStore& kv = store(name);
      const std::string k = key();
      const std::string v = std::string(random() % 40, static_cast<char>('A' + random() % 26));
      switch (random() % 16) {
        case 0:
        case 1:
        case 2:
          ASSERT_TRUE(kv.Put(as_complex(k), v).ok());
          now[k] = v;
          break;
        case 3:
          ASSERT_TRUE(kv.Delete(as_complex(k)).ok());
          now.erase(k);
          break;
        case 4:
        case 5:
        case 6:
          ASSERT_TRUE(kv.Merge(as_complex(k), v).ok());
          now[k] += v;
          break;
        case 7:
        case 8:
        case 9:
          ASSERT_EQ(Read(kv, as_complex(k)), now.contains(k) ? now[k] : "(absent)");
          break;
        case 10: {
          ASSERT_EQ(Drain(kv.Scan(as_complex(""))), (Entries{now.begin(), now.end()}));
          const std::string end = key();
          const auto from = now.lower_bound(k);
          ASSERT_EQ(Drain(kv.Range(as_complex(""), k, end)), k < end ? (Entries{from, now.lower_bound(end)}) : Entries{});
          break;
        }
        case 11:
          ASSERT_TRUE(kv.DeletePrefix(as_complex(k)).ok());
          std::erase_if(now, [&](const auto& entry) { return entry.first.starts_with(k); });
          break;
        case 12:
          state_->Mark();
          message_start = now;
          break;
        case 13:
          state_->RollbackToMark();
          now = message_start;
          break;
        case 14:
          if (random() % 2) {
            ASSERT_TRUE(state_->Commit(At(sequence++)).ok());
            committed = message_start = now;
          } else {
            ASSERT_TRUE(state_->Prepare(At(sequence++)).ok());
            ASSERT_EQ(Drain(kv.Scan(as_complex(""))), (Entries{now.begin(), now.end()}));
            if (random() % 2) {
              ASSERT_TRUE(state_->CommitPrepared().ok());
              committed = message_start = now;
            } else {
              ASSERT_TRUE(state_->RollbackPrepared().ok());
              now = message_start = committed;
            }
          }
          break;
        case 15:
          if (random() % 2) {
            state_->DiscardPending();
          } else if (random() % 4 == 0) {
            Reopen();
          } else {
            break;
          }
          now = message_start = committed;
          break;
      }
      if (now.empty() && committed.empty()) {
        ASSERT_LT(state_->pending_bytes(), 100000u);
      }
    }
  }
}

TEST_P(KvStoreTest, TheReadCacheStaysWithinItsBudget) {
  // Far more than the budget of 1 MiB, read and written over and over: nothing may be stale or missing.
  const auto key = [](int i) { return "key" + std::to_string(i); };
  for (int i = 0; i < 20000; ++i) ASSERT_TRUE(store().Put(key(i), std::string(200, static_cast<char>(i))).ok());
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  std::mt19937 random(3);
  for (int i = 0; i < 60000; ++i) {
    const int k = static_cast<int>(random() % 20000);
    ASSERT_EQ(store().Get(key(k)).value().value().front(), static_cast<char>(k));
    if (i % 5000 == 0) {
      ASSERT_TRUE(store().Put(key(k), std::string(200, static_cast<char>(k))).ok());
      ASSERT_TRUE(state_->Commit(At(2)).ok());
    }
  }
}

}  // namespace
}  // namespace fs::state
