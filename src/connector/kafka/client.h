// One librdkafka client with its callbacks, its log and its end.
//
// Owned by a source or a producer and used on their instance's thread. librdkafka's own threads call only the log, the wake and the count
// of brokers; everything else (errors, rebalances, delivery reports) is called from within the owner's polls, through ClientHandler.
// Destruction returns at once: the client closes in the graveyard, and its handler is never called again.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_CLIENT_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_CLIENT_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/waker.h"
#include "connector/kafka/graveyard.h"
#include "connector/kafka/handles.h"

namespace fs::connector::kafka {

class ClientHandler {
 public:
  virtual ~ClientHandler() = default;
  // An error of the client as a whole: brokers, authentication, fatal ones.
  virtual void OnError(rd_kafka_resp_err_t error, std::string_view reason) noexcept = 0;
  // Consumers: must assign or unassign.
  virtual void OnRebalance(rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*) noexcept {}
  // Producers: a record was delivered or failed.
  virtual void OnDelivered(const rd_kafka_message_t&) noexcept {}
};

// What tells a log line's client from the others.
struct ClientName {
  std::string owner;    // "function python-etl-job"
  std::string cluster;  // its bootstrap servers
};

class Client {
 public:
  // Takes the configuration over and starts the client; does not wait for brokers. kInvalidArgument with librdkafka's reason.
  static absl::StatusOr<std::unique_ptr<Client>> Open(rd_kafka_type_t type, RdKafkaConf conf, ClientName name, std::shared_ptr<Waker> waker,
                                                      std::shared_ptr<Graveyard> graveyard, ClientHandler& handler);
  ~Client();

  [[nodiscard]] rd_kafka_t* get() const;
  [[nodiscard]] const std::string& owner() const;
  [[nodiscard]] const std::string& cluster() const;
  // Whether a broker is connected, of the cluster's or a coordinator; the first one that is wakes the instance. Who asks the cluster
  // something (admin requests) asks only then: librdkafka 2.12.1 looks for a broker that is not there without a pause, on two threads.
  [[nodiscard]] bool HasBroker() const;

  // From now on, what arrives in `queue` while it is empty wakes the instance. The client keeps the queue until its end.
  rd_kafka_queue_t* Watch(RdKafkaQueue queue);
  // The same, but only once for each call of WakeOnce().
  rd_kafka_queue_t* WatchOnDemand(RdKafkaQueue queue);
  void WakeOnce();
  // Producers: whether the client's end is to abort the transaction that is open then, so that its readers wait no longer for it.
  void AbortAtEnd(bool abort);
  // Keeps a topic handle until the client's end.
  rd_kafka_topic_t* Keep(RdKafkaTopic topic);

 private:
  struct Core;
  explicit Client(std::shared_ptr<Core> core);

  std::shared_ptr<Core> core_;
  std::shared_ptr<Graveyard> graveyard_;
};

// "Broker: Unknown topic or partition" and, where it says more, the reason.
[[nodiscard]] std::string Describe(rd_kafka_resp_err_t error, std::string_view reason);

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_CLIENT_H_
