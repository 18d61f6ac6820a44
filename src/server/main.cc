// The server's command line: --config, --version, --help; runs until SIGTERM or SIGINT.
#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>

#include "base/listen.h"
#include "observe/log.h"
#include "observe/printable.h"
#include "server/application.h"
#include "server/end_limit.h"

namespace {

constexpr int kCannotStart = 1;
constexpr int kBadRequest = 2;
// Of the ten seconds in which the server ends; functions that can be ended have ended after three.
constexpr absl::Duration kEndLimit = absl::Seconds(8);

int Fail(const absl::Status& status, int code) {
  fmt::print(stderr, "function-stream: {}\n", fs::observe::PrintableLines(fs::Message(status)));
  return code;
}

// Every function's state holds some files open: the soft limit, often 1,024, would end that early.
void RaiseFileLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Run(const std::optional<std::string>& config_flag) {
  // Taken by sigwait below, on this thread; all threads inherit the mask.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  // A client that went away is an error of a write, not the end of the server.
  signal(SIGPIPE, SIG_IGN);
  // So is a file that may not grow (ulimit -f).
  signal(SIGXFSZ, SIG_IGN);
  RaiseFileLimit();

  const absl::StatusOr<fs::config::ServerConfig> config = fs::config::LoadServerConfig(config_flag);
  if (!config.ok()) return Fail(config.status(), kBadRequest);
  absl::StatusOr<std::unique_ptr<fs::server::Application>> application = fs::server::Application::Start(*config);
  if (!application.ok()) return Fail(application.status(), kCannotStart);

  std::string http;
  if (const uint16_t port = (*application)->http_port(); port != 0) http = ", http on " + fs::ListenAddress(config->http.host, port);
  fmt::print("function-stream {} listening on {}{}\n", FS_VERSION, fs::ListenAddress(config->service.host, (*application)->port()), http);
  std::fflush(stdout);

  int signal_number = 0;
  sigwait(&ending, &signal_number);
  fs::observe::LogInfo("stopping: {}", signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
  {
    const fs::server::EndLimit limit(kEndLimit);
    application->reset();
  }
  fs::observe::LogInfo("stopped");
  fs::observe::ShutdownLog();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App options("Runs Python functions on streams: sandboxed, with durable state, exactly once.", "function-stream");
  std::optional<std::string> config_flag;
  options.add_option("--config", config_flag,
                     "The server's YAML configuration. Without it: the file or folder that FUNCTION_STREAM_CONF names, else "
                     "conf/config.yaml, else defaults.");
  options.set_version_flag("--version", "function-stream " FS_VERSION);
  try {
    options.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // The library has a code for each mistake; --help and --version come here too, with 0.
    return options.exit(error) == 0 ? 0 : kBadRequest;
  }
  return Run(config_flag);
}
