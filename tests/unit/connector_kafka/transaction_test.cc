// The decider against a real broker (FS_TEST_KAFKA): what commits together, what an owner that ends leaves, and where the marker lives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connector/kafka/kafka_connector.h"
#include "connector/kafka/marker_group.h"
#include "connector_kafka/test_broker.h"
#include "connector_kafka/transaction_owner.h"

namespace fs::connector::kafka {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::UnorderedElementsAre;

const Properties kFirstPartition = {{"group_id", "shared"}, {"partition", "0"}};

class KafkaTransaction : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(BrokerAddress().empty()); }

  std::unique_ptr<Owner> Open(const std::string& function_id, const Properties& input_properties = kFirstPartition) {
    return std::make_unique<Owner>(connector_, function_id, BrokerAddress(), in_, input_properties, out_);
  }
  std::unique_ptr<Owner> Recovered(const std::string& function_id, const Properties& input_properties = kFirstPartition) {
    auto owner = Open(function_id, input_properties);
    const auto marker = owner->decider->Recover({}, Patience());
    EXPECT_TRUE(marker.ok()) << marker.status();
    return owner;
  }
  // Waits for what happens in the background.
  static bool Becomes(const std::function<bool()>& condition) {
    for (const absl::Time deadline = Patience(); SteadyNow() < deadline; absl::SleepFor(absl::Milliseconds(20))) {
      if (condition()) return true;
    }
    return condition();
  }

  const std::string in_ = NewTopic(1);
  const std::string out_ = NewTopic(1);
  const std::string id_ = NewTopic(0, false);
  std::shared_ptr<Connector> connector_ = MakeKafkaConnector();
};

TEST_F(KafkaTransaction, OutputsPositionsAndMarkerBecomeVisibleTogether) {
  const std::string group = NewTopic(0, false);
  const auto owner = Open(id_, {{"group_id", group}});
  EXPECT_EQ(owner->decider->Recover({}, Patience()).value(), std::nullopt);
  ASSERT_TRUE(owner->source->Start({}, owner->listener).ok());
  {
    const auto writer = std::make_unique<Owner>(connector_, id_ + "-writer", BrokerAddress(), "", Properties{}, in_);
    ASSERT_TRUE(writer->decider->Recover({}, Patience()).ok());
    ASSERT_TRUE(writer->Write("question").ok());
    ASSERT_TRUE(writer->Commit(1).ok());
  }
  std::vector<Record> records;
  ASSERT_TRUE(Becomes([&] {
    EXPECT_TRUE(owner->source->Poll(10, 1000, records).ok());
    return !records.empty();
  }));

  ASSERT_TRUE(owner->Write("answer").ok());
  EXPECT_GT(owner->decider->pending_bytes(), 0u);
  ASSERT_TRUE(owner->sink->Flush(Patience()).ok());
  EXPECT_THAT(ReadCommitted(out_), IsEmpty());
  EXPECT_THAT(CommittedBy(group), IsEmpty());
  ASSERT_TRUE(owner->Commit(1, {{0, 1}}).ok());
  EXPECT_EQ(owner->decider->pending_bytes(), 0u);
  EXPECT_THAT(ReadCommitted(out_), ElementsAre("answer"));
  EXPECT_EQ(CommittedBy(group)[in_].offset, 1);
  EXPECT_EQ(DecodeMarker(CommittedBy(group)[in_].metadata), (Marker{"cafe", 1}));
  EXPECT_THAT(CommittedBy(PrivateName(id_, 0)), UnorderedElementsAre(Key(in_), Key(out_)));
  // Told in the transaction and nowhere else.
  EXPECT_TRUE(owner->source->IsCommittedByDecider());

  EXPECT_EQ(Open(id_)->decider->Recover({}, Patience()).value(), (Marker{"cafe", 1}));
}

TEST_F(KafkaTransaction, PositionsWithoutOutputsCommitToo) {
  auto owner = Recovered(id_);
  for (uint64_t sequence = 1; sequence <= 5; ++sequence) ASSERT_TRUE(owner->Commit(sequence, {{0, 7}}).ok());
  owner.reset();
  EXPECT_EQ(Open(id_)->decider->Recover({}, Patience()).value(), (Marker{"cafe", 5}));
  EXPECT_THAT(ReadCommitted(out_), IsEmpty());
}

TEST_F(KafkaTransaction, WhatAnOwnerLeavesIsAbortedAtOnceAndReadersDoNotWait) {
  auto owner = Recovered(id_);
  ASSERT_TRUE(owner->Write("given up").ok());
  ASSERT_TRUE(owner->sink->Flush(Patience()).ok());
  const auto other = Recovered(id_ + "-other");
  ASSERT_TRUE(other->Write("kept").ok());
  ASSERT_TRUE(other->Commit(1).ok());
  // Behind the open transaction nothing can be read.
  EXPECT_THAT(ReadCommitted(out_), IsEmpty());
  owner.reset();
  EXPECT_TRUE(Becomes([&] { return ReadCommitted(out_) == std::vector<std::string>{"kept"}; }));
}

