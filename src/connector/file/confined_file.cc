#include "connector/file/confined_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

namespace fs::connector::file {
namespace {

constexpr size_t kLimitPathBytes = 4096;
constexpr mode_t kFolderMode = 0755;
constexpr mode_t kFileMode = 0644;

absl::Status OpenError(const std::filesystem::path& path, int error) {
  if (error == ENOENT) return NotFound("{}: no such file", path.native());
  if (error == ELOOP) return InvalidArgument("{}: a symbolic link; links are not followed here", path.native());
  if (error == ENOTDIR) return InvalidArgument("{}: a part of the path is a file or a symbolic link", path.native());
  if (error == EISDIR) return InvalidArgument("{}: a folder, not a file", path.native());
  return Internal("{}: {}", path.native(), std::generic_category().message(error));
}

absl::StatusOr<Descriptor> Open(const std::filesystem::path& folder, const std::filesystem::path& below, bool is_written) {
  const std::filesystem::path full = folder / below;
  Descriptor parent(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent.is_open()) return OpenError(folder, errno);
  for (const std::filesystem::path& part : below.parent_path()) {
    Descriptor next(openat(parent.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.is_open() && errno == ENOENT && is_written) {
      if (mkdirat(parent.get(), part.c_str(), kFolderMode) != 0 && errno != EEXIST) return OpenError(full, errno);
      next = Descriptor(openat(parent.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    if (!next.is_open()) return OpenError(full, errno);
    parent = std::move(next);
  }
  // Without waiting: opening a pipe would wait for its other end.
  const int flags = (is_written ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Descriptor file(openat(parent.get(), below.filename().c_str(), flags, kFileMode));
  if (!file.is_open()) return OpenError(full, errno);
  struct stat status = {};
  if (fstat(file.get(), &status) != 0) return OpenError(full, errno);
  if (S_ISDIR(status.st_mode)) return OpenError(full, EISDIR);
  if (!S_ISREG(status.st_mode)) return InvalidArgument("{}: not a regular file", full.native());
  return file;
}

}  // namespace

absl::StatusOr<std::filesystem::path> PathBelow(const std::filesystem::path& folder, std::string_view path) {
  if (path.size() > kLimitPathBytes) return InvalidArgument("a path of {} bytes: the limit is {}", path.size(), kLimitPathBytes);
  if (path.find('\0') != std::string_view::npos) return InvalidArgument("a path with a zero byte");
  const std::filesystem::path given(path);
  for (const std::filesystem::path& part : given) {
    if (part == "..") return InvalidArgument("`..` is not allowed in a path");
  }
  const std::filesystem::path normal = given.lexically_normal();
  std::filesystem::path below = normal;
  if (normal.is_absolute()) {
    below = normal.lexically_relative(std::filesystem::absolute(folder).lexically_normal());
    if (below.empty() || *below.begin() == "..") {
      return InvalidArgument("`{}` is outside of the folder for files, {}", path,
                             std::filesystem::absolute(folder).lexically_normal().native());
    }
  }
  if (below.empty() || below == "." || !below.has_filename()) return InvalidArgument("`{}` names no file", path);
  return below;
}

absl::StatusOr<Descriptor> OpenForReading(const std::filesystem::path& folder, const std::filesystem::path& below) {
  return Open(folder, below, false);
}

absl::StatusOr<Descriptor> OpenForWriting(const std::filesystem::path& folder, const std::filesystem::path& below) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Internal("{}: cannot make the folder: {}", folder.native(), error.message());
  return Open(folder, below, true);
}

}  // namespace fs::connector::file
