// A function's YAML as typed, validated values (contract, section 4).
//
// Value types. Parsing checks form and every key that is not a connector's own; connectors check their endpoints themselves
// (connector/connector.h). Errors are kInvalidArgument and name key, line and the nearest known key.
#ifndef FUNCTION_STREAM_CONFIG_FUNCTION_CONFIG_H_
#define FUNCTION_STREAM_CONFIG_FUNCTION_CONFIG_H_

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "config/endpoint.h"
#include "config/function_limits.h"

namespace fs::config {

enum class TaskType { kPython, kProcessor };
enum class InputSelector { kRoundRobin, kSequential, kPriority, kGroupParallel };
enum class Delivery { kDefault, kExactlyOnce, kAtLeastOnce };
enum class ErrorPolicy { kFail, kRetry, kSkip, kDeadLetter };

struct InputGroup {
  std::vector<Endpoint> inputs;
};

struct OnError {
  ErrorPolicy policy = ErrorPolicy::kFail;
  uint32_t retries = 0;
  absl::Duration backoff = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(30);
  std::optional<uint32_t> dead_letter_channel;  // set exactly with kDeadLetter, and then one of the outputs
  int dead_letter_line = 0;
};

struct Restart {
  uint32_t max_attempts = 10;
  absl::Duration backoff = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(30);
};

enum class WatermarkSource { kTimestamp, kJson, kFunction };

struct Watermark {
  bool is_given = false;  // the configuration has the section
  WatermarkSource source = WatermarkSource::kTimestamp;
  std::string field;  // of the JSON object; set exactly with kJson
  absl::Duration max_out_of_orderness = absl::ZeroDuration();
  absl::Duration idle_timeout = absl::Seconds(30);
};

struct FunctionConfig {
  std::string name;
  TaskType type = TaskType::kPython;
  std::vector<InputGroup> input_groups;
  std::vector<Endpoint> outputs;
  std::vector<std::pair<std::string, std::string>> init_config;  // in the order of the file
  InputSelector input_selector = InputSelector::kRoundRobin;
  bool enable_checkpoint = false;  // retained checkpoints
  absl::Duration checkpoint_interval = absl::Milliseconds(100);
  bool use_builtin_event_serialization = false;
  uint32_t retained_checkpoints = 3;
  absl::Duration retained_checkpoint_interval = absl::Seconds(60);
  absl::Duration retained_checkpoint_max_age = absl::Hours(24 * 7);
  Delivery delivery = Delivery::kDefault;
  int delivery_line = 0;
  uint32_t parallelism = 1;  // 0: "partitions"
  OnError on_error;
  Restart restart;
  Watermark watermark;
  absl::Duration heartbeat_interval = absl::Seconds(10);
  FunctionLimits limits;
};

// kInvalidArgument: malformed YAML, unknown key, missing or ill-typed value, illegal name. kUnimplemented: a value of the contract that
// this version does not have yet, saying so.
[[nodiscard]] absl::StatusOr<FunctionConfig> ParseFunctionConfig(std::string_view yaml);

// Letters, digits, '.', '_' and '-'; 1 to 255; not "." or "..". kInvalidArgument otherwise; `what` names the thing ("name (line 3)").
[[nodiscard]] absl::Status CheckName(std::string_view name, std::string_view what);

}  // namespace fs::config

#endif  // FUNCTION_STREAM_CONFIG_FUNCTION_CONFIG_H_
