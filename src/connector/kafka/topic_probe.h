// Asks the cluster, without waiting, whether it is there and has the topic: how a source finds out that its trouble is over.
//
// Owned by a source, used on its thread. The answer wakes the instance.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_TOPIC_PROBE_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_TOPIC_PROBE_H_

#include <absl/time/time.h>

#include <optional>
#include <string>

#include "base/status.h"
#include "connector/kafka/client.h"

namespace fs::connector::kafka {

class TopicProbe {
 public:
  TopicProbe(Client& client, std::string topic);

  // Asks, unless a question is under way or the last was less than a second ago. It waits for a broker before it is sent.
  void Ask();
  // The answer, once: the number of partitions; kNotFound: no such topic; kFailedPrecondition: not allowed to see it; kUnavailable: no
  // answer.
  std::optional<absl::StatusOr<size_t>> TakeAnswer();

 private:
  void Send();
  absl::StatusOr<size_t> Read(rd_kafka_event_t& event) const;

  Client& client_;
  const std::string topic_;
  rd_kafka_queue_t* answers_;
  bool is_under_way_ = false;
  bool is_sent_ = false;
  absl::Time asked_ = absl::InfinitePast();
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_TOPIC_PROBE_H_
