#include "task/partition_split.h"

#include <algorithm>

namespace fs::task {
namespace {

constexpr uint32_t kMostInstances = 1024;

std::string Place(const config::FunctionConfig& config) { return fmt::format("parallelism (line {})", config.parallelism_line); }

absl::StatusOr<uint32_t> CountPartitions(const config::FunctionConfig& config, const connector::Registry& connectors, absl::Time deadline) {
  uint32_t most = 1;
  for (const config::InputGroup& group : config.input_groups) {
    for (const config::Endpoint& input : group.inputs) {
      FS_ASSIGN_OR_RETURN(const connector::Connector* const connector, connectors.Find(input));
      const absl::StatusOr<uint32_t> count = connector->CountPartitions(input, deadline);
      if (absl::IsNotFound(count.status())) {
        return InvalidArgument("{}: partitions: {}; make the topic first, or write how many instances there are to be", Place(config),
                               Message(count.status()));
      }
      if (!count.ok()) return WithContext(count.status(), Place(config));
      most = std::max(most, *count);
    }
  }
  if (most > kMostInstances) {
    return InvalidArgument("{}: partitions: an input has {} of them, and there are at most {} instances; write a number", Place(config),
                           most, kMostInstances);
  }
  return most;
}

}  // namespace

absl::Status CheckSplit(const PartitionSplit& stored, const PartitionSplit& running) {
  if (stored == running) return absl::OkStatus();
  return FailedPrecondition(
      "the state is that of instance {} of {}, and this is instance {} of {}: partitions and their state do not move between instances; "
      "run the function with the parallelism that it was created with, or drop it and create it anew",
      stored.index, stored.count, running.index, running.count);
}

absl::StatusOr<uint32_t> ResolveParallelism(const config::FunctionConfig& config, const connector::Registry& connectors,
                                            absl::Time deadline) {
  uint32_t count = config.parallelism;
  if (count == 0) {
    FS_ASSIGN_OR_RETURN(count, CountPartitions(config, connectors, deadline));
  }
  if (count == 1) return count;
  for (const config::Endpoint& output : config.outputs) {
    FS_ASSIGN_OR_RETURN(const connector::Connector* const connector, connectors.Find(output));
    if (connector->TakesManyWriters()) continue;
    return InvalidArgument(
        "{}: {} instances cannot write {} (line {}), a {} output, which has one writer at a time; write 1, or another output",
        Place(config), count, output.path, output.line, output.type);
  }
  return count;
}

std::string StateFolderName(const std::string& state_id, uint32_t instance) {
  return instance == 0 ? state_id : fmt::format("{}.{}", state_id, instance);
}

}  // namespace fs::task
