// How many partitions a topic has: asked once, when a function is created that runs an instance for each.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_PARTITION_COUNT_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_PARTITION_COUNT_H_

#include <absl/time/time.h>

#include <cstdint>

#include "base/status.h"
#include "connector/kafka/properties.h"

namespace fs::connector::kafka {

// Waits for a broker up to the deadline (SteadyNow's). kNotFound: no such topic; kUnavailable: no answer.
[[nodiscard]] absl::StatusOr<uint32_t> CountPartitions(const InputSettings& input, absl::Time deadline);

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_PARTITION_COUNT_H_
