#include "api/server.h"

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <limits>
#include <mutex>

#include "base/listen.h"

namespace fs::api {
namespace {

// Each call but Subscribe and ReadLogs holds a thread while it runs; past this many a call is refused with RESOURCE_EXHAUSTED.
constexpr int kMaxThreads = 1024;

int AsMessageLimit(uint64_t bytes) { return static_cast<int>(std::min<uint64_t>(bytes, std::numeric_limits<int>::max())); }

}  // namespace

Server::Server(const Options& options, task::Supervisor& supervisor, connector::embedded::EmbeddedLog& log,
               std::unique_ptr<ReadingStreams> streams)
    : streams_(std::move(streams)),
      functions_(supervisor, {.limit_package_bytes = options.limit_package_bytes,
                              .limit_config_bytes = options.limit_config_bytes,
                              .python_version = options.info.python_version}),
      function_service_(functions_),
      extension_service_(functions_, log, *streams_, options.info) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options, task::Supervisor& supervisor,
                                                      connector::embedded::EmbeddedLog& log) {
  // Both are settings of the process, read when a server is built.
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });

  FS_ASSIGN_OR_RETURN(std::unique_ptr<ReadingStreams> streams, ReadingStreams::Start());
  std::unique_ptr<Server> server(new Server(options, supervisor, log, std::move(streams)));

  const std::string address = ListenAddress(options.host, options.port);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  // Else two servers could share a port, each with half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Clients that wait on a stream may ask now and then whether we are still there, and we ask them.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.SetMaxReceiveMessageSize(AsMessageLimit(options.limit_message_bytes));
  // A record in a topic may be larger than what a client may send.
  builder.SetMaxSendMessageSize(-1);
  grpc::ResourceQuota quota("api");
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  builder.RegisterService(&server->function_service_);
  builder.RegisterService(&server->extension_service_);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || port == 0) {
    return Internal("service.host and service.port: cannot listen on {}: {}", address, WhyNotListening(options.host, options.port));
  }
  server->port_ = static_cast<uint16_t>(port);
  server->SetServing(false);
  return server;
}

Server::~Server() { Stop(absl::Now()); }

void Server::SetServing(bool is_serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  for (const std::string& name :
       {std::string(), std::string("function_stream.FunctionStreamService"), std::string("function_stream.FunctionStreamExtensions")}) {
    health->SetServingStatus(name, is_serving);
  }
}

void Server::BeginShutdown() {
  SetServing(false);
  streams_->Stop();
}

void Server::Stop(absl::Time deadline) {
  if (server_ == nullptr) return;
  BeginShutdown();
  server_->Shutdown(absl::ToChronoTime(deadline));
  server_.reset();
  streams_.reset();
}

}  // namespace fs::api
