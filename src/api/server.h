// The gRPC server: both services, health and reflection on one port.
//
// One per process, owned by main. gRPC owns the threads; ReadingStreams has one. To shut down: BeginShutdown(), then end the Supervisor
// (which lets calls that wait for a function return), then Stop().
#ifndef FUNCTION_STREAM_API_SERVER_H_
#define FUNCTION_STREAM_API_SERVER_H_

#include <absl/time/time.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "api/extension_service.h"
#include "api/function_service.h"
#include "api/reading_streams.h"
#include "base/status.h"
#include "connector/embedded/embedded_log.h"
#include "task/supervisor.h"

namespace fs::api {

class Server {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    uint16_t port = 8080;  // 0: any free one
    uint64_t limit_message_bytes = uint64_t{32} << 20;
    uint64_t limit_package_bytes = uint64_t{64} << 20;
    uint64_t limit_config_bytes = uint64_t{1} << 20;
    ServerInfo info;
  };
  // Listens and serves; health says NOT_SERVING until SetServing(true). Does not own what it is given; they outlive it.
  // kInternal naming host and port, and why they cannot be had.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options, task::Supervisor& supervisor,
                                                       connector::embedded::EmbeddedLog& log);
  ~Server();

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] RequestCounters::Counts requests() const { return functions_.requests().counts(); }
  // What the health service answers, for "" and for each of the two services.
  void SetServing(bool is_serving);
  // Health says NOT_SERVING and streams that follow something end; other calls go on.
  void BeginShutdown();
  // Takes no new calls, gives those under way until the deadline, cancels the rest and waits for them. Once.
  void Stop(absl::Time deadline);

 private:
  Server(const Options& options, task::Supervisor& supervisor, connector::embedded::EmbeddedLog& log,
         std::unique_ptr<ReadingStreams> streams);

  std::unique_ptr<ReadingStreams> streams_;
  Functions functions_;
  FunctionService function_service_;
  ExtensionService extension_service_;
  uint16_t port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_SERVER_H_
