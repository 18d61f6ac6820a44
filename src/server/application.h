// The rooms of a running server, made from its configuration and ended in the reverse order.
//
// Owned by main; used on its thread only.
#ifndef FUNCTION_STREAM_SERVER_APPLICATION_H_
#define FUNCTION_STREAM_SERVER_APPLICATION_H_

#include <cstdint>
#include <memory>

#include "api/server.h"
#include "base/status.h"
#include "catalog/catalog.h"
#include "config/server_config.h"
#include "connector/connector.h"
#include "connector/embedded/embedded_log.h"
#include "sandbox/runtime.h"
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

 private:
  Application() = default;

  std::unique_ptr<sandbox::Runtime> runtime_;
  std::unique_ptr<state::StateEnvironment> states_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<connector::embedded::EmbeddedLog> log_;
  connector::Registry connectors_;
  std::unique_ptr<task::Supervisor> supervisor_;
  std::unique_ptr<api::Server> api_;
};

}  // namespace fs::server

#endif  // FUNCTION_STREAM_SERVER_APPLICATION_H_
