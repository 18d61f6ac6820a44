// What librdkafka's errors mean for a function whose outputs commit in transactions.
//
// Any thread. kFailedPrecondition: somebody has to change something (a permission, a setting), and the message says what. kInternal: the
// transaction is lost and nothing else; a new owner starts again from the last checkpoint.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_TRANSACTION_ERRORS_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_TRANSACTION_ERRORS_H_

#include <librdkafka/rdkafka.h>

#include <string>
#include <string_view>

#include "base/status.h"

namespace fs::connector::kafka {

// Of a function's transactional producer, for messages.
struct TransactionNames {
  std::string id;       // transactional.id; the function's private group has the same name
  std::string cluster;  // bootstrap servers
  int64_t timeout_ms = 0;
};

// `error` is not RD_KAFKA_RESP_ERR_NO_ERROR; `text` is librdkafka's. The caller adds where it was.
[[nodiscard]] absl::Status TransactionError(rd_kafka_resp_err_t error, std::string_view text, const TransactionNames& names);

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_TRANSACTION_ERRORS_H_
