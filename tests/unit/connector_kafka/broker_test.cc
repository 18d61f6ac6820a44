// Source and Sink against a real broker (FS_TEST_KAFKA).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "base/steady_clock.h"
#include "connector/kafka/headers.h"
#include "connector/kafka/kafka_connector.h"
#include "connector_kafka/test_broker.h"

namespace fs::connector::kafka {
namespace {

using config::Endpoint;
using testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

using Properties = std::vector<std::pair<std::string, std::string>>;

Endpoint At(const std::string& path, const std::string& servers, const std::string& topic, const Properties& extra) {
  Endpoint endpoint{.type = "kafka", .path = path, .line = 1, .properties = {}};
  endpoint.properties.push_back({"bootstrap_servers", servers, false, false, 2});
  endpoint.properties.push_back({"topic", topic, false, false, 3});
  for (const auto& [key, value] : extra) endpoint.properties.push_back({key, value, false, false, 4});
  return endpoint;
}

struct Listener final : SourceListener {
  Positions answer;  // where these are given, they win over the group's
  absl::Status refusal;
  std::map<int32_t, GroupPosition> told;
  std::set<int32_t> owned;
  int assigned_count = 0, revoked_count = 0, lost_count = 0;
  std::function<void()> on_revoked = [] {};

  absl::StatusOr<Positions> OnAssigned(std::span<const GroupPosition> partitions) override {
    ++assigned_count;
    FS_RETURN_IF_ERROR(refusal);
    Positions positions;
    for (const GroupPosition& given : partitions) {
      told[given.partition] = given;
      owned.insert(given.partition);
      if (answer.contains(given.partition)) {
        positions[given.partition] = answer.at(given.partition);
      } else if (given.committed) {
        positions[given.partition] = *given.committed;
      }
    }
    return positions;
  }
  void OnRevoked(std::span<const int32_t> partitions) override {
    ++revoked_count;
    on_revoked();
    for (const int32_t partition : partitions) owned.erase(partition);
  }
  void OnLost(std::span<const int32_t> partitions) override {
    ++lost_count;
    for (const int32_t partition : partitions) owned.erase(partition);
  }
};

// Each instance is on a server of its own, unless a test says otherwise.
std::string NewServerId() {
  static int count = 0;
  return fmt::format("{:016x}", absl::ToUnixNanos(absl::Now()) + ++count);
}

const Marker kMarker = {.run_id = "0123456789abcdef", .sequence = 7, .keeps_state = false};

struct Seen {
  std::string value, headers;
  std::optional<std::string> key;
  int64_t timestamp_ms, offset;
  int32_t partition;
};

// One function's end of the connector, used from the test's thread as an instance uses it from its own.
struct Instance {
  explicit Instance(std::shared_ptr<Connector> from, const std::string& name = "test", const std::string& server = "")
      : connector(std::move(from)) {
    InstanceContext context{name, name + "-id", 0, 1, waker};
    context.server_id = server.empty() ? NewServerId() : server;
    auto opened = connector->OpenSession(context);
    EXPECT_TRUE(opened.ok());
    session = *std::move(opened);
  }

  std::unique_ptr<Source> Read(const std::string& topic, const Properties& extra, const Positions& positions = {},
                               const std::string& servers = BrokerAddress()) {
    auto source = session->OpenSource(0, At("input-groups[0].inputs[0]", servers, topic, extra));
    EXPECT_TRUE(source.ok()) << source.status();
    listener.answer.insert(positions.begin(), positions.end());
    const absl::Status started = (*source)->Start(positions, listener);
    EXPECT_TRUE(started.ok()) << started;
    return *std::move(source);
  }

  std::unique_ptr<Sink> Write(const std::string& topic, const Properties& extra = {}, const std::string& servers = BrokerAddress()) {
    auto sink = session->OpenSink(At("outputs[0]", servers, topic, extra));
    EXPECT_TRUE(sink.ok()) << sink.status();
    EXPECT_TRUE((*sink)->Start(std::nullopt).ok());
    return *std::move(sink);
  }

