#include "connector/kafka/client.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "base/steady_clock.h"
#include "observe/log.h"

namespace fs::connector::kafka {
namespace {

// Lines of one client in a window; a broker that is away makes one with every attempt to connect.
constexpr int kLogLines = 10;
constexpr absl::Duration kLogWindow = absl::Seconds(10);
// An abort that takes longer is left to the next owner of the transactional.id, or to the broker.
constexpr int kAbortTimeoutMs = 5000;
constexpr const char* kInterceptor = "function-stream";

class LogLimit {
 public:
  // True when the line may be written; `suppressed` is the number of those that were not, told with the first of a new window.
  bool Admit(uint64_t& suppressed) {
    absl::MutexLock lock(&mutex_);
    const absl::Time now = SteadyNow();
    suppressed = 0;
    if (now - window_start_ > kLogWindow) {
      window_start_ = now;
      lines_ = 0;
      suppressed = std::exchange(suppressed_, 0);
    }
    if (++lines_ <= kLogLines) return true;
    ++suppressed_;
    return false;
  }

 private:
  absl::Mutex mutex_;
  absl::Time window_start_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int lines_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t suppressed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

// What librdkafka's callbacks see; it lives until the client has closed.
struct Client::Core {
  ClientName name;
  std::shared_ptr<Waker> waker;
  ClientHandler* handler = nullptr;  // used in the owner's polls only; null once the owner is gone
  LogLimit log_limit;
  std::atomic<bool> is_wake_wanted{false};
  std::atomic<int> connected_brokers{0};
  rd_kafka_t* client = nullptr;
  bool is_consumer = false;
  bool abort_at_end = false;
  std::atomic<bool> is_closing{false};
  std::vector<RdKafkaQueue> queues;
  std::vector<RdKafkaTopic> topics;

  ~Core() { Close(); }

  void Close() {
    if (client == nullptr) return;
    is_closing = true;
    for (const RdKafkaQueue& queue : queues) rd_kafka_queue_cb_event_enable(queue.get(), nullptr, nullptr);
    if (is_consumer) {
      rd_kafka_consumer_close(client);
    } else {
      if (abort_at_end) RdKafkaError(rd_kafka_abort_transaction(client, kAbortTimeoutMs));
      // What was not flushed belongs to no checkpoint.
      rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    }
    topics.clear();
    queues.clear();
    rd_kafka_destroy(std::exchange(client, nullptr));
  }

  static Core& Of(void* opaque) { return *static_cast<Core*>(opaque); }

  static void OnLog(const rd_kafka_t* client, int level, const char* facility, const char* text) noexcept {
    Core* const core = client == nullptr ? nullptr : static_cast<Core*>(rd_kafka_opaque(client));
    if (core == nullptr) return;
    uint64_t suppressed = 0;
    if (!core->log_limit.Admit(suppressed)) return;
    if (suppressed > 0) observe::LogWarning("{}: kafka {}: {} similar lines left out", core->name.owner, core->name.cluster, suppressed);
    // Nothing depends on it any more: that it has records it has not sent is how an instance stops between checkpoints, and a transaction
    // that the broker has not heard of cannot be aborted.
    if (core->is_closing) level = 7;
    // A connection that fails is tried again: that is worth a warning, and what it means for the function is told by Poll and Flush.
    const bool is_retried = std::string_view(facility) == "FAIL";
    if (level <= 3 && !is_retried) {
      observe::LogError("{}: kafka {}: {}: {}", core->name.owner, core->name.cluster, facility, text);
    } else if (level <= 4) {
      observe::LogWarning("{}: kafka {}: {}: {}", core->name.owner, core->name.cluster, facility, text);
    } else if (level <= 6) {
      observe::LogInfo("{}: kafka {}: {}: {}", core->name.owner, core->name.cluster, facility, text);
    } else {
      observe::LogDebug("{}: kafka {}: {}: {}", core->name.owner, core->name.cluster, facility, text);
    }
  }

  static rd_kafka_resp_err_t OnNewClient(rd_kafka_t* client, const rd_kafka_conf_t*, void* opaque, char*, size_t) noexcept {
    return rd_kafka_interceptor_add_on_broker_state_change(client, kInterceptor, &Core::OnBrokerState, opaque);
  }

  // On the thread of the broker, which has one for its whole life: so whether it was connected is the thread's to know. A broker that is
  // added tells INIT on somebody else's.
  static rd_kafka_resp_err_t OnBrokerState(rd_kafka_t*, int32_t, const char*, const char* name, int, const char* state,
                                           void* opaque) noexcept {
    thread_local bool is_connected = false;
    const std::string_view entered = state;
    // Without a name: the client's own queue of records that have no broker yet, which is always "up".
    if (*name == '\0' || (entered != "UP" && entered != "DOWN") || is_connected == (entered == "UP")) return RD_KAFKA_RESP_ERR_NO_ERROR;
    is_connected = entered == "UP";
    Core& core = Of(opaque);
    if (core.connected_brokers.fetch_add(is_connected ? 1 : -1) == 0) core.waker->Wake();
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }

