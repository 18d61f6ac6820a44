// What /metrics tells: the table of all metrics, and how they come from what the rooms know. docs/operations.md is checked against it.
#ifndef FUNCTION_STREAM_SERVER_METRICS_H_
#define FUNCTION_STREAM_SERVER_METRICS_H_

#include <absl/time/time.h>

#include <span>
#include <string>
#include <vector>

#include "api/request_counters.h"
#include "observe/metrics.h"
#include "state/function_state.h"
#include "task/supervisor.h"

namespace fs::server {

// Of all functions, in the order of the documentation.
[[nodiscard]] std::vector<const observe::Metric*> AllMetrics();

struct ServerFacts {
  std::string version;
  std::string python_version;
  absl::Time started;
};

void CollectFunctions(std::span<const task::Description> functions, observe::Exposition& out);
void CollectLimits(std::span<const task::ServerLimit> limits, observe::Exposition& out);
void CollectServer(const ServerFacts& facts, const state::StateEnvironment::Memory& memory, const api::RequestCounters::Counts& requests,
                   observe::Exposition& out);
// Of the whole process: what Prometheus' client libraries tell under the same names.
void CollectProcess(observe::Exposition& out);

}  // namespace fs::server

#endif  // FUNCTION_STREAM_SERVER_METRICS_H_
