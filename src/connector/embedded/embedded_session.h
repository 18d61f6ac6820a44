// What one instance has of the embedded log: sources, sinks, and the decider that commits them together.
//
// On the instance's thread, but for the wake-ups. Sources and sinks must not outlive their session. Header of the folder itself.
#ifndef FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_SESSION_H_
#define FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_SESSION_H_

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "connector/connector.h"
#include "connector/embedded/embedded_log.h"

namespace fs::connector::embedded {

enum class Reset { kEarliest, kLatest };
// kInvalidArgument for anything but earliest and latest.
[[nodiscard]] absl::StatusOr<Reset> ReadReset(const config::Endpoint& input);

class EmbeddedSource final : public Source {
 public:
  EmbeddedSource(EmbeddedLog& log, std::string topic, std::string group, Reset reset, const InstanceContext& context)
      : log_(log), topic_(std::move(topic)), group_(std::move(group)), reset_(reset), context_(context) {}

  absl::Status Start(const Positions& positions, SourceListener& listener) override;
  absl::Status Poll(size_t max_records, size_t max_bytes, std::vector<Record>& out) override;
  bool HasMore() const override { return position_ < batch_.end_offset || has_grown_.load(std::memory_order_acquire); }
  void Committed(const Positions& positions, const Marker& marker) override;
  Positions EndOffsets() const override;
  std::string_view topic() const override { return topic_; }

 private:
  // Where to begin when nobody knows better.
  [[nodiscard]] int64_t ResetPosition(const ReadResult& extent) const;

  EmbeddedLog& log_;
  const std::string topic_;
  const std::string group_;
  const Reset reset_;
  const InstanceContext context_;
  int64_t position_ = 0;
  ReadResult batch_;  // what the last Poll gave points into it
  std::atomic<bool> has_grown_{false};
  Subscription subscription_;  // last: it ends before what it touches
};

class EmbeddedSession;

class EmbeddedSink final : public Sink {
 public:
  EmbeddedSink(EmbeddedSession& session, size_t channel) : session_(session), channel_(channel) {}

  absl::Status Start(std::optional<std::string_view> mark) override;
  std::string Mark() const override { return {}; }
  absl::Status Check(const OutputRecord& record) const override;
  absl::Status Write(const OutputRecord& record) override;
  absl::Status Push() override;
  absl::Status Flush(absl::Time deadline) override;

 private:
  EmbeddedSession& session_;
  size_t channel_;
};

class EmbeddedSession final : public Session, public Decider {
 public:
  EmbeddedSession(EmbeddedLog& log, std::string owner, const InstanceContext& context)
      : log_(log), owner_(std::move(owner)), context_(context) {}

  absl::StatusOr<std::unique_ptr<Source>> OpenSource(size_t input_index, const config::Endpoint& input) override;
  absl::StatusOr<std::unique_ptr<Sink>> OpenSink(const config::Endpoint& output) override;
  Decider* decider() override { return context_.exactly_once ? this : nullptr; }

  absl::StatusOr<std::optional<Marker>> Recover(absl::Time deadline) override;
  absl::Status Commit(const Marker& marker, std::span<const Positions> positions, absl::Time deadline) override;
  size_t pending_bytes() const override;
  bool forgets_markers() const override { return false; }

 private:
  friend class EmbeddedSink;
  struct Output {
    std::string topic;
    RecordBlocks pending;
  };
  struct Input {
    size_t index = 0;
    std::string topic;
    std::string group;
  };

  void DropPending();
  absl::Status WriteTo(Output& output, const OutputRecord& record);
  // Without a decision: what is pending goes to the topic.
  absl::Status Append(Output& output);

  EmbeddedLog& log_;
  const std::string owner_;
  const InstanceContext context_;
  std::optional<Claim> claim_;  // set by Recover: from then on outputs wait for a decision
  std::vector<Input> inputs_;
  std::vector<std::unique_ptr<Output>> outputs_;
};

}  // namespace fs::connector::embedded

#endif  // FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_SESSION_H_