  // Polls until `is_done`, as an instance does: waiting for the waker while there is nothing.
  absl::Status PollUntil(Source& source, const std::function<bool()>& is_done, size_t max_records = 100) {
    const absl::Time deadline = SteadyNow() + kPatience;
    while (!is_done()) {
      if (SteadyNow() > deadline) return DeadlineExceeded("{} records seen; {}", seen.size(), Message(last));
      std::vector<Record> records;
      last = source.Poll(max_records, 1 << 20, records);
      if (!last.ok() && !absl::IsUnavailable(last)) return last;
      for (const Record& record : records) {
        seen.push_back({std::string(record.value), std::string(record.headers),
                        record.key ? std::optional(std::string(*record.key)) : std::nullopt, record.timestamp_ms, record.offset,
                        record.partition});
        next[record.partition] = record.offset + 1;
      }
      if (records.empty() && !source.HasMore()) waker->WaitUntil(SteadyNow() + absl::Milliseconds(100));
    }
    return absl::OkStatus();
  }

  std::vector<std::string> Values() const {
    std::vector<std::string> values;
    for (const Seen& record : seen) values.push_back(record.value);
    return values;
  }

  std::shared_ptr<Waker> waker = std::make_shared<Waker>();
  Listener listener;
  std::vector<Seen> seen;
  Positions next;
  absl::Status last;
  std::shared_ptr<Connector> connector;
  std::unique_ptr<Session> session;
};

absl::Status Produce(Sink& sink, int from, int to) {
  for (int i = from; i < to; ++i) {
    const std::string value = std::to_string(i);
    FS_RETURN_IF_ERROR(sink.Write({.value = value, .key = value, .headers = {}, .timestamp_ms = kNoTimestamp}));
  }
  return sink.Flush(SteadyNow() + kPatience);
}

std::string NewGroup() { return NewTopic(0, false); }

std::multiset<std::string> Numbers(int from, int to) {
  std::multiset<std::string> numbers;
  for (int i = from; i < to; ++i) numbers.insert(std::to_string(i));
  return numbers;
}

std::multiset<std::string> AsSet(const std::vector<std::string>& values) { return {values.begin(), values.end()}; }

class KafkaBroker : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(BrokerAddress().empty()); }

  std::shared_ptr<Connector> connector_ = MakeKafkaConnector();
};

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

TEST_F(KafkaBroker, TheKeyDecidesThePartitionAsItDoesInJava) {
  const std::string topic = NewTopic(3);
  Instance instance(connector_);
  const auto sink = instance.Write(topic);
  ASSERT_TRUE(Produce(*sink, 0, 6).ok());
  const auto source = instance.Read(topic, {{"group_id", NewGroup()}});
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 6; }).ok());
  // Utils.toPositive(Utils.murmur2(key)) % 3 of the Java client for "0" to "5".
  const std::map<std::string, int32_t> java = {{"0", 2}, {"1", 0}, {"2", 2}, {"3", 2}, {"4", 1}, {"5", 0}};
  for (const Seen& record : instance.seen) EXPECT_EQ(record.partition, java.at(record.value)) << record.value;
}

// As an instance does: a sink that is not ready is waited for.
absl::Status WriteForAllPartitions(Instance& instance, Sink& sink, int count) {
  const absl::Time deadline = SteadyNow() + kPatience;
  for (int written = 0; written < count;) {
    const absl::Status status =
        sink.Write({.value = "for all", .key = {}, .headers = {}, .timestamp_ms = kNoTimestamp, .takes_turns = true});
    if (status.ok()) {
      ++written;
      continue;
    }
    if (!absl::IsUnavailable(status) || SteadyNow() > deadline) return status;
    instance.waker->WaitUntil(deadline);
  }
  return sink.Flush(deadline);
}

TEST_F(KafkaBroker, WhatConcernsAllPartitionsGoesToEachInTurn) {
  const std::string topic = NewTopic(5);
  Instance instance(connector_);
  const auto sink = instance.Write(topic);
  const absl::Status written = WriteForAllPartitions(instance, *sink, 15);
  ASSERT_TRUE(written.ok()) << written;
  const auto source = instance.Read(topic, {{"group_id", NewGroup()}});
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 15; }).ok());
  std::map<int32_t, int> counts;
  for (const Seen& record : instance.seen) ++counts[record.partition];
  EXPECT_EQ(counts, (std::map<int32_t, int>{{0, 3}, {1, 3}, {2, 3}, {3, 3}, {4, 3}}));
}

