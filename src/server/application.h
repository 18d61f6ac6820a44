// The rooms of a running server, made from its configuration and ended in the reverse order.
//
// Owned by main; used on its thread only.
#ifndef FUNCTION_STREAM_SERVER_APPLICATION_H_
#define FUNCTION_STREAM_SERVER_APPLICATION_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "api/server.h"
#include "base/status.h"
#include "catalog/catalog.h"
#include "config/server_config.h"
#include "connector/connector.h"
#include "connector/embedded/embedded_log.h"
#include "observe/http_server.h"
#include "sandbox/runtime.h"
#include "server/metrics.h"
#include "state/function_state.h"
#include "task/supervisor.h"

namespace fs::server {

class Application {
 public:
  // Returns when the server serves. Errors name the file, key or path that is in the way.
  static absl::StatusOr<std::unique_ptr<Application>> Start(const config::ServerConfig& config);
  // A final checkpoint of every function; everything closed.
  ~Application();

  [[nodiscard]] uint16_t port() const;
  // 0: switched off.
  [[nodiscard]] uint16_t http_port() const;

 private:
  Application() = default;
  absl::Status StartHttp(const config::ServerConfig& config, ServerFacts facts);

  std::unique_ptr<sandbox::Runtime> runtime_;
  std::unique_ptr<state::StateEnvironment> states_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<connector::embedded::EmbeddedLog> log_;
  connector::Registry connectors_;
  std::unique_ptr<task::Supervisor> supervisor_;
  std::unique_ptr<api::Server> api_;
  // Its handlers use the others, so it is ended before them. Why the server is not ready, for /readyz; nullptr: it is.
  std::atomic<const char*> not_ready_{"starting"};
  std::unique_ptr<observe::HttpServer> http_;
};

}  // namespace fs::server

#endif  // FUNCTION_STREAM_SERVER_APPLICATION_H_
