#include "connector/file/file_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace fs::connector::file {
namespace {

constexpr int32_t kPartition = 0;
constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kLimitLineBytes = size_t{64} << 20;
constexpr size_t kLargestSpare = 4 << 20;

}  // namespace

absl::Status FileSource::Start(const Positions& positions, SourceListener&) {
  FS_ASSIGN_OR_RETURN(file_, OpenForReading(folder_, below_));
  const auto ours = positions.find(kPartition);
  buffer_offset_ = ours == positions.end() ? 0 : ours->second;
  if (buffer_offset_ == 0) return absl::OkStatus();
  // A position is where a line begins. This finds most files that are not the one that was read.
  char before = 0;
  if (pread(file_.get(), &before, 1, buffer_offset_ - 1) != 1 || before != '\n') {
    return FailedPrecondition(
        "{}: not the file that was read until byte {}: it was replaced, cut short or changed; restore it, or drop the function "
        "and create it anew",
        (folder_ / below_).native(), buffer_offset_);
  }
  return absl::OkStatus();
}

Positions FileSource::EndOffsets() const {
  struct stat info = {};
  return fstat(file_.get(), &info) == 0 ? Positions{{kPartition, info.st_size}} : Positions{};
}

absl::Status FileSource::Fill(size_t max_bytes) {
  while (buffer_.find('\n', searched_) == std::string::npos) {
    searched_ = buffer_.size();
    if (buffer_.size() > kLimitLineBytes) {
      return ResourceExhausted("{}: the line at byte {} is longer than the limit, {} bytes", (folder_ / below_).native(), buffer_offset_,
                               kLimitLineBytes);
    }
    const size_t held = buffer_.size();
    const size_t wanted = std::max(kReadBytes, std::min(max_bytes, kLargestSpare));
    buffer_.resize(held + wanted);
    const ssize_t got = pread(file_.get(), buffer_.data() + held, wanted, buffer_offset_ + static_cast<int64_t>(held));
    const int error = errno;
    buffer_.resize(held + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && error != EINTR) return Internal("{}: {}", (folder_ / below_).native(), std::generic_category().message(error));
    if (got == 0) {
      is_at_end_ = true;
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::Status FileSource::CheckEnd() {
  const std::filesystem::path path = folder_ / below_;
  const FileLook ours = LookAt(file_.get());
  const int64_t end = buffer_offset_ + static_cast<int64_t>(buffer_.size());
  if (ours.size < end) {
    return FailedPrecondition("{}: cut short to {} bytes after {} were read; restore it, or drop the function and create it anew",
                              path.native(), static_cast<int64_t>(ours.size), end);
  }
  const FileLook at_path = LookAt(path);
  if (at_path.is_there && (at_path.inode != ours.inode || at_path.device != ours.device)) {
    return FailedPrecondition("{}: replaced by another file after all of it, {} bytes, was read; for rotated files use a function per file",
                              path.native(), end);
  }
  if (ours.size > end) {
    has_more_ = true;
    return absl::OkStatus();
  }
  // A removed file stays as it is: nothing more will come, unless another takes its place. What we saw first is what to compare with, so
  // that growth between the two looks is a change.
  return watcher_->Wait(watch_, path, at_path.is_there ? ours : at_path, waker_);
}

absl::Status FileSource::Poll(size_t max_records, size_t max_bytes, std::vector<Record>& out) {
  buffer_.erase(0, taken_);
  buffer_offset_ += static_cast<int64_t>(taken_);
  searched_ -= std::min(searched_, taken_);
  taken_ = 0;
  if (buffer_.empty() && buffer_.capacity() > kLargestSpare) buffer_.shrink_to_fit();
  has_more_ = false;
  is_at_end_ = false;
  FS_RETURN_IF_ERROR(Fill(max_bytes));

  size_t records = 0;
  while (records < max_records && taken_ < max_bytes) {
    const size_t end = buffer_.find('\n', std::max(taken_, searched_));
    if (end == std::string::npos) break;
    Record record;
    record.value = std::string_view(buffer_).substr(taken_, end - taken_);
    if (record.value.ends_with('\r')) record.value.remove_suffix(1);
    // That of the line's end, so that the offset after it is where the next line begins, as with every source.
    record.offset = buffer_offset_ + static_cast<int64_t>(end);
    out.push_back(record);
    ++records;
    taken_ = end + 1;
  }
  if (!is_at_end_) has_more_ = true;
  return is_at_end_ ? CheckEnd() : absl::OkStatus();
}

}  // namespace fs::connector::file
