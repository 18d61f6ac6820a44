// Opening files below one folder and nowhere else: functions' configurations come from outside, the server's file system does not.
//
// Pure functions, any thread. A path is taken relative to the folder, or absolute if it begins with it. `..` is refused, and so is every
// symbolic link below the folder, checked while opening, so that nothing can be swapped in between.
#ifndef FUNCTION_STREAM_CONNECTOR_FILE_CONFINED_FILE_H_
#define FUNCTION_STREAM_CONNECTOR_FILE_CONFINED_FILE_H_

#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "base/status.h"

namespace fs::connector::file {

// Owns a descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// The path below `folder`, without `.` and doubled slashes. kInvalidArgument, saying why, for one that is not below it.
[[nodiscard]] absl::StatusOr<std::filesystem::path> PathBelow(const std::filesystem::path& folder, std::string_view path);

// A regular file at `below` (of PathBelow) in `folder`. kNotFound; kInvalidArgument: a symbolic link, a folder, a device; kInternal: other
// reasons, named. ForWriting makes what is missing: the folder, folders below it, the file.
[[nodiscard]] absl::StatusOr<Descriptor> OpenForReading(const std::filesystem::path& folder, const std::filesystem::path& below);
[[nodiscard]] absl::StatusOr<Descriptor> OpenForWriting(const std::filesystem::path& folder, const std::filesystem::path& below);

}  // namespace fs::connector::file

#endif  // FUNCTION_STREAM_CONNECTOR_FILE_CONFINED_FILE_H_
