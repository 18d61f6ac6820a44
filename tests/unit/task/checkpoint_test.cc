// The recovery rule against a real state and the real embedded log: what a crash between any two steps leaves is resolved, or refused.
#include "task/checkpoint.h"

#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connector/embedded/embedded_connector.h"
#include "state/retained.h"
#include "support/retain.h"
#include "support/temporary_folder.h"

namespace fs::task {
namespace {

using testing::ElementsAre;
using testing::Pair;

config::Endpoint TopicEndpoint(const std::string& topic) {
  config::Endpoint endpoint;
  endpoint.type = "embedded";
  endpoint.path = "outputs[0]";
  endpoint.properties.emplace_back().key = "topic";
  endpoint.properties.back().value = topic;
  return endpoint;
}

OutputRecord Result() {
  OutputRecord record;
  record.value = "result";
  return record;
}

// Nothing here is ever away.
Patience NoPatience() {
  return [](WaitingIn, absl::Duration, const absl::Status& what) { return what; };
}

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() {
    states_ = *state::StateEnvironment::Create({});
    OpenLog("log");
  }
  ~CheckpointTest() override { Crash(); }

  void OpenLog(const std::string& name) {
    connector::embedded::EmbeddedLog::Options options;
    options.folder = folder_.path() / name;
    log_ = *connector::embedded::EmbeddedLog::Open(options);
    connector_ = std::make_unique<connector::embedded::EmbeddedConnector>(*log_);
  }

  // A new owner opens everything, as a restarted instance does.
  void Open(const std::string& state_name = "state") {
    state_ = *state::FunctionState::Open(*states_, folder_.path() / state_name);
    session_ = *connector_->OpenSession(
        {.function_name = "function", .function_id = "function-id", .waker = std::make_shared<Waker>(), .exactly_once = true});
    sink_ = *session_->OpenSink(TopicEndpoint("out"));
    DecideWith(session_->decider());
  }
  void DecideWith(connector::Decider* decider, Patience patience = NoPatience()) {
    protocol_ = std::make_unique<CheckpointProtocol>(*state_, decider, std::vector<connector::Sink*>{sink_.get()},
                                                     std::vector<std::string>{"in"}, std::move(patience));
  }
  absl::StatusOr<std::optional<state::Checkpoint>> Recover() {
    auto recovered = protocol_->Recover();
    if (recovered.ok()) {
      EXPECT_TRUE(sink_->Start(std::nullopt).ok());
    }
    return recovered;
  }
  // Nothing of the owner outlives this but what is on disk.
  void Crash() {
    protocol_.reset();
    sink_.reset();
    session_.reset();
    state_.reset();
  }
  void Process(int64_t offset) {
    ASSERT_TRUE((*state_->GetOrCreateStore("s"))->Put("key", std::to_string(offset)).ok());
    ASSERT_TRUE(sink_->Write(Result()).ok());
    positions_[0][0] = offset + 1;
  }
  absl::Status Take() { return protocol_->Take(positions_, std::nullopt); }
  std::string Value() {
    const auto value = (*state_->GetOrCreateStore("s"))->Get(std::string_view("key"));
    return value.ok() && value->has_value() ? std::string(**value) : "none";
  }
  size_t Outputs() { return log_->Read("out", 0, 100, 1 << 20)->records.size(); }
  state::Checkpoint Next(const state::Checkpoint& last) {
    state::Checkpoint next = last;
    ++next.sequence;
    next.positions = EncodeProgress({.inputs = positions_, .sink_marks = {""}}, std::vector<std::string>{"in"});
    return next;
  }

  TemporaryFolder folder_;
  std::unique_ptr<state::StateEnvironment> states_;
  std::unique_ptr<connector::embedded::EmbeddedLog> log_;
  std::unique_ptr<connector::embedded::EmbeddedConnector> connector_;
  std::unique_ptr<state::FunctionState> state_;
  std::unique_ptr<connector::Session> session_;
  std::unique_ptr<connector::Sink> sink_;
  std::unique_ptr<CheckpointProtocol> protocol_;
  std::vector<connector::Positions> positions_{1};
};

TEST_F(CheckpointTest, StateOutputsAndPositionsBecomeDurableTogether) {
  Open();
  ASSERT_FALSE(Recover()->has_value());
  Process(7);
  EXPECT_EQ(Outputs(), 0u);
  ASSERT_TRUE(Take().ok());
  EXPECT_EQ(Outputs(), 1u);
  Process(8);
  Crash();

  Open();
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.ok() && recovered->has_value());
  EXPECT_EQ((*recovered)->sequence, 1u);
  EXPECT_EQ(DecodeProgress((*recovered)->positions)->inputs[0].at(0), 8);
  EXPECT_EQ(Value(), "7");
  EXPECT_EQ(Outputs(), 1u);
}

