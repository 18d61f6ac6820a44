// Source and Sink against a real broker (FS_TEST_KAFKA).
#include "connector_kafka/instance.h"

namespace fs::connector::kafka {
namespace {

TEST_F(KafkaBroker, WhatASinkWritesASourceReads) {
  const std::string topic = NewTopic(3);
  Instance instance(connector_);
  const auto sink = instance.Write(topic, {{"partition", "1"}});
  std::string headers, tombstone;
  AppendHeader("trace", "abc", 3, headers);
  AppendHeader("null", nullptr, 0, headers);
  AppendHeader(kTombstoneHeader, nullptr, 0, tombstone);
  const std::vector<OutputRecord> written = {
      {.value = "plain", .key = std::nullopt, .headers = {}, .timestamp_ms = kNoTimestamp},
      {.value = "all", .key = "key", .headers = headers, .timestamp_ms = 1234567},
      {.value = "", .key = "", .headers = {}, .timestamp_ms = kNoTimestamp},
      {.value = "", .key = "gone", .headers = tombstone, .timestamp_ms = kNoTimestamp},
  };
  for (const OutputRecord& record : written) ASSERT_TRUE(sink->Write(record).ok());
  ASSERT_TRUE(sink->Flush(SteadyNow() + kPatience).ok());

  const auto source = instance.Read(topic, {{"group_id", NewGroup()}, {"partition", "1"}});
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 4; }).ok());
  EXPECT_EQ(instance.Values(), (std::vector<std::string>{"plain", "all", "", ""}));
  EXPECT_EQ(instance.seen[0].key, std::nullopt);
  EXPECT_EQ(instance.seen[1].key, "key");
  EXPECT_EQ(instance.seen[1].headers, headers);
  EXPECT_EQ(instance.seen[1].timestamp_ms, 1234567);
  EXPECT_EQ(instance.seen[2].key, "");
  EXPECT_EQ(instance.seen[2].headers, "");
  EXPECT_EQ(instance.seen[3].key, "gone");
  EXPECT_EQ(instance.seen[3].headers, tombstone);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(instance.seen[i].partition, 1);
    EXPECT_EQ(instance.seen[i].offset, static_cast<int64_t>(i));
  }
}

TEST_F(KafkaBroker, ASourceResumesAtThePositionsOfTheCheckpoint) {
  const std::string topic = NewTopic(1);
  const std::string group = NewGroup();
  Instance writer(connector_);
  ASSERT_TRUE(Produce(*writer.Write(topic), 0, 10).ok());
  for (const Properties& mode : {Properties{{"group_id", group}, {"partition", "0"}}, Properties{{"group_id", group}}}) {
    Instance instance(connector_);
    const auto source = instance.Read(topic, mode, {{0, 7}});
    ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 3; }).ok());
    EXPECT_EQ(instance.Values(), (std::vector<std::string>{"7", "8", "9"}));
  }
}

TEST_F(KafkaBroker, ThePositionsOfTheListenerWinOverTheGroups) {
  const std::string topic = NewTopic(1);
  Instance instance(connector_);
  ASSERT_TRUE(Produce(*instance.Write(topic), 0, 10).ok());
  instance.listener.answer = {{0, 4}};
  const auto source = instance.Read(topic, {{"group_id", NewGroup()}});
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 6; }).ok());
  EXPECT_EQ(instance.seen[0].value, "4");
}

TEST_F(KafkaBroker, CommittedPositionsReachTheGroupAndAFreshMemberStartsThere) {
  const std::string topic = NewTopic(1);
  const std::string group = NewGroup();
  {
    Instance first(connector_);
    ASSERT_TRUE(Produce(*first.Write(topic), 0, 10).ok());
    const auto source = first.Read(topic, {{"group_id", group}});
    ASSERT_TRUE(first.PollUntil(*source, [&] { return first.seen.size() == 10; }).ok());
    source->Committed({{0, 6}}, kMarker);
  }
  Instance second(connector_);
  const auto source = second.Read(topic, {{"group_id", group}});
  ASSERT_TRUE(second.PollUntil(*source, [&] { return second.seen.size() >= 4; }).ok());
  EXPECT_EQ(second.seen[0].value, "6");
}

