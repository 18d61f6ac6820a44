#include "connector_kafka/test_broker.h"

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <vector>

#include "base/status.h"
#include "connector/kafka/handles.h"

namespace fs::connector::kafka {
namespace {

using RdKafkaNewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using RdKafkaDeleteTopic = std::unique_ptr<rd_kafka_DeleteTopic_t, Destroy<rd_kafka_DeleteTopic_destroy>>;
using RdKafkaDeleteRecords = std::unique_ptr<rd_kafka_DeleteRecords_t, Destroy<rd_kafka_DeleteRecords_destroy>>;
using AdminClient = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int BoundSocket(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = Loopback(port);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

}  // namespace

std::string BrokerAddress() {
  const char* address = std::getenv("FS_TEST_KAFKA");
  EXPECT_NE(address, nullptr) << "FS_TEST_KAFKA must hold host:port of a Kafka broker: scripts/kafka.sh start FOLDER prints one";
  return address == nullptr ? "" : address;
}

std::string NewTopic(int partitions, bool create) {
  static std::atomic<int> count{0};
  std::string topic = fmt::format("test-{}-{}-{}", absl::ToUnixMillis(absl::Now()), getpid(), ++count);
  if (create) CreateTopic(topic, partitions);
  return topic;
}

namespace {

// One request of an administrator, and its answer.
RdKafkaEvent Administer(const std::function<void(rd_kafka_t*, rd_kafka_queue_t*)>& request) {
  RdKafkaConf conf(rd_kafka_conf_new());
  rd_kafka_conf_set(conf.get(), "bootstrap.servers", BrokerAddress().c_str(), nullptr, 0);
  char reason[256];
  const AdminClient admin(rd_kafka_new(RD_KAFKA_PRODUCER, conf.release(), reason, sizeof(reason)));
  const RdKafkaQueue queue(rd_kafka_queue_new(admin.get()));
  request(admin.get(), queue.get());
  RdKafkaEvent event(rd_kafka_queue_poll(queue.get(), 20000));
  EXPECT_NE(event, nullptr) << "no answer to an administrator";
  if (event != nullptr) {
    EXPECT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_event_error_string(event.get());
  }
  return event;
}

}  // namespace

void CreateTopic(const std::string& topic, int partitions) {
  char reason[256];
  const RdKafkaNewTopic wanted(rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, reason, sizeof(reason)));
  rd_kafka_NewTopic_t* list[] = {wanted.get()};
  Administer([&](rd_kafka_t* admin, rd_kafka_queue_t* queue) { rd_kafka_CreateTopics(admin, list, 1, nullptr, queue); });
}

void DeleteTopic(const std::string& topic) {
  const RdKafkaDeleteTopic unwanted(rd_kafka_DeleteTopic_new(topic.c_str()));
  rd_kafka_DeleteTopic_t* list[] = {unwanted.get()};
  Administer([&](rd_kafka_t* admin, rd_kafka_queue_t* queue) { rd_kafka_DeleteTopics(admin, list, 1, nullptr, queue); });
}

void DeleteRecords(const std::string& topic, int32_t partition, int64_t before) {
  const RdKafkaPartitions offsets(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(offsets.get(), topic.c_str(), partition)->offset = before;
  const RdKafkaDeleteRecords unwanted(rd_kafka_DeleteRecords_new(offsets.get()));
  rd_kafka_DeleteRecords_t* list[] = {unwanted.get()};
  Administer([&](rd_kafka_t* admin, rd_kafka_queue_t* queue) { rd_kafka_DeleteRecords(admin, list, 1, nullptr, queue); });
}

namespace {

constexpr int kTimeoutMs = 20000;

void ExpectDone(rd_kafka_error_t* error) {
  const RdKafkaError owned(error);
  ASSERT_EQ(error, nullptr) << rd_kafka_error_string(error);
}

}  // namespace

OpenTransaction::OpenTransaction(const std::string& group, const std::string& topic, int32_t partition, int64_t offset,
                                 const std::string& metadata) {
  RdKafkaConf conf(rd_kafka_conf_new());
  rd_kafka_conf_set(conf.get(), "bootstrap.servers", BrokerAddress().c_str(), nullptr, 0);
  rd_kafka_conf_set(conf.get(), "transactional.id", NewTopic(0, false).c_str(), nullptr, 0);
  char reason[256];
  producer_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf.release(), reason, sizeof(reason));
  ExpectDone(rd_kafka_init_transactions(producer_, kTimeoutMs));
  ExpectDone(rd_kafka_begin_transaction(producer_));
  const RdKafkaPartitions offsets(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_t* element = rd_kafka_topic_partition_list_add(offsets.get(), topic.c_str(), partition);
  element->offset = offset;
  element->metadata = rd_kafka_mem_malloc(nullptr, metadata.size());
  element->metadata_size = metadata.size();
  metadata.copy(static_cast<char*>(element->metadata), metadata.size());
  const RdKafkaGroupMetadata member(rd_kafka_consumer_group_metadata_new(group.c_str()));
  ExpectDone(rd_kafka_send_offsets_to_transaction(producer_, offsets.get(), member.get(), kTimeoutMs));
}

OpenTransaction::~OpenTransaction() { rd_kafka_destroy(producer_); }

void OpenTransaction::Commit() { ExpectDone(rd_kafka_commit_transaction(producer_, kTimeoutMs)); }

Doorway::Doorway() {
  const int fd = BoundSocket(0);
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  close(fd);
}

Doorway::~Doorway() {
  if (listener_ < 0) return;
  EXPECT_EQ(write(stop_pipe_[1], "x", 1), 1);
  thread_.Join();
  for (const int fd : {listener_, stop_pipe_[0], stop_pipe_[1]}) close(fd);
}

std::string Doorway::address() const { return fmt::format("127.0.0.1:{}", port_); }

void Doorway::Open() {
  ASSERT_EQ(pipe(stop_pipe_), 0);
  listener_ = BoundSocket(port_);
  ASSERT_EQ(listen(listener_, 16), 0);
  auto thread = Thread::Start("doorway", [this] { Serve(); });
  ASSERT_TRUE(thread.ok());
  thread_ = *std::move(thread);
}

void Doorway::Serve() {
  struct Pair {
    int near, far;
  };
  std::vector<Pair> pairs;
  const std::string broker = BrokerAddress();
  const auto broker_port = static_cast<uint16_t>(std::atoi(broker.substr(broker.rfind(':') + 1).c_str()));
  const auto copy = [](int from, int to) {
    char buffer[4096];
    const ssize_t count = read(from, buffer, sizeof(buffer));
    return count > 0 && write(to, buffer, static_cast<size_t>(count)) == count;
  };
  while (true) {
    std::vector<pollfd> waiting = {{stop_pipe_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const Pair& pair : pairs) {
      waiting.push_back({pair.near, POLLIN, 0});
      waiting.push_back({pair.far, POLLIN, 0});
    }
    poll(waiting.data(), waiting.size(), -1);
    if (waiting[0].revents != 0) break;
    for (size_t i = pairs.size(); i-- > 0;) {
      const bool is_near_open = waiting[2 + 2 * i].revents == 0 || copy(pairs[i].near, pairs[i].far);
      const bool is_far_open = waiting[3 + 2 * i].revents == 0 || copy(pairs[i].far, pairs[i].near);
      if (is_near_open && is_far_open) continue;
      close(pairs[i].near);
      close(pairs[i].far);
      pairs.erase(pairs.begin() + static_cast<ptrdiff_t>(i));
    }
    if (waiting[1].revents != 0) {
      const int near = accept(listener_, nullptr, nullptr);
      const int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = Loopback(broker_port);
      if (connect(far, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
        pairs.push_back({near, far});
      } else {
        close(near);
        close(far);
      }
    }
  }
  for (const Pair& pair : pairs) {
    close(pair.near);
    close(pair.far);
  }
}

}  // namespace fs::connector::kafka
