// Retained checkpoints of a function with several instances: there as a whole or not at all, restored together or not at all.
#include <absl/time/clock.h>

#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "state/retained.h"
#include "state_fixture.h"
#include "support/child_process.h"
#include "support/retain.h"

namespace fs::state {
namespace {

constexpr uint32_t kInstances = 2;
const std::vector<std::string> kRuns = {"b0", "b1"};

std::vector<std::filesystem::path> StateFolders(const std::filesystem::path& folder, uint32_t instances) {
  std::vector<std::filesystem::path> folders;
  for (uint32_t i = 0; i < instances; ++i) folders.push_back(folder / fmt::format("split{}", i));
  return folders;
}

class RetainedSplitTest : public StateTest {
 protected:
  void SetUp() override {
    StateTest::SetUp();
    retained_ = std::make_unique<RetainedCheckpoints>(*environment_, folder(), folders_);
    OpenAll();
  }
  [[nodiscard]] std::filesystem::path folder() const { return folder_.path() / "retained"; }

  void OpenAll() {
    states_.clear();
    for (const auto& path : folders_) states_.push_back(FunctionState::Open(*environment_, path).value());
  }
  // Different in each instance.
  void CommitAll(uint64_t sequence, const std::string& run = "a") {
    for (uint32_t i = 0; i < kInstances; ++i) {
      KvStore& store = *states_[i]->GetOrCreateStore("store").value();
      ASSERT_TRUE(store.Put("k", ValueOf(sequence, i)).ok());
      ASSERT_TRUE(states_[i]->Commit({run + std::to_string(i), sequence + i, ValueOf(sequence, i), std::nullopt}).ok());
    }
  }
  static std::string ValueOf(uint64_t sequence, uint32_t instance) { return fmt::format("{} in {}", sequence, instance); }
  uint64_t Make() {
    std::vector<FunctionState*> states;
    for (const auto& state : states_) states.push_back(state.get());
    const auto made = Retain(*retained_, states);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->id : 0;
  }
  absl::Status Restore(uint64_t id) {
    states_.clear();
    const absl::Status status = retained_->Restore(id, kRuns);
    OpenAll();
    return status;
  }
  void ExpectAll(uint64_t sequence) {
    for (uint32_t i = 0; i < kInstances; ++i) {
      EXPECT_EQ(Read(*states_[i]->GetOrCreateStore("store").value(), "k"), ValueOf(sequence, i));
    }
  }
  // Removal is left to another thread.
  void ExpectNothingElse(const std::set<std::string>& expected) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    std::set<std::string> found;
    do {
      found.clear();
      for (const auto& entry : std::filesystem::directory_iterator(folder())) found.insert(entry.path().filename().native());
      std::this_thread::yield();
    } while (found != expected && absl::Now() < deadline);
    EXPECT_EQ(found, expected);
  }

