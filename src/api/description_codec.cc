#include "api/description_codec.h"

#include "api/function_service.h"
#include "api/response.h"

namespace fs::api {
namespace {

void ToWire(const task::EndpointTraffic& traffic, ::function_stream::Traffic& wire) {
  wire.set_source_id(traffic.source_id);
  wire.set_topic(ToWireText(traffic.topic));
  wire.set_messages(traffic.messages);
  wire.set_bytes(traffic.bytes);
}

void ToWire(const task::Rates& rates, ::function_stream::Rates& wire) {
  wire.set_processed_per_second(rates.processed_per_second);
  wire.set_emitted_per_second(rates.emitted_per_second);
  if (rates.p50_seconds) wire.set_p50_seconds(*rates.p50_seconds);
  if (rates.p95_seconds) wire.set_p95_seconds(*rates.p95_seconds);
  if (rates.p99_seconds) wire.set_p99_seconds(*rates.p99_seconds);
}

void ToWire(const task::InstanceInfo& info, ::function_stream::InstanceInfo& wire) {
  wire.set_index(info.index);
  wire.set_status(std::string(task::StatusName(info.status)));
  wire.set_reason(ToWireText(info.reason));
  wire.set_since_ms(info.since_ms);
  wire.set_restarts(info.restarts);
  wire.set_processed(info.processed);
  wire.set_emitted(info.emitted);
  wire.set_checkpoint_id(info.checkpoint.id);
  wire.set_memory_bytes(info.memory_bytes);
  wire.set_state_bytes(info.state_bytes);
  if (info.watermark_ms) wire.set_watermark_ms(*info.watermark_ms);
  wire.set_last_error(ToWireText(info.last_error));
  wire.set_last_error_ms(info.last_error_ms);
}

}  // namespace

::function_stream::InputPosition ToWire(const task::InputPosition& from) {
  ::function_stream::InputPosition position;
  position.set_source_id(from.source_id);
  position.set_topic(ToWireText(from.topic));
  position.set_partition(from.partition);
  position.set_offset(from.offset);
  if (from.end_offset) position.set_end_offset(*from.end_offset);
  position.set_instance(from.instance);
  return position;
}

void ToWire(const task::Description& description, ::function_stream::DescribeFunctionResponse& wire) {
  *wire.mutable_function() = ToWire(description);
  wire.set_reason(ToWireText(description.reason));
  wire.set_since_ms(description.since_ms);
  wire.set_restarts(description.restarts);
  wire.set_processed(description.processed);
  wire.set_emitted(description.emitted);
  wire.set_retried(description.retried);
  wire.set_skipped(description.skipped);
  wire.set_dead_lettered(description.dead_lettered);
  wire.set_checkpoint_id(description.checkpoint.id);
  if (description.checkpoint.time_ms != 0) {
    ::function_stream::Checkpoint& checkpoint = *wire.mutable_last_checkpoint();
    checkpoint.set_id(description.checkpoint.id);
    checkpoint.set_time_ms(description.checkpoint.time_ms);
    checkpoint.set_seconds(description.checkpoint.seconds);
    checkpoint.set_bytes(description.checkpoint.bytes);
  }
  wire.set_last_error(ToWireText(description.last_error));
  wire.set_last_error_ms(description.last_error_ms);
  ToWire(description.rates, *wire.mutable_rates());
  if (description.watermark_ms) wire.set_watermark_ms(*description.watermark_ms);
  for (uint32_t source_id = 0; source_id < description.source_watermarks_ms.size(); ++source_id) {
    const std::optional<int64_t>& watermark = description.source_watermarks_ms[source_id];
    if (!watermark) continue;
    ::function_stream::SourceWatermark& source = *wire.add_source_watermarks();
    source.set_source_id(source_id);
    source.set_watermark_ms(*watermark);
  }
  wire.set_observed_ms(description.observed_ms);
  wire.set_memory_bytes(description.memory_bytes);
  wire.set_state_bytes(description.state_bytes);
  wire.set_exceptions(description.exceptions);
  wire.set_log_lines_dropped(description.log_lines_dropped);
  for (const task::EndpointTraffic& input : description.inputs) ToWire(input, *wire.add_inputs());
  for (const task::EndpointTraffic& output : description.outputs) ToWire(output, *wire.add_outputs());
  for (const task::InputPosition& from : description.positions) *wire.add_positions() = ToWire(from);
  for (const task::InstanceInfo& info : description.instances) ToWire(info, *wire.add_instances());
  for (const auto& [key, value] : description.allowed.ByKey()) {
    ::function_stream::FunctionLimit& limit = *wire.add_limits();
    limit.set_key(std::string(key));
    limit.set_value(value);
  }
}

}  // namespace fs::api
