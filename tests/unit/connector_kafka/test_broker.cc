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
#include <vector>

#include "base/status.h"
#include "connector/kafka/handles.h"

namespace fs::connector::kafka {
namespace {

using RdKafkaNewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
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

void CreateTopic(const std::string& topic, int partitions) {
  RdKafkaConf conf(rd_kafka_conf_new());
  rd_kafka_conf_set(conf.get(), "bootstrap.servers", BrokerAddress().c_str(), nullptr, 0);
  char reason[256];
  const AdminClient admin(rd_kafka_new(RD_KAFKA_PRODUCER, conf.release(), reason, sizeof(reason)));
  const RdKafkaQueue queue(rd_kafka_queue_new(admin.get()));
  const RdKafkaNewTopic wanted(rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, reason, sizeof(reason)));
  rd_kafka_NewTopic_t* list[] = {wanted.get()};
  rd_kafka_CreateTopics(admin.get(), list, 1, nullptr, queue.get());
  const RdKafkaEvent event(rd_kafka_queue_poll(queue.get(), 20000));
  ASSERT_NE(event, nullptr) << "no answer to CreateTopics";
  ASSERT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_event_error_string(event.get());
}

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
