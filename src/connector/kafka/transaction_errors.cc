#include "connector/kafka/transaction_errors.h"

#include "connector/kafka/client.h"

namespace fs::connector::kafka {

absl::Status TransactionError(rd_kafka_resp_err_t error, std::string_view text, const TransactionNames& names) {
  const std::string what = Describe(error, text);
  switch (error) {
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return FailedPrecondition("{}; allow the user Write and Describe on TransactionalId {} (or the prefix function-stream.)", what,
                                names.id);
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      return FailedPrecondition("{}; allow the user Read on Group {} (or the prefix function-stream.) and on the groups of the inputs",
                                what, names.id);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return FailedPrecondition("{}; allow the user Write and Describe on the topics of the outputs, and Read on those of the inputs",
                                what);
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return FailedPrecondition("{}; allow the user IdempotentWrite on the cluster", what);
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
      return FailedPrecondition(
          "{}; a checkpoint of this function may take {} ms (checkpoint_interval_seconds and limits.batch_timeout_ms), which is more "
          "than "
          "transaction.max.timeout.ms of the broker: lower the former or raise the latter, or use delivery: at-least-once",
          what, names.timeout_ms);
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
      return FailedPrecondition("{}; these brokers have no transactions: use delivery: at-least-once", what);
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return FailedPrecondition("{}", what);
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
      return Internal("{}; a newer owner of the function took over, or the transaction took longer than {} ms and the broker ended it",
                      what, names.timeout_ms);
    default:
      return Internal("{}", what);
  }
}

}  // namespace fs::connector::kafka
