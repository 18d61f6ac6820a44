#include "config/server_config.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "config/key_reference.h"
#include "config/key_table.h"
#include "config/yaml_tree.h"

namespace fs::config {
namespace {

namespace stdfs = std::filesystem;

constexpr int64_t kMebibyte = int64_t{1} << 20;
constexpr uint16_t kHttpPort = 8081;
constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{1} << 20;

using Service = decltype(ServerConfig::service);
using Http = decltype(ServerConfig::http);
using Logging = decltype(ServerConfig::logging);
using Python = decltype(ServerConfig::python);
using StateStorage = decltype(ServerConfig::state_storage);
using TaskStorage = decltype(ServerConfig::task_storage);
using Embedded = decltype(ServerConfig::embedded);
using Files = decltype(ServerConfig::files);
using Limits = decltype(ServerConfig::limits);

// Files written for other builds of Function Stream start this server too: what means nothing to us is told and left alone, unless it is
// near enough to one of our keys to be a slip.
UnknownKeyRule WarnOrSuggest(std::vector<std::string>& warnings) {
  return [&warnings](const Value& unknown, std::string_view key, const std::vector<std::string_view>& known) -> absl::Status {
    if (NearestName(key, known)) return RefuseUnknownKey(unknown, key, known);
    warnings.push_back(fmt::format("{} (line {}): means nothing to this server; ignored", unknown.path, unknown.line));
    return absl::OkStatus();
  };
}

// A server that was told to ask for passwords must not start without asking.
Reader<ServerConfig> Security() {
  return {"not in this version",
          [](const Value& value, ServerConfig&) -> absl::Status {
            return Unimplemented("{} (line {}): this version has neither TLS nor tokens; remove the section and keep the port private",
                                 value.path, value.line);
          },
          nullptr};
}

KeyTable<ServerConfig> Table(std::vector<std::string>& warnings) {
  using C = ServerConfig;
  const UnknownKeyRule rule = WarnOrSuggest(warnings);
  const std::vector<std::pair<std::string_view, bool>> storage_types = {{"memory", true}, {"rocksdb", false}};
  std::vector<std::pair<std::string_view, std::string>> levels;
  for (const std::string_view level : {"trace", "debug", "info", "warn", "error", "critical", "off"}) levels.emplace_back(level, level);
  return {
      {"service", Section<C, Service>(&C::service,
                                      {{"service_id", Text(&Service::service_id)},
                                       {"service_name", Text(&Service::service_name)},
                                       {"version", Text(&Service::version)},
                                       {"host", Text(&Service::host)},
                                       {"port", Whole(&Service::port, 0, 65535)},
                                       {"debug", Bool(&Service::debug)}},
                                      rule)},
      {"http",
       Section<C, Http>(&C::http, {{"enabled", Bool(&Http::enabled)}, {"host", Text(&Http::host)}, {"port", Whole(&Http::port, 0, 65535)}},
                        rule)},
      {"logging", Section<C, Logging>(&C::logging,
                                      {{"level", OneOf<Logging, std::string>(&Logging::level, levels)},
                                       {"format", OneOf<Logging, std::string>(&Logging::format, {{"json", "json"}, {"text", "text"}})},
                                       {"file_path", Path(&Logging::file_path, true)},
                                       {"max_file_size", Whole(&Logging::max_file_bytes, 1, 100'000, kMebibyte)},
                                       {"max_files", Whole(&Logging::max_files, 1, 1000)}},
                                      rule)},
      {"python", Section<C, Python>(&C::python,
                                    {{"wasm_path", Path(&Python::wasm_path, true)},
                                     {"cache_dir", Path(&Python::cache_dir, true)},
                                     {"enable_cache", Bool(&Python::enable_cache)}},
                                    rule)},
      {"state_storage", Section<C, StateStorage>(&C::state_storage,
                                                 {{"storage_type", OneOf<StateStorage, bool>(&StateStorage::in_memory, storage_types)},
                                                  {"base_dir", Path(&StateStorage::base_dir)}},
                                                 rule)},
      {"task_storage", Section<C, TaskStorage>(&C::task_storage,
                                               {{"storage_type", OneOf<TaskStorage, bool>(&TaskStorage::in_memory, storage_types)},
                                                {"db_path", Path(&TaskStorage::db_path)}},
                                               rule)},
      {"embedded", Section<C, Embedded>(&C::embedded,
                                        {{"base_dir", Path(&Embedded::base_dir)},
                                         {"retention_bytes", Whole(&Embedded::retention_bytes, 0, int64_t{1} << 50)},
                                         {"retention_ms", Whole(&Embedded::retention_ms, 0, int64_t{3'650} * 24 * 3600 * 1000)}},
                                        rule)},
      {"files", Section<C, Files>(&C::files, {{"base_dir", Path(&Files::base_dir)}}, rule)},
      {"limits", Section<C, Limits>(&C::limits,
                                    {{"package_mb", Whole(&Limits::package_bytes, 1, 1024, kMebibyte)},
                                     {"functions", Whole(&Limits::functions, 1, 1'000'000)},
                                     {"message_mb", Whole(&Limits::message_bytes, 1, 1024, kMebibyte)},
                                     {"config_kb", Whole(&Limits::config_bytes, 1, 1024, 1024)},
                                     {"running_functions", Whole(&Limits::running_functions, 1, 1'000'000)},
                                     {"total_memory_mb", Whole(&Limits::total_memory_bytes, 0, int64_t{1} << 30, kMebibyte)},
                                     {"per_function", Section<Limits, FunctionLimits>(&Limits::per_function, FunctionLimitsTable())}},
                                    rule)},
      {"security", Security()},
  };
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::StatusOr<stdfs::path> HomeFolder() {
  std::error_code error;
  const std::string home = Environment("FUNCTION_STREAM_HOME");
  stdfs::path folder = home.empty() ? stdfs::current_path(error) : stdfs::absolute(home, error);
  if (error || !stdfs::is_directory(folder, error)) {
    return NotFound("FUNCTION_STREAM_HOME: {} is not a folder", home.empty() ? "the working directory" : home);
  }
  return folder;
}

// The file that `given` names: from the home folder, else from where the command was typed. A folder stands for the config.yaml in it.
absl::StatusOr<stdfs::path> FindNamedFile(const stdfs::path& home, const std::string& given, std::string_view who) {
  std::error_code error;
  std::vector<stdfs::path> tried = {home / given, stdfs::absolute(given, error)};
  for (stdfs::path& path : tried) {
    if (stdfs::is_directory(path, error)) path /= "config.yaml";
    if (stdfs::exists(path, error)) return path.lexically_normal();
  }
  return NotFound("{}: {}: no such file", who, tried.front().lexically_normal().string());
}

absl::StatusOr<std::string> ReadWhole(const stdfs::path& path) {
  std::error_code error;
  if (!stdfs::is_regular_file(path, error)) return InvalidArgument("{}: is not a file", path.string());
  if (const std::uintmax_t size = stdfs::file_size(path, error); !error && size > kMaxFileBytes) {
    return InvalidArgument("{}: {} bytes; the limit is {}", path.string(), size, kMaxFileBytes);
  }
  std::ifstream stream(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) return InvalidArgument("{}: cannot be read; check its permissions", path.string());
  return text;
}

absl::Status ReadFile(const stdfs::path& path, ServerConfig& config) {
  FS_ASSIGN_OR_RETURN(const std::string text, ReadWhole(path));
  FS_ASSIGN_OR_RETURN_CONTEXT(const YamlNode root, ParseYaml(text), path.string());
  const Value value{.node = &root, .path = "", .line = root.line};
  return WithContext(ReadMap(value, Table(config.warnings), config, WarnOrSuggest(config.warnings)), path.string());
}

}  // namespace

std::vector<KeyDescription> ServerKeys() {
  std::vector<std::string> no_warnings;
  std::vector<KeyDescription> keys;
  Describe("", Table(no_warnings), keys);
  return keys;
}

absl::StatusOr<ServerConfig> LoadServerConfig(const std::optional<std::string>& config_flag) {
  FS_ASSIGN_OR_RETURN(const stdfs::path home, HomeFolder());
  ServerConfig config;
  config.logging.file_path = "logs/app.log";
  config.state_storage.base_dir = "data";
  config.task_storage.db_path = "data/task";
  config.embedded.base_dir = "data/embedded";
  config.files.base_dir = "data/files";

  stdfs::path file = home / "conf" / "config.yaml";
  bool is_given = true;
  if (config_flag) {
    FS_ASSIGN_OR_RETURN(file, FindNamedFile(home, *config_flag, "--config"));
  } else if (const std::string named = Environment("FUNCTION_STREAM_CONF"); !named.empty()) {
    FS_ASSIGN_OR_RETURN(file, FindNamedFile(home, named, "FUNCTION_STREAM_CONF"));
  } else {
    std::error_code error;
    is_given = stdfs::exists(file, error);
  }

  if (is_given) {
    FS_RETURN_IF_ERROR(ReadFile(file, config));
    config.origin = file.string();
  } else {
    config.origin = fmt::format("defaults (no file at {})", file.string());
  }

  if (config.http.host.empty()) config.http.host = config.service.host;
  // Who asks for any free port does so because there are several servers: the second port must not be where they meet.
  if (!config.http.port) config.http.port = config.service.port == 0 ? uint16_t{0} : kHttpPort;

  // An empty path means "none" or "the server's own choice", and stays empty.
  for (stdfs::path* path : {&config.logging.file_path, &config.python.wasm_path, &config.python.cache_dir, &config.state_storage.base_dir,
                            &config.task_storage.db_path, &config.embedded.base_dir, &config.files.base_dir}) {
    if (!path->empty()) *path = (home / *path).lexically_normal();
  }
  return config;
}

}  // namespace fs::config
