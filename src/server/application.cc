#include "server/application.h"

#include <absl/time/clock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/listen.h"
#include "base/rocksdb.h"
#include "connector/embedded/embedded_connector.h"
#include "connector/file/file_connector.h"
#include "connector/kafka/kafka_connector.h"
#include "observe/log.h"

namespace fs::server {
namespace {

// Calls that are under way when the server ends get this long to be answered.
constexpr absl::Duration kAnswerTime = absl::Seconds(1);

absl::StatusOr<std::filesystem::path> FolderOfBinary() {
  std::error_code error;
  const std::filesystem::path binary = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Internal("/proc/self/exe: cannot be read: {}", error.message());
  return binary.parent_path();
}

absl::Status InitLog(const config::ServerConfig& config) {
  observe::LogOptions options;
  options.level = config.service.debug ? "debug" : config.logging.level;
  options.json = config.logging.format == "json";
  options.file = config.logging.file_path;
  options.max_file_bytes = config.logging.max_file_bytes;
  options.max_files = config.logging.max_files;
  return observe::InitLog(options);
}

absl::StatusOr<sandbox::RuntimeOptions> RuntimeOptions(const config::ServerConfig& config) {
  FS_ASSIGN_OR_RETURN(const std::filesystem::path folder, FolderOfBinary());
  sandbox::RuntimeOptions options;
  options.wasm_path = config.python.wasm_path.empty() ? folder / "runtime" / "python.wasm" : config.python.wasm_path;
  options.cache_dir = config.python.cache_dir.empty() ? options.wasm_path.parent_path() / "cache" : config.python.cache_dir;
  options.enable_cache = config.python.enable_cache;
  return options;
}

// The interpreter's version stands beside it; a server whose wasm came alone tells clients none.
std::string PythonVersion(const std::filesystem::path& wasm_path) {
  std::ifstream file(wasm_path.parent_path() / "manifest.json");
  const nlohmann::json manifest = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object() || !manifest.contains("python_version") || !manifest["python_version"].is_string()) return "";
  const std::string full = manifest["python_version"].get<std::string>();
  return full.substr(0, full.find('.', full.find('.') + 1));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Application>> Application::Start(const config::ServerConfig& config) {
  const absl::Time started = absl::Now();
  FS_RETURN_IF_ERROR(InitLog(config));
  observe::LogInfo("function-stream {} starting, configuration from {}", FS_VERSION, config.origin);
  SetDatabaseWarnings([](std::string_view warning) { observe::LogWarning("rocksdb: {}", warning); });
  for (const std::string& warning : config.warnings) observe::LogWarning("{}", warning);

  auto application = std::unique_ptr<Application>(new Application);
  FS_ASSIGN_OR_RETURN(const sandbox::RuntimeOptions runtime, RuntimeOptions(config));
  // The catalog comes first: its lock tells a second server on the same data before anything else is touched.
  FS_ASSIGN_OR_RETURN_CONTEXT(application->catalog_, catalog::Catalog::Open(config.task_storage.db_path, config.task_storage.in_memory),
                              "task_storage.db_path");
  FS_ASSIGN_OR_RETURN_CONTEXT(application->runtime_, sandbox::Runtime::Load(runtime), "python.wasm_path");

  state::StateEnvironment::Options states;
  states.in_memory = config.state_storage.in_memory;
  FS_ASSIGN_OR_RETURN(application->states_, state::StateEnvironment::Create(states));

  connector::embedded::EmbeddedLog::Options log;
  log.folder = config.embedded.base_dir;
  log.retention_bytes = config.embedded.retention_bytes;
  log.retention_ms = config.embedded.retention_ms;
  FS_ASSIGN_OR_RETURN_CONTEXT(application->log_, connector::embedded::EmbeddedLog::Open(log), "embedded.base_dir");

  application->connectors_.Register("embedded", std::make_shared<connector::embedded::EmbeddedConnector>(*application->log_));
  application->connectors_.Register("file", std::make_shared<connector::file::FileConnector>(config.files.base_dir));
  application->connectors_.Register("kafka", connector::kafka::MakeKafkaConnector());

  task::Supervisor::Options tasks;
  tasks.state_dir = config.state_storage.base_dir / "state";
  tasks.checkpoint_dir = config.state_storage.base_dir / "checkpoints";
  // A server that logs to stderr only still keeps its functions' logs.
  const std::filesystem::path& log_file = config.logging.file_path;
  tasks.log_dir = (log_file.empty() ? config.state_storage.base_dir / "logs" : log_file.parent_path()) / "functions";
  tasks.limit_functions = config.limits.functions;
  tasks.limit_running_functions = config.limits.running_functions;
  tasks.limit_total_memory_bytes = config.limits.total_memory_bytes;
  tasks.limit_caps = config.limits.per_function;
  FS_ASSIGN_OR_RETURN(application->supervisor_, task::Supervisor::Create(tasks, *application->catalog_, *application->runtime_,
                                                                         *application->states_, application->connectors_));

  api::Server::Options api;
  api.host = config.service.host;
  api.port = config.service.port;
  api.limit_message_bytes = config.limits.message_bytes;
  api.limit_package_bytes = config.limits.package_bytes;
  api.limit_config_bytes = config.limits.config_bytes;
  api.info.version = FS_VERSION;
  api.info.python_version = PythonVersion(runtime.wasm_path);
  FS_RETURN_IF_ERROR(application->supervisor_->Recover());
  FS_ASSIGN_OR_RETURN(application->api_, api::Server::Start(api, *application->supervisor_, *application->log_));
  FS_RETURN_IF_ERROR(application->StartHttp(config, {api.info.version, api.info.python_version, started}));
  application->api_->SetServing(true);
  application->not_ready_ = nullptr;
  observe::LogInfo("listening on {}", ListenAddress(config.service.host, application->port()));
  return application;
}

absl::Status Application::StartHttp(const config::ServerConfig& config, ServerFacts facts) {
  if (!config.http.enabled) return absl::OkStatus();
  const auto metrics = [this, facts = std::move(facts)] {
    observe::Exposition exposition;
    CollectFunctions(supervisor_->List(), exposition);
    CollectLimits(supervisor_->limits(), exposition);
    CollectServer(facts, states_->memory(), api_->requests(), exposition);
    CollectProcess(exposition);
    return observe::HttpAnswer{200, exposition.Text(), std::string(observe::Exposition::kContentType)};
  };
  const auto alive = [] { return observe::HttpAnswer{200, "ok\n"}; };
  const auto ready = [this] {
    const char* const why_not = not_ready_.load();
    return why_not == nullptr ? observe::HttpAnswer{200, "ready\n"} : observe::HttpAnswer{503, fmt::format("not ready: {}\n", why_not)};
  };
  FS_ASSIGN_OR_RETURN(http_, observe::HttpServer::Start({config.http.host, *config.http.port},
                                                        {{"/metrics", metrics}, {"/healthz", alive}, {"/readyz", ready}}));
  observe::LogInfo("metrics and health at http://{}", ListenAddress(config.http.host, http_port()));
  return absl::OkStatus();
}

Application::~Application() {
  not_ready_ = "stopping";
  if (api_ != nullptr) api_->BeginShutdown();
  if (supervisor_ != nullptr) supervisor_->Shutdown();
  if (http_ != nullptr) http_->Stop();
  if (api_ != nullptr) api_->Stop(absl::Now() + kAnswerTime);
}

uint16_t Application::port() const { return api_->port(); }

uint16_t Application::http_port() const { return http_ != nullptr ? http_->port() : uint16_t{0}; }

}  // namespace fs::server
