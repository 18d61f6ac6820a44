#include "server/metrics.h"

#include <absl/time/clock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>

namespace fs::server {
namespace {

using observe::Exposition;
using observe::Metric;
using enum observe::MetricType;

// Of a function: counters start at zero with the server, and all of it goes when the function is dropped.
const Metric kStatus = {
    "function_stream_function_status", kGauge, "1 for the status that the function has, 0 for the others.", {"function", "status"}};
const Metric kProcessed = {
    "function_stream_function_processed_messages_total", kCounter, "Messages that process() has completed.", {"function", "input"}};
const Metric kProcessedBytes = {
    "function_stream_function_processed_bytes_total", kCounter, "Payload bytes of those messages.", {"function", "input"}};
const Metric kEmitted = {
    "function_stream_function_emitted_messages_total", kCounter, "Messages handed to the output.", {"function", "channel"}};
const Metric kEmittedBytes = {
    "function_stream_function_emitted_bytes_total", kCounter, "Payload bytes of those messages.", {"function", "channel"}};
const Metric kExceptions = {"function_stream_function_exceptions_total", kCounter, "Messages at which process() raised.", {"function"}};
const Metric kRetried = {
    "function_stream_function_retried_messages_total", kCounter, "Further attempts at messages that had failed (on_error).", {"function"}};
const Metric kSkipped = {
    "function_stream_function_skipped_messages_total", kCounter, "Messages that on_error skipped; committed ones.", {"function"}};
const Metric kDeadLettered = {"function_stream_function_dead_lettered_messages_total",
                              kCounter,
                              "Messages that on_error wrote to the dead-letter output; committed ones.",
                              {"function"}};
const Metric kFailures = {"function_stream_function_failures_total",
                          kCounter,
                          "Times that the running function ended by itself: an exception, a trap, a limit, an input or output.",
                          {"function"}};
const Metric kRestarts = {"function_stream_function_restarts_total", kCounter, "Restarts after such an end.", {"function"}};
const Metric kProcessSeconds = {"function_stream_function_process_seconds",
                                kHistogram,
                                "Time that process() takes for a message; the messages of one batch count with their average.",
                                {"function"}};
const Metric kPosition = {"function_stream_function_position",
                          kGauge,
                          "Offset of the next message to read, as of the last checkpoint (of a file: bytes).",
                          {"function", "input", "partition"}};
const Metric kLag = {"function_stream_function_lag_messages",
                     kGauge,
                     "Messages (of a file: bytes) that are there and not in a checkpoint yet; as of the last look, about a second ago "
                     "while something happens.",
                     {"function", "input", "partition"}};
const Metric kWatermark = {"function_stream_function_watermark_timestamp_seconds",
                           kGauge,
                           "How far event time has come, the minimum over sources; absent before each has a watermark.",
                           {"function"}};
const Metric kSourceWatermark = {"function_stream_function_source_watermark_timestamp_seconds",
                                 kGauge,
                                 "How far event time has come in one input group; absent before it has a watermark.",
                                 {"function", "source"}};
const Metric kObserved = {"function_stream_function_observed_timestamp_seconds",
                          kGauge,
                          "When lag, memory and state were last looked at; stands still while the function is in a long call.",
                          {"function"}};
const Metric kCheckpoints = {"function_stream_function_checkpoint_seconds",
                             kHistogram,
                             "Time that a checkpoint takes, waiting for outputs included; its count is that of completed checkpoints.",
                             {"function"}};
const Metric kLastCheckpoint = {"function_stream_function_last_checkpoint_timestamp_seconds",
                                kGauge,
                                "When the last checkpoint was complete; absent before the first since the server started.",
                                {"function"}};
const Metric kLastCheckpointBytes = {"function_stream_function_last_checkpoint_bytes",
                                     kGauge,
                                     "What the last checkpoint made durable: state, the function's bytes, outputs that waited for it.",
                                     {"function"}};
const Metric kMemory = {
    "function_stream_function_memory_bytes", kGauge, "Memory of the sandbox, which limits.memory_mb bounds; 0 without one.", {"function"}};
const Metric kState = {"function_stream_function_state_bytes", kGauge, "What the function's state database holds, about.", {"function"}};
const Metric kLogDropped = {
    "function_stream_function_log_dropped_lines_total", kCounter, "Lines that the limit on the log's rate dropped.", {"function"}};
const Metric kMemoryLimit = {"function_stream_function_memory_limit_bytes", kGauge, "limits.memory_mb of the function.", {"function"}};
const Metric kStateLimit = {"function_stream_function_state_limit_bytes", kGauge, "limits.state_mb of the function.", {"function"}};
const Metric kLimitUsed = {
    "function_stream_function_limit_used_ratio",
    kGauge,
    "The most that was used of a limit since the server started, 1 being all of it; of memory_mb and state_mb what is used now.",
    {"function", "limit"}};
const Metric kLimitRefusals = {"function_stream_function_limit_refusals_total",
                               kCounter,
                               "Times that a limit was met: what was asked for was refused, or the instance ended.",
                               {"function", "limit"}};

const Metric kServerLimitUsed = {"function_stream_limit_used_ratio",
                                 kGauge,
                                 "How much of a limit of the server is used, 1 being all of it; absent without a limit.",
                                 {"limit"}};
const Metric kServerLimitRefusals = {
    "function_stream_limit_refusals_total", kCounter, "Functions not created or started because of a limit of the server.", {"limit"}};
const Metric kFunctions = {"function_stream_functions", kGauge, "Functions by status.", {"status"}};
const Metric kBuild = {"function_stream_build_info", kGauge, "1; what is running.", {"version", "python_version"}};
const Metric kUptime = {"function_stream_uptime_seconds", kGauge, "Time since the server started.", {}};
const Metric kRequests = {
    "function_stream_grpc_requests_total",
    kCounter,
    "Answered gRPC requests, by method and the status code of the answer; a stream that follows something counts when it begins.",
    {"method", "code"}};
const Metric kBlockCache = {"function_stream_rocksdb_block_cache_bytes", kGauge, "Memory that all states' block cache uses.", {}};
const Metric kMemtables = {"function_stream_rocksdb_memtable_bytes", kGauge, "Memory that all states' memtables use.", {}};

const Metric kProcessCpu = {"process_cpu_seconds_total", kCounter, "User and system CPU time of the server.", {}};
const Metric kProcessMemory = {"process_resident_memory_bytes", kGauge, "Resident memory of the server.", {}};
const Metric kProcessStart = {"process_start_time_seconds", kGauge, "When the server started, since the epoch.", {}};
const Metric kProcessFiles = {"process_open_fds", kGauge, "Open file descriptors of the server.", {}};
const Metric kProcessMaxFiles = {"process_max_fds", kGauge, "How many it may open.", {}};

constexpr std::array kStatuses = {task::Status::kCreated, task::Status::kRunning, task::Status::kStopped, task::Status::kFailed,
                                  task::Status::kRestarting};

double Seconds(const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; }

double AsNumber(uint64_t number) { return static_cast<double>(number); }

void CollectFunction(const task::Description& one, Exposition& out) {
  const std::string_view name = one.name;
  for (const task::Status status : kStatuses) out.Add(kStatus, {name, task::StatusName(status)}, one.status == status ? 1 : 0);
  for (size_t i = 0; i < one.inputs.size(); ++i) {
    const std::string input = std::to_string(i);
    out.Add(kProcessed, {name, input}, AsNumber(one.inputs[i].messages));
    out.Add(kProcessedBytes, {name, input}, AsNumber(one.inputs[i].bytes));
  }
  for (size_t i = 0; i < one.outputs.size(); ++i) {
    const std::string channel = std::to_string(i);
    out.Add(kEmitted, {name, channel}, AsNumber(one.outputs[i].messages));
    out.Add(kEmittedBytes, {name, channel}, AsNumber(one.outputs[i].bytes));
  }
  out.Add(kExceptions, {name}, AsNumber(one.exceptions));
  out.Add(kRetried, {name}, AsNumber(one.retried));
  out.Add(kSkipped, {name}, AsNumber(one.skipped));
  out.Add(kDeadLettered, {name}, AsNumber(one.dead_lettered));
  out.Add(kFailures, {name}, AsNumber(one.failures));
  out.Add(kRestarts, {name}, AsNumber(one.restarts));
  out.Add(kProcessSeconds, {name}, one.message_seconds);
  for (const task::InputPosition& at : one.positions) {
    const std::string input = std::to_string(at.input);
    const std::string partition = std::to_string(at.partition);
    out.Add(kPosition, {name, input, partition}, static_cast<double>(at.offset));
    if (const auto lag = at.lag()) out.Add(kLag, {name, input, partition}, static_cast<double>(*lag));
  }
  if (one.watermark_ms) out.Add(kWatermark, {name}, static_cast<double>(*one.watermark_ms) / 1e3);
  for (size_t source = 0; source < one.source_watermarks_ms.size(); ++source) {
    const std::optional<int64_t>& watermark = one.source_watermarks_ms[source];
    if (watermark) out.Add(kSourceWatermark, {name, std::to_string(source)}, static_cast<double>(*watermark) / 1e3);
  }
  if (one.observed_ms != 0) out.Add(kObserved, {name}, static_cast<double>(one.observed_ms) / 1e3);
  out.Add(kCheckpoints, {name}, one.checkpoint_seconds);
  if (one.checkpoint.time_ms != 0) {
    out.Add(kLastCheckpoint, {name}, static_cast<double>(one.checkpoint.time_ms) / 1e3);
    out.Add(kLastCheckpointBytes, {name}, AsNumber(one.checkpoint.bytes));
  }
  out.Add(kMemory, {name}, AsNumber(one.memory_bytes));
  out.Add(kState, {name}, AsNumber(one.state_bytes));
  out.Add(kLogDropped, {name}, AsNumber(one.log_lines_dropped));
  out.Add(kMemoryLimit, {name}, AsNumber(one.memory_limit_bytes));
  out.Add(kStateLimit, {name}, AsNumber(one.state_limit_bytes));
  for (size_t i = 0; i < kLimitCount; ++i) {
    out.Add(kLimitUsed, {name, kLimitKeys[i]}, one.limits[i].used);
    out.Add(kLimitRefusals, {name, kLimitKeys[i]}, AsNumber(one.limits[i].refused));
  }
}

}  // namespace

std::vector<const Metric*> AllMetrics() {
  return {&kStatus,
          &kProcessed,
          &kProcessedBytes,
          &kEmitted,
          &kEmittedBytes,
          &kExceptions,
          &kRetried,
          &kSkipped,
          &kDeadLettered,
          &kFailures,
          &kRestarts,
          &kProcessSeconds,
          &kPosition,
          &kLag,
          &kWatermark,
          &kSourceWatermark,
          &kObserved,
          &kCheckpoints,
          &kLastCheckpoint,
          &kLastCheckpointBytes,
          &kMemory,
          &kState,
          &kLogDropped,
          &kMemoryLimit,
          &kStateLimit,
          &kLimitUsed,
          &kLimitRefusals,
          &kServerLimitUsed,
          &kServerLimitRefusals,
          &kFunctions,
          &kBuild,
          &kUptime,
          &kRequests,
          &kBlockCache,
          &kMemtables,
          &kProcessCpu,
          &kProcessMemory,
          &kProcessStart,
          &kProcessFiles,
          &kProcessMaxFiles};
}

void CollectFunctions(std::span<const task::Description> functions, Exposition& out) {
  std::map<task::Status, uint64_t> by_status;
  for (const task::Description& function : functions) {
    ++by_status[function.status];
    CollectFunction(function, out);
  }
  for (const task::Status status : kStatuses) out.Add(kFunctions, {task::StatusName(status)}, AsNumber(by_status[status]));
}

void CollectLimits(std::span<const task::ServerLimit> limits, Exposition& out) {
  for (const task::ServerLimit& limit : limits) {
    if (limit.allowed > 0) out.Add(kServerLimitUsed, {limit.key}, limit.used / limit.allowed);
    out.Add(kServerLimitRefusals, {limit.key}, AsNumber(limit.refused));
  }
}

void CollectServer(const ServerFacts& facts, const state::StateEnvironment::Memory& memory, const api::RequestCounters::Counts& requests,
                   Exposition& out) {
  out.Add(kBuild, {facts.version, facts.python_version}, 1);
  out.Add(kUptime, {}, absl::ToDoubleSeconds(absl::Now() - facts.started));
  for (const auto& [request, count] : requests) out.Add(kRequests, {request.first, std::to_string(request.second)}, AsNumber(count));
  out.Add(kBlockCache, {}, AsNumber(memory.block_cache_bytes));
  out.Add(kMemtables, {}, AsNumber(memory.memtable_bytes));
  out.Add(kProcessStart, {}, static_cast<double>(absl::ToUnixMillis(facts.started)) / 1e3);
}

void CollectProcess(Exposition& out) {
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) == 0) out.Add(kProcessCpu, {}, Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  std::ifstream statm("/proc/self/statm");
  uint64_t total_pages = 0;
  uint64_t resident_pages = 0;
  if (statm >> total_pages >> resident_pages) {
    out.Add(kProcessMemory, {}, AsNumber(resident_pages) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
  std::error_code error;
  std::filesystem::directory_iterator open_files("/proc/self/fd", error);
  // The iterator's own is one of them.
  if (!error) out.Add(kProcessFiles, {}, static_cast<double>(std::distance(begin(open_files), end(open_files)) - 1));
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) out.Add(kProcessMaxFiles, {}, AsNumber(limit.rlim_cur));
}

}  // namespace fs::server
