// The YAML of a function, with the endpoints' own keys as the connectors that need no broker check them.
#include <string>
#include <string_view>

#include "config/function_config.h"
#include "fuzz/fuzz.h"

namespace fs::config {
namespace {

using fuzz::Require;

void Check(std::string_view yaml) {
  const auto config = ParseFunctionConfig(yaml);
  fuzz::CheckRefusal(config.status(), {absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnimplemented});
  if (!config.ok()) return;
  Require(CheckName(config->name, "name").ok(), "a name that is none: {}", config->name);
  Require(!config->input_groups.empty(), "a function without input groups");
  for (const InputGroup& group : config->input_groups) Require(!group.inputs.empty(), "an empty input group");
  const OnError& on_error = config->on_error;
  Require(on_error.dead_letter_channel.has_value() == (on_error.policy == ErrorPolicy::kDeadLetter), "a dead-letter channel out of place");
  if (on_error.dead_letter_channel) Require(*on_error.dead_letter_channel < config->outputs.size(), "a dead-letter channel that is none");
  for (const absl::Duration duration :
       {config->checkpoint_interval, config->limits.process_timeout(), config->limits.batch_timeout(), config->heartbeat_interval,
        config->retained_checkpoint_interval, on_error.backoff, config->restart.backoff}) {
    Require(duration >= absl::ZeroDuration() && duration < absl::InfiniteDuration(), "a duration of {} ms",
            absl::ToInt64Milliseconds(duration));
  }
  FunctionLimits limits = config->limits;
  Require(limits.memory_mb > 0 && limits.output_mb > 0, "no memory at all");
  Require(ApplyCaps(WidestLimits(), limits).ok(), "limits wider than the widest");
}

}  // namespace
}  // namespace fs::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fs::config::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
