// The server's own configuration (contract, section 5): defaults, file, and where it came from.
//
// A value type. Relative paths are resolved when loading: from FUNCTION_STREAM_HOME, else the working directory.
#ifndef FUNCTION_STREAM_CONFIG_SERVER_CONFIG_H_
#define FUNCTION_STREAM_CONFIG_SERVER_CONFIG_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "config/function_limits.h"

namespace fs::config {

struct ServerConfig {
  struct {
    std::string service_id = "default-service", service_name = "function-stream", version = "1.0.0", host = "127.0.0.1";
    uint16_t port = 8080;  // 0: any free one, told in the log
    bool debug = false;
  } service;
  struct {
    bool enabled = true;
    std::string host;              // default: service.host
    std::optional<uint16_t> port;  // default: 8081, or any free one where service.port is 0; set after loading
  } http;
  struct {
    std::string level = "info", format = "json";  // json | text
    std::filesystem::path file_path;              // default logs/app.log; empty when only stderr is wanted
    uint64_t max_file_bytes = uint64_t{100} << 20;
    uint32_t max_files = 5;
  } logging;
  struct {
    std::filesystem::path wasm_path;  // empty: beside the binary, see server/
    std::filesystem::path cache_dir;
    bool enable_cache = true;
  } python;
  struct {
    bool in_memory = false;
    std::filesystem::path base_dir;
  } state_storage;
  struct {
    bool in_memory = false;
    std::filesystem::path db_path;
  } task_storage;
  struct {
    std::filesystem::path base_dir;                // the embedded log; default data/embedded
    uint64_t retention_bytes = uint64_t{1} << 30;  // per topic; 0: no limit
    int64_t retention_ms = int64_t{7} * 24 * 3600 * 1000;
  } embedded;
  struct {
    std::filesystem::path base_dir;  // file inputs and outputs stay below it; default data/files
  } files;
  struct {
    uint64_t package_bytes = uint64_t{64} << 20;
    uint32_t functions = 10000;
    uint64_t message_bytes = uint64_t{32} << 20;  // one gRPC message
    uint64_t config_bytes = uint64_t{1} << 20;    // a function's configuration, as text
    uint32_t running_functions = 10000;
    uint64_t total_memory_bytes = 0;  // of all running functions' memory_mb together; 0: no limit
    FunctionLimits per_function = WidestLimits();
  } limits;

  std::string origin;                 // "conf/config.yaml" or "defaults (no file at conf/config.yaml)"
  std::vector<std::string> warnings;  // sections that mean nothing to us, told in the log
};

// `config_flag` is what --config gave; then the environment, then conf/config.yaml, then defaults. kNotFound: --config or the environment
// names a file that is not there. kInvalidArgument: naming file, key, line and the nearest key.
[[nodiscard]] absl::StatusOr<ServerConfig> LoadServerConfig(const std::optional<std::string>& config_flag);

}  // namespace fs::config

#endif  // FUNCTION_STREAM_CONFIG_SERVER_CONFIG_H_
