// What a function's outputs promise after a crash: the key `delivery`, resolved against what its connectors can.
//
// A pure function of the configuration. Asked when a function is created, to refuse what cannot be kept, and when an instance starts. The
// rule: exactly once where every output can and at most one of them decides (connector.h); at least once otherwise, or on request.
#ifndef FUNCTION_STREAM_TASK_DELIVERY_H_
#define FUNCTION_STREAM_TASK_DELIVERY_H_

#include "base/status.h"
#include "config/function_config.h"
#include "connector/connector.h"

namespace fs::task {

// Never kDefault. kInvalidArgument: exactly-once was asked for and cannot be kept, with key, line and reason.
[[nodiscard]] absl::StatusOr<config::Delivery> ResolveDelivery(const config::FunctionConfig& config, const connector::Registry& connectors);

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_DELIVERY_H_
