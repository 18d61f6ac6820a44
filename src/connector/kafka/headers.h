// Record headers between librdkafka's list and the form that crosses into the guest (runtime/abi/fs_abi.h), and tombstones.
//
// The ABI has no null value, so a Kafka tombstone (null payload) is an empty value with one more header, kTombstoneHeader, whose value is
// null. The same header on the way out makes a tombstone again and is not written. Any thread.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_HEADERS_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_HEADERS_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "connector/kafka/handles.h"

namespace fs::connector::kafka {

inline constexpr std::string_view kTombstoneHeader = "function-stream.tombstone";

// Appends the headers of a consumed message to `out`; nothing where there are none. kDataLoss: they cannot be read.
[[nodiscard]] absl::Status AppendHeaders(const rd_kafka_message_t& message, std::string& out);
// Appends one header; a null value is told apart from an empty one.
void AppendHeader(std::string_view name, const void* value, size_t value_size, std::string& out);

struct OutgoingHeaders {
  RdKafkaHeaders list;  // null where none are left to write
  bool is_tombstone = false;
};

// kInvalidArgument: `encoded` is not the ABI's form.
[[nodiscard]] absl::StatusOr<OutgoingHeaders> DecodeHeaders(std::string_view encoded);

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_HEADERS_H_
