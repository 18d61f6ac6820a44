#include "observe/function_log_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "observe/function_log_files.h"

namespace fs::observe {
namespace {

constexpr size_t kChunkBytes = size_t{64} << 10;

class File {
 public:
  File() = default;
  explicit File(const std::string& path) : handle_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) {}
  File(File&& other) noexcept : handle_(std::exchange(other.handle_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~File() {
    if (handle_ >= 0) close(handle_);
  }

  [[nodiscard]] bool is_open() const { return handle_ >= 0; }
  // 0 when it is not open.
  [[nodiscard]] ino_t number() const { return Info().st_ino; }
  [[nodiscard]] int64_t size() const { return Info().st_size; }
  [[nodiscard]] ssize_t ReadAt(int64_t offset, char* to, size_t bytes) const { return pread(handle_, to, bytes, offset); }

 private:
  [[nodiscard]] struct stat Info() const {
    struct stat info = {};
    if (handle_ < 0 || fstat(handle_, &info) != 0) info = {};
    return info;
  }
  int handle_ = -1;
};

// Where the last `lines` lines of the file begin; takes off `lines` those that it holds.
int64_t TailOffset(const File& file, uint64_t& lines) {
  std::string chunk;
  // The line end at the very end ends the last line, it does not begin another.
  int64_t end = file.size() - 1;
  while (end > 0) {
    const int64_t begin = std::max<int64_t>(0, end - static_cast<int64_t>(kChunkBytes));
    chunk.resize(static_cast<size_t>(end - begin));
    const ssize_t got = file.ReadAt(begin, chunk.data(), chunk.size());
    if (got <= 0) break;
    for (auto i = static_cast<size_t>(got); i > 0; --i) {
      if (chunk[i - 1] == '\n' && --lines == 0) return begin + static_cast<int64_t>(i);
    }
    end = begin;
  }
  if (file.size() > 0) --lines;
  return 0;
}

// "2026-01-31T12:00:00.123Z INFO text", as FunctionLog writes it.
LogLine Parse(std::string_view line) {
  const size_t time_end = line.find(' ');
  const size_t level_end = time_end == std::string_view::npos ? time_end : line.find(' ', time_end + 1);
  if (level_end == std::string_view::npos || !line.substr(0, time_end).ends_with('Z'))
    return {.time = {}, .level = {}, .text = std::string(line)};
  return {.time = std::string(line.substr(0, time_end)),
          .level = std::string(line.substr(time_end + 1, level_end - time_end - 1)),
          .text = std::string(line.substr(level_end + 1))};
}

class FileFunctionLogReader final : public FunctionLogReader {
 public:
  FileFunctionLogReader(FunctionLogFiles paths, std::shared_ptr<LogFollowers> followers)
      : paths_(std::move(paths)), followers_(std::move(followers)) {}
  ~FileFunctionLogReader() override {
    if (follower_ != 0) followers_->Remove(follower_);
  }

  void Begin(std::optional<uint64_t> tail, std::function<void()> on_growth) {
    // First of all, so that nothing that comes later is missed.
    if (on_growth) follower_ = followers_->Add(std::move(on_growth));
    file_ = File(paths_.current);
    File previous(paths_.previous);
    // The file was rotated between the two: what is current now comes when this one ends.
    const bool has_previous = previous.is_open() && previous.number() != file_.number();
    if (!tail) {
      if (has_previous) file_ = std::move(previous);
      return;
    }
    uint64_t wanted = *tail;
    if (wanted == 0) {
      offset_ = file_.size();
      return;
    }
    if (file_.is_open()) offset_ = TailOffset(file_, wanted);
    if (wanted == 0 || !has_previous) return;
    file_ = std::move(previous);
    offset_ = TailOffset(file_, wanted);
  }

  absl::Status Read(size_t max_bytes, std::vector<LogLine>& lines) override {
    for (size_t bytes = 0; bytes < max_bytes;) {
      FS_ASSIGN_OR_RETURN(const size_t got, ReadChunk(lines));
      bytes += got;
      if (got > 0) continue;
      if (!file_.is_open() || File(paths_.current).number() != file_.number()) {
        // Whatever came before the rotation is there by now: read it before going on to the next file.
        FS_ASSIGN_OR_RETURN(const size_t rest, ReadChunk(lines));
        bytes += rest;
        if (rest > 0) continue;
        if (NextFile(lines)) continue;
      }
      break;
    }
    return absl::OkStatus();
  }

  bool is_over() const override { return followers_->is_over(); }

 private:
  absl::StatusOr<size_t> ReadChunk(std::vector<LogLine>& lines) {
    if (!file_.is_open()) return size_t{0};
    if (file_.size() < offset_) {
      offset_ = 0;
      partial_.clear();
    }
    chunk_.resize(kChunkBytes);
    const ssize_t got = file_.ReadAt(offset_, chunk_.data(), chunk_.size());
    if (got < 0) return Internal("log {}: cannot be read: {}", paths_.current, std::strerror(errno));
    offset_ += got;
    std::string_view rest(chunk_.data(), static_cast<size_t>(got));
    for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      partial_ += rest.substr(0, end);
      lines.push_back(Parse(partial_));
      partial_.clear();
      rest.remove_prefix(end + 1);
    }
    partial_ += rest;
    return static_cast<size_t>(got);
  }

  // False: there is none yet.
  bool NextFile(std::vector<LogLine>& lines) {
    File current(paths_.current);
    File previous(paths_.previous);
    if (!current.is_open()) return false;
    const ino_t ours = file_.number();
    const bool was_read = file_.is_open();
    // What was read is now the previous file, or that has been rotated away too.
    const bool is_behind = was_read && previous.is_open() && previous.number() != ours && previous.number() != current.number();
    if (is_behind)
      lines.push_back({.time = {}, .level = "WARNING", .text = "lines are missing here: the log was rotated faster than it was read"});
    file_ = std::move(is_behind ? previous : current);
    offset_ = 0;
    partial_.clear();
    return true;
  }

  const FunctionLogFiles paths_;
  const std::shared_ptr<LogFollowers> followers_;
  uint64_t follower_ = 0;
  File file_;
  int64_t offset_ = 0;
  std::string chunk_;
  std::string partial_;  // the begin of a line whose end is not there yet
};

}  // namespace

absl::StatusOr<std::unique_ptr<FunctionLogReader>> FunctionLogReader::Open(const std::filesystem::path& folder, std::string_view name,
                                                                           std::optional<uint64_t> tail,
                                                                           std::shared_ptr<LogFollowers> followers,
                                                                           std::function<void()> on_growth) {
  FS_ASSIGN_OR_RETURN(FunctionLogFiles paths, FunctionLogFilesOf(folder, name));
  auto reader = std::make_unique<FileFunctionLogReader>(std::move(paths), std::move(followers));
  reader->Begin(tail, std::move(on_growth));
  return std::unique_ptr<FunctionLogReader>(std::move(reader));
}

}  // namespace fs::observe
