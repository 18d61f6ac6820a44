// The embedded log as a connector: topics of this server as inputs and outputs, exactly once.
//
// Does not own the log, which outlives it. A session's sinks collect in memory and become visible with Decider::Commit, one write of the
// log that also holds the marker, the input positions and the groups' positions. A session without a decider (at least once)
// works without: Flush appends.
//
// Keys of an input: topic, group_id (both required), partition (without it all that are this instance's), auto.offset.reset (earliest, the
// default, or latest). Of an output: topic (required), partition (without it the key decides). An input starts at the checkpoint's
// position, else where the group stands, else by auto.offset.reset; the same rule holds again when retention has dropped the records at its
// position.
#ifndef FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_CONNECTOR_H_
#define FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_CONNECTOR_H_

#include "connector/connector.h"
#include "connector/embedded/embedded_log.h"

namespace fs::connector::embedded {

class EmbeddedConnector final : public Connector {
 public:
  explicit EmbeddedConnector(EmbeddedLog& log) : log_(log) {}

  absl::Status ValidateInput(const config::Endpoint& input) const override;
  absl::Status ValidateOutput(const config::Endpoint& output) const override;
  absl::StatusOr<std::string> DeciderOf(const config::Endpoint& output) const override { return output.type; }
  absl::StatusOr<std::unique_ptr<Session>> OpenSession(const InstanceContext& context) override;
  absl::StatusOr<uint32_t> CountPartitions(const config::Endpoint& input, absl::Time deadline) const override;
  bool TakesManyWriters() const override { return true; }
  absl::Status ForgetFunction(std::string_view function_id, uint32_t instance_count, std::span<const config::Endpoint> inputs,
                              std::span<const config::Endpoint> outputs) override;

 private:
  EmbeddedLog& log_;
};

}  // namespace fs::connector::embedded

#endif  // FUNCTION_STREAM_CONNECTOR_EMBEDDED_EMBEDDED_CONNECTOR_H_
