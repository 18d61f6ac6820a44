#include "connector/kafka/release.h"

#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "base/steady_clock.h"
#include "connector/kafka/plain_client.h"
#include "connector/kafka/stable_offsets.h"
#include "connector/marker.h"
#include "observe/log.h"

namespace fs::connector::kafka {
namespace {

constexpr std::chrono::seconds kWait(1);
// The function's last transaction may still be ending.
constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr absl::Duration kPause = absl::Milliseconds(100);

absl::Status StatusOf(rd_kafka_error_t* error) {
  const RdKafkaError owned(error);
  return error == nullptr ? absl::OkStatus() : Unavailable("{}", rd_kafka_error_string(error));
}

// The offsets that carry the function's marker.
absl::StatusOr<RdKafkaPartitions> Marked(rd_kafka_t& consumer, const InputSettings& input, const std::string& function_id) {
  const RdKafkaQueue answers(rd_kafka_queue_new(&consumer));
  AskStableOffsets(consumer, input.group_id, nullptr, AdminOptionsFor(consumer, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS), *answers);
  const RdKafkaEvent event(rd_kafka_queue_poll(answers.get(), kAdminTimeoutMs + 1000));
  if (event == nullptr) return Unavailable("no answer");
  const auto [error, reason, list] = ReadStableOffsets(*event);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) return Unavailable("{}", reason);
  RdKafkaPartitions marked(rd_kafka_topic_partition_list_new(8));
  for (int i = 0; list != nullptr && i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& element = list->elems[i];
    if (input.topic != element.topic) continue;
    if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR) return Unavailable("{}", rd_kafka_err2str(element.err));
    const std::optional<Marker> marker = MarkerOf(element);
    if (!marker || marker->owner != function_id) continue;
    rd_kafka_topic_partition_list_add(marked.get(), element.topic, element.partition)->offset = element.offset;
  }
  return marked;
}

absl::Status Release(const InputSettings& input, const std::string& function_id, absl::Time deadline) {
  FS_ASSIGN_OR_RETURN(RdKafkaConf consumer_conf, ConsumerConf(input, function_id, function_id));
  FS_ASSIGN_OR_RETURN(const PlainClient consumer, OpenPlainClient(RD_KAFKA_CONSUMER, std::move(consumer_conf)));
  absl::StatusOr<RdKafkaPartitions> marked = Marked(*consumer, input, function_id);
  for (; !marked.ok() && SteadyNow() < deadline; marked = Marked(*consumer, input, function_id)) absl::SleepFor(kPause);
  FS_RETURN_IF_ERROR(marked.status());
  if ((*marked)->cnt == 0) return absl::OkStatus();

  // In a transaction: from anybody else than its members a group takes offsets in no other way while it has some, and a static member that
  // has ended is one until its session is over.
  ClientSettings settings = input.client;
  std::erase_if(settings.properties, [](const auto& property) { return property.first == "group.instance.id"; });
  FS_ASSIGN_OR_RETURN(RdKafkaConf producer_conf,
                      TransactionalConf(settings, function_id, fmt::format("function-stream.release.{}", function_id), 10'000));
  FS_ASSIGN_OR_RETURN(const PlainClient producer, OpenPlainClient(RD_KAFKA_PRODUCER, std::move(producer_conf)));
  FS_RETURN_IF_ERROR(StatusOf(rd_kafka_init_transactions(producer.get(), kAdminTimeoutMs)));
  FS_RETURN_IF_ERROR(StatusOf(rd_kafka_begin_transaction(producer.get())));
  // Again, now that the commit follows at once: another member may have gone on in the meantime.
  FS_ASSIGN_OR_RETURN(const RdKafkaPartitions offsets, Marked(*consumer, input, function_id));
  if (offsets->cnt == 0) return absl::OkStatus();
  const RdKafkaGroupMetadata group(rd_kafka_consumer_group_metadata_new(input.group_id.c_str()));
  FS_RETURN_IF_ERROR(StatusOf(rd_kafka_send_offsets_to_transaction(producer.get(), offsets.get(), group.get(), kAdminTimeoutMs)));
  return StatusOf(rd_kafka_commit_transaction(producer.get(), kAdminTimeoutMs));
}

}  // namespace

void ReleasePartitions(std::vector<InputSettings> inputs, std::string function_id, Graveyard& graveyard) {
  std::erase_if(inputs, [](const InputSettings& input) { return input.partition.has_value(); });
  if (inputs.empty()) return;
  const auto done = std::make_shared<std::promise<void>>();
  const std::future<void> is_done = done->get_future();
  graveyard.Bury([inputs = std::move(inputs), function_id = std::move(function_id), done] {
    const absl::Time deadline = SteadyNow() + kPatience;
    for (const InputSettings& input : inputs) {
      const absl::Status status = Release(input, function_id, deadline);
      if (status.ok()) continue;
      observe::LogWarning(
          "kafka {}: group {} still says that partitions of topic {} are those of {}, which is dropped: {}. Another function that keeps "
          "state is "
          "refused there until the group's offsets are reset",
          input.client.bootstrap_servers, input.group_id, input.topic, function_id, Message(status));
    }
    done->set_value();
  });
  is_done.wait_for(kWait);
}

}  // namespace fs::connector::kafka
