#include "observe/function_log.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>

#include "base/steady_clock.h"
#include "base/utf8.h"
#include "observe/function_log_files.h"
#include "observe/log.h"
#include "observe/printable.h"

namespace fs::observe {
namespace {

constexpr size_t kMaxLineBytes = size_t{16} << 10;
// A file's name may have 255 bytes, as may a function's: beyond this a hash stands for the rest.
constexpr size_t kMaxStemBytes = 200;

uint64_t Fnv1a(std::string_view text) {
  uint64_t hash = 14695981039346656037ull;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ull;
  return hash;
}

std::string_view LevelName(int level) {
  if (level >= 50) return "CRITICAL";
  if (level >= 40) return "ERROR";
  if (level >= 30) return "WARNING";
  if (level >= 20) return "INFO";
  return "DEBUG";
}

class FileFunctionLog : public FunctionLog {
 public:
  FileFunctionLog(FunctionLogFiles files, const Options& options) : files_(std::move(files)), options_(options) {}

  ~FileFunctionLog() override {
    Close();
    if (options_.followers != nullptr) options_.followers->Notify();
  }

  absl::Status Open() {
    absl::MutexLock lock(&mutex_);
    return OpenCurrent();
  }

  void Write(int level, std::string_view text) override {
    WriteLines(level, text);
    // Without the lock: followers have locks of their own.
    if (options_.followers != nullptr) options_.followers->Notify();
  }

 private:
  void Close() {
    absl::MutexLock lock(&mutex_);
    if (const std::string lines = EndWindow(absl::Now()); !lines.empty()) Append(lines);
    if (file_ >= 0) close(file_);
  }

  void WriteLines(int level, std::string_view text) {
    absl::MutexLock lock(&mutex_);
    const absl::Time date = absl::Now();
    const absl::Time now = SteadyNow();
    std::string lines;
    if (now - window_start_ >= absl::Seconds(1)) {
      lines = EndWindow(date);
      window_start_ = now;
    }
    const std::string start = fmt::format("{} {} ", Stamp(date), LevelName(level));
    while (!text.empty()) {
      const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
      const uint64_t bytes = start.size() + std::min(line.size(), kMaxLineBytes) + 1;
      if (!over_ && lines_in_window_ >= options_.lines_per_second) over_ = Limit::kLogLines;
      if (!over_ && bytes_in_window_ + bytes > options_.bytes_per_second) over_ = Limit::kLogBytes;
      if (over_) {
        const uint64_t dropped = static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')) + (text.back() == '\n' ? 0 : 1);
        dropped_ += dropped;
        if (options_.dropped_lines != nullptr) options_.dropped_lines->fetch_add(dropped, std::memory_order_relaxed);
        break;
      }
      AppendLine(start, line, lines);
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      ++lines_in_window_;
      bytes_in_window_ += bytes;
    }
    TellUse();
    if (!lines.empty()) Append(lines);
  }

  static std::string Stamp(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone()); }

  static void AppendLine(std::string_view start, std::string_view line, std::string& out) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string_view kept = CutUtf8(line, kMaxLineBytes);
    out += start;
    AppendPrintable(kept, out);
    if (kept.size() < line.size()) out += fmt::format(" [{} bytes more]", line.size() - kept.size());
    out += '\n';
  }