TEST_F(CheckpointTest, PreparedAndNotDecidedIsRolledBack) {
  Open();
  ASSERT_TRUE(Recover().ok());
  Process(1);
  ASSERT_TRUE(Take().ok());
  Process(2);
  ASSERT_TRUE(state_->Prepare(Next(*state_->last())).ok());
  Crash();

  Open();
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << Message(recovered.status());
  EXPECT_EQ((*recovered)->sequence, 1u);
  EXPECT_EQ(Value(), "1");
  EXPECT_EQ(Outputs(), 1u);
}

TEST_F(CheckpointTest, TheFirstCheckpointPreparedAndNotDecidedIsRolledBack) {
  Open();
  ASSERT_TRUE(Recover().ok());
  Process(1);
  ASSERT_TRUE(state_->Prepare({"run", 1, EncodeProgress({.inputs = positions_, .sink_marks = {}}, {}), std::nullopt}).ok());
  Crash();

  Open();
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << Message(recovered.status());
  EXPECT_FALSE(recovered->has_value());
  EXPECT_EQ(Value(), "none");
}

TEST_F(CheckpointTest, PreparedAndDecidedIsCommitted) {
  Open();
  ASSERT_TRUE(Recover().ok());
  Process(1);
  ASSERT_TRUE(Take().ok());
  Process(2);
  const state::Checkpoint next = Next(*state_->last());
  ASSERT_TRUE(state_->Prepare(next).ok());
  ASSERT_TRUE(session_->decider()->Commit({next.run_id, next.sequence}, positions_, absl::InfiniteFuture()).ok());
  Crash();

  Open();
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << Message(recovered.status());
  EXPECT_EQ((*recovered)->sequence, 2u);
  EXPECT_EQ(Value(), "2");
  EXPECT_EQ(Outputs(), 2u);
}

TEST_F(CheckpointTest, AnOlderOwnerCannotCommitAfterANewOneRecovered) {
  Open();
  ASSERT_TRUE(Recover().ok());
  auto newer = *connector_->OpenSession(
      {.function_name = "function", .function_id = "function-id", .waker = std::make_shared<Waker>(), .exactly_once = true});
  ASSERT_TRUE(newer->decider()->Recover({}, absl::InfiniteFuture()).ok());
  Process(1);
  EXPECT_EQ(Take().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Outputs(), 0u);
}

