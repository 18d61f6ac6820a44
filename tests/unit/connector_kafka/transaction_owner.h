// One owner of a function's transactions, used from the test's thread as an instance uses its session.
#ifndef FUNCTION_STREAM_TESTS_CONNECTOR_KAFKA_TRANSACTION_OWNER_H_
#define FUNCTION_STREAM_TESTS_CONNECTOR_KAFKA_TRANSACTION_OWNER_H_

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/steady_clock.h"
#include "connector/connector.h"

namespace fs::connector::kafka {

using Properties = std::vector<std::pair<std::string, std::string>>;

inline config::Endpoint KafkaEndpoint(const std::string& path, const std::string& servers, const std::string& topic,
                                      const Properties& extra = {}) {
  config::Endpoint endpoint{.type = "kafka", .path = path, .line = 1, .properties = {}};
  endpoint.properties.push_back({"bootstrap_servers", servers, false, false, 2});
  endpoint.properties.push_back({"topic", topic, false, false, 3});
  for (const auto& [key, value] : extra) endpoint.properties.push_back({key, value, false, false, 4});
  return endpoint;
}

inline absl::Time Patience() { return SteadyNow() + absl::Seconds(20); }

struct Owner {
  struct Listener final : SourceListener {
    absl::StatusOr<Positions> OnAssigned(std::span<const GroupPosition> partitions) override {
      Positions positions;
      for (const GroupPosition& given : partitions) {
        if (given.committed) positions[given.partition] = *given.committed;
      }
      return positions;
    }
    void OnRevoked(std::span<const int32_t>) override {}
    void OnLost(std::span<const int32_t>) override {}
  };

  // `input` may be empty: a function whose inputs are elsewhere.
  Owner(const std::shared_ptr<Connector>& connector, const std::string& function_id, const std::string& servers, const std::string& input,
        const Properties& input_properties, const std::string& output, const Properties& output_properties = {}) {
    session = *connector->OpenSession({.function_name = "test", .function_id = function_id, .waker = waker, .exactly_once = true});
    if (!input.empty()) source = *session->OpenSource(0, KafkaEndpoint("input-groups[0].inputs[0]", servers, input, input_properties));
    auto opened = session->OpenSink(KafkaEndpoint("outputs[0]", servers, output, output_properties));
    EXPECT_TRUE(opened.ok()) << opened.status();
    sink = *std::move(opened);
    decider = session->decider();
  }

  absl::Status Write(const std::string& value) const {
    return sink->Write({.value = value, .key = {}, .headers = {}, .timestamp_ms = kNoTimestamp});
  }
  absl::Status Commit(uint64_t sequence, const Positions& positions = {}, absl::Time deadline = Patience()) const {
    const Positions list[] = {positions};
    return decider->Commit({"cafe", sequence}, list, deadline);
  }

  std::shared_ptr<Waker> waker = std::make_shared<Waker>();
  Listener listener;
  std::unique_ptr<Session> session;
  std::unique_ptr<Source> source;
  std::unique_ptr<Sink> sink;
  Decider* decider = nullptr;
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_TESTS_CONNECTOR_KAFKA_TRANSACTION_OWNER_H_
