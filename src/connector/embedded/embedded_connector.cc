#include "connector/embedded/embedded_connector.h"

#include "connector/embedded/embedded_session.h"

namespace fs::connector::embedded {
namespace {

constexpr std::string_view kInputKeys[] = {"topic", "group_id", "partition", "auto.offset.reset"};
constexpr std::string_view kOutputKeys[] = {"topic", "partition"};

absl::Status CheckTopic(const config::Endpoint& endpoint) {
  FS_ASSIGN_OR_RETURN(const std::string topic, endpoint.RequireString("topic"));
  if (const absl::Status name = CheckTopicName(topic); !name.ok()) return endpoint.ErrorAt("topic", Message(name));
  return ReadPartition(endpoint).status();
}

// All transactions of a function's instances are written under names that begin so.
std::string OwnerPrefix(std::string_view function_id) { return fmt::format("{}/", function_id); }

}  // namespace

absl::Status EmbeddedConnector::ValidateInput(const config::Endpoint& input) const {
  FS_RETURN_IF_ERROR(input.RequireOnly(kInputKeys));
  FS_RETURN_IF_ERROR(CheckTopic(input));
  FS_ASSIGN_OR_RETURN(const std::string group, input.RequireString("group_id"));
  if (const absl::Status id = CheckGroupId(group); !id.ok()) return input.ErrorAt("group_id", Message(id));
  return ReadReset(input).status();
}

absl::Status EmbeddedConnector::ValidateOutput(const config::Endpoint& output) const {
  FS_RETURN_IF_ERROR(output.RequireOnly(kOutputKeys));
  return CheckTopic(output);
}

absl::StatusOr<std::unique_ptr<Session>> EmbeddedConnector::OpenSession(const InstanceContext& context) {
  return std::make_unique<EmbeddedSession>(log_, fmt::format("{}{}", OwnerPrefix(context.function_id), context.instance_index), context);
}

absl::StatusOr<uint32_t> EmbeddedConnector::CountPartitions(const config::Endpoint& input, absl::Time) const {
  FS_ASSIGN_OR_RETURN(const std::optional<int32_t> partition, ReadPartition(input));
  FS_ASSIGN_OR_RETURN(const std::string topic, input.RequireString("topic"));
  return partition ? 1 : static_cast<uint32_t>(log_.CountPartitions(topic));
}

absl::Status EmbeddedConnector::ForgetFunction(std::string_view function_id, uint32_t, std::span<const config::Endpoint>,
                                               std::span<const config::Endpoint>) {
  return log_.ForgetOwners(OwnerPrefix(function_id));
}

}  // namespace fs::connector::embedded
