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
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/steady_clock.h"
#include "connector/kafka/handles.h"

namespace fs::connector::kafka {
namespace {

using RdKafkaNewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using RdKafkaNewPartitions = std::unique_ptr<rd_kafka_NewPartitions_t, Destroy<rd_kafka_NewPartitions_destroy>>;
using RdKafkaDeleteTopic = std::unique_ptr<rd_kafka_DeleteTopic_t, Destroy<rd_kafka_DeleteTopic_destroy>>;
using RdKafkaDeleteRecords = std::unique_ptr<rd_kafka_DeleteRecords_t, Destroy<rd_kafka_DeleteRecords_destroy>>;
using RdKafkaGroupOffsets = std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t, Destroy<rd_kafka_ListConsumerGroupOffsets_destroy>>;
using PlainClient = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;

PlainClient NewClient(rd_kafka_type_t type, const std::vector<std::pair<const char*, std::string>>& properties) {
  RdKafkaConf conf(rd_kafka_conf_new());
  rd_kafka_conf_set(conf.get(), "bootstrap.servers", BrokerAddress().c_str(), nullptr, 0);
  for (const auto& [name, value] : properties) rd_kafka_conf_set(conf.get(), name, value.c_str(), nullptr, 0);
  char reason[256];
  PlainClient client(rd_kafka_new(type, conf.release(), reason, sizeof(reason)));
  EXPECT_NE(client, nullptr) << reason;
  return client;
}

void ExpectAnswer(rd_kafka_queue_t& queue, const char* what) {
  const RdKafkaEvent event(rd_kafka_queue_poll(&queue, 20000));
  ASSERT_NE(event, nullptr) << "no answer to " << what;
  ASSERT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_event_error_string(event.get());
}

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
  const PlainClient admin = NewClient(RD_KAFKA_PRODUCER, {});
  const RdKafkaQueue queue(rd_kafka_queue_new(admin.get()));
  char reason[256];
  const RdKafkaNewTopic wanted(rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, reason, sizeof(reason)));
  rd_kafka_NewTopic_t* list[] = {wanted.get()};
  rd_kafka_CreateTopics(admin.get(), list, 1, nullptr, queue.get());
  ExpectAnswer(*queue, "CreateTopics");
}

void DeleteTopic(const std::string& topic) {
  const PlainClient admin = NewClient(RD_KAFKA_PRODUCER, {});
  const RdKafkaQueue queue(rd_kafka_queue_new(admin.get()));
  const RdKafkaDeleteTopic unwanted(rd_kafka_DeleteTopic_new(topic.c_str()));
  rd_kafka_DeleteTopic_t* list[] = {unwanted.get()};
  rd_kafka_DeleteTopics(admin.get(), list, 1, nullptr, queue.get());
  ExpectAnswer(*queue, "DeleteTopics");
}

void GrowTopic(const std::string& topic, size_t partitions) {
  const PlainClient admin = NewClient(RD_KAFKA_PRODUCER, {});
  const RdKafkaQueue queue(rd_kafka_queue_new(admin.get()));
  char reason[256];
  const RdKafkaNewPartitions wanted(rd_kafka_NewPartitions_new(topic.c_str(), partitions, reason, sizeof(reason)));
  rd_kafka_NewPartitions_t* list[] = {wanted.get()};
  rd_kafka_CreatePartitions(admin.get(), list, 1, nullptr, queue.get());
  ExpectAnswer(*queue, "CreatePartitions");
}

std::vector<std::string> ReadCommitted(const std::string& topic) {
  const PlainClient reader = NewClient(RD_KAFKA_CONSUMER, {{"group.id", "function-stream-tests"},
                                                           {"enable.auto.commit", "false"},
                                                           {"enable.partition.eof", "true"},
                                                           {"isolation.level", "read_committed"}});
  const RdKafkaPartitions partitions(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(partitions.get(), topic.c_str(), 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(reader.get(), partitions.get());
  std::vector<std::string> values;
  const absl::Time deadline = SteadyNow() + absl::Seconds(30);
  while (SteadyNow() < deadline) {
    const RdKafkaMessage message(rd_kafka_consumer_poll(reader.get(), 1000));
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return values;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) values.emplace_back(static_cast<const char*>(message->payload), message->len);
  }
  ADD_FAILURE() << "the end of topic " << topic << " was not reached";
  return values;
}

std::map<std::string, CommittedOffset> CommittedBy(const std::string& group) {
  const PlainClient reader = NewClient(RD_KAFKA_CONSUMER, {{"group.id", group}});
  const RdKafkaQueue queue(rd_kafka_queue_new(reader.get()));
  const RdKafkaAdminOptions options(rd_kafka_AdminOptions_new(reader.get(), RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS));
  const RdKafkaGroupOffsets question(rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), nullptr));
  rd_kafka_ListConsumerGroupOffsets_t* list[] = {question.get()};
  rd_kafka_ListConsumerGroupOffsets(reader.get(), list, 1, options.get(), queue.get());
  const RdKafkaEvent event(rd_kafka_queue_poll(queue.get(), 20000));
  std::map<std::string, CommittedOffset> committed;
  if (event == nullptr || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    ADD_FAILURE() << "no answer about group " << group;
    return committed;
  }
  size_t count = 0;
  const rd_kafka_group_result_t** groups =
      rd_kafka_ListConsumerGroupOffsets_result_groups(rd_kafka_event_ListConsumerGroupOffsets_result(event.get()), &count);
  const rd_kafka_topic_partition_list_t* places = count == 0 ? nullptr : rd_kafka_group_result_partitions(groups[0]);
  for (int i = 0; places != nullptr && i < places->cnt; ++i) {
    const rd_kafka_topic_partition_t& place = places->elems[i];
    if (place.offset < 0) continue;
    committed[place.topic] = {place.offset, {static_cast<const char*>(place.metadata), place.metadata_size}};
  }
  return committed;
}

void DeleteRecords(const std::string& topic, int32_t partition, int64_t before) {
  const PlainClient admin = NewClient(RD_KAFKA_PRODUCER, {});
  const RdKafkaQueue queue(rd_kafka_queue_new(admin.get()));
  const RdKafkaPartitions offsets(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(offsets.get(), topic.c_str(), partition)->offset = before;
  const RdKafkaDeleteRecords unwanted(rd_kafka_DeleteRecords_new(offsets.get()));
  rd_kafka_DeleteRecords_t* list[] = {unwanted.get()};
  rd_kafka_DeleteRecords(admin.get(), list, 1, nullptr, queue.get());
  ExpectAnswer(*queue, "DeleteRecords");
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