TEST_F(KafkaBroker, PartitionsThatWereAddedSinceTheFirstRecordHaveTheirTurns) {
  const std::string topic = NewTopic(1);
  Instance instance(connector_);
  const auto sink = instance.Write(topic);
  ASSERT_TRUE(Produce(*sink, 0, 1).ok());
  GrowTopic(topic, 3);
  const absl::Status written = WriteForAllPartitions(instance, *sink, 6);
  ASSERT_TRUE(written.ok()) << written;
  const auto source = instance.Read(topic, {{"group_id", NewGroup()}});
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 7; }).ok());
  std::map<int32_t, int> counts;
  for (const Seen& record : instance.seen) ++counts[record.partition];
  EXPECT_EQ(counts, (std::map<int32_t, int>{{0, 3}, {1, 2}, {2, 2}}));
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
    EXPECT_LT(SteadyNow() - start, absl::Seconds(5));
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
    const absl::Time start = SteadyNow();
    ASSERT_TRUE(instance.PollUntil(*source, [&] { return absl::IsUnavailable(instance.last); }).ok());
    EXPECT_LT(SteadyNow() - start, absl::Seconds(5));
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
    EXPECT_LT(absl::Now() - start, absl::Seconds(3));
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

TEST_F(KafkaBroker, ARecordThatIsTooLargeIsNamedWithItsLimit) {
  Instance instance(connector_);
  const auto sink = instance.Write(NewTopic(1));
  const std::string large(2'000'000, 'x');
  for (const absl::Status& status : {sink->Check({.value = large, .key = {}, .headers = {}, .timestamp_ms = kNoTimestamp}),
                                     sink->Write({.value = large, .key = {}, .headers = {}, .timestamp_ms = kNoTimestamp})}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(Message(status)), HasSubstr("message.max.bytes"));
  }
  // One that is refused takes nothing with it, and the check knows the limit to the byte (36 are the frame's).
  for (const size_t size : {1'000'000 - 36, 1'000'000 - 35}) {
    const std::string value(size, 'x');
    const OutputRecord record = {.value = value, .key = {}, .headers = {}, .timestamp_ms = kNoTimestamp};
    EXPECT_EQ(sink->Check(record).ok(), size == 1'000'000 - 36);
    EXPECT_EQ(sink->Write(record).code(), sink->Check(record).code());
  }
  EXPECT_TRUE(sink->Flush(absl::Now() + absl::Seconds(20)).ok());
}

TEST_F(KafkaBroker, AFullQueueHoldsTheWriterBackAndWakesIt) {
  const std::string topic = NewTopic(1);
  Instance instance(connector_);
  const auto sink = instance.Write(topic, {{"queue.buffering.max.messages", "50"}, {"linger.ms", "20"}});
  int refusals = 0;
  for (int i = 0; i < 500;) {
    const std::string value = std::to_string(i);
    const absl::Status status = sink->Write({.value = value, .key = {}, .headers = {}, .timestamp_ms = kNoTimestamp});
    if (status.ok()) {
      ++i;
      continue;
    }
    ASSERT_TRUE(absl::IsUnavailable(status)) << status;
    ++refusals;
    const absl::Time start = SteadyNow();
    instance.waker->WaitUntil(start + kPatience);
    ASSERT_LT(SteadyNow() - start, absl::Seconds(10));
  }
  EXPECT_GT(refusals, 0);
  ASSERT_TRUE(sink->Flush(SteadyNow() + kPatience).ok());
  const auto source = instance.Read(topic, {{"group_id", NewGroup()}});
  ASSERT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == 500; }, 7).ok());
  EXPECT_EQ(AsSet(instance.Values()), Numbers(0, 500));
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
  EXPECT_LT(SteadyNow() - start, absl::Milliseconds(200));
  connector_.reset();
  EXPECT_LT(SteadyNow() - start, absl::Seconds(3));
}

}  // namespace
}  // namespace fs::connector::kafka