  void TellUse() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (options_.use == nullptr) return;
    options_.use->Saw(Limit::kLogLines, static_cast<double>(lines_in_window_), static_cast<double>(options_.lines_per_second));
    options_.use->Saw(Limit::kLogBytes, static_cast<double>(bytes_in_window_), static_cast<double>(options_.bytes_per_second));
    if (over_ && !is_refusal_told_) options_.use->Refused(*over_);
    is_refusal_told_ = over_.has_value();
  }

  // The line that says what was dropped in it, if something was.
  std::string EndWindow(absl::Time date) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::string line;
    if (dropped_ > 0) {
      const std::string most =
          over_ == Limit::kLogLines ? fmt::format("{}", options_.lines_per_second) : fmt::format("{} bytes", options_.bytes_per_second);
      line = fmt::format("{} WARNING {} lines dropped: more than {} in a second (limits.{})\n", Stamp(date), dropped_, most, KeyOf(*over_));
    }
    dropped_ = lines_in_window_ = bytes_in_window_ = 0;
    over_.reset();
    is_refusal_told_ = false;
    return line;
  }

  absl::Status OpenCurrent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    file_ = open(files_.current.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (file_ < 0) return Internal("log {}: cannot be opened: {}", files_.current, std::strerror(errno));
    struct stat info = {};
    size_ = fstat(file_, &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
    return absl::OkStatus();
  }

  // Two files share the limit, so that there is always up to half of it to look back on.
  absl::Status Rotate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    close(file_);
    file_ = -1;
    if (std::rename(files_.current.c_str(), files_.previous.c_str()) != 0) {
      absl::Status failed = Internal("log {}: cannot be renamed: {}", files_.current, std::strerror(errno));
      // Growing past the limit is not an option: start the file over.
      static_cast<void>(truncate(files_.current.c_str(), 0));
      FS_RETURN_IF_ERROR(OpenCurrent());
      return failed;
    }
    return OpenCurrent();
  }

  void Append(std::string_view lines) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    absl::Status status = file_ < 0 ? OpenCurrent() : absl::OkStatus();
    if (status.ok() && size_ > 0 && size_ + lines.size() > options_.limit_bytes / 2) status = Rotate();
    while (file_ >= 0 && !lines.empty()) {
      // One call's lines may be more than a file holds: the newest are the ones to keep.
      if (lines.size() > options_.limit_bytes / 2) lines.remove_prefix(lines.size() - options_.limit_bytes / 2);
      const ssize_t written = write(file_, lines.data(), lines.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        status = Internal("log {}: cannot be written: {}", files_.current, std::strerror(errno));
        break;
      }
      size_ += static_cast<uint64_t>(written);
      lines.remove_prefix(static_cast<size_t>(written));
    }
    // A function's log must not stop the function; the operator hears of it once, not once a line.
    if (!status.ok() && !is_failing_) LogWarning("{}", Message(status));
    is_failing_ = !status.ok();
  }

  const FunctionLogFiles files_;
  const Options options_;
  absl::Mutex mutex_;
  int file_ ABSL_GUARDED_BY(mutex_) = -1;
  uint64_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time window_start_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  uint64_t lines_in_window_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t bytes_in_window_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<Limit> over_ ABSL_GUARDED_BY(mutex_);  // in this window; all that follows is dropped
  bool is_refusal_told_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_failing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

absl::StatusOr<FunctionLogFiles> FunctionLogFilesOf(const std::filesystem::path& folder, std::string_view name) {
  if (name.empty() || name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos) {
    return InvalidArgument("log of a function: `{}` cannot name a file", ToUtf8(name));
  }
  const std::string stem =
      name.size() <= kMaxStemBytes ? std::string(name) : fmt::format("{}-{:016x}", name.substr(0, kMaxStemBytes), Fnv1a(name));
  const std::string current = (folder / (stem + ".log")).string();
  return FunctionLogFiles{.current = current, .previous = current + ".1"};
}

absl::StatusOr<std::unique_ptr<FunctionLog>> FunctionLog::Open(const std::filesystem::path& folder, std::string_view name,
                                                               const Options& options) {
  FS_ASSIGN_OR_RETURN(FunctionLogFiles files, FunctionLogFilesOf(folder, name));
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Internal("log folder {}: cannot be created: {}", folder.string(), error.message());
  auto log = std::make_unique<FileFunctionLog>(std::move(files), options);
  FS_RETURN_IF_ERROR(log->Open());
  return std::unique_ptr<FunctionLog>(std::move(log));
}

absl::Status FunctionLog::Remove(const std::filesystem::path& folder, std::string_view name) {
  FS_ASSIGN_OR_RETURN(const FunctionLogFiles files, FunctionLogFilesOf(folder, name));
  for (const std::string& path : {files.current, files.previous}) {
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return Internal("log {}: cannot be removed: {}", path, std::strerror(errno));
  }
  return absl::OkStatus();
}

}  // namespace fs::observe