TEST_F(KafkaBroker, FunctionsThatNameTheSameGroupAndPartitionDoNotDisturbEachOther) {
  const std::string topic = NewTopic(1);
  const Properties same = {{"group_id", NewGroup()}, {"partition", "0"}};
  Instance first(connector_, "first");
  ASSERT_TRUE(Produce(*first.Write(topic), 0, 10).ok());
  auto source = first.Read(topic, same);
  ASSERT_TRUE(first.PollUntil(*source, [&] { return first.seen.size() == 10; }).ok());
  source->Committed(first.next, kMarker);
  absl::SleepFor(absl::Seconds(2));  // past the client's commit

  Instance second(connector_, "second");
  const auto other = second.Read(topic, same);
  ASSERT_TRUE(second.PollUntil(*other, [&] { return second.seen.size() == 10; }).ok());
  other->Committed({{0, 1}}, kMarker);
  ASSERT_TRUE(Produce(*first.Write(topic), 10, 12).ok());
  ASSERT_TRUE(first.PollUntil(*source, [&] { return first.seen.size() == 12; }).ok());
  ASSERT_TRUE(second.PollUntil(*other, [&] { return second.seen.size() == 12; }).ok());
  EXPECT_EQ(AsSet(second.Values()), Numbers(0, 12));
}

class KafkaRebalance : public KafkaBroker, public testing::WithParamInterface<const char*> {};

TEST_P(KafkaRebalance, PartitionsMoveBetweenSourcesWithoutLossOrRepetition) {
  const std::string topic = NewTopic(4);
  const Properties properties = {{"group_id", NewGroup()}, {"partition.assignment.strategy", GetParam()}};
  Instance writer(connector_), first(connector_), second(connector_);
  const auto sink = writer.Write(topic);
  ASSERT_TRUE(Produce(*sink, 0, 200).ok());

  // The group keeps the positions between the two, as when no state does: each tells them before it gives up its partitions.
  auto source = first.Read(topic, properties);
  first.listener.on_revoked = [&] { source->Committed(first.next, kMarker); };
  ASSERT_TRUE(first.PollUntil(*source, [&] { return first.seen.size() >= 100; }, 10).ok());

  auto other = second.Read(topic, properties);
  second.listener.on_revoked = [&] { other->Committed(second.next, kMarker); };
  const auto both = [&](const std::function<bool()>& is_done) {
    const absl::Time deadline = SteadyNow() + kPatience;
    while (!is_done() && SteadyNow() < deadline) {
      bool turn = false;
      ASSERT_TRUE(first.PollUntil(*source, [&] { return std::exchange(turn, true); }, 10).ok());
      turn = false;
      ASSERT_TRUE(second.PollUntil(*other, [&] { return std::exchange(turn, true); }, 10).ok());
    }
    EXPECT_TRUE(is_done());
  };
  both([&] { return first.listener.owned.size() == 2 && second.listener.owned.size() == 2; });
  EXPECT_GE(first.listener.revoked_count, 1);
  EXPECT_EQ(first.listener.lost_count, 0);
  ASSERT_TRUE(Produce(*sink, 200, 300).ok());
  both([&] { return first.seen.size() + second.seen.size() >= 300; });

  // One leaves, the other takes all.
  source->Committed(first.next, kMarker);
  source.reset();
  ASSERT_TRUE(second.PollUntil(*other, [&] { return second.listener.owned.size() == 4; }).ok());
  ASSERT_TRUE(Produce(*sink, 300, 350).ok());
  ASSERT_TRUE(second.PollUntil(*other, [&] { return first.seen.size() + second.seen.size() >= 350; }).ok());
  std::multiset<std::string> all = AsSet(first.Values());
  all.merge(AsSet(second.Values()));
  EXPECT_EQ(all, Numbers(0, 350));
}

INSTANTIATE_TEST_SUITE_P(Protocols, KafkaRebalance, testing::Values("range", "cooperative-sticky"),
                         [](const auto& protocol) { return std::string(protocol.param) == "range" ? "Eager" : "Cooperative"; });