  const std::vector<std::filesystem::path> folders_ = StateFolders(folder_.path(), kInstances);
  std::vector<std::unique_ptr<FunctionState>> states_;
  std::unique_ptr<RetainedCheckpoints> retained_;
};

TEST_F(RetainedSplitTest, AllInstancesAreRestoredAsRunsOfTheirOwnThatSupersedeTheirOwn) {
  CommitAll(5);
  const uint64_t id = Make();
  const std::vector<RetainedCheckpoint> list = retained_->List();
  ASSERT_EQ(list.size(), 1u);
  ASSERT_EQ(list[0].parts.size(), kInstances);
  for (uint32_t i = 0; i < kInstances; ++i) {
    EXPECT_EQ(list[0].parts[i].run_id, "a" + std::to_string(i));
    EXPECT_EQ(list[0].parts[i].sequence, 5 + i);
    EXPECT_EQ(list[0].parts[i].positions, ValueOf(5, i));
  }
  CommitAll(6);
  ASSERT_TRUE(Restore(id).ok());
  ExpectAll(5);
  for (uint32_t i = 0; i < kInstances; ++i) {
    EXPECT_EQ(states_[i]->last()->run_id, kRuns[i]);
    EXPECT_EQ(states_[i]->last()->supersedes, std::vector<std::string>{"a" + std::to_string(i)});
  }
  CommitAll(7, "b");
  ASSERT_TRUE(Restore(id).ok());
  ExpectAll(5);
  EXPECT_EQ(states_[1]->last()->supersedes, (std::vector<std::string>{"a1", "b1"}));
  // The states that were replaced were retained, of both instances.
  ASSERT_TRUE(Restore(id + 1).ok());
  ExpectAll(6);
}

TEST_F(RetainedSplitTest, WithoutAllPartsThereIsNone) {
  CommitAll(1);
  const auto making = retained_->Begin(RetainReason::kRequested).value();
  ASSERT_TRUE(retained_->MakePart(making, 1, *states_[1]).ok());
  EXPECT_TRUE(retained_->List().empty());
  EXPECT_FALSE(retained_->Complete(making).ok());
  EXPECT_TRUE(retained_->List().empty());
  ASSERT_TRUE(retained_->MakePart(making, 0, *states_[0]).ok());
  ASSERT_TRUE(retained_->Complete(making).ok());
  EXPECT_EQ(retained_->List().size(), 1u);

  const auto given_up = retained_->Begin(RetainReason::kPeriodic).value();
  ASSERT_TRUE(retained_->MakePart(given_up, 0, *states_[0]).ok());
  retained_->Abandon(given_up);
  ExpectNothingElse({"1", "index"});
  // What a crash leaves is cleared away.
  ASSERT_TRUE(retained_->MakePart(retained_->Begin(RetainReason::kPeriodic).value(), 0, *states_[0]).ok());
  states_.clear();
  ASSERT_TRUE(retained_->Recover().ok());
  ExpectNothingElse({"1", "index"});
}

TEST_F(RetainedSplitTest, OfAStoppedFunctionEachInstanceHasToBeAbleTo) {
  CommitAll(1);
  ASSERT_TRUE(states_[1]->Prepare({"a1", 3, "p", std::nullopt}).ok());
  states_.clear();
  const auto undecided = retained_->MakeOfStopped(RetainReason::kRequested);
  EXPECT_EQ(undecided.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(undecided.status()).substr(0, 25), "instance 1: checkpoint 3 ");
  EXPECT_FALSE(std::filesystem::exists(folder()));
  OpenAll();
  ASSERT_TRUE(states_[1]->CommitPrepared().ok());
  states_.clear();
  EXPECT_EQ(retained_->MakeOfStopped(RetainReason::kRequested).value().parts.size(), kInstances);
  std::filesystem::remove_all(folders_[0]);
  EXPECT_EQ(Message(retained_->MakeOfStopped(RetainReason::kRequested).status()).substr(0, 12), "instance 0: ");
}

TEST_F(RetainedSplitTest, OneOfAnotherNumberOfInstancesSaysWhatItWasMadeWith) {
  for (const uint32_t made_with : {1u, 3u}) {
    const std::filesystem::path others = folder_.path() / fmt::format("of{}", made_with);
    RetainedCheckpoints other(*environment_, others / "retained", StateFolders(others, made_with));
    std::vector<std::unique_ptr<FunctionState>> owned;
    std::vector<FunctionState*> states;
    for (const auto& path : StateFolders(others, made_with)) {
      std::filesystem::create_directories(others);
      owned.push_back(FunctionState::Open(*environment_, path).value());
      ASSERT_TRUE(owned.back()->Commit(At(1)).ok());
      states.push_back(owned.back().get());
    }
    ASSERT_TRUE(Retain(other, states).ok());
    CommitAll(2);
    std::filesystem::remove_all(folder());
    const uint64_t ours = Make();
    ASSERT_EQ(ours, 1u);
    std::filesystem::copy(others / "retained" / "1", folder() / "9", std::filesystem::copy_options::recursive);
    const absl::Status refused = Restore(9);
    EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound);
    const std::string words = fmt::format("made with {} instance{}, and the function has 2", made_with, made_with == 1 ? "" : "s");
    EXPECT_NE(Message(refused).find("checkpoint 9: " + words), std::string_view::npos) << refused;
    EXPECT_NE(retained_->List()[1].problem.find(words), std::string::npos);
    ExpectAll(2);
    // And the other way round.
    std::filesystem::copy(folder() / "1", others / "retained" / "9", std::filesystem::copy_options::recursive);
    EXPECT_NE(other.List()[1].problem.find(fmt::format("made with 2 instances, and the function has {}", made_with)), std::string::npos);
  }
}

TEST_F(RetainedSplitTest, PartsThatDoNotBelongTogetherAreRefused) {
  CommitAll(1);
  Make();
  CommitAll(2);
  Make();
  std::filesystem::remove_all(folder() / "1" / "1");
  std::filesystem::copy(folder() / "2" / "1", folder() / "1" / "1", std::filesystem::copy_options::recursive);
  EXPECT_EQ(Restore(1).code(), absl::StatusCode::kNotFound);
  std::filesystem::remove_all(folder() / "2" / "1");
  std::filesystem::copy(folder() / "2" / "0", folder() / "2" / "1", std::filesystem::copy_options::recursive);
  EXPECT_EQ(Restore(2).code(), absl::StatusCode::kNotFound);
  ExpectAll(2);
  EXPECT_EQ(states_[0]->last()->run_id, "a0");
}

