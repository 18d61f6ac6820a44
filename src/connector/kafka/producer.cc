#include "connector/kafka/producer.h"

#include <algorithm>
#include <utility>

#include "base/failpoint.h"
#include "base/steady_clock.h"
#include "connector/kafka/headers.h"
#include "observe/log.h"

namespace fs::connector::kafka {
namespace {

// Delivery reports hold their records' memory until they are served.
constexpr uint32_t kWritesPerPoll = 256;
// What a record's own frame may take on the wire, as librdkafka reckons it; in the ABI's form a header is never shorter than there.
constexpr size_t kFrameBytes = 36;
// Flush looks this often for a record that failed.
constexpr int64_t kFlushSliceMs = 50;

// librdkafka takes null for "no value": what is empty needs an address.
void* Address(std::string_view bytes) { return const_cast<char*>(bytes.empty() ? "" : bytes.data()); }

std::string PartitionText(int32_t partition) {
  return partition == RD_KAFKA_PARTITION_UA ? std::string() : fmt::format(" partition {}", partition);
}

std::string ClientId(const InstanceContext& context) {
  return fmt::format("function-stream.{}.{}", context.function_name, context.instance_index);
}

}  // namespace

absl::StatusOr<std::shared_ptr<Producer>> Producer::Open(ClientSettings settings, const InstanceContext& context,
                                                         std::shared_ptr<Graveyard> graveyard) {
  auto producer = std::shared_ptr<Producer>(new Producer(std::move(settings), std::nullopt));
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf, ProducerConf(producer->settings_, ClientId(context)));
  FS_RETURN_IF_ERROR(producer->Start(std::move(conf), context, std::move(graveyard)));
  return producer;
}

absl::StatusOr<std::shared_ptr<Producer>> Producer::OpenTransactional(ClientSettings settings, const InstanceContext& context,
                                                                      TransactionNames names, std::shared_ptr<Graveyard> graveyard) {
  auto producer = std::shared_ptr<Producer>(new Producer(std::move(settings), std::move(names)));
  FS_ASSIGN_OR_RETURN(RdKafkaConf conf, TransactionalConf(producer->settings_, ClientId(context), producer->transaction_->id,
                                                          producer->transaction_->timeout_ms));
  FS_RETURN_IF_ERROR(producer->Start(std::move(conf), context, std::move(graveyard)));
  return producer;
}

absl::Status Producer::Start(RdKafkaConf conf, const InstanceContext& context, std::shared_ptr<Graveyard> graveyard) {
  max_message_bytes_ = static_cast<size_t>(std::atoll(ValueOf(*conf, "message.max.bytes").c_str()));
  FS_ASSIGN_OR_RETURN(client_, Client::Open(RD_KAFKA_PRODUCER, std::move(conf),
                                            {fmt::format("function {}", context.function_name), settings_.bootstrap_servers}, context.waker,
                                            std::move(graveyard), *this));
  client_->WatchOnDemand(RdKafkaQueue(rd_kafka_queue_get_main(client_->get())));
  return absl::OkStatus();
}

absl::StatusOr<rd_kafka_topic_t*> Producer::OpenTopic(const std::string& topic) {
  RdKafkaTopic handle(rd_kafka_topic_new(client_->get(), topic.c_str(), nullptr));
  if (handle == nullptr) {
    return FailedPrecondition("topic {} on Kafka at {}: {}", topic, client_->cluster(), rd_kafka_err2str(rd_kafka_last_error()));
  }
  return client_->Keep(std::move(handle));
}

absl::Status Producer::Check(rd_kafka_topic_t* topic, const OutputRecord& record) const {
  const size_t size = kFrameBytes + record.value.size() + (record.key ? record.key->size() : 0) + record.headers.size();
  if (size <= max_message_bytes_) return absl::OkStatus();
  return InvalidArgument(
      "topic {} on Kafka at {}: a record of {} bytes is larger than message.max.bytes allows ({}); raise it here and max.message.bytes of "
      "the "
      "topic",
      rd_kafka_topic_name(topic), client_->cluster(), size, max_message_bytes_);
}

