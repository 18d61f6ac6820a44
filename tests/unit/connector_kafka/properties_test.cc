#include "connector/kafka/properties.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connector/kafka/kafka_connector.h"

namespace fs::connector::kafka {
namespace {

using config::Endpoint;
using config::Property;
using testing::HasSubstr;

Endpoint Input(std::vector<Property> extra = {}) {
  Endpoint endpoint{.type = "kafka", .path = "input-groups[0].inputs[0]", .line = 4, .properties = {}};
  endpoint.properties = {{"bootstrap_servers", "kafka:9092", false, false, 5},
                         {"topic", "raw-data", false, false, 6},
                         {"group_id", "fs-group", false, false, 7}};
  for (Property& property : extra) endpoint.properties.push_back(std::move(property));
  return endpoint;
}

Endpoint Output(std::vector<Property> extra = {}) {
  Endpoint endpoint{.type = "kafka", .path = "outputs[0]", .line = 10, .properties = {}};
  endpoint.properties = {{"bootstrap_servers", "kafka:9092", false, false, 11}, {"topic", "clean-data", false, false, 12}};
  for (Property& property : extra) endpoint.properties.push_back(std::move(property));
  return endpoint;
}

Endpoint With(Endpoint endpoint, std::string_view key, std::string value) {
  for (Property& property : endpoint.properties) {
    if (property.key == key) property.value = std::move(value);
  }
  return endpoint;
}

Endpoint Without(Endpoint endpoint, std::string_view key) {
  std::erase_if(endpoint.properties, [&](const Property& property) { return property.key == key; });
  return endpoint;
}

void ExpectRefused(const absl::Status& status, std::initializer_list<std::string> parts) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  for (const std::string& part : parts) EXPECT_THAT(std::string(Message(status)), HasSubstr(part));
}

TEST(KafkaProperties, TheSeedsInputAndOutputAreRight) {
  const auto connector = MakeKafkaConnector();
  EXPECT_TRUE(connector->ValidateInput(Input()).ok());
  EXPECT_TRUE(connector->ValidateInput(Input({{"partition", "3", false, false, 8}})).ok());
  EXPECT_TRUE(connector->ValidateOutput(Output({{"partition", "0", false, false, 13}})).ok());
  const auto settings = ReadInput(Input({{"partition", "3", false, false, 8}}));
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->partition, 3);
  EXPECT_EQ(settings->group_id, "fs-group");
}

TEST(KafkaProperties, OurOwnKeysAreCheckedAndNamedWithTheirLine) {
  struct Case {
    Endpoint endpoint;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases = {
      {Without(Input(), "topic"), {"input-groups[0].inputs[0].topic (line 4)", "required"}},
      {Without(Input(), "group_id"), {"group_id (line 4)", "required"}},
      {Without(Input(), "bootstrap_servers"), {"bootstrap_servers (line 4)", "required"}},
      {With(Input(), "group_id", ""), {"group_id (line 7)"}},
      {With(Input(), "topic", "no spaces"), {"topic (line 6)", "no spaces"}},
      {With(Input(), "topic", "^raw-.*"), {"topic (line 6)"}},
      {With(Input(), "topic", ".."), {"topic (line 6)"}},
      {With(Input(), "topic", std::string(250, 'a')), {"topic (line 6)", "249"}},
      {With(Input(), "bootstrap_servers", "kafka"), {"bootstrap_servers (line 5)", "host:port", "`kafka`"}},
      {With(Input(), "bootstrap_servers", "kafka:"), {"line 5"}},
      {With(Input(), "bootstrap_servers", ":9092"), {"line 5"}},
      {With(Input(), "bootstrap_servers", "kafka:0"), {"line 5"}},
      {With(Input(), "bootstrap_servers", "kafka:65536"), {"line 5"}},
      {With(Input(), "bootstrap_servers", "a:1,,b:2"), {"line 5"}},
      {With(Input(), "bootstrap_servers", "http://kafka:9092"), {"line 5"}},
      {With(Input(), "bootstrap_servers", "a b:9092"), {"line 5"}},
      {Input({{"partition", "-1", false, false, 8}}), {"partition (line 8)"}},
      {Input({{"partition", "first", false, false, 8}}), {"partition (line 8)"}},
      {Input({{"partition", "2147483648", false, false, 8}}), {"partition (line 8)"}},
  };
  for (const Case& bad : cases) {
    const absl::Status status = MakeKafkaConnector()->ValidateInput(bad.endpoint);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.parts[0];
    for (const std::string& part : bad.parts) EXPECT_THAT(std::string(Message(status)), HasSubstr(part));
  }
}

TEST(KafkaProperties, SeveralBrokersAndIpv6AreHostAndPort) {
  const auto settings = ReadInput(With(Input(), "bootstrap_servers", "a:1, b.c-d:65535 ,[::1]:9092,10.0.0.1:9092"));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->client.bootstrap_servers, "a:1,b.c-d:65535,[::1]:9092,10.0.0.1:9092");
}

