// Rounds of several instances: one retained checkpoint is a part of each, whatever the others do meanwhile.
#include "task/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <thread>

#include "support/temporary_folder.h"

namespace fs::task {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Answer = std::optional<absl::StatusOr<state::RetainedCheckpoint>>;

class Lines final : public observe::FunctionLog {
 public:
  void Write(int, std::string_view text) override { lines.emplace_back(text); }
  std::vector<std::string> lines;
};

class RetentionTest : public testing::Test {
 protected:
  static constexpr uint32_t kInstances = 2;

  void SetUp() override {
    config_.name = "job";
    std::vector<std::filesystem::path> folders;
    for (uint32_t i = 0; i < kInstances; ++i) {
      folders.push_back(folder_.path() / fmt::format("state{}", i));
      states_.push_back(state::FunctionState::Open(*environment_, folders.back()).value());
      ASSERT_TRUE(states_.back()->Commit({fmt::format("run{}", i), 1, "p", std::nullopt}).ok());
    }
    checkpoints_ = std::make_unique<state::RetainedCheckpoints>(*environment_, folder(), folders);
    retention_ = std::make_unique<Retention>(config_, *checkpoints_, kInstances);
    for (uint32_t i = 0; i < kInstances; ++i) parts_.push_back(std::make_unique<Retention::Part>(*retention_, i, wakers_[i]));
  }
  void Open() {
    for (const auto& part : parts_) part->Open();
    for (const auto& part : parts_) ASSERT_TRUE(part->Recover().ok());
  }
  void Checkpoint(uint32_t instance) { parts_[instance]->AfterCheckpoint(*states_[instance], log_); }
  // An instance whose state cannot be retained: nothing is committed in it.
  void FailingCheckpoint(uint32_t instance) {
    const auto empty = state::FunctionState::Open(*environment_, folder_.path() / "empty").value();
    parts_[instance]->AfterCheckpoint(*empty, log_);
  }
  std::thread Ask(Answer& answer, absl::Duration patience = absl::Minutes(1)) {
    return std::thread([this, &answer, patience] { answer = retention_->Ask(SteadyNow() + patience, [] { return false; }); });
  }
  // As the instance's thread would wait.
  void AwaitAsked(uint32_t instance) {
    const absl::Time deadline = SteadyNow() + absl::Seconds(30);
    while (!parts_[instance]->is_asked() && SteadyNow() < deadline) wakers_[instance].WaitUntil(deadline);
    ASSERT_TRUE(parts_[instance]->is_asked());
  }
  [[nodiscard]] std::filesystem::path folder() const { return folder_.path() / "retained"; }
  [[nodiscard]] std::set<std::string> Names() const {
    std::set<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder(), error), end; !error && entry != end; entry.increment(error)) {
      names.insert(entry->path().filename().native());
    }
    return names;
  }

  TemporaryFolder folder_;
  std::unique_ptr<state::StateEnvironment> environment_ = state::StateEnvironment::Create({}).value();
  config::FunctionConfig config_;
  Lines log_;
  Waker wakers_[kInstances];
  std::vector<std::unique_ptr<state::FunctionState>> states_;
  std::unique_ptr<state::RetainedCheckpoints> checkpoints_;
  std::unique_ptr<Retention> retention_;
  std::vector<std::unique_ptr<Retention::Part>> parts_;
};

TEST_F(RetentionTest, ARequestIsAnsweredOnceEachInstanceHasTakenACheckpoint) {
  Open();
  Checkpoint(0);
  EXPECT_THAT(Names(), IsEmpty()) << "nobody asked";
  Answer answer;
  std::thread asking = Ask(answer);
  AwaitAsked(0);
  AwaitAsked(1);
  Checkpoint(1);
  EXPECT_FALSE(parts_[1]->is_asked());
  EXPECT_TRUE(parts_[0]->is_asked());
  Checkpoint(1);
  EXPECT_THAT(checkpoints_->List(), IsEmpty());
  Checkpoint(0);
  asking.join();
  ASSERT_TRUE(answer && answer->ok()) << answer->status();
  EXPECT_EQ((*answer)->id, 1u);
  ASSERT_EQ((*answer)->parts.size(), 2u);
  EXPECT_EQ((*answer)->parts[0].run_id, "run0");
  EXPECT_EQ((*answer)->parts[1].run_id, "run1");
  EXPECT_FALSE(parts_[0]->is_asked());
  EXPECT_THAT(Names(), UnorderedElementsAre("1", "index"));
}

TEST_F(RetentionTest, EachOfTwoRequestsIsOneOfItsOwn) {
  Open();
  Answer first, second;
  std::thread asking = Ask(first);
  AwaitAsked(0);
  Checkpoint(0);
  std::thread asking_too = Ask(second);
  AwaitAsked(1);
  while (checkpoints_->List().size() < 2) {
    if (parts_[1]->is_asked()) Checkpoint(1);
    if (parts_[0]->is_asked()) Checkpoint(0);
  }
  asking.join();
  asking_too.join();
  ASSERT_TRUE(first && first->ok() && second && second->ok());
  EXPECT_THAT((std::set<uint64_t>{(*first)->id, (*second)->id}), UnorderedElementsAre(1u, 2u));
}

