// The HTTP port: answers GET at a few fixed paths with text that is made when it is asked for.
//
// One per server, owned by main's Application. cpp-httplib does the serving: one thread listens, a few answer, and handlers run on those,
// several at once. Nobody is asked for a password, so nothing here changes anything or tells what messages hold.
#ifndef FUNCTION_STREAM_OBSERVE_HTTP_SERVER_H_
#define FUNCTION_STREAM_OBSERVE_HTTP_SERVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/status.h"

namespace fs::observe {

struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};
using HttpHandler = std::function<HttpAnswer()>;

class HttpServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    uint16_t port = 8081;  // 0: any free one
  };
  // Listens and serves. Handlers are called by path ("/metrics") until Stop. kInternal naming key, address and why it cannot be had.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Options& options, std::map<std::string, HttpHandler> handlers);
  virtual ~HttpServer() = default;

  [[nodiscard]] virtual uint16_t port() const = 0;
  // Takes no more connections and waits for the answers under way, two seconds at most. Once.
  virtual void Stop() = 0;
};

}  // namespace fs::observe

#endif  // FUNCTION_STREAM_OBSERVE_HTTP_SERVER_H_