TEST(KafkaProperties, ClientPropertiesPassAtTheTopAndUnderRuntime) {
  const auto connector = MakeKafkaConnector();
  EXPECT_TRUE(connector
                  ->ValidateInput(Input({{"auto.offset.reset", "latest", false, false, 8},
                                         {"session.timeout.ms", "10000", false, true, 10},
                                         {"isolation.level", "read_uncommitted", false, true, 11},
                                         {"client.rack", "1.5", false, true, 11},
                                         {"group.instance.id", "010", false, true, 11},
                                         {"fetch.wait.max.ms", "100", false, true, 11},
                                         {"group.protocol", "classic", false, true, 12},
                                         {"partition.assignment.strategy", "cooperative-sticky", false, true, 13}}))
                  .ok());
  EXPECT_TRUE(
      connector->ValidateOutput(Output({{"compression.type", "zstd", false, false, 13}, {"linger.ms", "50", false, true, 15}})).ok());
}

TEST(KafkaProperties, WrongClientPropertiesAreNamedWithLineReasonAndNearestName) {
  struct Case {
    bool is_input;
    Property property;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases = {
      {true, {"auto.offset.rest", "latest", false, false, 8}, {"auto.offset.rest (line 8)", "did you mean `auto.offset.reset`"}},
      {true, {"auto.offset.reset", "sometimes", false, false, 8}, {"auto.offset.reset (line 8)", "sometimes"}},
      {true, {"session.timeout.ms", "soon", false, true, 9}, {"runtime.session.timeout.ms (line 9)"}},
      {true, {"fetch.wait.max.ms", "1.5", false, false, 8}, {"fetch.wait.max.ms (line 8)", "whole number", "`1.5`"}},
      {true, {"fetch.wait.max.ms", "100s", false, false, 8}, {"fetch.wait.max.ms (line 8)", "whole number", "`100s`"}},
      {true, {"fetch.wait.max.ms", "010", false, false, 8}, {"fetch.wait.max.ms (line 8)", "whole number", "`010`"}},
      {true, {"group.id", "other", false, false, 8}, {"group.id (line 8)", "group_id"}},
      {true, {"bootstrap.servers", "a:1", false, true, 8}, {"runtime.bootstrap.servers (line 8)", "bootstrap_servers"}},
      {true, {"enable.auto.commit", "true", false, false, 8}, {"checkpoint"}},
      {true, {"enable.auto.offset.store", "true", false, false, 8}, {"checkpoint"}},
      {true, {"plugin.library.paths", "/tmp/x", false, false, 8}, {"load code"}},
      {true, {"sasl.kerberos.kinit.cmd", "true", false, false, 8}, {"run a command"}},
      {true, {"sasl.kerberos.principal", "a; rm -rf /", false, false, 8}, {"letters"}},
      {true, {"ut_handle_ProduceResponse", "1", false, false, 8}, {"no property"}},
      {true, {"rebalance_cb", "1", false, false, 8}, {"rebalance_cb (line 8)"}},
      {true, {"opaque", "1", false, false, 8}, {"opaque (line 8)"}},
      {true, {"linger.ms", "5", false, false, 8}, {"producers"}},
      {true, {"topic", "again", false, true, 8}, {"runtime.topic (line 8)"}},
      {true, {"sasl.jaas.config", "x", false, false, 8}, {"sasl.jaas.config (line 8)", "Java"}},
      {false, {"transactional.id", "t", false, false, 13}, {"transactional.id (line 13)"}},
      {false, {"acks", "7000", false, false, 13}, {"acks (line 13)"}},
      {false, {"compression.type", "rar", false, false, 13}, {"compression.type (line 13)", "rar"}},
      {false, {"group_id", "g", false, false, 13}, {"inputs"}},
      {false, {"auto.offset.reset", "latest", false, false, 13}, {"consumers"}},
      {false, {"delivery.report.only.error", "true", false, false, 13}, {"line 13"}},
  };
  for (const Case& bad : cases) {
    const auto connector = MakeKafkaConnector();
    const absl::Status status =
        bad.is_input ? connector->ValidateInput(Input({bad.property})) : connector->ValidateOutput(Output({bad.property}));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.property.key;
    for (const std::string& part : bad.parts) EXPECT_THAT(std::string(Message(status)), HasSubstr(part));
  }
}

TEST(KafkaProperties, PropertiesThatAreWrongTogetherAreFoundBeforeAnythingRuns) {
  ExpectRefused(MakeKafkaConnector()->ValidateInput(
                    Input({{"session.timeout.ms", "20000", false, false, 8}, {"max.poll.interval.ms", "10000", false, false, 9}})),
                {"input-groups[0].inputs[0] (line 4)", "max.poll.interval.ms"});
  ExpectRefused(
      MakeKafkaConnector()->ValidateOutput(Output({{"enable.idempotence", "true", false, false, 13}, {"acks", "1", false, false, 14}})),
      {"outputs[0] (line 10)", "acks"});
}

TEST(KafkaProperties, TheSameClientPropertyTwiceIsRefused) {
  ExpectRefused(MakeKafkaConnector()->ValidateOutput(Output({{"linger.ms", "5", false, false, 13}, {"linger.ms", "6", false, true, 15}})),
                {"outputs[0].runtime.linger.ms (line 15)", "twice"});
}

TEST(KafkaProperties, DefaultsAreSafeAndYieldToTheUser) {
  const auto producer = ProducerConf(ReadOutput(Output())->client, "id");
  ASSERT_TRUE(producer.ok()) << producer.status();
  EXPECT_EQ(ValueOf(**producer, "acks"), "-1");
  EXPECT_EQ(ValueOf(**producer, "enable.idempotence"), "true");
  EXPECT_EQ(ValueOf(**producer, "partitioner"), "murmur2_random");

  const Endpoint unsafe = Output({{"acks", "1", false, false, 13}});
  const auto chosen = ProducerConf(ReadOutput(unsafe)->client, "id");
  ASSERT_TRUE(chosen.ok());
  EXPECT_EQ(ValueOf(**chosen, "acks"), "1");
  EXPECT_EQ(ValueOf(**chosen, "enable.idempotence"), "false");
  EXPECT_TRUE(MakeKafkaConnector()->ValidateOutput(unsafe).ok());

  const auto consumer = ConsumerConf(*ReadInput(Input()), "id", "member");
  ASSERT_TRUE(consumer.ok()) << consumer.status();
  EXPECT_EQ(ValueOf(**consumer, "isolation.level"), "read_committed");
  EXPECT_EQ(ValueOf(**consumer, "enable.auto.offset.store"), "false");
  EXPECT_EQ(ReadInput(Input())->reset, Reset::kEarliest);
  EXPECT_EQ(ValueOf(**consumer, "group.instance.id"), "member");
  EXPECT_EQ(ValueOf(**consumer, "session.timeout.ms"), "10000");
}

TEST(KafkaProperties, NoneIsTheJavaClientsWordForAnErrorOnReset) {
  const auto settings = ReadInput(Input({{"auto.offset.reset", "none", false, false, 8}}));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->reset, Reset::kNone);
  EXPECT_TRUE(settings->is_reset_given);
}

