// Exactly once or at least once: which outputs can do what together, and what a refusal says.
#include "task/delivery.h"

#include <gtest/gtest.h>

#include "connector/embedded/embedded_connector.h"
#include "connector/file/file_connector.h"
#include "connector/kafka/kafka_connector.h"
#include "support/temporary_folder.h"

namespace fs::task {
namespace {

struct Case {
  const char* name;
  const char* outputs;  // YAML
  bool is_exact;
  const char* reason = "";  // in the refusal of delivery: exactly-once
};

constexpr char kKafka[] = "  - {output-type: kafka, bootstrap_servers: 'a:9092', topic: x}\n";

class DeliveryTest : public testing::TestWithParam<Case> {
 protected:
  DeliveryTest() {
    log_ = *connector::embedded::EmbeddedLog::Open({.folder = folder_.path() / "log"});
    connectors_.Register("embedded", std::make_shared<connector::embedded::EmbeddedConnector>(*log_));
    connectors_.Register("file", std::make_shared<connector::file::FileConnector>(folder_.path()));
    connectors_.Register("kafka", connector::kafka::MakeKafkaConnector());
  }
  absl::StatusOr<config::Delivery> Resolve(const std::string& delivery) {
    const auto config = config::ParseFunctionConfig(fmt::format(
        "name: f\ntype: python\ninput-groups:\n  - inputs:\n      - {{input-type: embedded, topic: i, group_id: g}}\n{}outputs:\n{}",
        delivery, GetParam().outputs));
    if (!config.ok()) return config.status();
    return ResolveDelivery(*config, connectors_);
  }

  TemporaryFolder folder_;
  std::unique_ptr<connector::embedded::EmbeddedLog> log_;
  connector::Registry connectors_;
};

TEST_P(DeliveryTest, IsResolved) {
  EXPECT_EQ(Resolve("").value(), GetParam().is_exact ? config::Delivery::kExactlyOnce : config::Delivery::kAtLeastOnce);
  EXPECT_EQ(Resolve("delivery: at-least-once\n").value(), config::Delivery::kAtLeastOnce);
  const auto asked = Resolve("delivery: exactly-once\n");
  if (GetParam().is_exact) {
    EXPECT_EQ(asked.value(), config::Delivery::kExactlyOnce);
  } else {
    EXPECT_EQ(asked.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(Message(asked.status()).starts_with("delivery (line 6): exactly-once cannot be kept: ")) << asked.status();
    EXPECT_NE(Message(asked.status()).find(GetParam().reason), std::string_view::npos) << asked.status();
  }
}

const std::string kTwoTopics = std::string(kKafka) + "  - {output-type: kafka, bootstrap_servers: 'a:9092', topic: y}\n";
const std::string kWithFile = std::string(kKafka) + "  - {output-type: file, path: out.txt}\n";
const std::string kWithEmbedded = std::string(kKafka) + "  - {output-type: embedded, topic: y}\n";
const std::string kTwoClusters = std::string(kKafka) + "  - {output-type: kafka, bootstrap_servers: 'b:9092', topic: y}\n";
const std::string kTwoSettings = std::string(kKafka) + "  - {output-type: kafka, bootstrap_servers: 'a:9092', topic: y, linger.ms: 9}\n";

INSTANTIATE_TEST_SUITE_P(
    Outputs, DeliveryTest,
    testing::Values(Case{"OneTopicOfKafka", kKafka, true}, Case{"TwoTopicsOfOneCluster", kTwoTopics.c_str(), true},
                    Case{"KafkaAndAFile", kWithFile.c_str(), true},
                    Case{"Embedded", "  - {output-type: embedded, topic: y}\n  - {output-type: embedded, topic: z}\n", true},
                    Case{"AFile", "  - {output-type: file, path: out.txt}\n", true},
                    Case{"TwoClusters", kTwoClusters.c_str(), false, "outputs[0] (line 8) and outputs[1] (line 9) do not commit together"},
                    Case{"TwoSettings", kTwoSettings.c_str(), false, "equal client properties"},
                    Case{"KafkaAndEmbedded", kWithEmbedded.c_str(), false, "outputs of one type"},
                    Case{"LessThanAllAcks", "  - {output-type: kafka, bootstrap_servers: 'a:9092', topic: x, acks: 1}\n", false,
                         "outputs[0] (line 8): acks must be all"},
                    Case{"NoIdempotence", "  - {output-type: kafka, bootstrap_servers: 'a:9092', topic: x, enable.idempotence: false}\n",
                         false, "enable.idempotence"},
                    Case{"ALongMessageTimeout",
                         "  - {output-type: kafka, bootstrap_servers: 'a:9092', topic: x, message.timeout.ms: 300000}\n", false,
                         "message.timeout.ms"}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace fs::task
