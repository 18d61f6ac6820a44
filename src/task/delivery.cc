#include "task/delivery.h"

#include <optional>
#include <string>
#include <utility>

namespace fs::task {
namespace {

// OK, or why the outputs cannot be exactly once together.
absl::Status CheckExactlyOnce(const config::FunctionConfig& config, const connector::Registry& connectors) {
  std::optional<std::pair<std::string, const config::Endpoint*>> first;
  for (const config::Endpoint& output : config.outputs) {
    FS_ASSIGN_OR_RETURN(const connector::Connector* const connector, connectors.Find(output));
    FS_ASSIGN_OR_RETURN(std::string decider, connector->DeciderOf(output));
    if (decider.empty()) continue;
    if (!first) {
      first.emplace(std::move(decider), &output);
    } else if (first->first != decider) {
      return InvalidArgument(
          "{} (line {}) and {} (line {}) do not commit together; one step has place for outputs of one type and, with Kafka, of one "
          "cluster "
          "and equal client properties",
          first->second->path, first->second->line, output.path, output.line);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<config::Delivery> ResolveDelivery(const config::FunctionConfig& config, const connector::Registry& connectors) {
  if (config.delivery == config::Delivery::kAtLeastOnce) return config::Delivery::kAtLeastOnce;
  const absl::Status possible = CheckExactlyOnce(config, connectors);
  if (possible.ok()) return config::Delivery::kExactlyOnce;
  if (config.delivery == config::Delivery::kDefault) return config::Delivery::kAtLeastOnce;
  return InvalidArgument("delivery (line {}): exactly-once cannot be kept: {}; change that, or use delivery: at-least-once",
                         config.delivery_line, Message(possible));
}

}  // namespace fs::task