TEST_F(KafkaTransaction, ASuccessorShutsOutTheOwnerBeforeIt) {
  const auto owner = Recovered(id_);
  ASSERT_TRUE(owner->Write("too late").ok());
  ASSERT_TRUE(owner->sink->Flush(Patience()).ok());
  const auto successor = Open(id_);
  EXPECT_EQ(successor->decider->Recover({}, Patience()).value(), std::nullopt);
  const absl::Status fenced = owner->Commit(1);
  EXPECT_EQ(fenced.code(), absl::StatusCode::kInternal) << fenced;
  EXPECT_THAT(std::string(Message(fenced)), HasSubstr("a newer owner"));
  // Spent for good.
  EXPECT_FALSE(owner->Commit(1).ok());
  EXPECT_FALSE(owner->Write("more").ok());
  ASSERT_TRUE(successor->Write("mine").ok());
  ASSERT_TRUE(successor->Commit(1).ok());
  EXPECT_THAT(ReadCommitted(out_), ElementsAre("mine"));
}

TEST_F(KafkaTransaction, ACommitOfUnknownOutcomeIsResolvedByTheSuccessorAndTheMarkerSaysHow) {
  std::vector<std::string> expected;
  std::optional<Marker> last;
  for (uint64_t turn = 0; turn < 8; ++turn) {
    auto owner = Open(id_);
    const auto marker = owner->decider->Recover({}, Patience());
    ASSERT_TRUE(marker.ok()) << marker.status();
    EXPECT_EQ(*marker, last) << "in turn " << turn;
    const std::string value = fmt::format("turn {}", turn);
    const uint64_t next = last ? last->sequence + 1 : 1;
    ASSERT_TRUE(owner->Write(value).ok());
    ASSERT_TRUE(owner->sink->Flush(Patience()).ok());
    // Asked for and not waited for: the broker may have it or not.
    const absl::Status unknown = owner->Commit(next, {}, absl::InfinitePast());
    EXPECT_TRUE(unknown.ok() || absl::IsDeadlineExceeded(unknown)) << unknown;
    owner.reset();

    const auto successor = Open(id_);
    const auto decided = successor->decider->Recover({}, Patience());
    ASSERT_TRUE(decided.ok()) << decided.status();
    if (*decided != last) {
      EXPECT_EQ(*decided, (Marker{"cafe", next}));
      expected.push_back(value);
    }
    last = *decided;
    EXPECT_EQ(ReadCommitted(out_), expected);
  }
}

TEST_F(KafkaTransaction, ACommitThatTookTooLongIsFinishedByTheNextCall) {
  const auto owner = Recovered(id_);
  ASSERT_TRUE(owner->Write("value").ok());
  absl::Status status = owner->Commit(1, {}, absl::InfinitePast());
  while (absl::IsDeadlineExceeded(status)) status = owner->Commit(1, {}, SteadyNow() + absl::Milliseconds(100));
  EXPECT_TRUE(status.ok()) << status;
  ASSERT_TRUE(owner->Write("more").ok());
  EXPECT_TRUE(owner->Commit(2).ok());
  EXPECT_THAT(ReadCommitted(out_), ElementsAre("value", "more"));
}

TEST_F(KafkaTransaction, FunctionsOfOneGroupAndPartitionHaveMarkersOfTheirOwn) {
  const auto first = Recovered(id_ + "-1"), second = Recovered(id_ + "-2");
  ASSERT_TRUE(first->Commit(1, {{0, 5}}).ok());
  ASSERT_TRUE(first->Commit(2, {{0, 6}}).ok());
  ASSERT_TRUE(second->Commit(1, {{0, 1}}).ok());
  EXPECT_EQ(Open(id_ + "-1")->decider->Recover({}, Patience()).value(), (Marker{"cafe", 2}));
  EXPECT_EQ(Open(id_ + "-2")->decider->Recover({}, Patience()).value(), (Marker{"cafe", 1}));
  EXPECT_EQ(Open(id_ + "-3")->decider->Recover({}, Patience()).value(), std::nullopt);
}

