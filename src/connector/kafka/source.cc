#include "connector/kafka/source.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <utility>

#include "connector/kafka/headers.h"
#include "connector/kafka/stable_offsets.h"
#include "observe/log.h"

namespace fs::connector::kafka {
namespace {

// librdkafka takes a member that does not poll for max.poll.interval.ms out of its group, and an idle instance sleeps until it is woken.
// Its statistics, which arrive in the polled queue, wake it often enough; this is how often at most.
constexpr int64_t kPollWakeMs = 600'000;

// Payloads of one fetch, whatever Poll's caller asks for, so that views and buffers stay few.
constexpr size_t kMostFetched = 10'000;

uint64_t Fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::vector<int32_t> PartitionsOf(const rd_kafka_topic_partition_list_t& list) {
  std::vector<int32_t> partitions;
  for (int i = 0; i < list.cnt; ++i) partitions.push_back(list.elems[i].partition);
  return partitions;
}

// A group knows a member by this name over restarts, and gives a killed one its partitions back at once. The same function on another
// server, and another input of this one, are other members.
std::string MemberName(const InstanceContext& context, size_t input_index) {
  constexpr size_t kLongestName = 180;  // of the 249 that a broker takes; what is longer is told apart by its hash
  std::string name = context.function_name;
  if (name.size() > kLongestName) name = fmt::format("{}-{:016x}", name.substr(0, kLongestName - 17), Fnv1a(name));
  const std::string instance = context.instance_index == 0 ? "" : fmt::format("-{}", context.instance_index);
  return fmt::format("fs-{}-{}-{}{}", context.server_id, name, input_index, instance);
}

}  // namespace

absl::StatusOr<std::unique_ptr<KafkaSource>> KafkaSource::Open(InputSettings settings, const InstanceContext& context, size_t input_index,
                                                               std::shared_ptr<Graveyard> graveyard) {
  auto source = std::unique_ptr<KafkaSource>(new KafkaSource(std::move(settings), context.function_id));
  const InputSettings& input = source->settings_;
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf,
                      ConsumerConf(input, fmt::format("function-stream.{}.{}", context.function_name, context.instance_index),
                                   MemberName(context, input_index)));
  if (!input.partition) {
    const int64_t poll_limit_ms = std::atoll(ValueOf(*conf, "max.poll.interval.ms").c_str());
    const std::string wake_ms = std::to_string(std::min(kPollWakeMs, std::max<int64_t>(poll_limit_ms / 3, 1)));
    rd_kafka_conf_set(conf.get(), "statistics.interval.ms", wake_ms.c_str(), nullptr, 0);
  }
  FS_ASSIGN_OR_RETURN(source->client_, Client::Open(RD_KAFKA_CONSUMER, std::move(conf),
                                                    {fmt::format("function {}", context.function_name), input.client.bootstrap_servers},
                                                    context.waker, std::move(graveyard), *source));
  rd_kafka_t* const client = source->client_->get();
  rd_kafka_poll_set_consumer(client);
  source->control_queue_ = source->client_->Watch(RdKafkaQueue(rd_kafka_queue_get_consumer(client)));
  source->records_queue_ = source->client_->Watch(RdKafkaQueue(rd_kafka_queue_new(client)));
  source->probe_ = std::make_unique<TopicProbe>(*source->client_, input.topic);
  return source;
}

KafkaSource::~KafkaSource() = default;

absl::Status KafkaSource::Start(const Positions& positions, SourceListener& listener) {
  assignment_ = std::make_unique<Assignment>(*client_, settings_, Place(), records_queue_, [this, &listener, positions](auto given) {
    return settings_.partition ? absl::StatusOr<Positions>(positions) : listener.OnAssigned(given);
  });
  listener_ = &listener;
  // Tells at once, and by name, that the topic or the partition is not there.
  probe_->Ask();
  if (!settings_.partition) return Subscribe();
  const RdKafkaPartitions list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), settings_.topic.c_str(), *settings_.partition);
  return assignment_->Give(*list);
}

