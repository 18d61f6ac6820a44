#include "connector/kafka/topic_probe.h"

#include <utility>

#include "base/steady_clock.h"
#include "connector/kafka/stable_offsets.h"

namespace fs::connector::kafka {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(1);

}  // namespace

TopicProbe::TopicProbe(Client& client, std::string topic)
    : client_(client), topic_(std::move(topic)), answers_(client.Watch(RdKafkaQueue(rd_kafka_queue_new(client.get())))) {}

void TopicProbe::Ask() {
  if (is_under_way_ || SteadyNow() - asked_ < kInterval) return;
  is_under_way_ = true;
  is_sent_ = false;
  asked_ = SteadyNow();
  if (client_.HasBroker()) Send();
}

void TopicProbe::Send() {
  const char* name = topic_.c_str();
  const RdKafkaTopicNames names(rd_kafka_TopicCollection_of_topic_names(&name, 1));
  const RdKafkaAdminOptions options = AdminOptionsFor(*client_.get(), RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
  rd_kafka_DescribeTopics(client_.get(), names.get(), options.get(), answers_);
  is_sent_ = true;
}

std::optional<absl::StatusOr<size_t>> TopicProbe::TakeAnswer() {
  if (!is_under_way_) return std::nullopt;
  if (!is_sent_) {
    if (client_.HasBroker()) {
      Send();
    } else if (SteadyNow() - asked_ > absl::Milliseconds(kAdminTimeoutMs)) {
      is_under_way_ = false;
      return Unavailable("Kafka at {} cannot be reached", client_.cluster());
    }
    return std::nullopt;
  }
  const RdKafkaEvent event(rd_kafka_queue_poll(answers_, 0));
  if (event == nullptr) return std::nullopt;
  is_under_way_ = false;
  return Read(*event);
}

absl::StatusOr<size_t> TopicProbe::Read(rd_kafka_event_t& event) const {
  if (const rd_kafka_resp_err_t error = rd_kafka_event_error(&event); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Unavailable("no answer from Kafka at {}: {}", client_.cluster(), rd_kafka_event_error_string(&event));
  }
  size_t count = 0;
  const rd_kafka_TopicDescription_t** topics = rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(&event), &count);
  if (count == 0) return Unavailable("no answer from Kafka at {} about topic {}", client_.cluster(), topic_);
  const rd_kafka_error_t* error = rd_kafka_TopicDescription_error(topics[0]);
  switch (rd_kafka_error_code(error)) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: {
      size_t partitions = 0;
      rd_kafka_TopicDescription_partitions(topics[0], &partitions);
      return partitions;
    }
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      return NotFound("topic {} does not exist on Kafka at {}", topic_, client_.cluster());
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return FailedPrecondition("topic {} on Kafka at {}: {}", topic_, client_.cluster(), rd_kafka_error_string(error));
    default:
      return Unavailable("topic {} on Kafka at {}: {}", topic_, client_.cluster(), rd_kafka_error_string(error));
  }
}

}  // namespace fs::connector::kafka