TEST_F(CheckpointTest, AStateOfAnotherRunIsRefused) {
  Open();
  ASSERT_TRUE(Recover().ok());
  Process(1);
  ASSERT_TRUE(Take().ok());
  Crash();

  Open("lost");
  EXPECT_EQ(Recover().status().code(), absl::StatusCode::kFailedPrecondition);
  Crash();
  Open();
  ASSERT_TRUE(Recover().ok());
  Process(2);
  state::Checkpoint foreign = Next(*state_->last());
  foreign.run_id = "another";
  ASSERT_TRUE(state_->Prepare(foreign).ok());
  Crash();
  Open();
  EXPECT_EQ(Recover().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CheckpointTest, AStateWhoseLogWasLostIsRefused) {
  Open();
  ASSERT_TRUE(Recover().ok());
  Process(1);
  ASSERT_TRUE(Take().ok());
  Crash();
  OpenLog("new-log");
  Open();
  EXPECT_EQ(Recover().status().code(), absl::StatusCode::kFailedPrecondition);
}

// Another decider as it is, for what changes some of it.
class Forwarding : public connector::Decider {
 public:
  explicit Forwarding(connector::Decider& decider) : decider_(decider) {}
  absl::StatusOr<std::optional<connector::Marker>> Recover(std::span<const std::string> superseded, absl::Time deadline) override {
    return decider_.Recover(superseded, deadline);
  }
  absl::Status Commit(const connector::Marker& marker, std::span<const connector::Positions> positions, absl::Time deadline) override {
    return decider_.Commit(marker, positions, deadline);
  }
  size_t pending_bytes() const override { return decider_.pending_bytes(); }
  bool forgets_markers() const override { return decider_.forgets_markers(); }

 private:
  connector::Decider& decider_;
};

// The embedded log, with the memory of a decider that keeps markers for some days only.
class Forgetful final : public Forwarding {
 public:
  using Forwarding::Forwarding;
  absl::StatusOr<std::optional<connector::Marker>> Recover(std::span<const std::string> superseded, absl::Time deadline) override {
    FS_RETURN_IF_ERROR(Forwarding::Recover(superseded, deadline).status());
    return std::optional<connector::Marker>();
  }
  bool forgets_markers() const override { return true; }
};

// Nobody is there at first, and then somebody who is slow.
class Slow final : public Forwarding {
 public:
  using Forwarding::Forwarding;
  absl::StatusOr<std::optional<connector::Marker>> Recover(std::span<const std::string> superseded, absl::Time deadline) override {
    if (++asked_ < 5) return DeadlineExceeded("attempt {}", asked_);
    return Forwarding::Recover(superseded, deadline);
  }
  bool IsConnected() const override { return asked_ > 2; }

 private:
  int asked_ = 0;
};

TEST_F(CheckpointTest, ARecoveryTellsWhetherAnybodyIsThereToAnswer) {
  Open();
  Slow slow(*session_->decider());
  std::vector<std::pair<WaitingIn, std::string>> told;
  DecideWith(&slow, [&](WaitingIn step, absl::Duration, const absl::Status& what) {
    told.emplace_back(step, std::string(Message(what)));
    return absl::OkStatus();
  });
  EXPECT_TRUE(Recover().ok());
  EXPECT_THAT(told, ElementsAre(Pair(WaitingIn::kConnection, "attempt 1"), Pair(WaitingIn::kConnection, "attempt 2"),
                                Pair(WaitingIn::kRecovery, "attempt 3"), Pair(WaitingIn::kRecovery, "attempt 4")));
}

class ForgottenMarkerTest : public CheckpointTest {
 protected:
  ~ForgottenMarkerTest() override { Crash(); }

  // A state whose checkpoint 1 is of that age.
  void Keep(absl::Duration age) {
    Open();
    ASSERT_TRUE(Recover().ok());
    ASSERT_TRUE(state_->Commit({"cafe", 1, Taken(age), std::nullopt}).ok());
    Crash();
    OpenForgetful();
  }
  void OpenForgetful() {
    Open();
    forgetful_ = std::make_unique<Forgetful>(*session_->decider());
    DecideWith(forgetful_.get());
  }
  static std::string Taken(absl::Duration age) {
    return EncodeProgress({.inputs = {{{0, 7}}}, .sink_marks = {}, .taken = absl::Now() - age}, std::vector<std::string>{"in"});
  }

  std::unique_ptr<Forgetful> forgetful_;
};

TEST_F(ForgottenMarkerTest, AnOldStateGoesOnWithAWarning) {
  Keep(absl::Hours(25));
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << Message(recovered.status());
  EXPECT_EQ((*recovered)->sequence, 1u);
  EXPECT_NE(protocol_->warning().find("checkpoint 1 of run cafe"), std::string::npos) << protocol_->warning();
  Process(8);
  EXPECT_TRUE(Take().ok());
  EXPECT_EQ(protocol_->next_sequence(), 3u);
}

TEST_F(ForgottenMarkerTest, AYoungStateIsNotThisRuns) {
  Keep(absl::Hours(23));
  const absl::Status refused = Recover().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(refused).find("checkpoint_id"), std::string_view::npos) << refused;
  EXPECT_EQ(protocol_->warning(), "");
}

