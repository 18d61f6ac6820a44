#include "connector/kafka/plain_client.h"

namespace fs::connector::kafka {
namespace {

void Silent(const rd_kafka_t*, int, const char*, const char*) noexcept {}

}  // namespace

absl::StatusOr<PlainClient> OpenPlainClient(rd_kafka_type_t type, RdKafkaConf conf) {
  rd_kafka_conf_set_log_cb(conf.get(), &Silent);
  char reason[512] = "";
  PlainClient client(rd_kafka_new(type, conf.get(), reason, sizeof(reason)));
  if (client == nullptr) return InvalidArgument("{}", reason);
  static_cast<void>(conf.release());  // rd_kafka_new took it
  return client;
}

}  // namespace fs::connector::kafka