TEST_F(KafkaBroker, AnArrivalWakesAnIdleInstance) {
  const std::string topic = NewTopic(1);
  Instance instance(connector_);
  const auto source = instance.Read(topic, {{"group_id", NewGroup()}, {"partition", "0"}});
  const auto sink = instance.Write(topic);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Produce(*sink, i, i + 1).ok());
    const absl::Time start = SteadyNow();
    while (instance.seen.size() <= static_cast<size_t>(i) && SteadyNow() - start < kPatience) {
      std::vector<Record> records;
      ASSERT_TRUE(source->Poll(100, 1 << 20, records).ok());
      for (const Record& record : records) instance.seen.push_back({std::string(record.value), {}, {}, 0, 0, 0});
      if (records.empty()) instance.waker->WaitUntil(start + kPatience);
    }
    EXPECT_LT(SteadyNow() - start, kPatience / 2);  // woken, not at the end of the wait
  }
  EXPECT_EQ(AsSet(instance.Values()), Numbers(0, 5));
}

TEST_F(KafkaBroker, ABrokerThatIsAwayAtTheStartIsToldAndWaitedFor) {
  const std::string topic = NewTopic(1);
  Doorway doorway;
  Instance instance(connector_), writer(connector_);
  ASSERT_TRUE(Produce(*writer.Write(topic), 0, 3).ok());
  const auto source = instance.Read(topic, {{"group_id", NewGroup()}}, {}, doorway.address());
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return absl::IsUnavailable(instance.last); }).ok());
  EXPECT_THAT(std::string(Message(instance.last)), HasSubstr(doorway.address()));
  const auto sink = instance.Write(topic, {}, doorway.address());
  ASSERT_TRUE(sink->Write({.value = "3", .key = {}, .headers = {}, .timestamp_ms = kNoTimestamp}).ok());
  const absl::Status waiting = sink->Flush(SteadyNow() + absl::Milliseconds(300));
  EXPECT_EQ(waiting.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(Message(waiting)), HasSubstr(doorway.address()));

  doorway.Open();
  EXPECT_TRUE(sink->Flush(SteadyNow() + kPatience).ok());
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 4; }).ok());
  EXPECT_EQ(AsSet(instance.Values()), Numbers(0, 4));
}

TEST_F(KafkaBroker, AMissingTopicIsToldByNameAndReadOnceItIsThere) {
  for (const bool has_partition : {false, true}) {
    const std::string topic = NewTopic(1, false);
    Instance instance(connector_);
    Properties properties = {{"group_id", NewGroup()}};
    if (has_partition) properties.emplace_back("partition", "0");
    const auto source = instance.Read(topic, properties);
    ASSERT_TRUE(instance.PollUntil(*source, [&] { return absl::IsUnavailable(instance.last); }).ok());
    EXPECT_THAT(std::string(Message(instance.last)), HasSubstr(topic));
    CreateTopic(topic, 1);
    ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.last.ok(); }).ok());
    ASSERT_TRUE(Produce(*instance.Write(topic), 0, 3).ok());
    ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 3; }).ok());
  }
}

TEST_F(KafkaBroker, AMissingPartitionIsToldByNumber) {
  const std::string topic = NewTopic(2);
  Instance instance(connector_);
  const auto source = instance.Read(topic, {{"group_id", NewGroup()}, {"partition", "5"}});
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return Message(instance.last).find("no partition 5") != std::string_view::npos; }).ok());

  const auto sink = instance.Write(topic, {{"partition", "5"}});
  absl::Status status = sink->Write({.value = "a payload", .key = {}, .headers = {}, .timestamp_ms = kNoTimestamp});
  if (status.ok()) status = sink->Flush(SteadyNow() + kPatience);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr(topic));
  EXPECT_THAT(std::string(Message(status)), testing::Not(HasSubstr("payload")));  // AddressSanitizer found it read past its end, too
  EXPECT_FALSE(sink->Write({.value = "y", .key = {}, .headers = {}, .timestamp_ms = kNoTimestamp}).ok());
}

