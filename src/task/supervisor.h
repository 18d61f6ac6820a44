// All functions of the server: create, start, stop, drop, and what each is doing.
//
// One per server, thread-safe; gRPC's threads call it. It owns a Task per function, whose instance runs on a thread of its own. Calls wait
// for what they caused: create answers when the function runs, or with what stopped it, and then nothing is left behind.
#ifndef FUNCTION_STREAM_TASK_SUPERVISOR_H_
#define FUNCTION_STREAM_TASK_SUPERVISOR_H_

#include <absl/time/time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/status.h"
#include "catalog/catalog.h"
#include "config/function_config.h"
#include "connector/connector.h"
#include "observe/function_log_reader.h"
#include "sandbox/runtime.h"
#include "state/function_state.h"
#include "state/retained.h"
#include "task/admission.h"
#include "task/counters.h"

namespace fs::task {

enum class Status { kCreated, kRunning, kStopped, kFailed, kRestarting };
[[nodiscard]] std::string_view StatusName(Status status);

// Of one input (by its index over all groups) or one output (by channel).
struct EndpointTraffic {
  uint32_t source_id = 0;  // of an input: its group
  std::string topic;
  uint64_t messages = 0;
  uint64_t bytes = 0;
};

struct InputPosition {
  uint32_t input = 0;  // over all groups
  uint32_t source_id = 0;
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;                 // of the next record, as of the last checkpoint
  std::optional<int64_t> end_offset;  // absent: not known yet
  uint32_t instance = 0;              // which of the function's reads it

  // Records (bytes, of a file) that are there and not committed.
  [[nodiscard]] std::optional<int64_t> lag() const {
    return end_offset ? std::optional(std::max<int64_t>(*end_offset - offset, 0)) : std::nullopt;
  }
};

struct LastCheckpoint {
  uint64_t id = 0;      // 0: none yet
  int64_t time_ms = 0;  // 0: before this server started
  double seconds = 0;
  uint64_t bytes = 0;
};

// One instance of a function, which has partitions, state and a thread of its own.
struct InstanceInfo {
  uint32_t index = 0;
  Status status = Status::kCreated;
  std::string reason;
  int64_t since_ms = 0;
  uint64_t restarts = 0;
  uint64_t processed = 0;
  uint64_t emitted = 0;
  LastCheckpoint checkpoint;
  uint64_t memory_bytes = 0;
  uint64_t state_bytes = 0;
  std::optional<int64_t> watermark_ms;
  std::string last_error;
  int64_t last_error_ms = 0;
};

// Of all instances of a function: sums, unless said otherwise (instance_group.h).
struct Description {
  std::string name;
  config::TaskType type = config::TaskType::kPython;
  Status status = Status::kCreated;
  std::string reason;
  int64_t since_ms = 0;
  uint64_t restarts = 0;
  uint64_t processed = 0;
  uint64_t emitted = 0;
  uint64_t retried = 0;
  uint64_t skipped = 0;
  uint64_t dead_lettered = 0;
  std::vector<EndpointTraffic> inputs;
  std::vector<EndpointTraffic> outputs;
  Rates rates;
  observe::HistogramSnapshot message_seconds;
  uint64_t exceptions = 0;  // of user code, in process
  uint64_t failures = 0;    // instances that ended by themselves, for whatever reason
  LastCheckpoint checkpoint;
  observe::HistogramSnapshot checkpoint_seconds;
  std::vector<InputPosition> positions;
  std::optional<int64_t> watermark_ms;                       // the minimum over sources; absent before each has one
  std::vector<std::optional<int64_t>> source_watermarks_ms;  // by source
  int64_t observed_ms = 0;                                   // when memory, state and the inputs' ends were last looked at; 0: not yet
  uint64_t memory_bytes = 0;                                 // of the sandbox; 0 without one
  uint64_t state_bytes = 0;
  uint64_t log_lines_dropped = 0;
  config::FunctionLimits allowed;  // of each instance, with the server's caps
  uint64_t memory_limit_bytes = 0;
  uint64_t state_limit_bytes = 0;
  struct LimitState {
    double used = 0;  // the most that was, as a share of the limit; of memory and state what is now
    uint64_t refused = 0;
  };
  std::array<LimitState, kLimitCount> limits;  // by Limit
  std::string last_error;                      // with the user's traceback
  int64_t last_error_ms = 0;                   // 0: there was none
  std::vector<InstanceInfo> instances;
};

// A checkpoint that can be restored by number.
struct RetainedInfo {
  uint64_t id = 0;
  int64_t created_ms = 0;
  state::RetainReason reason = state::RetainReason::kPeriodic;
  uint64_t checkpoint_id = 0;  // what take_checkpoint and Description have
  uint64_t bytes = 0;
  std::vector<InputPosition> positions;
  std::string problem;  // why it cannot be restored; empty otherwise
};

class Supervisor {
 public:
  struct Options {
    std::filesystem::path state_dir;       // one folder per function below it
    std::filesystem::path checkpoint_dir;  // likewise; on the same file system
    std::filesystem::path log_dir;         // one log per function
    uint32_t limit_functions = 10000;
    uint32_t limit_running_functions = 10000;
    uint64_t limit_total_memory_bytes = 0;  // 0: none
    config::FunctionLimits limit_caps = config::WidestLimits();
  };
  // Does not own what it is given; they outlive it.
  static absl::StatusOr<std::unique_ptr<Supervisor>> Create(const Options& options, catalog::Catalog& catalog, sandbox::Runtime& runtime,
                                                            state::StateEnvironment& states, connector::Registry& connectors);
  virtual ~Supervisor() = default;

