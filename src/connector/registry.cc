#include "connector/connector.h"

namespace fs::connector {

void Registry::Register(std::string type, std::shared_ptr<Connector> connector) {
  connectors_.insert_or_assign(std::move(type), std::move(connector));
}

absl::StatusOr<Connector*> Registry::Find(const config::Endpoint& endpoint) const {
  if (const auto found = connectors_.find(endpoint.type); found != connectors_.end()) return found->second.get();
  std::vector<std::string_view> known;
  for (const auto& [type, connector] : connectors_) known.push_back(type);
  const std::string_view key = endpoint.path.starts_with("outputs") ? "output-type" : "input-type";
  const std::optional<std::string_view> nearest = config::NearestName(endpoint.type, known);
  return endpoint.ErrorAt(
      key, fmt::format("unknown connector `{}`{}", endpoint.type,
                       nearest ? fmt::format("; did you mean `{}`?", *nearest) : fmt::format("; known: {}", fmt::join(known, ", "))));
}

}  // namespace fs::connector