TEST_F(RetainedSplitTest, RecoverEndsARestoreAtEveryStepOfTheSwap) {
  CommitAll(1);
  const uint64_t id = Make();
  CommitAll(2);
  states_.clear();
  const std::filesystem::path old_states = folder_.path() / "old";
  const std::filesystem::path new_states = folder_.path() / "new";
  constexpr auto kRecursive = std::filesystem::copy_options::recursive;
  std::filesystem::create_directory(old_states);
  std::filesystem::create_directory(new_states);
  for (uint32_t i = 0; i < kInstances; ++i) std::filesystem::copy(folders_[i], old_states / std::to_string(i), kRecursive);
  ASSERT_TRUE(retained_->Restore(id, kRuns).ok());
  for (uint32_t i = 0; i < kInstances; ++i) std::filesystem::copy(folders_[i], new_states / std::to_string(i), kRecursive);

  // How far each instance had come when it crashed.
  enum Step { kStaged, kReplaced, kInPlace };
  const struct {
    bool is_decided;
    Step steps[kInstances];
  } cases[] = {{false, {kStaged, kStaged}}, {true, {kStaged, kStaged}},    {true, {kReplaced, kStaged}},
               {true, {kInPlace, kStaged}}, {true, {kInPlace, kReplaced}}, {true, {kInPlace, kInPlace}}};
  for (const auto& [is_decided, steps] : cases) {
    SCOPED_TRACE(fmt::format("{} {} {}", is_decided, static_cast<int>(steps[0]), static_cast<int>(steps[1])));
    const std::filesystem::path restored = folder() / (is_decided ? "restored" : "restored.making");
    std::filesystem::create_directories(restored);
    for (uint32_t i = 0; i < kInstances; ++i) {
      const std::string part = std::to_string(i);
      std::filesystem::remove_all(folders_[i]);
      if (steps[i] != kStaged) std::filesystem::create_directories(folder() / "state.replaced");
      std::filesystem::copy(old_states / part, steps[i] == kStaged ? folders_[i] : folder() / "state.replaced" / part, kRecursive);
      std::filesystem::copy(new_states / part, steps[i] == kInPlace ? folders_[i] : restored / part, kRecursive);
    }
    ASSERT_TRUE(retained_->Recover().ok());
    OpenAll();
    ExpectAll(is_decided ? 1 : 2);
    states_.clear();
    ExpectNothingElse({"1", "2", "index"});
  }
}

TEST_F(RetainedSplitTest, ASwapThatFailsInTheMiddleIsTakenBackInAllInstances) {
  const std::filesystem::path elsewhere = folder_.path() / "elsewhere";
  const std::vector<std::filesystem::path> apart = {folders_[0], elsewhere / "state"};
  std::filesystem::create_directory(elsewhere);
  states_[1] = FunctionState::Open(*environment_, apart[1]).value();
  RetainedCheckpoints retained(*environment_, folder(), apart);
  CommitAll(1);
  ASSERT_TRUE(Retain(retained, {states_[0].get(), states_[1].get()}).ok());
  CommitAll(2);
  states_.clear();
  // The second instance's state has no place to be put in.
  std::filesystem::remove_all(elsewhere);
  EXPECT_FALSE(retained.Restore(1, kRuns).ok());
  const auto first = FunctionState::Open(*environment_, apart[0]).value();
  EXPECT_EQ(Read(*first->GetOrCreateStore("store").value(), "k"), ValueOf(2, 0));
  EXPECT_EQ(first->last()->run_id, "a0");
  EXPECT_FALSE(std::filesystem::exists(folder() / "restored"));
  EXPECT_TRUE(retained.Recover().ok());
  ExpectNothingElse({"1", "index"});
}

constexpr char kRestoringChild[] = "RetainedSplitChild.DISABLED_RestoresInTurn";

TEST(RetainedSplitChild, DISABLED_RestoresInTurn) {
  const std::filesystem::path folder = ChildProcess::folder();
  const auto environment = StateEnvironment::Create({}).value();
  RetainedCheckpoints retained(*environment, folder / "retained", StateFolders(folder, kInstances));
  ASSERT_TRUE(retained.Recover().ok());
  std::ofstream(folder / "begun") << "yes";
  std::random_device entropy;
  for (uint64_t round = ChildProcess::steps().size();; ++round) {
    const std::string run = std::to_string(entropy());
    ASSERT_TRUE(retained.Restore(1 + round % 2, std::vector{run + "-0", run + "-1"}).ok());
  }
}

TEST_F(RetainedSplitTest, KilledAtAnyMomentOfARestoreAllStatesAreOfOneRestore) {
  CommitAll(1);
  Make();
  CommitAll(2);
  Make();
  states_.clear();
  std::mt19937 random(4);
  std::set<std::string> seen;
  for (int kill = 0; kill < 15; ++kill) {
    std::filesystem::remove(folder_.path() / "begun");
    ChildProcess child(kRestoringChild, folder_.path(), kill % 2 == 0 ? "" : "2");
    ASSERT_TRUE(ChildProcess::WaitForFile(folder_.path() / "begun"));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 400'000));
    child.Kill();
    ASSERT_TRUE(retained_->Recover().ok());
    OpenAll();
    const std::string first = Read(*states_[0]->GetOrCreateStore("store").value(), "k");
    ASSERT_TRUE(first == ValueOf(1, 0) || first == ValueOf(2, 0)) << first;
    ExpectAll(first == ValueOf(1, 0) ? 1 : 2);
    const std::string run = states_[0]->last()->run_id;
    EXPECT_EQ(states_[1]->last()->run_id.substr(0, run.size() - 1), run.substr(0, run.size() - 1));
    seen.insert(first);
    states_.clear();
    for (const RetainedCheckpoint& checkpoint : retained_->List()) EXPECT_EQ(checkpoint.problem, "");
  }
  EXPECT_EQ(seen.size(), 2u);
}

}  // namespace
}  // namespace fs::state
