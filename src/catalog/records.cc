#include "catalog/records.h"

#include <catalog.pb.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace fs::catalog {
namespace {

namespace stored = ::function_stream::catalog;

constexpr uint32_t kFormat = 1;

stored::FileRecord::Kind StoredKind(PackageFile::Kind kind) {
  switch (kind) {
    case PackageFile::Kind::kModule:
      return stored::FileRecord::MODULE;
    case PackageFile::Kind::kPackage:
      return stored::FileRecord::PACKAGE;
    case PackageFile::Kind::kData:
      return stored::FileRecord::DATA;
  }
  return stored::FileRecord::UNKNOWN;
}

absl::Status CheckFormat(uint32_t format) {
  if (format == 0) return DataLoss("the stored record is damaged");
  if (format > kFormat) return FailedPrecondition("stored in format {}, by a newer server; this one reads up to {}", format, kFormat);
  return absl::OkStatus();
}

}  // namespace

std::string EncodeFunction(const Function& function) {
  stored::FunctionRecord record;
  record.set_format(kFormat);
  record.set_name(function.name);
  record.set_config_yaml(function.config_yaml);
  record.set_wanted(function.wanted == WantedStatus::kRunning ? stored::FunctionRecord::RUNNING : stored::FunctionRecord::STOPPED);
  record.set_state_id(function.state_id);
  record.set_instance_count(function.instance_count);
  return record.SerializeAsString();
}

absl::StatusOr<std::string> EncodePackage(const Package& package) {
  stored::PackageRecord record;
  record.set_format(kFormat);
  record.set_entry_module(package.entry_module);
  record.set_class_name(package.class_name);
  record.set_python_requires(package.python_requires);
  for (const PackageFile& file : package.files) {
    stored::FileRecord& stored_file = *record.add_files();
    stored_file.set_kind(StoredKind(file.kind));
    stored_file.set_path(file.path);
    stored_file.set_bytes(file.bytes);
  }
  if (record.ByteSizeLong() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return ResourceExhausted("package: {} bytes are more than one record can hold", record.ByteSizeLong());
  }
  return record.SerializeAsString();
}

absl::StatusOr<Function> DecodeFunction(std::string_view name, std::string_view bytes) {
  stored::FunctionRecord record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return DataLoss("the stored record is damaged");
  FS_RETURN_IF_ERROR(CheckFormat(record.format()));
  if (record.name() != name || record.wanted() == stored::FunctionRecord::UNKNOWN) return DataLoss("the stored record is damaged");

  Function function;
  function.name = record.name();
  function.config_yaml = record.config_yaml();
  function.wanted = record.wanted() == stored::FunctionRecord::RUNNING ? WantedStatus::kRunning : WantedStatus::kStopped;
  function.state_id = record.state_id();
  function.instance_count = std::max(record.instance_count(), uint32_t{1});
  absl::StatusOr<config::FunctionConfig> config = config::ParseFunctionConfig(function.config_yaml);
  if (!config.ok()) {
    return FailedPrecondition("its stored configuration is not one that this version takes; start the version that stored it: {}",
                              Message(config.status()));
  }
  function.config = std::move(*config);
  return function;
}

absl::StatusOr<std::shared_ptr<const Package>> DecodePackage(std::string_view bytes) {
  stored::PackageRecord record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return DataLoss("the stored package is damaged");
  FS_RETURN_IF_ERROR(CheckFormat(record.format()));
  auto package = std::make_shared<Package>();
  package->entry_module = record.entry_module();
  package->class_name = record.class_name();
  package->python_requires = record.python_requires();
  for (stored::FileRecord& file : *record.mutable_files()) {
    PackageFile::Kind kind = PackageFile::Kind::kData;
    if (file.kind() == stored::FileRecord::MODULE) {
      kind = PackageFile::Kind::kModule;
    } else if (file.kind() == stored::FileRecord::PACKAGE) {
      kind = PackageFile::Kind::kPackage;
    } else if (file.kind() != stored::FileRecord::DATA) {
      return DataLoss("the stored package is damaged");
    }
    package->files.push_back({.kind = kind, .path = std::move(*file.mutable_path()), .bytes = std::move(*file.mutable_bytes())});
  }
  return std::shared_ptr<const Package>(std::move(package));
}

}  // namespace fs::catalog
