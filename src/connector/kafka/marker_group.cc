#include "connector/kafka/marker_group.h"

#include <absl/time/clock.h>

#include <algorithm>

#include "base/steady_clock.h"
#include "connector/kafka/plain_client.h"
#include "connector/kafka/stable_offsets.h"
#include "observe/log.h"

namespace fs::connector::kafka {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(20);
// How often to look whether there is a broker to be asked.
constexpr int64_t kBrokerLookMs = 100;
// Of a drop: the broker may still be ending the function's last transaction.
constexpr absl::Duration kDeletePatience = absl::Seconds(10);
constexpr absl::Duration kDeletePause = absl::Milliseconds(200);

using RdKafkaDeleteGroup = std::unique_ptr<rd_kafka_DeleteGroup_t, Destroy<rd_kafka_DeleteGroup_destroy>>;

bool IsRefusal(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED || error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

// The first answer's error, or the request's.
rd_kafka_resp_err_t DeleteOnce(rd_kafka_t& client, const std::string& group) {
  const RdKafkaQueue answers(rd_kafka_queue_new(&client));
  const RdKafkaAdminOptions options = AdminOptionsFor(client, RD_KAFKA_ADMIN_OP_DELETEGROUPS);
  const RdKafkaDeleteGroup wanted(rd_kafka_DeleteGroup_new(group.c_str()));
  rd_kafka_DeleteGroup_t* list[] = {wanted.get()};
  rd_kafka_DeleteGroups(&client, list, 1, options.get(), answers.get());
  const RdKafkaEvent event(rd_kafka_queue_poll(answers.get(), kAdminTimeoutMs + 1000));
  if (event == nullptr) return RD_KAFKA_RESP_ERR__TIMED_OUT;
  if (const rd_kafka_resp_err_t error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
  size_t count = 0;
  const rd_kafka_group_result_t** groups = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event.get()), &count);
  return count == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(rd_kafka_group_result_error(groups[0]));
}

// Tries for a while.
void Delete(rd_kafka_t& client, const std::string& cluster, const std::string& group) {
  const absl::Time deadline = SteadyNow() + kDeletePatience;
  while (true) {
    const rd_kafka_resp_err_t error = DeleteOnce(client, group);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) return;
    if (SteadyNow() >= deadline || IsRefusal(error)) {
      observe::LogWarning(
          "kafka {}: group {} of a dropped function is left behind: {}; the brokers forget it after offsets.retention.minutes", cluster,
          group, rd_kafka_err2str(error));
      return;
    }
    absl::SleepFor(kDeletePause);
  }
}

void Delete(const ClientSettings& settings, std::span<const std::string> groups) {
  auto conf = ProducerConf(settings, groups.front());
  if (!conf.ok()) return;
  const auto client = OpenPlainClient(RD_KAFKA_PRODUCER, *std::move(conf));
  if (!client.ok()) return;
  for (const std::string& group : groups) Delete(**client, settings.bootstrap_servers, group);
}

}  // namespace

std::string PrivateName(std::string_view function_id, uint32_t instance_index) {
  return fmt::format("function-stream.{}.{}", function_id, instance_index);
}

MarkerGroup::MarkerGroup(ClientSettings settings, TransactionNames names, const InstanceContext& context,
                         std::shared_ptr<Graveyard> graveyard)
    : settings_(std::move(settings)), names_(std::move(names)), context_(context), graveyard_(std::move(graveyard)) {}

absl::Status MarkerGroup::Connect() {
  if (client_ != nullptr) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(
      RdKafkaConf conf,
      GroupReaderConf(settings_, fmt::format("function-stream.{}.{}", context_.function_name, context_.instance_index), names_.id));
  FS_ASSIGN_OR_RETURN(client_, Client::Open(RD_KAFKA_CONSUMER, std::move(conf),
                                            {fmt::format("function {}", context_.function_name), settings_.bootstrap_servers},
                                            context_.waker, graveyard_, *this));
  answers_ = client_->Watch(RdKafkaQueue(rd_kafka_queue_new(client_->get())));
  return absl::OkStatus();
}

void MarkerGroup::OnError(rd_kafka_resp_err_t error, std::string_view reason) noexcept { trouble_ = Describe(error, reason); }

