#include "api/creation.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "catalog/digest.h"

namespace fs::api {
namespace {

constexpr size_t kMaxChunkBytes = size_t{1} << 20;

absl::StatusOr<config::FunctionConfig> ReadConfig(std::string_view yaml, const CreationRules& rules) {
  if (yaml.empty()) return InvalidArgument("function configuration: empty; send the function's YAML (name, type, input-groups, ...)");
  if (yaml.size() > rules.limit_config_bytes) {
    return ResourceExhausted("function configuration: {} bytes; the limit is {} (limits.config_kb of the server)", yaml.size(),
                             rules.limit_config_bytes);
  }
  FS_ASSIGN_OR_RETURN(config::FunctionConfig config, config::ParseFunctionConfig(yaml));
  if (config.type == config::TaskType::kProcessor) {
    return Unimplemented(
        "type: processor (a WebAssembly module of your own) is not in this version; write the function in Python, with type: python");
  }
  return config;
}

// "3.9" before "3.10".
std::pair<int, int> VersionOf(std::string_view text) {
  const size_t dot = std::min(text.find('.'), text.size());
  const auto number = [](std::string_view digits) {
    int value = 0;
    for (const char c : digits.substr(0, 6)) {
      if (c < '0' || c > '9') break;
      value = value * 10 + (c - '0');
    }
    return value;
  };
  return {number(text.substr(0, dot)), dot < text.size() ? number(text.substr(dot + 1)) : 0};
}

absl::StatusOr<catalog::Package> ReadChecked(std::string_view zip, const CreationRules& rules) {
  FS_ASSIGN_OR_RETURN(catalog::Package package, catalog::ReadPackage(zip, rules.limit_package_bytes));
  if (!rules.python_version.empty() && VersionOf(rules.python_version) < VersionOf(package.python_requires)) {
    return InvalidArgument("package: needs Python {}; this server runs Python {}", package.python_requires, rules.python_version);
  }
  return package;
}

// A module name for a lone source file. The ending keeps a function called `json` from being what its own `import json` finds.
std::string ModuleNameFor(std::string_view function_name) {
  std::string module;
  for (const char c : function_name) {
    const bool is_kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    module += is_kept ? c : '_';
  }
  const bool starts_with_digit = module[0] >= '0' && module[0] <= '9';
  return fmt::format("{}{}_function", starts_with_digit ? "_" : "", module);
}

}  // namespace

absl::StatusOr<NewFunction> FromRequest(const ::function_stream::CreateFunctionRequest& request, const CreationRules& rules) {
  NewFunction created;
  FS_ASSIGN_OR_RETURN(created.config, ReadConfig(request.config_bytes(), rules));
  created.config_yaml = request.config_bytes();
  const std::string_view bytes = request.function_bytes();
  if (bytes.empty()) return InvalidArgument("function_bytes: empty; send a package (ZIP) or a Python source file");
  if (bytes.starts_with(std::string_view("\0asm", 4))) {
    return InvalidArgument(
        "function_bytes: a WebAssembly module, but the configuration says type: python; send Python source or a package");
  }
  if (bytes.starts_with("PK")) {
    FS_ASSIGN_OR_RETURN(created.package, ReadChecked(bytes, rules));
    return created;
  }
  std::vector<std::pair<std::string, std::string>> modules = {{ModuleNameFor(created.config.name), std::string(bytes)}};
  FS_ASSIGN_OR_RETURN_CONTEXT(created.package, catalog::PackageFromModules("", std::move(modules), rules.limit_package_bytes),
                              "function_bytes");
  created.package.entry_module = created.package.files[0].path;
  return created;
}

absl::StatusOr<NewFunction> FromRequest(const ::function_stream::CreatePythonFunctionRequest& request, const CreationRules& rules) {
  NewFunction created;
  FS_ASSIGN_OR_RETURN(created.config, ReadConfig(request.config_content(), rules));
  created.config_yaml = request.config_content();
  std::vector<std::pair<std::string, std::string>> modules;
  for (const ::function_stream::PythonModule& module : request.modules()) modules.emplace_back(module.module_name(), module.module_bytes());
  FS_ASSIGN_OR_RETURN(created.package, catalog::PackageFromModules(request.class_name(), std::move(modules), rules.limit_package_bytes));
  return created;
}

absl::Status Upload::Take(const ::function_stream::UploadChunk& chunk) {
  switch (chunk.part_case()) {
    case ::function_stream::UploadChunk::kHeader:
      if (header_) return InvalidArgument("upload: a second header; only the first message carries one");
      return TakeHeader(chunk.header());
    case ::function_stream::UploadChunk::kBytes:
      break;
    default:
      return InvalidArgument("upload: a message with neither header nor bytes");
  }
  if (!header_) return InvalidArgument("upload: the first message must be the header");
  const std::string& part = chunk.bytes();
  if (part.size() > kMaxChunkBytes) return InvalidArgument("upload: a chunk of {} bytes; the limit is {}", part.size(), kMaxChunkBytes);
  if (part.size() > header_->package_size() - bytes_.size()) {
    return InvalidArgument("upload: more than the {} bytes that the header announced", header_->package_size());
  }
  bytes_ += part;
  return absl::OkStatus();
}

absl::Status Upload::TakeHeader(const ::function_stream::UploadHeader& header) {
  if (header.package_size() > rules_.limit_package_bytes) {
    return ResourceExhausted("package: {} bytes; the limit is {} (limits.package_mb of the server)", header.package_size(),
                             rules_.limit_package_bytes);
  }
  if (!catalog::IsSha256Hex(header.package_sha256()))
    return InvalidArgument("upload: package_sha256 must be 64 lower-case hexadecimal digits");
  // What the configuration alone refuses needs no bytes.
  FS_ASSIGN_OR_RETURN(config_, ReadConfig(header.config_content(), rules_));
  header_ = header;
  return absl::OkStatus();
}

absl::StatusOr<NewFunction> Upload::Finish() && {
  if (!header_) return InvalidArgument("upload: ended before the header");
  if (bytes_.size() != header_->package_size()) {
    return InvalidArgument("upload: ended after {} of {} bytes", bytes_.size(), header_->package_size());
  }
  if (catalog::Sha256Hex(bytes_) != header_->package_sha256()) {
    return InvalidArgument("upload: the bytes that arrived do not have the announced SHA-256; send the package again");
  }
  NewFunction created;
  FS_ASSIGN_OR_RETURN(created.package, ReadChecked(bytes_, rules_));
  created.config_yaml = std::move(*header_->mutable_config_content());
  created.config = std::move(config_);
  return created;
}

}  // namespace fs::api
