#include "connector/file/file_sink.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <system_error>

namespace fs::connector::file {
namespace {

constexpr size_t kWriteBytes = 256 << 10;
constexpr size_t kLargestSpare = 4 << 20;

absl::Status SystemError(const std::string& path, std::string_view what, int error) {
  const absl::StatusCode code =
      error == ENOSPC || error == EDQUOT || error == EFBIG ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal;
  return MakeError(code, "{}: {}: {}", path, what, std::generic_category().message(error));
}

}  // namespace

absl::Status FileSink::Start(std::optional<std::string_view> mark) {
  FS_ASSIGN_OR_RETURN(file_, OpenForWriting(folder_, below_));
  if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return FailedPrecondition("{}: another function writes this file", name());
    return SystemError(name(), "cannot lock", errno);
  }
  struct stat status = {};
  if (fstat(file_.get(), &status) != 0) return SystemError(name(), "cannot look at it", errno);
  length_ = status.st_size;
  if (mark && !mark->empty()) {
    int64_t wanted = 0;
    const auto [end, error] = std::from_chars(mark->data(), mark->data() + mark->size(), wanted);
    if (error != std::errc() || end != mark->data() + mark->size() || wanted < 0) {
      return DataLoss("{}: the checkpoint's mark is damaged", name());
    }
    if (length_ < wanted) {
      return FailedPrecondition(
          "{}: {} bytes long, but the last checkpoint left {}: it was replaced or cut short; restore it, or drop the function "
          "and create it anew",
          name(), length_, wanted);
    }
    if (length_ > wanted && ftruncate(file_.get(), wanted) != 0) return SystemError(name(), "cannot cut it back", errno);
    length_ = wanted;
  }
  char last = '\n';
  if (length_ > 0 && pread(file_.get(), &last, 1, length_ - 1) != 1) return SystemError(name(), "cannot read", errno);
  if (last != '\n') return FailedPrecondition("{}: its last line has no end; add one, or name another file", name());
  // The file's place in its folder and a cut are durable before anything that builds on them.
  if (fsync(file_.get()) != 0) return SystemError(name(), "cannot sync", errno);
  const Descriptor parent(open((folder_ / below_).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.is_open() || fsync(parent.get()) != 0) return SystemError(name(), "cannot sync its folder", errno);
  return absl::OkStatus();
}

absl::Status FileSink::Check(const OutputRecord& record) const {
  if (const size_t end = record.value.find('\n'); end != std::string_view::npos) {
    return InvalidArgument("{}: a value of {} bytes holds a line's end at byte {}: a file takes one line a value", name(),
                           record.value.size(), end);
  }
  return absl::OkStatus();
}

absl::Status FileSink::Write(const OutputRecord& record) {
  FS_RETURN_IF_ERROR(Check(record));
  pending_.append(record.value);
  pending_.push_back('\n');
  return pending_.size() < kWriteBytes ? absl::OkStatus() : WritePending();
}

absl::Status FileSink::WritePending() {
  size_t written = 0;
  absl::Status status;
  while (written < pending_.size() && status.ok()) {
    const ssize_t count = pwrite(file_.get(), pending_.data() + written, pending_.size() - written, length_);
    if (count < 0 && errno != EINTR) status = SystemError(name(), "cannot write", errno);
    if (count <= 0) continue;
    is_synced_ = false;
    written += static_cast<size_t>(count);
    length_ += count;
  }
  // After an error what is left is tried again by the next call.
  pending_.erase(0, written);
  if (pending_.empty() && pending_.capacity() > kLargestSpare) pending_.shrink_to_fit();
  return status;
}

absl::Status FileSink::Flush(absl::Time) {
  FS_RETURN_IF_ERROR(WritePending());
  if (is_synced_) return absl::OkStatus();
  if (fdatasync(file_.get()) != 0) return SystemError(name(), "cannot sync", errno);
  is_synced_ = true;
  return absl::OkStatus();
}

}  // namespace fs::connector::file
