#include "catalog/package.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "base/utf8.h"
#include "catalog/digest.h"
#include "catalog/zip_container.h"

namespace fs::catalog {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kManifest = "fs-package.json";
constexpr uint64_t kFormat = 1;
constexpr uint64_t kMaxFiles = 20'000;
constexpr uint64_t kMaxManifestBytes = uint64_t{8} << 20;
constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;
constexpr uint64_t kMaxTotalBytes = uint64_t{256} << 20;
constexpr int kMaxManifestDepth = 8;

// They belong to the runtime: a package that brought its own would be another API than the server's.
constexpr std::string_view kReservedModules[] = {"fs_api", "fs_api_advanced", "fs_runtime"};

std::string_view Shown(std::string_view name) { return CutUtf8(name, 100); }

bool IsIdentifier(std::string_view word) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
  };
  return !word.empty() && is_letter(word[0]) &&
         std::all_of(word.begin(), word.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

absl::Status CheckModuleName(std::string_view name, std::string_view what) {
  if (!IsUtf8(name)) return InvalidArgument("{}: must be UTF-8", what);
  if (name.size() > 512) return InvalidArgument("{}: {} bytes; the limit is 512", what, name.size());
  for (size_t start = 0; start <= name.size();) {
    const size_t end = std::min(name.find('.', start), name.size());
    if (!IsIdentifier(name.substr(start, end - start))) {
      return InvalidArgument("{}: `{}` is not a dotted module name such as jobs.metrics", what, Shown(name));
    }
    start = end + 1;
  }
  const std::string_view top = name.substr(0, name.find('.'));
  if (std::find(std::begin(kReservedModules), std::end(kReservedModules), top) != std::end(kReservedModules)) {
    return InvalidArgument("{}: `{}` belongs to the runtime and cannot be in a package; remove it, the server has its own", what,
                           Shown(name));
  }
  return absl::OkStatus();
}

absl::Status CheckClassName(std::string_view name, std::string_view what) {
  if (!IsUtf8(name) || !IsIdentifier(name) || name.size() > 255)
    return InvalidArgument("{}: `{}` is not a class name", what, Shown(ToUtf8(name)));
  return absl::OkStatus();
}

// ---- The manifest.

struct ManifestFile {
  PackageFile::Kind kind = PackageFile::Kind::kModule;
  std::string path;
  std::string module;  // empty for data
  uint64_t size = 0;
  std::string sha256;
};

struct Manifest {
  std::string entry_module, class_name, python_requires;
  std::vector<ManifestFile> files;
};

absl::StatusOr<std::string> RequireText(const Json& object, std::string_view key, std::string_view place) {
  const auto found = object.find(key);
  if (found == object.end()) return InvalidArgument("{}: {}{} is missing", kManifest, place, key);
  if (!found->is_string()) return InvalidArgument("{}: {}{} must be text", kManifest, place, key);
  return found->get<std::string>();
}

absl::Status CheckPythonVersion(std::string_view text) {
  const size_t dot = text.find('.');
  const auto is_number = [](std::string_view digits) {
    return !digits.empty() && digits.size() <= 3 && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (dot == std::string_view::npos || !is_number(text.substr(0, dot)) || !is_number(text.substr(dot + 1))) {
    return InvalidArgument("{}: python_requires must be MAJOR.MINOR such as 3.10, not `{}`", kManifest, Shown(text));
  }
  return absl::OkStatus();
}

// The dotted name that a module or package at `path` has; nullopt when the path cannot be one.
std::optional<std::string> ModuleAt(std::string_view path, PackageFile::Kind kind) {
  constexpr std::string_view kSource = ".py", kInit = "/__init__.py";
  const bool is_init = path.ends_with(kInit);
  if (is_init != (kind == PackageFile::Kind::kPackage) || !path.ends_with(kSource)) return std::nullopt;
  std::string name(path.substr(0, path.size() - (is_init ? kInit.size() : kSource.size())));
  if (name == "__init__" || name.find('.') != std::string::npos) return std::nullopt;
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

absl::StatusOr<ManifestFile> ReadManifestFile(const Json& json, size_t index) {
  const std::string place = fmt::format("files[{}].", index);
  if (!json.is_object()) return InvalidArgument("{}: files[{}] must be an object", kManifest, index);
  ManifestFile file;
  FS_ASSIGN_OR_RETURN(file.path, RequireText(json, "path", place));
  FS_RETURN_IF_ERROR(CheckPath(file.path));
  const std::string where = fmt::format("{}: {}", kManifest, file.path);

  FS_ASSIGN_OR_RETURN(const std::string kind, RequireText(json, "kind", place));
  if (kind == "module") {
    file.kind = PackageFile::Kind::kModule;
  } else if (kind == "package") {
    file.kind = PackageFile::Kind::kPackage;
  } else if (kind == "data") {
    file.kind = PackageFile::Kind::kData;
  } else {
    return InvalidArgument("{}: kind must be module, package or data, not `{}`", where, Shown(kind));
  }

  if (file.kind != PackageFile::Kind::kData) {
    FS_ASSIGN_OR_RETURN(file.module, RequireText(json, "module", place));
    FS_RETURN_IF_ERROR(CheckModuleName(file.module, where));
    if (ModuleAt(file.path, file.kind) != file.module) {
      return InvalidArgument("{}: a {} at this path cannot be `{}`", where, kind, Shown(file.module));
    }
  } else if (json.contains("module")) {
    return InvalidArgument("{}: data has no module", where);
  }

  const auto size = json.find("size");
  if (size == json.end() || !size->is_number_unsigned()) return InvalidArgument("{}: size must be a whole number", where);
  file.size = size->get<uint64_t>();
  if (file.size > kMaxFileBytes) return ResourceExhausted("{}: {} bytes; the limit for one file is {}", where, file.size, kMaxFileBytes);
  FS_ASSIGN_OR_RETURN(file.sha256, RequireText(json, "sha256", place));
  if (!IsSha256Hex(file.sha256)) return InvalidArgument("{}: sha256 must be 64 lower-case hexadecimal digits", where);
  return file;
}

// What the files must be together: no name twice, no file that is a folder too, the entry module among them.
absl::Status CheckTogether(const Manifest& manifest) {
  std::set<std::string_view> paths, modules;
  uint64_t total = 0;
  for (const ManifestFile& file : manifest.files) {
    if (file.path == kManifest || !paths.insert(file.path).second) return InvalidArgument("{}: {} is listed twice", kManifest, file.path);
    if (!file.module.empty() && !modules.insert(file.module).second) {
      return InvalidArgument("{}: {}: there are two files for module {}", kManifest, file.path, file.module);
    }
    total += file.size;
  }
  if (total > kMaxTotalBytes) return ResourceExhausted("package: {} bytes when unpacked; the limit is {}", total, kMaxTotalBytes);
  for (const std::string_view path : paths) {
    for (size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
      if (paths.contains(path.substr(0, slash))) return InvalidArgument("{}: {} is a file and a folder", kManifest, path.substr(0, slash));
    }
  }
  if (!modules.contains(manifest.entry_module)) {
    return InvalidArgument("{}: entry_module `{}` is not among the modules of the package", kManifest, Shown(manifest.entry_module));
  }
  return absl::OkStatus();
}

absl::StatusOr<Manifest> ReadManifest(std::string_view text) {
  // Values deeper than any of ours are skipped, so that brackets do not become memory.
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= kMaxManifestDepth; };
  const Json json = Json::parse(text, shallow, /*allow_exceptions=*/false);
  if (!json.is_object()) return InvalidArgument("{}: must be a JSON object in UTF-8", kManifest);

  const auto format = json.find("format");
  if (format == json.end() || !format->is_number_unsigned()) return InvalidArgument("{}: format must be a whole number", kManifest);
  if (format->get<uint64_t>() != kFormat) {
    return InvalidArgument("{}: format {} is not known here; this server reads format {}", kManifest, format->get<uint64_t>(), kFormat);
  }
  Manifest manifest;
  FS_ASSIGN_OR_RETURN(manifest.entry_module, RequireText(json, "entry_module", ""));
  FS_RETURN_IF_ERROR(CheckModuleName(manifest.entry_module, fmt::format("{}: entry_module", kManifest)));
  FS_ASSIGN_OR_RETURN(manifest.class_name, RequireText(json, "class_name", ""));
  FS_RETURN_IF_ERROR(CheckClassName(manifest.class_name, fmt::format("{}: class_name", kManifest)));
  FS_ASSIGN_OR_RETURN(manifest.python_requires, RequireText(json, "python_requires", ""));
  FS_RETURN_IF_ERROR(CheckPythonVersion(manifest.python_requires));

  const auto files = json.find("files");
  if (files == json.end() || !files->is_array()) return InvalidArgument("{}: files must be a list", kManifest);
  if (files->size() > kMaxFiles) return ResourceExhausted("{}: {} files; the limit is {}", kManifest, files->size(), kMaxFiles);
  for (size_t i = 0; i < files->size(); ++i) {
    FS_ASSIGN_OR_RETURN(ManifestFile file, ReadManifestFile((*files)[i], i));
    manifest.files.push_back(std::move(file));
  }
  FS_RETURN_IF_ERROR(CheckTogether(manifest));
  return manifest;
}

absl::StatusOr<Package> Unpack(std::string_view zip) {
  FS_ASSIGN_OR_RETURN(ZipContainer container, ZipContainer::Open(zip, kMaxFiles + 1));
  if (!container.entries().contains(kManifest)) return InvalidArgument("package: {} is missing", kManifest);
  FS_ASSIGN_OR_RETURN(const std::string text, container.Read(kManifest, kMaxManifestBytes));
  FS_ASSIGN_OR_RETURN(Manifest manifest, ReadManifest(text));

  Package package{.entry_module = std::move(manifest.entry_module),
                  .class_name = std::move(manifest.class_name),
                  .python_requires = std::move(manifest.python_requires),
                  .files = {}};
  std::set<std::string_view> listed = {kManifest};
  for (ManifestFile& file : manifest.files) {
    FS_ASSIGN_OR_RETURN(std::string bytes, container.Read(file.path, file.size));
    if (bytes.size() != file.size) {
      return InvalidArgument("package: {}: {} bytes; {} says {}", file.path, bytes.size(), kManifest, file.size);
    }
    if (Sha256Hex(bytes) != file.sha256) return InvalidArgument("package: {}: its SHA-256 is not the one in {}", file.path, kManifest);
    listed.insert(file.path);
    package.files.push_back(
        {.kind = file.kind, .path = file.module.empty() ? file.path : std::move(file.module), .bytes = std::move(bytes)});
  }
  for (const auto& [path, index] : container.entries()) {
    if (!listed.contains(path)) return InvalidArgument("package: {}: is not listed in {}", path, kManifest);
  }
  return package;
}

// PEP 263: a comment in the first two lines may name another encoding, which is then Python's to judge.
bool NamesItsEncoding(std::string_view source) {
  for (int line = 0; line < 2; ++line) {
    const std::string_view text = source.substr(0, source.find('\n'));
    const size_t hash = text.find('#');
    if (hash != std::string_view::npos && text.find("coding", hash) != std::string_view::npos) return true;
    source.remove_prefix(std::min(text.size() + 1, source.size()));
  }
  return false;
}

}  // namespace

absl::StatusOr<Package> ReadPackage(std::string_view zip, uint64_t limit_bytes) {
  if (zip.size() > limit_bytes) return ResourceExhausted("package: {} bytes; the limit is {} (limits.package_mb)", zip.size(), limit_bytes);
  // The JSON library reports what it cannot parse by value, and the rest (no memory) by exception.
  try {
    return Unpack(zip);
  } catch (const std::exception& error) {
    return Internal("package: cannot be read: {}", error.what());
  }
}

absl::StatusOr<Package> PackageFromModules(std::string_view class_name, std::vector<std::pair<std::string, std::string>> modules,
                                           uint64_t limit_bytes) {
  if (!class_name.empty()) FS_RETURN_IF_ERROR(CheckClassName(class_name, "class_name"));
  if (modules.empty()) return InvalidArgument("modules: at least one is required: the one that holds the class");
  if (modules.size() > kMaxFiles) return ResourceExhausted("modules: {}; the limit is {}", modules.size(), kMaxFiles);

  std::set<std::string> names, packages;
  uint64_t total = 0;
  for (const auto& [name, source] : modules) {
    FS_RETURN_IF_ERROR(CheckModuleName(name, "modules"));
    if (!names.insert(name).second) return InvalidArgument("modules: {} is there twice", name);
    if (!IsUtf8(source) && !NamesItsEncoding(source)) {
      return InvalidArgument("modules: {}: the source is not UTF-8 and has no coding line", name);
    }
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) packages.insert(name.substr(0, dot));
    if (source.size() > kMaxFileBytes)
      return ResourceExhausted("modules: {}: {} bytes; the limit for one file is {}", name, source.size(), kMaxFileBytes);
    total += source.size();
  }
  if (total > limit_bytes) return ResourceExhausted("modules: {} bytes; the limit is {} (limits.package_mb)", total, limit_bytes);

  Package package;
  package.class_name = class_name;
  for (auto& [name, source] : modules) {
    const auto kind = packages.contains(name) ? PackageFile::Kind::kPackage : PackageFile::Kind::kModule;
    package.files.push_back({.kind = kind, .path = std::move(name), .bytes = std::move(source)});
  }
  return package;
}

}  // namespace fs::catalog
