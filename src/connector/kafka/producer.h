// One librdkafka producer, shared by the sinks of an instance whose client settings are equal, and the sink on top of it.
//
// Used on the instance's thread; librdkafka's threads only wake it, and only when a full queue made it wait. The first record that cannot
// be delivered ends the run: Write and Flush answer with its reason from then on. With transactions (of the KafkaDecider's) a record
// belongs to the one that is open, and the first begins it; what is open when the producer ends is aborted, unless its end is in doubt.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_PRODUCER_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_PRODUCER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "connector/connector.h"
#include "connector/kafka/client.h"
#include "connector/kafka/partition_turns.h"
#include "connector/kafka/properties.h"
#include "connector/kafka/transaction_errors.h"

namespace fs::connector::kafka {

class Producer final : private ClientHandler {
 public:
  static absl::StatusOr<std::shared_ptr<Producer>> Open(ClientSettings settings, const InstanceContext& context,
                                                        std::shared_ptr<Graveyard> graveyard);
  static absl::StatusOr<std::shared_ptr<Producer>> OpenTransactional(ClientSettings settings, const InstanceContext& context,
                                                                     TransactionNames names, std::shared_ptr<Graveyard> graveyard);

  [[nodiscard]] const ClientSettings& settings() const { return settings_; }
  // A handle for Write, which holds as long as the producer does. kFailedPrecondition: librdkafka refuses it.
  [[nodiscard]] absl::StatusOr<rd_kafka_topic_t*> OpenTopic(const std::string& topic);

  // As Sink's say. RD_KAFKA_PARTITION_UA: the key decides.
  [[nodiscard]] absl::Status Check(rd_kafka_topic_t* topic, const OutputRecord& record) const;
  [[nodiscard]] absl::Status Write(rd_kafka_topic_t* topic, int32_t partition, const OutputRecord& record);
  [[nodiscard]] absl::Status Flush(absl::Time deadline);

  // ---- Transactions, which the decider ends.
  [[nodiscard]] Client& client() { return *client_; }
  [[nodiscard]] const TransactionNames& transaction() const { return *transaction_; }
  // Nothing to do where one is open.
  [[nodiscard]] absl::Status BeginTransaction();
  // The end was asked for: from now on only the broker knows, and nothing may be aborted.
  void LeaveTransaction() { client_->AbortAtEnd(false); }
  void TransactionEnded();
  [[nodiscard]] size_t transaction_bytes() const { return transaction_bytes_; }
  // Serves what waits in the client: errors and delivery reports. The reason why the run is over, or what is wrong with the brokers.
  [[nodiscard]] absl::Status Serve();
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  Producer(ClientSettings settings, std::optional<TransactionNames> transaction)
      : settings_(std::move(settings)), transaction_(std::move(transaction)) {}
  [[nodiscard]] absl::Status Start(RdKafkaConf conf, const InstanceContext& context, std::shared_ptr<Graveyard> graveyard);

  void OnError(rd_kafka_resp_err_t error, std::string_view reason) noexcept override;
  void OnDelivered(const rd_kafka_message_t& message) noexcept override;
  [[nodiscard]] absl::Status WriteError(rd_kafka_resp_err_t error, std::string_view reason, rd_kafka_topic_t* topic, int32_t partition);

  // Why records cannot be delivered any more.
  [[nodiscard]] absl::Status Failure(std::string_view place, rd_kafka_resp_err_t error, std::string_view reason) const;

  const ClientSettings settings_;
  const std::optional<TransactionNames> transaction_;
  std::unique_ptr<Client> client_;
  bool is_transaction_open_ = false;
  size_t transaction_bytes_ = 0;
  size_t max_message_bytes_ = 0;
  uint32_t writes_since_poll_ = 0;
  absl::Status failure_;
  std::string trouble_;  // the last error of a broker since a record was delivered
};

class KafkaSink final : public Sink {
 public:
  KafkaSink(std::shared_ptr<Producer> producer, rd_kafka_topic_t* topic, std::optional<int32_t> partition)
      : producer_(std::move(producer)), topic_(topic), partition_(partition.value_or(RD_KAFKA_PARTITION_UA)) {}

  absl::Status Start(std::optional<std::string_view>) override { return absl::OkStatus(); }
  [[nodiscard]] std::string Mark() const override { return {}; }
  absl::Status Check(const OutputRecord& record) const override { return producer_->Check(topic_, record); }
  absl::Status Write(const OutputRecord& record) override {
    if (record.takes_turns && partition_ == RD_KAFKA_PARTITION_UA) [[unlikely]]
      return WriteInTurn(record);
    return producer_->Write(topic_, partition_, record);
  }
  absl::Status Flush(absl::Time deadline) override { return producer_->Flush(deadline); }

 private:
  [[nodiscard]] absl::Status WriteInTurn(const OutputRecord& record);

  const std::shared_ptr<Producer> producer_;
  rd_kafka_topic_t* const topic_;
  const int32_t partition_;
  std::unique_ptr<PartitionTurns> turns_;
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_PRODUCER_H_
