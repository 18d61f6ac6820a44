// One function's end of the connector against a real broker (FS_TEST_KAFKA), for the tests of sources and sinks.
#ifndef FUNCTION_STREAM_TESTS_UNIT_CONNECTOR_KAFKA_INSTANCE_H_
#define FUNCTION_STREAM_TESTS_UNIT_CONNECTOR_KAFKA_INSTANCE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/steady_clock.h"
#include "connector/kafka/headers.h"
#include "connector/kafka/kafka_connector.h"
#include "connector_kafka/test_broker.h"

namespace fs::connector::kafka {

using config::Endpoint;
using testing::HasSubstr;

inline constexpr absl::Duration kPatience = absl::Seconds(30);

using Properties = std::vector<std::pair<std::string, std::string>>;

inline Endpoint At(const std::string& path, const std::string& servers, const std::string& topic, const Properties& extra) {
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
inline std::string NewServerId() {
  static int count = 0;
  return fmt::format("{:016x}", absl::ToUnixNanos(absl::Now()) + ++count);
}

inline const Marker kMarker = {.run_id = "0123456789abcdef", .sequence = 7, .keeps_state = false};

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

inline absl::Status Produce(Sink& sink, int from, int to) {
  for (int i = from; i < to; ++i) {
    const std::string value = std::to_string(i);
    FS_RETURN_IF_ERROR(sink.Write({.value = value, .key = value, .headers = {}, .timestamp_ms = kNoTimestamp}));
  }
  return sink.Flush(SteadyNow() + kPatience);
}

inline std::string NewGroup() { return NewTopic(0, false); }

inline std::multiset<std::string> Numbers(int from, int to) {
  std::multiset<std::string> numbers;
  for (int i = from; i < to; ++i) numbers.insert(std::to_string(i));
  return numbers;
}

inline std::multiset<std::string> AsSet(const std::vector<std::string>& values) { return {values.begin(), values.end()}; }

class KafkaBroker : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(BrokerAddress().empty()); }

  std::shared_ptr<Connector> connector_ = MakeKafkaConnector();
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_TESTS_UNIT_CONNECTOR_KAFKA_INSTANCE_H_
