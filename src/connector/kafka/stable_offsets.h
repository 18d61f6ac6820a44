// What a consumer group remembers of its partitions: asked for in librdkafka's admin API, and the marker that travels in an offset's
// metadata.
//
// Stable: an offset that belongs to an open transaction is an error of its partition (UNSTABLE_OFFSET_COMMIT) instead of missing or old
// (KIP-447). Ask with a consumer: a producer whose coordinator is loading crashes in librdkafka 2.12.1. Any thread.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_STABLE_OFFSETS_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_STABLE_OFFSETS_H_

#include <optional>
#include <string>
#include <string_view>

#include "connector/kafka/handles.h"
#include "connector/marker.h"

namespace fs::connector::kafka {

// How long the cluster is given for one question; who waits for the answer itself waits a little longer.
inline constexpr int kAdminTimeoutMs = 5000;

[[nodiscard]] RdKafkaAdminOptions AdminOptionsFor(rd_kafka_t& client, rd_kafka_admin_op_t operation);

// The answer arrives in `answers`, with what `options` holds as its opaque. No partitions: all that the group has.
void AskStableOffsets(rd_kafka_t& consumer, const std::string& group, const rd_kafka_topic_partition_list_t* partitions,
                      RdKafkaAdminOptions options, rd_kafka_queue_t& answers);

// Views of the event.
struct StableOffsets {
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;  // the question's or the group's; a partition's is in the list
  std::string_view reason = {};
  const rd_kafka_topic_partition_list_t* partitions = nullptr;  // nullptr: the group has none
};
[[nodiscard]] StableOffsets ReadStableOffsets(rd_kafka_event_t& event);

// nullopt: the metadata is not a marker of ours.
[[nodiscard]] std::optional<Marker> MarkerOf(const rd_kafka_topic_partition_t& offset);
// `text` is EncodeMarker's, so that a list of many partitions encodes it once.
void SetMarkerText(rd_kafka_topic_partition_t& offset, std::string_view text);

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_STABLE_OFFSETS_H_
