// What a sink does with records: where they go, and what it does not take (FS_TEST_KAFKA).
#include "connector_kafka/instance.h"

namespace fs::connector::kafka {
namespace {

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

// How many of the topic's first `count` records each partition has.
std::map<int32_t, int> CountByPartition(Instance& instance, const std::string& topic, const std::string& group, size_t count) {
  const auto source = instance.Read(topic, {{"group_id", group}});
  EXPECT_TRUE(instance.PollUntil(*source, [&] { return instance.seen.size() == count; }).ok());
  std::map<int32_t, int> counts;
  for (const Seen& record : instance.seen) ++counts[record.partition];
  return counts;
}

TEST_F(KafkaBroker, WhatConcernsAllPartitionsGoesToEachInTurn) {
  const std::string topic = NewTopic(5);
  Instance instance(connector_);
  const auto sink = instance.Write(topic);
  const absl::Status written = WriteForAllPartitions(instance, *sink, 15);
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_EQ(CountByPartition(instance, topic, NewGroup(), 15), (std::map<int32_t, int>{{0, 3}, {1, 3}, {2, 3}, {3, 3}, {4, 3}}));
}

TEST_F(KafkaBroker, PartitionsThatWereAddedSinceTheFirstRecordHaveTheirTurns) {
  const std::string topic = NewTopic(1);
  Instance instance(connector_);
  const auto sink = instance.Write(topic);
  ASSERT_TRUE(Produce(*sink, 0, 1).ok());
  GrowTopic(topic, 3);
  const absl::Status written = WriteForAllPartitions(instance, *sink, 6);
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_EQ(CountByPartition(instance, topic, NewGroup(), 7), (std::map<int32_t, int>{{0, 3}, {1, 2}, {2, 2}}));
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

}  // namespace
}  // namespace fs::connector::kafka