absl::Status KafkaSource::Subscribe() {
  const RdKafkaPartitions list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), settings_.topic.c_str(), RD_KAFKA_PARTITION_UA);
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(client_->get(), list.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return FailedPrecondition("{}: cannot subscribe: {}", Place(), rd_kafka_err2str(error));
}

absl::Status KafkaSource::Poll(size_t max_records, size_t max_bytes, std::vector<Record>& out) {
  ReleaseHandedOut();
  ServeControl();
  ServeProbe();
  absl::Status assigned = assignment_->Serve();
  if (!assigned.ok() && !absl::IsUnavailable(assigned)) Fail(assigned);
  if (next_ == batch_.size() && failure_.ok()) Fetch(max_records, max_bytes);
  FS_RETURN_IF_ERROR(failure_);
  const size_t before = out.size();
  FS_RETURN_IF_ERROR(HandOut(max_records, max_bytes, out));
  if (out.size() > before) {
    trouble_ = absl::OkStatus();
    has_contact_ = true;
    return absl::OkStatus();
  }
  if (trouble_.ok()) return assigned;
  probe_->Ask();
  return trouble_;
}

void KafkaSource::ReleaseHandedOut() {
  headers_.clear();
  if (next_ == batch_.size()) {
    batch_.clear();
    next_ = 0;
    return;
  }
  for (size_t i = 0; i < next_; ++i) batch_[i].reset();
}

void KafkaSource::ServeControl() {
  rd_kafka_message_t* messages[16];
  for (ssize_t count = 16; count == 16;) {
    count = rd_kafka_consume_batch_queue(control_queue_, 0, messages, 16);
    for (ssize_t i = 0; i < count; ++i) {
      RdKafkaMessage message(messages[i]);
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        OnErrorMessage(*message);
      } else if (assignment_->IsHeld(message->partition)) {
        batch_.push_back(std::move(message));
      }
    }
  }
}

void KafkaSource::ServeProbe() {
  const std::optional<absl::StatusOr<size_t>> answer = probe_->TakeAnswer();
  if (!answer) return;
  if (!answer->ok()) {
    if (absl::IsNotFound(answer->status())) {
      was_missing_ = true;
      return Trouble(fmt::format("{}; waiting for it to be created", Message(answer->status())));
    }
    if (absl::IsFailedPrecondition(answer->status())) return Fail(answer->status());
    return Trouble(last_broker_error_.empty() ? std::string(Message(answer->status())) : Unreachable(last_broker_error_));
  }
  if (settings_.partition && static_cast<size_t>(*settings_.partition) >= **answer) {
    was_missing_ = true;
    return Trouble(fmt::format("topic {} on Kafka at {} has {} partition(s): there is no partition {}; waiting for it to be created",
                               settings_.topic, client_->cluster(), **answer, *settings_.partition));
  }
  if (std::exchange(was_missing_, false) && !settings_.partition) {
    // The client looks for a missing topic with its regular refresh only, minutes apart; subscribing again makes it look now.
    if (absl::Status status = Subscribe(); !status.ok()) return Fail(std::move(status));
  }
  if (!trouble_.ok()) observe::LogInfo("{}: {}: back", client_->owner(), Place());
  trouble_ = absl::OkStatus();
  has_contact_ = true;
  last_broker_error_.clear();
}

void KafkaSource::Fetch(size_t max_records, size_t max_bytes) {
  fetched_.resize(std::clamp<size_t>(max_bytes / typical_bytes_, 1, std::clamp<size_t>(max_records, 1, kMostFetched)));
  const ssize_t count = rd_kafka_consume_batch_queue(records_queue_, 0, fetched_.data(), fetched_.size());
  if (count < 0) return Fail(Internal("{}: {}", Place(), rd_kafka_err2str(rd_kafka_last_error())));
  has_more_ = static_cast<size_t>(count) == fetched_.size();
  size_t bytes = 0;
  for (ssize_t i = 0; i < count; ++i) {
    RdKafkaMessage message(fetched_[static_cast<size_t>(i)]);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      OnErrorMessage(*message);
    } else if (assignment_->IsHeld(message->partition)) {
      bytes += message->len + message->key_len;
      batch_.push_back(std::move(message));
    }
  }
  if (!batch_.empty()) typical_bytes_ = std::max<size_t>(bytes / batch_.size(), 1);
}

