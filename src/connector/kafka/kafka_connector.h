// The connector "kafka": topics of a Kafka cluster as inputs and outputs of functions.
//
// Thread-safe; owns the graveyard in which clients close. Exactly once by transactions (kafka_decider.h), at least once on request: outputs
// are then flushed before positions and state commit.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_KAFKA_CONNECTOR_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_KAFKA_CONNECTOR_H_

#include <memory>

#include "connector/connector.h"

namespace fs::connector::kafka {

[[nodiscard]] std::shared_ptr<Connector> MakeKafkaConnector();

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_KAFKA_CONNECTOR_H_