absl::StatusOr<std::optional<Marker>> MarkerGroup::Read(std::span<const std::string> superseded, absl::Time deadline) {
  FS_RETURN_IF_ERROR(Connect());
  while (true) {
    rd_kafka_poll(client_->get(), 0);  // OnError
    if (!is_under_way_ && client_->HasBroker()) Ask();
    int64_t left_ms = std::max<int64_t>(absl::ToInt64Milliseconds(deadline - SteadyNow()), 0);
    if (!is_under_way_) left_ms = std::min(left_ms, kBrokerLookMs);
    std::optional<absl::StatusOr<std::optional<Marker>>> answer;
    if (const RdKafkaEvent event(rd_kafka_queue_poll(answers_, static_cast<int>(left_ms))); event != nullptr) {
      is_under_way_ = false;
      answer = ReadAnswer(*event, superseded);
      if (!answer) absl::SleepFor(kPause);
    }
    if (answer) {
      client_.reset();
      return *std::move(answer);
    }
    if (SteadyNow() >= deadline) {
      return DeadlineExceeded("Kafka at {} does not tell the positions of group {}{}", names_.cluster, names_.id,
                              trouble_.empty() ? "" : fmt::format(": {}", trouble_));
    }
  }
}

void MarkerGroup::Ask() {
  AskStableOffsets(*client_->get(), names_.id, nullptr, AdminOptionsFor(*client_->get(), RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS),
                   *answers_);
  is_under_way_ = true;
}

std::optional<absl::StatusOr<std::optional<Marker>>> MarkerGroup::ReadAnswer(rd_kafka_event_t& event,
                                                                             std::span<const std::string> superseded) {
  using Answer = absl::StatusOr<std::optional<Marker>>;
  const auto failed = [&](rd_kafka_resp_err_t error, std::string_view text) -> std::optional<Answer> {
    if (error == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) return Answer(std::nullopt);
    if (IsRefusal(error)) return Answer(TransactionError(error, text, names_));
    trouble_ = Describe(error, text);
    return std::nullopt;
  };
  const auto [error, reason, places] = ReadStableOffsets(event);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(error, reason);
  const auto is_superseded = [superseded](const Marker& marker) {
    return std::find(superseded.begin(), superseded.end(), marker.run_id) != superseded.end();
  };
  std::optional<Marker> newest;
  std::string place_of_newest;
  for (int i = 0; places != nullptr && i < places->cnt; ++i) {
    const rd_kafka_topic_partition_t& place = places->elems[i];
    if (place.err != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(place.err, rd_kafka_err2str(place.err));
    if (place.offset < 0) continue;
    const std::string name = fmt::format("{} partition {}", place.topic, place.partition);
    std::optional<Marker> marker = MarkerOf(place);
    if (!marker) {
      return Answer(
          FailedPrecondition("group {} on Kafka at {}: the offset for topic {} is not one that Function Stream wrote: somebody changed the "
                             "group, which is the "
                             "function's own; delete that offset, or drop the function and create it anew",
                             names_.id, names_.cluster, name));
    }
    if (newest && is_superseded(*marker)) continue;
    if (newest && is_superseded(*newest)) newest.reset();
    if (newest && newest->run_id != marker->run_id) {
      return Answer(FailedPrecondition(
          "group {} on Kafka at {}: topic {} has a checkpoint of run {}, topic {} one of run {}: they are written together, so somebody "
          "changed the group, which is the function's own; delete the offset that is wrong, or drop the function and create it anew",
          names_.id, names_.cluster, place_of_newest, newest->run_id, name, marker->run_id));
    }
    if (newest && newest->sequence >= marker->sequence) continue;
    newest = std::move(marker);
    place_of_newest = name;
  }
  return Answer(std::move(newest));
}

RdKafkaPartitions MarkerGroup::Offsets(const Marker& marker, const std::vector<MarkerPlace>& places) {
  const std::string text = EncodeMarker(marker);
  RdKafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(places.size())));
  for (const auto& [topic, partition] : places) {
    rd_kafka_topic_partition_t* element = rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
    element->offset = static_cast<int64_t>(marker.sequence);
    SetMarkerText(*element, text);
  }
  return list;
}

void DeleteMarkerGroups(const ClientSettings& settings, std::vector<std::string> groups, Graveyard& graveyard) {
  if (groups.empty()) return;
  graveyard.Bury([settings, groups = std::move(groups)] { Delete(settings, groups); });
}

}  // namespace fs::connector::kafka
