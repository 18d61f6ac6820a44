// Which partition a key belongs to: Java's Kafka client's answer (murmur2), so that a topic of the log and one of Kafka with as many
// partitions agree, and functions may read both side by side.
#ifndef FUNCTION_STREAM_CONNECTOR_EMBEDDED_PARTITIONER_H_
#define FUNCTION_STREAM_CONNECTOR_EMBEDDED_PARTITIONER_H_

#include <cstdint>
#include <string_view>

namespace fs::connector::embedded {

// Hot path. `count` is 1 or more.
[[nodiscard]] int32_t PartitionOfKey(std::string_view key, int32_t count);

}  // namespace fs::connector::embedded

#endif  // FUNCTION_STREAM_CONNECTOR_EMBEDDED_PARTITIONER_H_
