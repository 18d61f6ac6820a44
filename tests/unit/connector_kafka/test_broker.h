// What the tests need of a real broker, whose address FS_TEST_KAFKA holds (./dev test starts one): topics, and a way to be away.
#ifndef FUNCTION_STREAM_TESTS_CONNECTOR_KAFKA_TEST_BROKER_H_
#define FUNCTION_STREAM_TESTS_CONNECTOR_KAFKA_TEST_BROKER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "connector/kafka/handles.h"

namespace fs::connector::kafka {

// host:port; fails the test and is empty where FS_TEST_KAFKA is not set.
std::string BrokerAddress();

// A topic of a new name; false in `create` only invents the name.
std::string NewTopic(int partitions, bool create = true);
void CreateTopic(const std::string& topic, int partitions);
void DeleteTopic(const std::string& topic);
void GrowTopic(const std::string& topic, size_t partitions);
// As retention does.
void DeleteRecords(const std::string& topic, int32_t partition, int64_t before);

// A transaction that has set a group's offset and is neither committed nor aborted, as a crashed producer leaves it.
class OpenTransaction {
 public:
  OpenTransaction(const std::string& group, const std::string& topic, int32_t partition, int64_t offset, const std::string& metadata);
  ~OpenTransaction();
  void Commit();

 private:
  rd_kafka_t* producer_;
};

// The values of a topic's partition 0 up to its end, as a reader of committed records sees them.
std::vector<std::string> ReadCommitted(const std::string& topic);
// What a group has committed, by topic: the offset and metadata of partition 0. Nothing that is pending.
struct CommittedOffset {
  int64_t offset = -1;
  std::string metadata;
};
std::map<std::string, CommittedOffset> CommittedBy(const std::string& group);

// A port of this machine that leads to the broker once Open() was called; until then nobody listens there. Clients that reach the
// broker through it learn its real address.
class Doorway {
 public:
  Doorway();
  ~Doorway();
  [[nodiscard]] std::string address() const;
  void Open();

 private:
  void Serve();

  uint16_t port_ = 0;
  int listener_ = -1;
  int stop_pipe_[2] = {-1, -1};
  Thread thread_;
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_TESTS_CONNECTOR_KAFKA_TEST_BROKER_H_