absl::Status KafkaSource::HandOut(size_t max_records, size_t max_bytes, std::vector<Record>& out) {
  struct WithHeaders {
    size_t record, begin, end;
  };
  std::vector<WithHeaders> with_headers;
  size_t bytes = 0;
  for (size_t given = 0; next_ < batch_.size() && given < max_records && (given == 0 || bytes < max_bytes); ++next_, ++given) {
    const rd_kafka_message_t& message = *batch_[next_];
    const size_t headers_begin = headers_.size();
    if (const absl::Status status = AppendHeaders(message, headers_); !status.ok()) {
      Fail(WithContext(status, fmt::format("{}: record at partition {} offset {}", Place(), message.partition, message.offset)));
      return failure_;
    }
    if (message.payload == nullptr) AppendHeader(kTombstoneHeader, nullptr, 0, headers_);

    Record& record = out.emplace_back();
    record.value = {static_cast<const char*>(message.payload), message.len};
    if (message.key != nullptr) record.key = std::string_view(static_cast<const char*>(message.key), message.key_len);
    record.partition = message.partition;
    record.offset = message.offset;
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    const int64_t timestamp_ms = rd_kafka_message_timestamp(&message, &type);
    if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp_ms >= 0) record.timestamp_ms = timestamp_ms;
    if (headers_.size() > headers_begin) with_headers.push_back({out.size() - 1, headers_begin, headers_.size()});
    bytes += message.len + message.key_len + (headers_.size() - headers_begin);
  }
  // Only now, when headers_ does not grow any more.
  for (const auto& [record, begin, end] : with_headers) out[record].headers = std::string_view(headers_).substr(begin, end - begin);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<GroupOffsets>> KafkaSource::OffsetsToCommit(const Positions& positions, const Marker& marker) const {
  RdKafkaPartitions offsets = OffsetsOfHeld(positions, marker);
  if (offsets->cnt == 0) return std::nullopt;
  RdKafkaGroupMetadata metadata(settings_.partition ? rd_kafka_consumer_group_metadata_new(settings_.group_id.c_str())
                                                    : rd_kafka_consumer_group_metadata(client_->get()));
  if (metadata == nullptr) return Internal("{}: the client does not tell its group's metadata", Place());
  return GroupOffsets{std::move(offsets), std::move(metadata)};
}

RdKafkaPartitions KafkaSource::OffsetsOfHeld(const Positions& positions, const Marker& marker) const {
  Marker owned = marker;
  owned.owner = function_id_;
  // An explicit partition is nobody's: others may name it too, or be given it by the same group.
  const std::string text = settings_.partition ? "" : EncodeMarker(owned);
  RdKafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
  for (const auto& [partition, offset] : positions) {
    if (!assignment_->IsHeld(partition)) continue;
    rd_kafka_topic_partition_t* element = rd_kafka_topic_partition_list_add(list.get(), settings_.topic.c_str(), partition);
    element->offset = offset;
    if (!text.empty()) SetMarkerText(*element, text);
  }
  return list;
}

void KafkaSource::Committed(const Positions& positions, const Marker& marker) {
  if (is_committed_by_decider_) return;
  const RdKafkaPartitions list = OffsetsOfHeld(positions, marker);
  // In the client's memory; its timer, a revocation or the close sends it. Best effort: the positions that count are the state's.
  if (list->cnt > 0) rd_kafka_offsets_store(client_->get(), list.get());
}

