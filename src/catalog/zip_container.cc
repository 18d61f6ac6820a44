#include "catalog/zip_container.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace fs::catalog {
namespace {

constexpr size_t kMaxPathBytes = 512;
constexpr size_t kEndRecordBytes = 22;
constexpr size_t kReadStep = size_t{64} << 10;

// What is shown of a name that may hold anything.
std::string Shown(std::string_view name) {
  std::string shown = ToUtf8(CutUtf8(name, 100));
  std::replace_if(shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return shown;
}

uint32_t LittleEndian(std::string_view bytes, size_t at, size_t width) {
  uint32_t value = 0;
  for (size_t i = width; i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[at + i - 1]);
  return value;
}

// The end record stands at the very end and the directory right before it: so there is one directory that every reader finds, and neither a
// comment, nor another volume, nor ZIP64 counts, nor anything in front or behind.
absl::Status CheckEndRecord(std::string_view bytes) {
  constexpr std::string_view kAdvice = "must be a ZIP file as docs/package-format.md describes it";
  if (bytes.size() < kEndRecordBytes) return InvalidArgument("package: {} bytes; {}", bytes.size(), kAdvice);
  const size_t end = bytes.size() - kEndRecordBytes;
  if (bytes.substr(end, 4) != "PK\5\6") return InvalidArgument("package: no ZIP directory at its end; {}", kAdvice);
  const uint32_t this_disk = LittleEndian(bytes, end + 4, 2), directory_disk = LittleEndian(bytes, end + 6, 2);
  const uint64_t size = LittleEndian(bytes, end + 12, 4), offset = LittleEndian(bytes, end + 16, 4);
  if (this_disk != 0 || directory_disk != 0) return InvalidArgument("package: several volumes; {}", kAdvice);
  // What stands in front may be told by the offsets, and be a script or a page to somebody else.
  const bool is_prepended = !bytes.starts_with("PK\3\4") && end != 0;
  if (LittleEndian(bytes, end + 20, 2) != 0 || offset + size != end || is_prepended) {
    return InvalidArgument("package: something besides entries and their directory is in the ZIP file; {}", kAdvice);
  }
  return absl::OkStatus();
}

std::string ErrorText(zip_error_t& error) {
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

absl::Status CheckEntry(zip_t* archive, uint64_t index, const zip_stat_t& info, std::string_view path) {
  if (info.encryption_method != ZIP_EM_NONE) return InvalidArgument("package: {}: is encrypted", path);
  if (info.comp_method != ZIP_CM_STORE && info.comp_method != ZIP_CM_DEFLATE) {
    return InvalidArgument("package: {}: compression method {}; use stored (0) or deflated (8)", path, info.comp_method);
  }
  zip_uint8_t system = 0;
  zip_uint32_t attributes = 0;
  if (zip_file_get_external_attributes(archive, index, ZIP_FL_UNCHANGED, &system, &attributes) != 0) {
    return InvalidArgument("package: {}: attributes cannot be read", path);
  }
  const uint32_t type = (attributes >> 16) & S_IFMT;
  if (system == ZIP_OPSYS_UNIX && type != 0 && type != S_IFREG)
    return InvalidArgument("package: {}: is a link, folder or device, not a file", path);
  return absl::OkStatus();
}

struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

absl::Status CheckPath(std::string_view path) {
  const auto refuse = [&](std::string_view why) { return InvalidArgument("package: `{}`: {}", Shown(path), why); };
  if (path.empty() || path.size() > kMaxPathBytes) return refuse(fmt::format("a path must have 1 to {} bytes", kMaxPathBytes));
  if (!IsUtf8(path)) return refuse("a path must be UTF-8");
  for (const char c : path) {
    if (c == '\\' || c == ':' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return refuse("a path must not hold `\\`, `:` or control characters");
  }
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string_view segment = path.substr(start, end - start);
    if (segment.empty() || segment == "." || segment == "..") return refuse("a path must be relative, without empty, `.` or `..` parts");
    start = end + 1;
  }
  return absl::OkStatus();
}

absl::StatusOr<ZipContainer> ZipContainer::Open(std::string_view bytes, uint64_t limit_entries) {
  FS_RETURN_IF_ERROR(CheckEndRecord(bytes));
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (source == nullptr) return Internal("package: {}", ErrorText(error));
  ZipContainer container;
  container.archive_.reset(zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error));
  if (container.archive_ == nullptr) {
    zip_source_free(source);
    if (zip_error_code_zip(&error) == ZIP_ER_EXISTS) {
      zip_error_fini(&error);
      return InvalidArgument("package: an entry of the ZIP directory is there twice");
    }
    return InvalidArgument("package: a damaged ZIP file: {}", ErrorText(error));
  }
  zip_error_fini(&error);

  zip_t* archive = container.archive_.get();
  const zip_int64_t count = zip_get_num_entries(archive, ZIP_FL_UNCHANGED);
  if (count < 0 || static_cast<uint64_t>(count) > limit_entries) {
    return ResourceExhausted("package: {} files; the limit is {}", count, limit_entries);
  }
  for (uint64_t index = 0; index < static_cast<uint64_t>(count); ++index) {
    zip_stat_t info;
    if (zip_stat_index(archive, index, ZIP_FL_UNCHANGED | ZIP_FL_ENC_RAW, &info) != 0 || (info.valid & ZIP_STAT_NAME) == 0) {
      return InvalidArgument("package: entry {} of the ZIP directory cannot be read", index);
    }
    const std::string_view path = info.name;
    FS_RETURN_IF_ERROR(CheckPath(path));
    FS_RETURN_IF_ERROR(CheckEntry(archive, index, info, path));
    if (!container.entries_.emplace(path, index).second) return InvalidArgument("package: {}: is there twice", path);
  }
  return container;
}

absl::StatusOr<std::string> ZipContainer::Read(std::string_view path, uint64_t limit_bytes) {
  const auto found = entries_.find(path);
  if (found == entries_.end()) return InvalidArgument("package: {}: is missing", Shown(path));
  const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(archive_.get(), found->second, ZIP_FL_UNCHANGED));
  if (file == nullptr) return InvalidArgument("package: {}: {}", path, zip_strerror(archive_.get()));

  // What the headers say of the size is not believed: memory grows with the bytes that really come out.
  std::string bytes;
  while (true) {
    const size_t size = bytes.size();
    const size_t step = static_cast<size_t>(std::min<uint64_t>(std::max(kReadStep, size), limit_bytes + 1 - size));
    bytes.resize(size + step);
    const zip_int64_t got = zip_fread(file.get(), bytes.data() + size, step);
    if (got < 0) return InvalidArgument("package: {}: damaged: {}", path, zip_file_strerror(file.get()));
    bytes.resize(size + static_cast<size_t>(got));
    if (got == 0) return bytes;
    if (bytes.size() > limit_bytes) return InvalidArgument("package: {}: unpacks to more than {} bytes", path, limit_bytes);
  }
}

}  // namespace fs::catalog
