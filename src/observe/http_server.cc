#include "observe/http_server.h"

#include <httplib.h>

#include <thread>
#include <utility>
#include <vector>

#include "base/listen.h"
#include "base/thread.h"

namespace fs::observe {
namespace {

constexpr size_t kAnsweringThreads = 4;
// A client that stalls holds one of them for this long.
constexpr time_t kStallSeconds = 2;
constexpr size_t kMaxRequestBytes = 4096;

class HttplibServer final : public HttpServer {
 public:
  explicit HttplibServer(std::map<std::string, HttpHandler> handlers) : handlers_(std::move(handlers)) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kAnsweringThreads); };
    server_.set_keep_alive_timeout(kStallSeconds);
    server_.set_read_timeout(kStallSeconds);
    server_.set_write_timeout(kStallSeconds);
    server_.set_payload_max_length(kMaxRequestBytes);
    // The library's own choice would let two servers share a port, each with half of the requests.
    server_.set_socket_options([](socket_t handle) {
      const int yes = 1;
      setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    for (const auto& [path, handler] : handlers_) {
      server_.Get(path, [&answer = handler](const httplib::Request&, httplib::Response& response) {
        const HttpAnswer given = answer();
        response.status = given.status;
        response.set_content(given.body, given.content_type);
      });
      paths_ += paths_.empty() ? path : ", " + path;
    }
    server_.set_error_handler([this](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty()) response.set_content("there is nothing here; try " + paths_ + "\n", "text/plain; charset=utf-8");
    });
  }
  ~HttplibServer() override { Stop(); }

  absl::Status Listen(const Options& options) {
    const bool is_bound =
        options.port == 0 ? (port_ = server_.bind_to_any_port(options.host)) > 0 : server_.bind_to_port(options.host, port_ = options.port);
    if (!is_bound) {
      return Internal("http.host and http.port: cannot listen on {}: {}; choose another http.port, or set http.enabled: false",
                      ListenAddress(options.host, options.port), WhyNotListening(options.host, options.port));
    }
    FS_ASSIGN_OR_RETURN(thread_, Thread::Start("fs-http", [this] { server_.listen_after_bind(); }));
    // Stop does nothing before the library says that it runs, which it does first thing.
    while (!server_.is_running()) std::this_thread::yield();
    is_listening_ = true;
    return absl::OkStatus();
  }

  uint16_t port() const override { return static_cast<uint16_t>(port_); }

  void Stop() override {
    if (!std::exchange(is_listening_, false)) return;
    server_.stop();
    thread_.Join();
  }

 private:
  const std::map<std::string, HttpHandler> handlers_;
  std::string paths_;
  httplib::Server server_;
  int port_ = 0;
  bool is_listening_ = false;
  Thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options, std::map<std::string, HttpHandler> handlers) {
  auto server = std::make_unique<HttplibServer>(std::move(handlers));
  FS_RETURN_IF_ERROR(server->Listen(options));
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace fs::observe
