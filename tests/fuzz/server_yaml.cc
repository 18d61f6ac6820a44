// The server's own configuration file, read as a server reads it.
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "config/server_config.h"
#include "fuzz/fuzz.h"

namespace fs::config {
namespace {

using fuzz::Require;

// A file in memory: writing to a disk would be most of the work.
std::string PathOf(int file) { return fmt::format("/proc/self/fd/{}", file); }

void Check(std::string_view yaml) {
  static const int file = memfd_create("config.yaml", 0);
  const auto size = static_cast<ssize_t>(yaml.size());
  Require(ftruncate(file, 0) == 0 && pwrite(file, yaml.data(), yaml.size(), 0) == size, "no file in memory");
  const auto config = LoadServerConfig(PathOf(file));
  fuzz::CheckRefusal(config.status(), {absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnimplemented});
  if (!config.ok()) return;
  Require(config->http.port.has_value() && !config->http.host.empty(), "no port for HTTP");
  Require(config->limits.package_bytes > 0 && config->limits.message_bytes > 0, "a limit of nothing");
  Require(config->logging.max_files > 0 && config->logging.max_file_bytes > 0, "a log of no size");
  for (const std::filesystem::path& path :
       {config->state_storage.base_dir, config->task_storage.db_path, config->embedded.base_dir, config->files.base_dir}) {
    Require(path.is_absolute(), "a path that depends on where the server stands: {}", path.string());
  }
}

}  // namespace
}  // namespace fs::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fs::config::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