  // Starts again what was running when the server ended, and removes state that belongs to no function. Does not wait for them.
  [[nodiscard]] virtual absl::Status Recover() = 0;

  // kAlreadyExists; kInvalidArgument with the user's traceback, or from a connector; kResourceExhausted; kUnimplemented.
  [[nodiscard]] virtual absl::Status CreateFunction(std::string config_yaml, config::FunctionConfig config, catalog::Package package) = 0;
  // kNotFound. Starting a running one or stopping a stopped one changes nothing.
  [[nodiscard]] virtual absl::Status StartFunction(std::string_view name) = 0;
  [[nodiscard]] virtual absl::Status StopFunction(std::string_view name) = 0;
  [[nodiscard]] virtual absl::Status DropFunction(std::string_view name) = 0;

  // What the function's custom() answers. The deadline is SteadyNow's. kNotFound; kAlreadyExists: it does not run; kAborted: custom()
  // raised, with the user's traceback; the others as task/calls.h says.
  // kInvalidArgument: there is no such instance.
  [[nodiscard]] virtual absl::StatusOr<std::string> CallFunction(std::string_view name, uint32_t instance, std::string payload,
                                                                 absl::Time deadline, const std::function<bool()>& is_given_up) = 0;

  // Retained checkpoints. Create works on a running function (the call waits for its next checkpoint) and on one that does not run. Errors
  // as state/retained.h has them, kNotFound for an unknown function; Start is kAlreadyExists for one that runs.
  [[nodiscard]] virtual absl::StatusOr<std::vector<RetainedInfo>> ListCheckpoints(std::string_view name) const = 0;
  [[nodiscard]] virtual absl::StatusOr<RetainedInfo> CreateCheckpoint(std::string_view name, absl::Time deadline,
                                                                      const std::function<bool()>& is_cancelled) = 0;
  [[nodiscard]] virtual absl::Status DeleteCheckpoint(std::string_view name, uint64_t id) = 0;
  [[nodiscard]] virtual absl::Status StartFromCheckpoint(std::string_view name, uint64_t id) = 0;

  [[nodiscard]] virtual std::vector<Description> List() const = 0;
  [[nodiscard]] virtual std::vector<ServerLimit> limits() const = 0;
  [[nodiscard]] virtual absl::StatusOr<Description> Describe(std::string_view name) const = 0;

  // Reads the function's log (observe/function_log_reader.h); an `on_growth` is called when there is more, or the function is dropped.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<observe::FunctionLogReader>> ReadLog(std::string_view name,
                                                                                            std::optional<uint64_t> tail,
                                                                                            std::function<void()> on_growth) const = 0;

  // A final checkpoint of every function, then all threads end. Wanted statuses stay as they are.
  virtual void Shutdown() = 0;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_SUPERVISOR_H_