  static void OnErrorEvent(rd_kafka_t*, int error, const char* reason, void* opaque) noexcept {
    if (ClientHandler* handler = Of(opaque).handler) handler->OnError(static_cast<rd_kafka_resp_err_t>(error), reason);
  }

  static void OnRebalanceEvent(rd_kafka_t* client, rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* partitions,
                               void* opaque) noexcept {
    if (ClientHandler* handler = Of(opaque).handler) return handler->OnRebalance(event, partitions);
    // Closing: nobody is there to read.
    if (std::string_view(rd_kafka_rebalance_protocol(client)) == "COOPERATIVE") {
      if (event != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) RdKafkaError(rd_kafka_incremental_unassign(client, partitions));
    } else {
      rd_kafka_assign(client, nullptr);
    }
  }

  static void OnDeliveryReport(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) noexcept {
    if (ClientHandler* handler = Of(opaque).handler) handler->OnDelivered(*message);
  }

  static void OnCommitted(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t*, void* opaque) noexcept {
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET) return;
    const ClientName& name = Of(opaque).name;
    observe::LogDebug("{}: kafka {}: the group was not told the positions: {}", name.owner, name.cluster, rd_kafka_err2str(error));
  }

  // See kPollWake in source.cc: that it arrives in the queue is all we want of it.
  static int OnStatistics(rd_kafka_t*, char*, size_t, void*) noexcept { return 0; }

  static void OnArrival(rd_kafka_t*, void* opaque) noexcept { Of(opaque).waker->Wake(); }
  static void OnWantedArrival(rd_kafka_t*, void* opaque) noexcept {
    Core& core = Of(opaque);
    if (core.is_wake_wanted.exchange(false)) core.waker->Wake();
  }
};

absl::StatusOr<std::unique_ptr<Client>> Client::Open(rd_kafka_type_t type, RdKafkaConf conf, ClientName name, std::shared_ptr<Waker> waker,
                                                     std::shared_ptr<Graveyard> graveyard, ClientHandler& handler) {
  auto core = std::make_shared<Core>();
  core->name = std::move(name);
  core->waker = std::move(waker);
  core->handler = &handler;
  core->is_consumer = type == RD_KAFKA_CONSUMER;
  rd_kafka_conf_set_opaque(conf.get(), core.get());
  rd_kafka_conf_set_log_cb(conf.get(), &Core::OnLog);
  rd_kafka_conf_set_error_cb(conf.get(), &Core::OnErrorEvent);
  rd_kafka_conf_interceptor_add_on_new(conf.get(), kInterceptor, &Core::OnNewClient, core.get());
  if (core->is_consumer) {
    rd_kafka_conf_set_rebalance_cb(conf.get(), &Core::OnRebalanceEvent);
    rd_kafka_conf_set_offset_commit_cb(conf.get(), &Core::OnCommitted);
    rd_kafka_conf_set_stats_cb(conf.get(), &Core::OnStatistics);
  } else {
    rd_kafka_conf_set_dr_msg_cb(conf.get(), &Core::OnDeliveryReport);
  }
  char reason[512] = "";
  core->client = rd_kafka_new(type, conf.get(), reason, sizeof(reason));
  if (core->client == nullptr) return InvalidArgument("the Kafka client refuses its properties: {}", reason);
  static_cast<void>(conf.release());  // rd_kafka_new took it
  auto client = std::unique_ptr<Client>(new Client(std::move(core)));
  client->graveyard_ = std::move(graveyard);
  return client;
}

Client::Client(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Client::~Client() {
  core_->handler = nullptr;
  graveyard_->Bury([core = std::move(core_)] { core->Close(); });
}

rd_kafka_t* Client::get() const { return core_->client; }

const std::string& Client::owner() const { return core_->name.owner; }

const std::string& Client::cluster() const { return core_->name.cluster; }

bool Client::HasBroker() const { return core_->connected_brokers.load() > 0; }

rd_kafka_queue_t* Client::Watch(RdKafkaQueue queue) {
  rd_kafka_queue_cb_event_enable(queue.get(), &Core::OnArrival, core_.get());
  return core_->queues.emplace_back(std::move(queue)).get();
}

rd_kafka_queue_t* Client::WatchOnDemand(RdKafkaQueue queue) {
  rd_kafka_queue_cb_event_enable(queue.get(), &Core::OnWantedArrival, core_.get());
  return core_->queues.emplace_back(std::move(queue)).get();
}

void Client::AbortAtEnd(bool abort) { core_->abort_at_end = abort; }

void Client::WakeOnce() { core_->is_wake_wanted.store(true); }

rd_kafka_topic_t* Client::Keep(RdKafkaTopic topic) { return core_->topics.emplace_back(std::move(topic)).get(); }

std::string Describe(rd_kafka_resp_err_t error, std::string_view reason) {
  const std::string_view text = rd_kafka_err2str(error);
  if (reason.empty() || reason == text) return std::string(text);
  return reason.find(text) != std::string_view::npos ? std::string(reason) : fmt::format("{} ({})", text, reason);
}

}  // namespace fs::connector::kafka
