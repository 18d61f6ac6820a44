// What a client tells of its brokers. The library's own build decides whether it does (scripts/librdkafka.sh).
#include "connector/kafka/client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/steady_clock.h"
#include "connector_kafka/instance.h"

namespace fs::connector::kafka {
namespace {

struct Errors final : ClientHandler {
  std::vector<rd_kafka_resp_err_t> seen;
  void OnError(rd_kafka_resp_err_t error, std::string_view) noexcept override { seen.push_back(error); }
};

// What begins a new search at the bootstrap servers when none of the brokers that the client has learned of is left.
TEST(KafkaClient, ThatNoBrokerIsThereIsNoticed) {
  RdKafkaConf conf(rd_kafka_conf_new());
  char reason[512] = "";
  const std::string address = Doorway().address();  // closed again: nobody listens
  ASSERT_EQ(rd_kafka_conf_set(conf.get(), "bootstrap.servers", address.c_str(), reason, sizeof(reason)), RD_KAFKA_CONF_OK) << reason;
  Errors errors;
  const auto client = Client::Open(RD_KAFKA_PRODUCER, std::move(conf), {"function test", address}, std::make_shared<Waker>(),
                                   std::make_shared<Graveyard>(), errors);
  ASSERT_TRUE(client.ok()) << client.status();
  const absl::Time deadline = SteadyNow() + kPatience;
  while (std::ranges::count(errors.seen, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) == 0 && SteadyNow() < deadline) {
    rd_kafka_poll((*client)->get(), 100);
  }
  EXPECT_NE(std::ranges::count(errors.seen, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN), 0) << errors.seen.size() << " other errors";
  EXPECT_FALSE((*client)->HasBroker());
}

}  // namespace
}  // namespace fs::connector::kafka
