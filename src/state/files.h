// What retained checkpoints ask of the file system: files that are whole or not there, and checksums of them.
//
// Any thread. Errors name the path and say why: kNotFound where there is no such file, kResourceExhausted for a full disk or quota,
// kDataLoss for content that is not what was written, else kInternal.
#ifndef FUNCTION_STREAM_STATE_FILES_H_
#define FUNCTION_STREAM_STATE_FILES_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fs::state {

// CRC32C, as RocksDB reckons it for its own files.
[[nodiscard]] uint32_t ChecksumOf(std::string_view bytes);
[[nodiscard]] absl::StatusOr<uint32_t> ChecksumOfFile(const std::filesystem::path& file);

// A small file that carries its own checksum. After a crash the old content or the new one is there, never a part.
[[nodiscard]] absl::Status WriteChecked(const std::filesystem::path& file, std::string_view content);
[[nodiscard]] absl::StatusOr<std::string> ReadChecked(const std::filesystem::path& file);

// What the folder's list of files says, or a file's content, survives a power failure on return.
[[nodiscard]] absl::Status Sync(const std::filesystem::path& path);
[[nodiscard]] absl::Status MakeFolder(const std::filesystem::path& folder);
// Replaces an empty folder; both parents are synced.
[[nodiscard]] absl::Status Rename(const std::filesystem::path& from, const std::filesystem::path& to);
// A hard link, or a synced copy where the file system has none between the two.
[[nodiscard]] absl::Status Link(const std::filesystem::path& from, const std::filesystem::path& to);
[[nodiscard]] absl::Status Copy(const std::filesystem::path& from, const std::filesystem::path& to);
// With everything in it; nothing there is no error.
[[nodiscard]] absl::Status RemoveAll(const std::filesystem::path& path);

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_FILES_H_