TEST_F(KafkaTransaction, TheMarkerSurvivesTheDeletionOfEitherTopic) {
  for (const bool is_input : {true, false}) {
    const std::string id = fmt::format("{}-{}", id_, is_input);
    {
      const auto owner = Recovered(id);
      ASSERT_TRUE(owner->Commit(1).ok());
    }
    const std::string& deleted = is_input ? in_ : out_;
    DeleteTopic(deleted);
    ASSERT_TRUE(Becomes([&] { return !CommittedBy(PrivateName(id, 0)).contains(deleted); }));
    const auto owner = Open(id);
    EXPECT_EQ(owner->decider->Recover({}, Patience()).value(), (Marker{"cafe", 1}));
    CreateTopic(deleted, 1);
    EXPECT_TRUE(owner->Commit(2).ok());
  }
}

TEST_F(KafkaTransaction, AnOutputWithoutAPlaceForTheMarkerIsNamed) {
  const Owner owner(connector_, id_, BrokerAddress(), "", {}, out_, {{"partition", "7"}});
  ASSERT_TRUE(owner.decider->Recover({}, Patience()).ok());
  const absl::Status nowhere = owner.Commit(1, {}, SteadyNow() + absl::Milliseconds(300));
  EXPECT_EQ(nowhere.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(Message(nowhere)), HasSubstr(fmt::format("topic {} partition 7 does not exist", out_)));
}

TEST_F(KafkaTransaction, AnOutputThatTheBrokersMakeThemselvesHoldsTheMarkerOfTheFirstCheckpoint) {
  const std::string made = NewTopic(1, false);
  const Owner owner(connector_, id_, BrokerAddress(), "", {}, made);
  EXPECT_EQ(owner.decider->Recover({}, Patience()).value(), std::nullopt);
  absl::Status status = owner.Commit(1);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(CommittedBy(PrivateName(id_, 0)), ElementsAre(Key(made)));
}

TEST_F(KafkaTransaction, AForgottenFunctionLeavesNoGroup) {
  {
    const auto owner = Recovered(id_);
    ASSERT_TRUE(owner->Commit(1).ok());
  }
  const config::Endpoint outputs[] = {KafkaEndpoint("outputs[0]", BrokerAddress(), out_)};
  ASSERT_TRUE(connector_->ForgetFunction(id_, 1, {}, outputs).ok());
  EXPECT_TRUE(Becomes([&] { return CommittedBy(PrivateName(id_, 0)).empty(); }));
}

TEST_F(KafkaTransaction, AMarkerOfASupersededRunInOnePlaceGivesWayToTheOtherPlacesMarker) {
  const std::string old_run[] = {"cafe"}, new_run[] = {"beef"}, both[] = {"beef", "cafe"};
  for (const std::string& other_place : {in_, out_}) {
    const std::string id = fmt::format("{}-{}", id_, other_place == in_);
    ASSERT_TRUE(Recovered(id)->Commit(5).ok());
    {
      // Only one of the two topics is a place of this one, so the other keeps what it holds.
      const Owner restored(connector_, id, BrokerAddress(), "", {}, other_place);
      ASSERT_TRUE(restored.decider->Recover(old_run, Patience()).ok());
      ASSERT_TRUE(restored.decider->Commit({"beef", 2}, {}, Patience()).ok());
    }
    EXPECT_EQ(Open(id)->decider->Recover(old_run, Patience()).value(), (Marker{"beef", 2}));
    EXPECT_EQ(Open(id)->decider->Recover(new_run, Patience()).value(), (Marker{"cafe", 5}));
    EXPECT_TRUE(Open(id)->decider->Recover(both, Patience()).value().has_value());
    const absl::Status refused = Open(id)->decider->Recover({}, Patience()).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(Message(refused)), HasSubstr("they are written together"));
  }
}

TEST_F(KafkaTransaction, WhoWroteIntoTheFunctionsOwnGroupIsFoundOut) {
  {
    const auto owner = Recovered(id_);
    ASSERT_TRUE(owner->Commit(1).ok());
  }
  // As a tool does that sets a group's offsets.
  const auto tool = MakeKafkaConnector();
  auto session = *tool->OpenSession({.function_name = "tool", .function_id = "tool", .waker = std::make_shared<Waker>()});
  auto source = *session->OpenSource(0, KafkaEndpoint("i", BrokerAddress(), in_, {{"group_id", PrivateName(id_, 0)}, {"partition", "0"}}));
  Owner::Listener listener;
  ASSERT_TRUE(source->Start({}, listener).ok());
  ASSERT_TRUE(Becomes([&] {
    std::vector<Record> records;
    static_cast<void>(source->Poll(1, 1, records));
    source->Committed({{0, 3}}, {"ab", 1});
    return CommittedBy(PrivateName(id_, 0))[in_].offset == 3;
  }));
  const absl::Status refused = Open(id_)->decider->Recover({}, Patience()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(refused)), HasSubstr(in_));
}

}  // namespace
}  // namespace fs::connector::kafka