TEST(KafkaProperties, CheckingSaslDoesNotReachOut) {
  EXPECT_TRUE(MakeKafkaConnector()
                  ->ValidateInput(Input({{"security.protocol", "SASL_SSL", false, false, 8},
                                         {"sasl.mechanism", "SCRAM-SHA-512", false, false, 9},
                                         {"sasl.username", "u", false, false, 10},
                                         {"sasl.password", "p", false, false, 11}}))
                  .ok());
  ExpectRefused(MakeKafkaConnector()->ValidateInput(
                    Input({{"security.protocol", "ssl", false, false, 8}, {"ssl.ca.location", "/nonexistent/ca.pem", false, false, 9}})),
                {"ssl.ca.location"});
}

TEST(KafkaProperties, AMemberIsStaticByTheClassicProtocolAndAsTheUserSays) {
  const auto conf = [](std::vector<config::Property> properties) {
    return *ConsumerConf(*ReadInput(Input(std::move(properties))), "id", "member");
  };
  const auto own = conf({{"group.instance.id", "mine", false, false, 8}, {"session.timeout.ms", "30000", false, false, 9}});
  EXPECT_EQ(ValueOf(*own, "group.instance.id"), "mine");
  EXPECT_EQ(ValueOf(*own, "session.timeout.ms"), "30000");
  EXPECT_EQ(ValueOf(*conf({{"group.protocol", "consumer", false, false, 8}}), "group.instance.id"), "");
  EXPECT_EQ(ValueOf(*conf({{"partition", "0", false, false, 8}}), "group.instance.id"), "");
}

}  // namespace
}  // namespace fs::connector::kafka