absl::Status Producer::Write(rd_kafka_topic_t* topic, int32_t partition, const OutputRecord& record) {
  if (++writes_since_poll_ >= kWritesPerPoll) {
    writes_since_poll_ = 0;
    rd_kafka_poll(client_->get(), 0);
  }
  FS_RETURN_IF_ERROR(failure_);
  FS_RETURN_IF_ERROR(Check(topic, record));
  if (transaction_ && !is_transaction_open_) FS_RETURN_IF_ERROR(BeginTransaction());

  OutgoingHeaders headers;
  if (!record.headers.empty()) {
    FS_ASSIGN_OR_RETURN(headers, DecodeHeaders(record.headers));
  }

  rd_kafka_vu_t arguments[7];
  size_t count = 0;
  const auto add = [&](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
    arguments[count].vtype = type;
    return arguments[count++];
  };
  add(RD_KAFKA_VTYPE_RKT).u.rkt = topic;
  add(RD_KAFKA_VTYPE_PARTITION).u.i32 = partition;
  add(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
  const bool is_tombstone = headers.is_tombstone && record.value.empty();
  if (!is_tombstone) add(RD_KAFKA_VTYPE_VALUE).u.mem = {Address(record.value), record.value.size()};
  if (record.key) add(RD_KAFKA_VTYPE_KEY).u.mem = {Address(*record.key), record.key->size()};
  if (record.timestamp_ms != kNoTimestamp) add(RD_KAFKA_VTYPE_TIMESTAMP).u.i64 = record.timestamp_ms;
  if (headers.list != nullptr) add(RD_KAFKA_VTYPE_HEADERS).u.headers = headers.list.get();

  RdKafkaError error(rd_kafka_produceva(client_->get(), arguments, count));
  if (error != nullptr && rd_kafka_error_code(error.get()) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    // In this order: a report that comes after the poll finds the wake wanted.
    client_->WakeOnce();
    rd_kafka_poll(client_->get(), 0);
    FS_RETURN_IF_ERROR(failure_);
    error.reset(rd_kafka_produceva(client_->get(), arguments, count));
  }
  if (error != nullptr) {
    return WriteError(rd_kafka_error_code(error.get()), rd_kafka_error_string(error.get()), topic, partition);
  }
  static_cast<void>(headers.list.release());  // the record has them now
  transaction_bytes_ += record.value.size() + record.headers.size() + (record.key ? record.key->size() : 0);
  return absl::OkStatus();
}

absl::Status Producer::WriteError(rd_kafka_resp_err_t error, std::string_view reason, rd_kafka_topic_t* topic, int32_t partition) {
  const std::string place =
      fmt::format("topic {}{} on Kafka at {}", rd_kafka_topic_name(topic), PartitionText(partition), client_->cluster());
  if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    return Unavailable("{}: {} record(s) wait to be sent{}", place, rd_kafka_outq_len(client_->get()),
                       trouble_.empty() ? std::string() : fmt::format("; {}", trouble_));
  }
  failure_ = Failure(place, error, reason);
  return failure_;
}

absl::Status Producer::Failure(std::string_view place, rd_kafka_resp_err_t error, std::string_view reason) const {
  if (!transaction_) return FailedPrecondition("{}: {}", place, Describe(error, reason));
  char text[512] = "";
  RdKafkaError of_transaction;
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    error = rd_kafka_fatal_error(client_->get(), text, sizeof(text));
    reason = text;
  } else if (error == RD_KAFKA_RESP_ERR__PURGE_QUEUE || error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
    // Records are thrown away when their transaction has failed. It tells why to any call that it refuses.
    of_transaction.reset(rd_kafka_begin_transaction(client_->get()));
    if (of_transaction != nullptr) {
      error = rd_kafka_error_code(of_transaction.get());
      reason = rd_kafka_error_string(of_transaction.get());
    }
  }
  return WithContext(TransactionError(error, reason, *transaction_), place);
}

absl::Status Producer::BeginTransaction() {
  if (is_transaction_open_) return absl::OkStatus();
  const RdKafkaError error(rd_kafka_begin_transaction(client_->get()));
  if (error != nullptr) {
    FS_RETURN_IF_ERROR(Serve());
    return TransactionError(rd_kafka_error_code(error.get()), rd_kafka_error_string(error.get()), *transaction_);
  }
  is_transaction_open_ = true;
  client_->AbortAtEnd(true);
  FailPoint("transaction-begun");
  return absl::OkStatus();
}

void Producer::TransactionEnded() {
  is_transaction_open_ = false;
  transaction_bytes_ = 0;
  client_->AbortAtEnd(false);
}

absl::Status Producer::Serve() {
  rd_kafka_poll(client_->get(), 0);
  return failure_;
}

absl::Status Producer::Flush(absl::Time deadline) {
  while (true) {
    const int64_t left_ms = std::clamp<int64_t>(absl::ToInt64Milliseconds(deadline - SteadyNow()), 0, kFlushSliceMs);
    const rd_kafka_resp_err_t result = rd_kafka_flush(client_->get(), static_cast<int>(left_ms));
    FS_RETURN_IF_ERROR(failure_);
    if (result == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
    if (result != RD_KAFKA_RESP_ERR__TIMED_OUT) return Internal("Kafka at {}: flush: {}", client_->cluster(), rd_kafka_err2str(result));
    if (SteadyNow() >= deadline) {
      return DeadlineExceeded("{} record(s) not yet acknowledged by Kafka at {}{}", rd_kafka_outq_len(client_->get()), client_->cluster(),
                              trouble_.empty() ? std::string() : fmt::format(": {}", trouble_));
    }
  }
}

void Producer::OnError(rd_kafka_resp_err_t error, std::string_view reason) noexcept {
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    char text[512] = "";
    const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(client_->get(), text, sizeof(text));
    if (failure_.ok()) failure_ = Failure(fmt::format("output to Kafka at {}", client_->cluster()), fatal, text);
    return;
  }
  if (trouble_.empty()) observe::LogWarning("{}: output to Kafka at {}: {}", client_->owner(), client_->cluster(), Describe(error, reason));
  if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || trouble_.empty()) trouble_ = Describe(error, reason);
}

void Producer::OnDelivered(const rd_kafka_message_t& message) noexcept {
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    trouble_.clear();
    return;
  }
  if (!failure_.ok()) return;
  failure_ = Failure(fmt::format("a record for topic {}{} on Kafka at {} was not delivered", rd_kafka_topic_name(message.rkt),
                                 PartitionText(message.partition), client_->cluster()),
                     message.err, "");
}

absl::Status KafkaSink::WriteInTurn(const OutputRecord& record) {
  if (turns_ == nullptr) turns_ = std::make_unique<PartitionTurns>(producer_->client(), rd_kafka_topic_name(topic_));
  FS_ASSIGN_OR_RETURN(const int32_t partition, turns_->Next());
  FS_RETURN_IF_ERROR(producer_->Write(topic_, partition, record));
  turns_->Pass();
  return absl::OkStatus();
}

}  // namespace fs::connector::kafka