TEST_F(KafkaBroker, APositionThatIsGoneFollowsTheResetPolicyOnlyWhereTheUserGaveOne) {
  const std::string topic = NewTopic(1);
  Instance writer(connector_);
  ASSERT_TRUE(Produce(*writer.Write(topic), 0, 6).ok());
  DeleteRecords(topic, 0, 2);
  for (const bool has_partition : {false, true}) {
    for (const int64_t position : {1, 100}) {
      Properties properties;
      if (has_partition) properties.emplace_back("partition", "0");
      properties.emplace_back("group_id", NewGroup());
      Instance silent(connector_);
      const auto source = silent.Read(topic, properties, {{0, position}});
      const absl::Status status = silent.PollUntil(*source, [&] { return !silent.seen.empty(); });
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
      EXPECT_THAT(std::string(Message(status)), HasSubstr("partition 0"));
      EXPECT_THAT(std::string(Message(status)), HasSubstr(position == 1 ? "begins at 2, so 1 records were removed" : "ends at 6"));
      EXPECT_THAT(std::string(Message(status)), HasSubstr("auto.offset.reset"));

      properties.back().second = NewGroup();
      properties.emplace_back("auto.offset.reset", "earliest");
      Instance resetting(connector_);
      const auto other = resetting.Read(topic, properties, {{0, position}});
      ASSERT_TRUE(resetting.PollUntil(*other, [&] { return resetting.seen.size() == 4; }).ok());
      EXPECT_EQ(resetting.seen[0].value, "2");
    }
  }
}

TEST_F(KafkaBroker, WithoutAPositionAndWithPolicyNoneThereIsNoStart) {
  const std::string topic = NewTopic(1);
  for (const bool has_partition : {false, true}) {
    Properties properties = {{"group_id", NewGroup()}, {"auto.offset.reset", "none"}};
    if (has_partition) properties.emplace_back("partition", "0");
    Instance instance(connector_);
    const auto source = instance.Read(topic, properties);
    const absl::Status status = instance.PollUntil(*source, [] { return false; });
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(Message(status)), HasSubstr("partition 0 has no position yet"));
  }
}

// A server that was killed in the middle of a transaction leaves the group's offsets undecided until that transaction ends.
TEST_F(KafkaBroker, AnOpenTransactionOfAnEarlierOwnerHoldsItsPartitionOnlyAndIsWaitedForByName) {
  const std::string topic = NewTopic(2);
  const std::string group = NewGroup();
  Instance writer(connector_);
  const auto first = writer.Write(topic, {{"partition", "0"}}), second = writer.Write(topic, {{"partition", "1"}});
  ASSERT_TRUE(Produce(*first, 0, 10).ok() && Produce(*second, 10, 20).ok());
  OpenTransaction earlier(group, topic, 1, 6, EncodeMarker(kMarker));

  Instance instance(connector_);
  const auto source = instance.Read(topic, {{"group_id", group}});
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 10 && absl::IsUnavailable(instance.last); }).ok());
  EXPECT_EQ(AsSet(instance.Values()), Numbers(0, 10));
  EXPECT_THAT(std::string(Message(instance.last)), HasSubstr("transaction of an earlier owner of partition 1"));
  EXPECT_FALSE(instance.listener.told.contains(1));

  earlier.Commit();
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 14; }).ok());
  EXPECT_EQ(instance.seen[10].value, "16");
  EXPECT_EQ(instance.listener.told[1].committed, 6);
  ASSERT_TRUE(instance.listener.told[1].marker.has_value());
  EXPECT_EQ(*instance.listener.told[1].marker, kMarker);
}

TEST_F(KafkaBroker, TheMarkerStandsBesideTheGroupsOffsetAndNamesTheFunction) {
  const std::string topic = NewTopic(1);
  const std::string group = NewGroup();
  {
    Instance first(connector_, "counter");
    ASSERT_TRUE(Produce(*first.Write(topic), 0, 10).ok());
    const auto source = first.Read(topic, {{"group_id", group}});
    ASSERT_TRUE(first.PollUntil(*source, [&] { return first.seen.size() == 10; }).ok());
    source->Committed({{0, 6}}, kMarker);
  }
  Instance second(connector_);
  const auto source = second.Read(topic, {{"group_id", group}});
  ASSERT_TRUE(second.PollUntil(*source, [&] { return !second.seen.empty(); }).ok());
  const GroupPosition& told = second.listener.told.at(0);
  ASSERT_TRUE(told.marker.has_value());
  EXPECT_EQ(told.marker->owner, "counter-id");
  EXPECT_EQ(*told.marker, kMarker);
  EXPECT_FALSE(told.marker->keeps_state);
}

