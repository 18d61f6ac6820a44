#include "observe/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <thread>
#include <vector>

namespace fs::observe {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::unique_ptr<HttpServer> Serve(std::map<std::string, HttpHandler> handlers) {
  absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start({"127.0.0.1", 0}, std::move(handlers));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

TEST(HttpServer, AnswersGetAtItsPathsAndNothingElse) {
  const auto server =
      Serve({{"/ok", [] { return HttpAnswer{200, "fine", "text/x"}; }}, {"/not", [] { return HttpAnswer{503, "not ready"}; }}});
  httplib::Client client("127.0.0.1", server->port());
  const auto ok = client.Get("/ok");
  ASSERT_TRUE(ok);
  EXPECT_EQ(ok->status, 200);
  EXPECT_EQ(ok->body, "fine");
  EXPECT_EQ(ok->get_header_value("Content-Type"), "text/x");
  const auto unready = client.Get("/not");
  EXPECT_EQ(unready->status, 503);
  EXPECT_EQ(unready->body, "not ready");
  const auto unknown = client.Get("/metric");
  EXPECT_EQ(unknown->status, 404);
  EXPECT_THAT(unknown->body, HasSubstr("/ok"));
  EXPECT_EQ(client.Post("/ok", "x", "text/plain")->status, 404);
  EXPECT_EQ(client.Get("/../../etc/passwd")->status, 404);
}

TEST(HttpServer, TakenPortIsNamedWithTheReason) {
  const auto first = Serve({});
  const absl::Status second = HttpServer::Start({"127.0.0.1", first->port()}, {}).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(Message(second)),
              AllOf(HasSubstr("http.port"), HasSubstr(fmt::format("127.0.0.1:{}", first->port())), HasSubstr("Address already in use")));
}

TEST(HttpServer, ManyAskAtOnceWhileItStops) {
  std::atomic<int> asked = 0;
  const auto server = Serve({{"/n", [&] { return HttpAnswer{200, std::to_string(++asked)}; }}});
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      httplib::Client client("127.0.0.1", server->port());
      while (const auto answer = client.Get("/n")) EXPECT_EQ(answer->status, 200);
    });
  }
  while (asked < 100) std::this_thread::yield();
  server->Stop();
  for (std::thread& thread : threads) thread.join();
  server->Stop();
}

}  // namespace
}  // namespace fs::observe