TEST_F(ForgottenMarkerTest, APreparedCheckpointIsNeverGuessedAbout) {
  Keep(absl::Hours(25));
  ASSERT_TRUE(state_->Prepare({"cafe", 2, Taken(absl::Hours(25)), std::nullopt}).ok());
  Crash();
  OpenForgetful();
  EXPECT_EQ(Recover().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ForgottenMarkerTest, ADeciderThatForgetsNothingIsBelieved) {
  Keep(absl::Hours(25));
  Crash();
  Open();
  EXPECT_EQ(Recover().status().code(), absl::StatusCode::kFailedPrecondition);
}

// ---- A state restored from a retained checkpoint stands in for the runs it supersedes, until its first own checkpoint.

class RestoredTest : public CheckpointTest {
 protected:
  // Retains a checkpoint at offset 1, goes on to 2 in the same run, and restores.
  void SetUp() override {
    Open();
    ASSERT_TRUE(Recover().ok());
    Process(1);
    ASSERT_TRUE(Take().ok());
    ASSERT_TRUE(state::Retain(retained_, {state_.get()}).ok());
    Process(2);
    ASSERT_TRUE(Take().ok());
    Crash();
    ASSERT_TRUE(retained_.Restore(1, std::vector<std::string>{"b1"}).ok());
    Open();
  }
  void ExpectRestored() {
    const auto recovered = Recover();
    ASSERT_TRUE(recovered.ok()) << Message(recovered.status());
    EXPECT_EQ((*recovered)->run_id, "b1");
    EXPECT_EQ((*recovered)->sequence, 1u);
    EXPECT_EQ(DecodeProgress((*recovered)->positions)->inputs[0].at(0), 2);
    EXPECT_EQ(Value(), "1");
  }

  state::RetainedCheckpoints retained_{*states_, folder_.path() / "retained", {folder_.path() / "state"}};
};

TEST_F(RestoredTest, TheMarkerOfTheSupersededRunIsAcceptedUntilItsFirstCheckpoint) {
  for (int crash = 0; crash < 3; ++crash) {
    ExpectRestored();
    Crash();
    Open();
  }
  ExpectRestored();
  Process(2);
  ASSERT_TRUE(Take().ok());
  EXPECT_EQ(Outputs(), 3u);
  Crash();
  Open();
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << Message(recovered.status());
  EXPECT_EQ((*recovered)->sequence, 2u);
  EXPECT_TRUE((*recovered)->supersedes.empty());
  EXPECT_EQ(Value(), "2");
  // What it replaced stays known: the old run's markers may stand beside a group's offsets for as long as it lives.
  EXPECT_EQ(protocol_->superseded().size(), 1u);
  EXPECT_NE(protocol_->superseded()[0], "b1");
}

// The embedded log, and what it was told of superseded runs.
class Listening final : public Forwarding {
 public:
  using Forwarding::Forwarding;
  absl::StatusOr<std::optional<connector::Marker>> Recover(std::span<const std::string> superseded, absl::Time deadline) override {
    superseded_.assign(superseded.begin(), superseded.end());
    return Forwarding::Recover(superseded, deadline);
  }
  [[nodiscard]] const std::vector<std::string>& superseded() const { return superseded_; }

 private:
  std::vector<std::string> superseded_;
};

TEST_F(RestoredTest, TheDeciderIsToldOfTheSupersededRunForAsLongAsItsMarkerMayStandSomewhere) {
  const state::Checkpoint restored = *state_->last();
  ASSERT_EQ(restored.supersedes.size(), 1u);
  for (int life = 0; life < 3; ++life) {
    Listening listening(*session_->decider());
    DecideWith(&listening);
    ASSERT_TRUE(Recover().ok());
    EXPECT_EQ(listening.superseded(), restored.supersedes) << "in life " << life;
    Process(2);
    // The second life ends between the decision and the state's learning of it.
    if (life == 1) {
      ASSERT_TRUE(state_->Prepare(Next(*state_->last())).ok());
      ASSERT_TRUE(session_->decider()->Commit({"b1", state_->last()->sequence + 1}, positions_, absl::InfiniteFuture()).ok());
    } else {
      ASSERT_TRUE(Take().ok());
    }
    Crash();
    Open();
  }
}

TEST_F(RestoredTest, ItsFirstCheckpointPreparedAndNotDecidedIsRolledBack) {
  ExpectRestored();
  Process(2);
  state::Checkpoint next = Next(*state_->last());
  next.supersedes.clear();
  ASSERT_TRUE(state_->Prepare(next).ok());
  Crash();
  Open();
  ExpectRestored();
}

TEST_F(RestoredTest, ItsFirstCheckpointPreparedAndDecidedIsCommitted) {
  ExpectRestored();
  Process(2);
  state::Checkpoint next = Next(*state_->last());
  next.supersedes.clear();
  ASSERT_TRUE(state_->Prepare(next).ok());
  ASSERT_TRUE(session_->decider()->Commit({next.run_id, next.sequence}, positions_, absl::InfiniteFuture()).ok());
  Crash();
  Open();
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << Message(recovered.status());
  EXPECT_EQ((*recovered)->sequence, 2u);
  EXPECT_EQ(Value(), "2");
}

TEST_F(RestoredTest, ARestoreOfARunWithAnUndecidedCheckpointGivesThatUp) {
  ExpectRestored();
  Process(2);
  state::Checkpoint next = Next(*state_->last());
  next.supersedes.clear();
  ASSERT_TRUE(state_->Prepare(next).ok());
  // Decided, and the state does not know it yet.
  ASSERT_TRUE(session_->decider()->Commit({next.run_id, next.sequence}, positions_, absl::InfiniteFuture()).ok());
  Crash();
  ASSERT_TRUE(retained_.Restore(1, std::vector<std::string>{"b2"}).ok());
  Open();
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << Message(recovered.status());
  EXPECT_EQ((*recovered)->run_id, "b2");
  EXPECT_EQ(Value(), "1");
}

TEST_F(RestoredTest, AMarkerOfARunThatItDoesNotSupersedeIsRefused) {
  ASSERT_TRUE(session_->decider()->Recover({}, absl::InfiniteFuture()).ok());
  ASSERT_TRUE(session_->decider()->Commit({"f00d", 9}, positions_, absl::InfiniteFuture()).ok());
  Crash();
  Open();
  EXPECT_EQ(Recover().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RestoredTest, AStateOfTheSupersededRunIsRefusedAfterTheFirstCheckpoint) {
  ExpectRestored();
  Process(2);
  ASSERT_TRUE(Take().ok());
  Crash();
  // An operator copies the old state back by hand.
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "retained")) {
    if (entry.path().filename() != "2") continue;
    std::filesystem::copy(entry.path() / "database", folder_.path() / "by-hand", std::filesystem::copy_options::recursive);
  }
  Open("by-hand");
  EXPECT_EQ(Value(), "2");
  EXPECT_EQ(Recover().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RestoredTest, AnOutputThatHasForgottenItsMarkerIsAccepted) {
  Crash();
  OpenLog("new-log");
  Open();
  ExpectRestored();
}

TEST_F(CheckpointTest, AStateOfAnotherSplitOfThePartitionsIsRefused) {
  Open();
  ASSERT_TRUE(Recover().ok());
  Process(1);
  ASSERT_TRUE(Take().ok());
  Crash();

  Open();
  CheckpointProtocol other(*state_, session_->decider(), {sink_.get()}, {"in"},
                           [](WaitingIn, absl::Duration, const absl::Status& what) { return what; }, {0, 2});
  const auto refused = other.Recover();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(refused.status()).find("instance 0 of 1, and this is instance 0 of 2"), std::string_view::npos) << refused.status();
  EXPECT_TRUE(Recover()->has_value());
}