TEST_F(KafkaBroker, ARefusedAssignmentIsTheSourcesError) {
  const std::string topic = NewTopic(1);
  Instance instance(connector_);
  instance.listener.refusal = FailedPrecondition("not mine");
  const auto source = instance.Read(topic, {{"group_id", NewGroup()}});
  EXPECT_EQ(instance.PollUntil(*source, [] { return false; }), instance.listener.refusal);
}

// A static member: what its predecessor does while it still closes is refused to that one, and to nobody else.
TEST_F(KafkaBroker, AKilledOrClosingMembersSuccessorHasItsPartitionsAtOnce) {
  const std::string topic = NewTopic(2);
  const Properties properties = {{"group_id", NewGroup()}};
  Instance writer(connector_);
  const auto sink = writer.Write(topic);
  auto before = std::make_unique<Instance>(connector_, "same", "5e44e4");
  auto old = before->Read(topic, properties);
  ASSERT_TRUE(before->PollUntil(*old, [&] { return before->listener.owned.size() == 2; }).ok());
  for (int round = 0; round < 3; ++round) {
    // In the first round the old one still lives, as after a kill that nobody has noticed; then they close while the next one joins.
    if (round > 0) old.reset();
    auto after = std::make_unique<Instance>(connector_, "same", "5e44e4");
    const absl::Time start = absl::Now();
    auto source = after->Read(topic, properties);
    ASSERT_TRUE(after->PollUntil(*source, [&] { return after->listener.owned.size() == 2; }).ok());
    EXPECT_LT(absl::Now() - start, absl::Seconds(8));  // the group would wait 10 s for a member that it does not know
    ASSERT_TRUE(Produce(*sink, round * 10, round * 10 + 10).ok());
    ASSERT_TRUE(after->PollUntil(*source, [&] { return after->seen.size() >= 10; }).ok());
    EXPECT_EQ(after->listener.lost_count, 0);
    source->Committed(after->next, kMarker);
    before = std::move(after);
    old = std::move(source);
  }
}

TEST_F(KafkaBroker, ATopicMadeAnewWhileItIsReadEndsTheRunAndTheNextSaysWhy) {
  const std::string topic = NewTopic(1);
  Instance instance(connector_);
  ASSERT_TRUE(Produce(*instance.Write(topic), 0, 5).ok());
  const auto source = instance.Read(topic, {{"group_id", NewGroup()}});
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 5; }).ok());
  DeleteTopic(topic);
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return absl::IsUnavailable(instance.last); }).ok());
  EXPECT_THAT(std::string(Message(instance.last)), HasSubstr(topic));
  CreateTopic(topic, 1);
  const absl::Status status = instance.PollUntil(*source, [] { return false; });
  EXPECT_TRUE(absl::IsOutOfRange(status) || absl::IsFailedPrecondition(status)) << status;

  Instance next(connector_);
  const auto again = next.Read(topic, {{"group_id", NewGroup()}}, instance.next);
  const absl::Status refused = next.PollUntil(*again, [] { return false; });
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("offset 5, where this function left off, does not exist: the topic ends at 0"));
}

TEST_F(KafkaBroker, EndingIsQuickEvenWhenNoBrokerIsThere) {
  const std::string topic = NewTopic(1, false);
  Doorway nobody;
  absl::Time start;
  {
    Instance instance(connector_);
    const auto source = instance.Read(topic, {{"group_id", NewGroup()}}, {}, nobody.address());
    const auto sink = instance.Write(topic, {}, nobody.address());
    ASSERT_TRUE(sink->Write({.value = "lost", .key = {}, .headers = {}, .timestamp_ms = kNoTimestamp}).ok());
    ASSERT_TRUE(instance.PollUntil(*source, [&] { return absl::IsUnavailable(instance.last); }).ok());
    start = SteadyNow();
  }
  EXPECT_LT(SteadyNow() - start, absl::Seconds(1));
  connector_.reset();
  // The graveyard waits two seconds at most; the clients would wait for their broker for ever.
  EXPECT_LT(SteadyNow() - start, absl::Seconds(10));
}

}  // namespace
}  // namespace fs::connector::kafka
