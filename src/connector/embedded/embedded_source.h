// A topic of the embedded log as an input: those of its partitions that are this instance's, in turns.
//
// On the instance's thread, but for the wake-ups. Partitions that come into being while it runs (the topic is made, or made anew with more)
// are found because the partition that would be this instance's first is watched whether it is there or not. Header of the folder itself.
#ifndef FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_SOURCE_H_
#define FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_SOURCE_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connector/connector.h"
#include "connector/embedded/embedded_log.h"

namespace fs::connector::embedded {

enum class Reset { kEarliest, kLatest };
// kInvalidArgument for anything but earliest and latest.
[[nodiscard]] absl::StatusOr<Reset> ReadReset(const config::Endpoint& input);
// The key `partition`; kInvalidArgument.
[[nodiscard]] absl::StatusOr<std::optional<int32_t>> ReadPartition(const config::Endpoint& endpoint);

class EmbeddedSource final : public Source {
 public:
  // `partition`: the only one to read, which is this instance's.
  EmbeddedSource(EmbeddedLog& log, std::string topic, std::string group, std::optional<int32_t> partition, Reset reset,
                 const InstanceContext& context)
      : log_(log), topic_(std::move(topic)), group_(std::move(group)), partition_(partition), reset_(reset), context_(context) {}

  absl::Status Start(const Positions& positions, SourceListener& listener) override;
  absl::Status Poll(size_t max_records, size_t max_bytes, std::vector<Record>& out) override;
  bool HasMore() const override;
  void Committed(const Positions& positions, const Marker& marker) override;
  Positions EndOffsets() const override;
  std::string_view topic() const override { return topic_; }

 private:
  struct Partition {
    int32_t number = 0;
    int64_t position = 0;
    int64_t end = 0;  // as of the last read
    std::atomic<bool> has_grown{true};
    Subscription subscription;  // last: it ends before what it touches

    [[nodiscard]] bool has_more() const { return position < end || has_grown.load(std::memory_order_acquire); }
  };

  [[nodiscard]] TopicPartition Place(const Partition& partition) const { return {topic_, partition.number}; }
  // Opens what is ours and not open yet.
  absl::Status OpenPartitions();
  absl::Status OpenPartition(int32_t number);
  // Where to begin when nobody knows better.
  [[nodiscard]] int64_t ResetPosition(const ReadResult& extent) const;
  absl::Status Read(Partition& partition, size_t max_records, size_t max_bytes);

  EmbeddedLog& log_;
  const std::string topic_;
  const std::string group_;
  const std::optional<int32_t> partition_;
  const Reset reset_;
  const InstanceContext context_;
  SourceListener* listener_ = nullptr;
  Positions resume_;  // from the checkpoint
  ReadResult batch_;  // what the last Poll gave points into it
  std::vector<std::unique_ptr<Partition>> partitions_;
  size_t next_ = 0;  // whose turn it is
};

}  // namespace fs::connector::embedded

#endif  // FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_SOURCE_H_
