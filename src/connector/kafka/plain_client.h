// A client for one question on a thread that may wait: no events, no log, closed at the end of its scope.
//
// What an instance keeps open is a Client (client.h), whose close nobody waits for.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_PLAIN_CLIENT_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_PLAIN_CLIENT_H_

#include "base/status.h"
#include "connector/kafka/handles.h"

namespace fs::connector::kafka {

// It is no member of a group, so a consumer has nothing to say goodbye to.
struct DestroyPlainClient {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }
};
using PlainClient = std::unique_ptr<rd_kafka_t, DestroyPlainClient>;

// kInvalidArgument: librdkafka's words for why it refuses the properties together.
[[nodiscard]] absl::StatusOr<PlainClient> OpenPlainClient(rd_kafka_type_t type, RdKafkaConf conf);

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_PLAIN_CLIENT_H_
