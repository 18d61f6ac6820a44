// The ZIP around a package, opened from hostile bytes in memory (docs/package-format.md, "The container").
//
// Not thread-safe; the bytes must outlive it. Nothing is unpacked but what Read() is asked for, and never more than its limit.
#ifndef FUNCTION_STREAM_CATALOG_ZIP_CONTAINER_H_
#define FUNCTION_STREAM_CATALOG_ZIP_CONTAINER_H_

#include <zip.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fs::catalog {

class ZipContainer {
 public:
  // Checks the directory: form, number, names (CheckPath) and kinds of entries. kInvalidArgument, kResourceExhausted.
  static absl::StatusOr<ZipContainer> Open(std::string_view bytes, uint64_t limit_entries);

  // Every entry by its path, each once.
  [[nodiscard]] const std::map<std::string, uint64_t, std::less<>>& entries() const { return entries_; }

  // The entry's bytes, its checksum checked. kInvalidArgument naming the entry when it is damaged or longer than `limit_bytes`.
  [[nodiscard]] absl::StatusOr<std::string> Read(std::string_view path, uint64_t limit_bytes);

 private:
  struct Discard {
    void operator()(zip_t* archive) const { zip_discard(archive); }
  };
  std::unique_ptr<zip_t, Discard> archive_;
  std::map<std::string, uint64_t, std::less<>> entries_;
};

// A path inside a package: relative, no climbing, nothing that a shell, a terminal or Windows would take for more than a name.
[[nodiscard]] absl::Status CheckPath(std::string_view path);

}  // namespace fs::catalog

#endif  // FUNCTION_STREAM_CATALOG_ZIP_CONTAINER_H_
