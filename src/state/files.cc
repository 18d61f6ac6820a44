#include "state/files.h"

#include <fcntl.h>
#include <rocksdb/file_checksum.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <system_error>
#include <vector>

namespace fs::state {
namespace {

constexpr size_t kChecksumBytes = 4;
constexpr size_t kBufferBytes = size_t{1} << 20;

absl::Status Error(int code, const std::filesystem::path& path, std::string_view doing) {
  absl::StatusCode kind = absl::StatusCode::kInternal;
  if (code == ENOENT) kind = absl::StatusCode::kNotFound;
  if (code == ENOSPC || code == EDQUOT) kind = absl::StatusCode::kResourceExhausted;
  return MakeError(kind, "{}: {}: {}", path.native(), doing, std::strerror(code));
}

class File {
 public:
  File(const std::filesystem::path& path, int flags) : handle_(open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() {
    if (handle_ >= 0) close(handle_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int handle() const { return handle_; }

 private:
  int handle_;
};

absl::Status WriteAll(const File& file, const std::filesystem::path& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file.handle(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error(errno, path, "cannot be written");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status ReadPieces(const std::filesystem::path& path, const std::function<absl::Status(std::string_view)>& take) {
  const File file(path, O_RDONLY);
  if (file.handle() < 0) return Error(errno, path, "cannot be opened");
  std::vector<char> buffer(kBufferBytes);
  while (true) {
    const ssize_t got = read(file.handle(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error(errno, path, "cannot be read");
    if (got == 0) return absl::OkStatus();
    FS_RETURN_IF_ERROR(take({buffer.data(), static_cast<size_t>(got)}));
  }
}

std::unique_ptr<rocksdb::FileChecksumGenerator> NewChecksum() {
  return rocksdb::GetFileChecksumGenCrc32cFactory()->CreateFileChecksumGenerator({});
}

std::string Finish(rocksdb::FileChecksumGenerator& generator) {
  generator.Finalize();
  return generator.GetChecksum();
}

uint32_t AsNumber(std::string_view checksum) {
  uint32_t number = 0;
  for (const char byte : checksum) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

}  // namespace

uint32_t ChecksumOf(std::string_view bytes) {
  const auto generator = NewChecksum();
  generator->Update(bytes.data(), bytes.size());
  return AsNumber(Finish(*generator));
}

absl::StatusOr<uint32_t> ChecksumOfFile(const std::filesystem::path& file) {
  const auto generator = NewChecksum();
  FS_RETURN_IF_ERROR(ReadPieces(file, [&](std::string_view piece) {
    generator->Update(piece.data(), piece.size());
    return absl::OkStatus();
  }));
  return AsNumber(Finish(*generator));
}

absl::Status WriteChecked(const std::filesystem::path& file, std::string_view content) {
  std::filesystem::path unfinished = file;
  unfinished += ".new";
  {
    const File out(unfinished, O_WRONLY | O_CREAT | O_TRUNC);
    if (out.handle() < 0) return Error(errno, unfinished, "cannot be made");
    const uint32_t checksum = ChecksumOf(content);
    char number[kChecksumBytes];
    for (size_t i = 0; i < kChecksumBytes; ++i) number[i] = static_cast<char>(checksum >> (8 * (kChecksumBytes - 1 - i)));
    FS_RETURN_IF_ERROR(WriteAll(out, unfinished, {number, kChecksumBytes}));
    FS_RETURN_IF_ERROR(WriteAll(out, unfinished, content));
    if (fsync(out.handle()) != 0) return Error(errno, unfinished, "cannot be synced");
  }
  return Rename(unfinished, file);
}

absl::StatusOr<std::string> ReadChecked(const std::filesystem::path& file) {
  std::string bytes;
  FS_RETURN_IF_ERROR(ReadPieces(file, [&](std::string_view piece) {
    bytes.append(piece);
    return absl::OkStatus();
  }));
  if (bytes.size() < kChecksumBytes ||
      ChecksumOf(std::string_view(bytes).substr(kChecksumBytes)) != AsNumber(bytes.substr(0, kChecksumBytes)))
    return DataLoss("{}: damaged: its checksum is not that of its content", file.native());
  return bytes.substr(kChecksumBytes);
}

absl::Status Sync(const std::filesystem::path& path) {
  const File file(path, O_RDONLY);
  if (file.handle() < 0) return Error(errno, path, "cannot be opened");
  if (fsync(file.handle()) != 0) return Error(errno, path, "cannot be synced");
  return absl::OkStatus();
}

absl::Status MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Error(error.value(), folder, "cannot be made");
  return Sync(folder.parent_path());
}

absl::Status Rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return Error(errno, from, fmt::format("cannot become {}", to.native()));
  FS_RETURN_IF_ERROR(Sync(to.parent_path()));
  return from.parent_path() == to.parent_path() ? absl::OkStatus() : Sync(from.parent_path());
}

absl::Status Link(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (link(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  if (errno == EXDEV || errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK) return Copy(from, to);
  return Error(errno, from, fmt::format("cannot be linked as {}", to.native()));
}

absl::Status Copy(const std::filesystem::path& from, const std::filesystem::path& to) {
  const File out(to, O_WRONLY | O_CREAT | O_EXCL);
  if (out.handle() < 0) return Error(errno, to, "cannot be made");
  FS_RETURN_IF_ERROR(ReadPieces(from, [&](std::string_view piece) { return WriteAll(out, to, piece); }));
  if (fsync(out.handle()) != 0) return Error(errno, to, "cannot be synced");
  return absl::OkStatus();
}

absl::Status RemoveAll(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return Error(error.value(), path, "cannot be removed");
  return absl::OkStatus();
}

}  // namespace fs::state
