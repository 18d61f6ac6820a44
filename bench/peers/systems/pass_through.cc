// What Kafka and its C client allow: the same bytes from topic to topic, or MetricProcessor's answer without Python and without JSON.
//
// PEERS_CLASS: Echo passes on, MetricProcessor adds up the number after the first colon, so that its answers are checked as
// everybody's. PEERS_DELIVERY: plain, or transactional with a commit each PEERS_INTERVAL_S. Runs until SIGTERM; --version tells
// librdkafka's.
#include <librdkafka/rdkafka.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

namespace {

volatile std::sig_atomic_t stopped = 0;

[[noreturn]] void Fail(const char* doing, const char* why) {
  std::fprintf(stderr, "pass-through: %s: %s\n", doing, why);
  std::exit(1);
}

void Check(rd_kafka_error_t* error, const char* doing) {
  if (error != nullptr) Fail(doing, rd_kafka_error_string(error));
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) Fail(name, "must be in the environment");
  return value;
}

struct Destroy {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
  void operator()(rd_kafka_consumer_group_metadata_t* metadata) const { rd_kafka_consumer_group_metadata_destroy(metadata); }
};
template <typename T>
using Owned = std::unique_ptr<T, Destroy>;

using Settings = std::initializer_list<std::pair<const char*, std::string>>;

Owned<rd_kafka_t> Client(rd_kafka_type_t type, Settings settings) {
  std::array<char, 512> error{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), error.data(), error.size()) != RD_KAFKA_CONF_OK) Fail(name, error.data());
  }
  Owned<rd_kafka_t> client(rd_kafka_new(type, conf, error.data(), error.size()));
  if (client == nullptr) Fail("client", error.data());
  return client;
}

void Commit(rd_kafka_t* consumer, rd_kafka_t* producer) {
  rd_kafka_topic_partition_list_t* assigned = nullptr;
  rd_kafka_assignment(consumer, &assigned);
  Owned<rd_kafka_topic_partition_list_t> positions(assigned);
  rd_kafka_position(consumer, positions.get());
  const Owned<rd_kafka_consumer_group_metadata_t> metadata(rd_kafka_consumer_group_metadata(consumer));
  Check(rd_kafka_send_offsets_to_transaction(producer, positions.get(), metadata.get(), 20000), "send offsets");
  Check(rd_kafka_commit_transaction(producer, 20000), "commit");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    std::printf("librdkafka %s\n", rd_kafka_version_str());
    return 0;
  }
  const std::string broker = Environment("PEERS_BROKER");
  const std::string group = Environment("PEERS_GROUP");
  const std::string source = Environment("PEERS_IN");
  const std::string target = Environment("PEERS_OUT");
  const bool counts = Environment("PEERS_CLASS") == "MetricProcessor";
  const bool transactional = Environment("PEERS_DELIVERY") == "transactional";
  const std::chrono::duration<double> interval(std::atof(Environment("PEERS_INTERVAL_S").c_str()));
  std::signal(SIGTERM, [](int) { stopped = 1; });

  const Owned<rd_kafka_t> consumer = Client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", broker},
                                                                {"group.id", group},
                                                                {"auto.offset.reset", "earliest"},
                                                                {"isolation.level", "read_committed"},
                                                                {"enable.auto.commit", transactional ? "false" : "true"}});
  rd_kafka_poll_set_consumer(consumer.get());
  const Settings plain = {{"bootstrap.servers", broker}, {"queue.buffering.max.messages", "1000000"}};
  const Settings with_id = {{"bootstrap.servers", broker}, {"queue.buffering.max.messages", "1000000"}, {"transactional.id", group}};
  const Owned<rd_kafka_t> producer = Client(RD_KAFKA_PRODUCER, transactional ? with_id : plain);
  if (transactional) Check(rd_kafka_init_transactions(producer.get(), 20000), "init transactions");
  const Owned<rd_kafka_topic_t> out(rd_kafka_topic_new(producer.get(), target.c_str(), nullptr));

  const Owned<rd_kafka_topic_partition_list_t> topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), source.c_str(), RD_KAFKA_PARTITION_UA);
  if (rd_kafka_subscribe(consumer.get(), topics.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) Fail("subscribe", source.c_str());
  const Owned<rd_kafka_queue_t> queue(rd_kafka_queue_get_consumer(consumer.get()));

  std::array<rd_kafka_message_t*, 1000> messages{};
  std::array<char, 128> answer{};
  long total = 0;
  bool is_open = false;
  std::chrono::steady_clock::time_point began;
  while (stopped == 0) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue.get(), 100, messages.data(), messages.size());
    if (count > 0 && transactional && !is_open) {
      Check(rd_kafka_begin_transaction(producer.get()), "begin");
      is_open = true;
      began = std::chrono::steady_clock::now();
    }
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = messages[static_cast<size_t>(i)];
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) Fail("read", rd_kafka_message_errstr(message));
      void* value = message->payload;
      size_t size = message->len;
      if (counts) {
        const char* colon = static_cast<const char*>(std::memchr(message->payload, ':', message->len));
        if (colon == nullptr) Fail("count", "a message without a number");
        total += std::atol(colon + 1);
        value = answer.data();
        size = static_cast<size_t>(std::snprintf(answer.data(), answer.size(), R"({"metric": "user_click", "total": %ld})", total));
      }
      while (rd_kafka_produce(out.get(), RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, size, nullptr, 0, nullptr) == -1) {
        rd_kafka_poll(producer.get(), 10);
      }
      rd_kafka_message_destroy(message);
    }
    rd_kafka_poll(producer.get(), 0);
    if (is_open && std::chrono::steady_clock::now() - began >= interval) {
      Commit(consumer.get(), producer.get());
      is_open = false;
    }
  }
  if (is_open) Commit(consumer.get(), producer.get());
  rd_kafka_flush(producer.get(), 10000);
  rd_kafka_consumer_close(consumer.get());
  return 0;
}
