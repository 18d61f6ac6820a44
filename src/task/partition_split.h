// Which partitions, and so which keys and which state, are whose when a function has several instances.
//
// Partition p of every input belongs to instance p mod N, for as long as the function lives: so equal keys of inputs with equally many
// partitions meet in one instance (joins and windows count on it), and a partition's state never moves. N is fixed when the function is
// created. Pure, any thread, but for ResolveParallelism, which may ask the outside.
#ifndef FUNCTION_STREAM_TASK_PARTITION_SPLIT_H_
#define FUNCTION_STREAM_TASK_PARTITION_SPLIT_H_

#include <absl/time/time.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/status.h"
#include "config/function_config.h"
#include "connector/connector.h"

namespace fs::task {

struct PartitionSplit {
  uint32_t index = 0;
  uint32_t count = 1;
  bool operator==(const PartitionSplit&) const = default;
};

// kFailedPrecondition: a state of `stored` holds other partitions than an instance of `running` reads.
[[nodiscard]] absl::Status CheckSplit(const PartitionSplit& stored, const PartitionSplit& running);

// What `parallelism` comes to: the number, or the partitions of the input that has most of them. kInvalidArgument: an output cannot be
// written by several instances. kUnavailable, kInvalidArgument: an input's partitions cannot be counted.
[[nodiscard]] absl::StatusOr<uint32_t> ResolveParallelism(const config::FunctionConfig& config, const connector::Registry& connectors,
                                                          absl::Time deadline);

// The folder's name of an instance's state: the first has the function's own, so that what one instance wrote stays where it is.
[[nodiscard]] std::string StateFolderName(const std::string& state_id, uint32_t instance);

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_PARTITION_SPLIT_H_
