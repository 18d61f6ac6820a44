// What one instance has of the embedded log: its sinks, and the decider that commits them and its sources together.
//
// On the instance's thread, but for the wake-ups. Sources and sinks must not outlive their session. Header of the folder itself.
#ifndef FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_SESSION_H_
#define FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_SESSION_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connector/connector.h"
#include "connector/embedded/embedded_log.h"
#include "connector/embedded/embedded_source.h"

namespace fs::connector::embedded {

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

  absl::StatusOr<std::optional<Marker>> Recover(std::span<const std::string> superseded, absl::Time deadline) override;
  absl::Status Commit(const Marker& marker, std::span<const Positions> positions, absl::Time deadline) override;
  size_t pending_bytes() const override;
  bool forgets_markers() const override { return false; }

 private:
  friend class EmbeddedSink;
  struct Output {
    std::string topic;
    std::optional<int32_t> partition;   // the only one written, where the configuration names it
    std::vector<RecordBlocks> pending;  // by partition, as many as the topic has
    uint32_t keyless = 0;               // records without a key so far: they take turns

    [[nodiscard]] size_t bytes() const;
  };
  struct Input {
    size_t index = 0;
    std::string topic;
    std::string group;
  };

  // Empty, and as many as the topic has partitions now.
  void ResetPending(Output& output) const;
  // kFailedPrecondition: the topic has no partition of the number that the configuration names.
  [[nodiscard]] absl::Status CheckPartition(const Output& output) const;
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