TEST_F(CheckpointTest, WithoutADeciderTheStateDecides) {
  Open();
  protocol_ =
      std::make_unique<CheckpointProtocol>(*state_, nullptr, std::vector<connector::Sink*>{}, std::vector<std::string>{"in"}, NoPatience());
  ASSERT_TRUE(protocol_->Recover().ok());
  ASSERT_TRUE((*state_->GetOrCreateStore("s"))->Put("key", "5").ok());
  positions_[0][3] = 6;
  ASSERT_TRUE(protocol_->Take(positions_, "mine").ok());
  EXPECT_EQ(protocol_->next_sequence(), 2u);
  Crash();

  Open();
  protocol_ =
      std::make_unique<CheckpointProtocol>(*state_, nullptr, std::vector<connector::Sink*>{}, std::vector<std::string>{"in"}, NoPatience());
  const auto recovered = protocol_->Recover();
  ASSERT_TRUE(recovered.ok() && recovered->has_value());
  EXPECT_EQ((*recovered)->function_bytes, "mine");
  EXPECT_EQ(DecodeProgress((*recovered)->positions)->inputs[0].at(3), 6);
  EXPECT_EQ(Value(), "5");
}

TEST(Progress, BytesOfALaterFormatAndDamagedOnesAreRefused) {
  EXPECT_EQ(DecodeProgress("\xff\xff").status().code(), absl::StatusCode::kDataLoss);
  std::string later = EncodeProgress({}, {});
  later[1] = 2;
  EXPECT_EQ(DecodeProgress(later).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace fs::task