void KafkaSource::OnRebalance(rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* partitions) noexcept {
  const std::vector<int32_t> numbers = PartitionsOf(*partitions);
  if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    observe::LogInfo("{}: {}: given partitions [{}]", client_->owner(), Place(), fmt::join(numbers, ", "));
    if (absl::Status status = assignment_->Give(*partitions); !status.ok()) Fail(std::move(status));
    return;
  }
  if (event != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    Trouble(fmt::format("{}: rebalance failed: {}", Place(), rd_kafka_err2str(event)));
  }
  const bool is_lost = rd_kafka_assignment_lost(client_->get()) != 0;
  observe::LogInfo("{}: {}: {} partitions [{}]", client_->owner(), Place(), is_lost ? "lost" : "gives up", fmt::join(numbers, ", "));
  if (is_lost) {
    listener_->OnLost(numbers);
  } else {
    listener_->OnRevoked(numbers);
  }
  assignment_->TakeAway(*partitions);
  // What waits to be handed out is another member's now.
  const auto waiting = batch_.begin() + static_cast<ptrdiff_t>(next_);
  const auto is_gone = [&](const RdKafkaMessage& message) { return !assignment_->IsHeld(message->partition); };
  batch_.erase(std::remove_if(waiting, batch_.end(), is_gone), batch_.end());
}

// What the last fetch told: no question to the broker.
Positions KafkaSource::EndOffsets() const {
  Positions ends;
  if (assignment_ == nullptr) return ends;
  for (const int32_t partition : assignment_->held()) {
    int64_t low = 0;
    int64_t high = 0;
    if (rd_kafka_get_watermark_offsets(client_->get(), settings_.topic.c_str(), partition, &low, &high) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        high >= 0) {
      ends[partition] = high;
    }
  }
  return ends;
}

void KafkaSource::OnError(rd_kafka_resp_err_t error, std::string_view reason) noexcept {
  switch (error) {
    case RD_KAFKA_RESP_ERR__FATAL: {
      char text[512] = "";
      const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(client_->get(), text, sizeof(text));
      return Fail(FailedPrecondition("{}: {}", Place(), Describe(fatal, text)));
    }
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      return Trouble(Unreachable(last_broker_error_.empty() ? reason : last_broker_error_));
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
      last_broker_error_ = reason;
      return Trouble(fmt::format("Kafka at {} does not let us in: {}", client_->cluster(), reason));
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
      // Of one broker, and others may do: the probe finds out. Before the first contact it is all there is to tell.
      last_broker_error_ = Describe(error, reason);
      if (!has_contact_) return Trouble(Unreachable(last_broker_error_));
      probe_->Ask();
      return;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      was_missing_ = true;
      [[fallthrough]];
    default:
      return Trouble(fmt::format("{}: {}", Place(), Describe(error, reason)));
  }
}

void KafkaSource::OnErrorMessage(const rd_kafka_message_t& message) {
  const std::string text = Describe(message.err, rd_kafka_message_errstr(&message));
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      return;
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
      // What follows is a rebalance: lost, then assigned anew.
      observe::LogWarning(
          "{}: {}: a batch took longer than max.poll.interval.ms, so the group gave our partitions to others; they are asked for again. "
          "Raise max.poll.interval.ms if process() is meant to take that long",
          client_->owner(), Place());
      return;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return Fail(FailedPrecondition("{}: {}", Place(), text));
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR__NO_OFFSET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      // What that means and whether the function may go on is found out where every start is: the instance starts again.
      return Fail(
          absl::OutOfRangeError(fmt::format("{}: partition {}: the next offset to read is gone: {}", Place(), message.partition, text)));
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
      return Fail(DataLoss("{}: partition {} offset {} cannot be read: {}", Place(), message.partition, message.offset, text));
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      was_missing_ = true;
      [[fallthrough]];
    default:
      return Trouble(fmt::format("{}: {}", Place(), text));
  }
}

void KafkaSource::Fail(absl::Status status) {
  if (failure_.ok()) failure_ = std::move(status);
}

void KafkaSource::Trouble(std::string text) {
  if (trouble_.ok()) observe::LogWarning("{}: {}", client_->owner(), text);
  trouble_ = Unavailable("{}", text);
  probe_->Ask();
}

std::string KafkaSource::Unreachable(std::string_view reason) const {
  return fmt::format("Kafka at {} cannot be reached: {}", client_->cluster(), reason);
}

std::string KafkaSource::Place() const {
  return fmt::format("topic {} (group {}) on Kafka at {}", settings_.topic, settings_.group_id, client_->cluster());
}

}  // namespace fs::connector::kafka
