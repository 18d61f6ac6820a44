#include "connector/kafka/partition_count.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/steady_clock.h"
#include "connector/kafka/client.h"
#include "connector/kafka/plain_client.h"

namespace fs::connector::kafka {
namespace {

using Metadata = std::unique_ptr<const rd_kafka_metadata_t, Destroy<rd_kafka_metadata_destroy>>;

// The client's last words about brokers that do not answer.
void KeepReason(rd_kafka_t*, int, const char* reason, void* opaque) noexcept { *static_cast<std::string*>(opaque) = reason; }

}  // namespace

absl::StatusOr<uint32_t> CountPartitions(const InputSettings& input, absl::Time deadline) {
  const std::string& cluster = input.client.bootstrap_servers;
  std::string reason;
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf, ConsumerConf(input, "function-stream.partitions", ""));
  rd_kafka_conf_set_opaque(conf.get(), &reason);
  rd_kafka_conf_set_error_cb(conf.get(), KeepReason);
  FS_ASSIGN_OR_RETURN(const PlainClient client, OpenPlainClient(RD_KAFKA_CONSUMER, std::move(conf)));
  rd_kafka_topic_t* const asked = rd_kafka_topic_new(client.get(), input.topic.c_str(), nullptr);
  const RdKafkaTopic topic(asked);
  const auto left_ms = static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(deadline - SteadyNow()), 1, 60'000));
  const rd_kafka_metadata_t* answer = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(client.get(), 0, topic.get(), &answer, left_ms);
  const Metadata metadata(answer);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_poll(client.get(), 0);
    return Unavailable("Kafka at {} does not tell how many partitions topic {} has: {}", cluster, input.topic, Describe(error, reason));
  }
  if (metadata->topic_cnt != 1) return Unavailable("Kafka at {} says nothing about topic {}", cluster, input.topic);
  const rd_kafka_metadata_topic_t& told = metadata->topics[0];
  if (told.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return NotFound("topic {} does not exist on Kafka at {}", input.topic, cluster);
  if (told.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Unavailable("topic {} on Kafka at {}: {}", input.topic, cluster, rd_kafka_err2str(told.err));
  }
  return static_cast<uint32_t>(told.partition_cnt);
}

}  // namespace fs::connector::kafka
