#include "connector/kafka/stable_offsets.h"

#include <cstring>

namespace fs::connector::kafka {
namespace {

using RdKafkaGroupQuestion = std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t, Destroy<rd_kafka_ListConsumerGroupOffsets_destroy>>;

}  // namespace

RdKafkaAdminOptions AdminOptionsFor(rd_kafka_t& client, rd_kafka_admin_op_t operation) {
  RdKafkaAdminOptions options(rd_kafka_AdminOptions_new(&client, operation));
  char reason[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), kAdminTimeoutMs, reason, sizeof(reason));
  return options;
}

void AskStableOffsets(rd_kafka_t& consumer, const std::string& group, const rd_kafka_topic_partition_list_t* partitions,
                      RdKafkaAdminOptions options, rd_kafka_queue_t& answers) {
  static_cast<void>(RdKafkaError(rd_kafka_AdminOptions_set_require_stable_offsets(options.get(), 1)));
  const RdKafkaGroupQuestion question(rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), partitions));
  rd_kafka_ListConsumerGroupOffsets_t* questions[] = {question.get()};
  rd_kafka_ListConsumerGroupOffsets(&consumer, questions, 1, options.get(), &answers);
}

StableOffsets ReadStableOffsets(rd_kafka_event_t& event) {
  if (const rd_kafka_resp_err_t error = rd_kafka_event_error(&event); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return {.error = error, .reason = rd_kafka_event_error_string(&event)};
  }
  size_t count = 0;
  const rd_kafka_group_result_t** groups =
      rd_kafka_ListConsumerGroupOffsets_result_groups(rd_kafka_event_ListConsumerGroupOffsets_result(&event), &count);
  if (count == 0) return {};
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups[0])) {
    return {.error = rd_kafka_error_code(error), .reason = rd_kafka_error_string(error)};
  }
  return {.partitions = rd_kafka_group_result_partitions(groups[0])};
}

std::optional<Marker> MarkerOf(const rd_kafka_topic_partition_t& offset) {
  if (offset.metadata == nullptr) return std::nullopt;
  return DecodeMarker({static_cast<const char*>(offset.metadata), offset.metadata_size});
}

void SetMarkerText(rd_kafka_topic_partition_t& offset, std::string_view text) {
  offset.metadata = rd_kafka_mem_malloc(nullptr, text.size());  // the list frees it
  offset.metadata_size = text.size();
  std::memcpy(offset.metadata, text.data(), text.size());
}

}  // namespace fs::connector::kafka
