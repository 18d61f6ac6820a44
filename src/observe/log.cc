#include "observe/log.h"

#include <absl/time/time.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <exception>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

#include "observe/printable.h"

namespace fs::observe {
namespace {

std::string_view View(spdlog::string_view_t text) { return {text.data(), text.size()}; }

std::string Time(const spdlog::details::log_msg& message) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromChrono(message.time), absl::UTCTimeZone());
}

// {"time":"2026-01-31T12:00:00.123456Z","level":"info","thread":77,"message":"..."}
class JsonFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    line_ = fmt::format(R"({{"time":"{}","level":"{}","thread":{},"message":)", Time(message),
                        View(spdlog::level::to_string_view(message.level)), message.thread_id);
    AppendJsonString(View(message.payload), line_);
    line_ += "}\n";
    out.append(line_.data(), line_.data() + line_.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }

 private:
  std::string line_;  // a sink formats under its lock
};

// 2026-01-31T12:00:00.123456Z info    [77] ...
class TextFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    line_ = fmt::format("{} {:8} [{}] ", Time(message), View(spdlog::level::to_string_view(message.level)), message.thread_id);
    AppendPrintable(View(message.payload), line_);
    line_ += '\n';
    out.append(line_.data(), line_.data() + line_.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<TextFormatter>(); }

 private:
  std::string line_;
};

void Install(std::vector<spdlog::sink_ptr> sinks, bool json, spdlog::level::level_enum level) {
  auto logger = std::make_shared<spdlog::logger>("", sinks.begin(), sinks.end());
  logger->set_formatter(json ? std::unique_ptr<spdlog::formatter>(std::make_unique<JsonFormatter>()) : std::make_unique<TextFormatter>());
  logger->set_level(level);
  // Events are few, and the last line before a crash is the one that is wanted.
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void InstallStderr() { Install({std::make_shared<spdlog::sinks::stderr_sink_mt>()}, false, spdlog::level::info); }

// spdlog's own default writes to standard output, which belongs to the commands' answers.
[[maybe_unused]] const bool kStderrUntilInit = [] {
  InstallStderr();
  return true;
}();

}  // namespace

absl::Status InitLog(const LogOptions& options) {
  const spdlog::level::level_enum level = spdlog::level::from_str(options.level);
  if (level == spdlog::level::off && options.level != "off") return InvalidArgument("logging.level: `{}` is not a level", options.level);
  // spdlog reports by exception, and only here.
  try {
    std::vector<spdlog::sink_ptr> sinks;
    if (!options.file.empty()) {
      std::error_code error;
      if (options.file.has_parent_path()) std::filesystem::create_directories(options.file.parent_path(), error);
      if (error)
        return Internal("log file {}: cannot create its folder: {}; check logging.file_path", options.file.string(), error.message());
      // spdlog counts the files beside the one that is written.
      const uint32_t rotated = options.max_files > 0 ? options.max_files - 1 : 0;
      sinks.push_back(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(options.file.string(), options.max_file_bytes, rotated));
    }
    if (options.also_stderr || sinks.empty()) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    Install(std::move(sinks), options.json, level);
  } catch (const std::exception& error) {
    return Internal("log file {}: {}; check logging.file_path and its permissions", options.file.string(), error.what());
  }
  return absl::OkStatus();
}

void ShutdownLog() {
  spdlog::default_logger()->flush();
  InstallStderr();
}

}  // namespace fs::observe