TEST_F(RetentionTest, AnInstanceThatEndsWithoutItsPartTakesTheRoundWithItAndTheRequestWaitsOn) {
  Open();
  Answer answer;
  std::thread asking = Ask(answer);
  AwaitAsked(0);
  Checkpoint(0);
  EXPECT_THAT(Names(), UnorderedElementsAre("1.making", "index"));
  parts_[1]->Close();
  EXPECT_THAT(Names(), UnorderedElementsAre("index"));
  EXPECT_FALSE(parts_[0]->is_asked()) << "nothing can be made now";
  parts_[1]->Open();
  AwaitAsked(0);
  AwaitAsked(1);
  Checkpoint(1);
  // One that ends with its part made holds nobody up.
  parts_[1]->Close();
  Checkpoint(0);
  asking.join();
  ASSERT_TRUE(answer && answer->ok());
  EXPECT_EQ((*answer)->id, 2u);
}

TEST_F(RetentionTest, WhoAsksIsLetGoWhenAllHaveEnded) {
  EXPECT_EQ(retention_->Ask(SteadyNow() + absl::Minutes(1), [] { return false; }), std::nullopt);
  Open();
  Answer answer = absl::UnknownError("not answered");
  std::thread asking = Ask(answer);
  AwaitAsked(1);
  Checkpoint(1);
  parts_[1]->Close();
  parts_[0]->Close();
  asking.join();
  EXPECT_FALSE(answer.has_value());
  EXPECT_THAT(Names(), UnorderedElementsAre("index"));
}

TEST_F(RetentionTest, ALateAnswerNamesTheInstancesThatAreMissing) {
  Open();
  Answer answer;
  std::thread asking = Ask(answer, absl::Milliseconds(400));
  AwaitAsked(0);
  Checkpoint(0);
  asking.join();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(answer->status().message()), HasSubstr("no checkpoint was completed in time by instance 1;"));
  EXPECT_THAT(Names(), UnorderedElementsAre("index"));
  EXPECT_FALSE(parts_[1]->is_asked());
}

TEST_F(RetentionTest, APartThatCannotBeMadeIsToldAndLeavesNothingOfTheOthers) {
  Open();
  Answer answer;
  std::thread asking = Ask(answer);
  AwaitAsked(0);
  Checkpoint(0);
  FailingCheckpoint(1);
  asking.join();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(answer->status().message()), HasSubstr("instance 1: "));
  EXPECT_THAT(Names(), UnorderedElementsAre("index"));
  EXPECT_EQ(log_.lines.size(), 1u);
  EXPECT_FALSE(parts_[0]->is_asked() || parts_[1]->is_asked());
}

TEST_F(RetentionTest, APeriodicOneAsksTheIdleInstancesToo) {
  config_.enable_checkpoint = true;
  config_.retained_checkpoints = 1;
  config_.retained_checkpoint_interval = absl::ZeroDuration();
  Open();
  EXPECT_FALSE(parts_[0]->is_asked()) << "nothing is made where nothing happens";
  for (uint64_t id = 1; id <= 3; ++id) {
    Checkpoint(0);
    EXPECT_TRUE(parts_[1]->is_asked());
    Checkpoint(1);
    const auto list = checkpoints_->List();
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0].id, id);
    EXPECT_EQ(list[0].reason, state::RetainReason::kPeriodic);
  }
}

TEST_F(RetentionTest, LeftoversAreClearedOnceBeforeAnyInstanceOpensItsState) {
  std::filesystem::create_directories(folder() / "7.making");
  parts_[0]->Open();
  parts_[1]->Open();
  ASSERT_TRUE(parts_[1]->Recover().ok());
  EXPECT_FALSE(Names().contains("7.making"));
  // An instance that restarts leaves alone what the others are making.
  std::filesystem::create_directories(folder() / "8.making");
  ASSERT_TRUE(parts_[0]->Recover().ok());
  EXPECT_TRUE(Names().contains("8.making"));
  parts_[0]->Close();
  parts_[1]->Close();
  parts_[1]->Open();
  ASSERT_TRUE(parts_[1]->Recover().ok());
  EXPECT_FALSE(Names().contains("8.making"));
}

TEST_F(RetentionTest, ARecoveryThatFailsIsTriedByTheNext) {
  std::filesystem::create_directories(folder() / "restored" / "0");
  std::filesystem::create_directories(folder() / "restored" / "1");
  std::ofstream(folder() / "state.replaced") << "a file where a folder has to be";
  parts_[0]->Open();
  parts_[1]->Open();
  EXPECT_FALSE(parts_[0]->Recover().ok());
  EXPECT_TRUE(parts_[1]->Recover().ok());
  EXPECT_FALSE(Names().contains("restored") || Names().contains("restored.making"));
}

}  // namespace
}  // namespace fs::task
