// What a client uploads as a function's code: a ZIP, or modules.
//
// The first byte chooses: bytes as they are; a ZIP that is well formed around files and a manifest of the input's own (chance would never
// find their checksums); the same with a manifest that matches; or modules.
#include "catalog/package.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catalog/digest.h"
#include "catalog/zip_container.h"
#include "fuzz/fuzz.h"
#include "unit/catalog/zip_maker.h"

namespace fs::catalog {
namespace {

using fuzz::Require;

constexpr uint64_t kLimit = 1 << 20;

void Check(const absl::StatusOr<Package>& package) {
  fuzz::CheckRefusal(package.status(), {absl::StatusCode::kInvalidArgument, absl::StatusCode::kResourceExhausted});
  if (!package.ok()) return;
  Require(!package->files.empty(), "a package without files");
  std::set<std::pair<bool, std::string_view>> seen;
  bool has_entry = package->entry_module.empty();
  for (const PackageFile& file : package->files) {
    const bool is_data = file.kind == PackageFile::Kind::kData;
    Require(seen.emplace(is_data, file.path).second, "two files of the name {}", file.path);
    if (is_data) Require(CheckPath(file.path).ok(), "a path that climbs: {}", file.path);
    if (!is_data) Require(file.path.find('/') == std::string::npos && !file.path.starts_with("fs_api."), "a module named {}", file.path);
    has_entry = has_entry || (!is_data && file.path == package->entry_module);
  }
  Require(has_entry, "no module {}", package->entry_module);
}

std::string Manifest(const std::vector<ZipEntry>& files, FuzzedDataProvider& input) {
  nlohmann::json list = nlohmann::json::array();
  for (const ZipEntry& file : files) {
    nlohmann::json entry = {{"path", file.path}, {"size", file.bytes.size()}, {"sha256", Sha256Hex(file.bytes)}, {"kind", "data"}};
    if (file.path.ends_with(".py")) {
      const bool is_package = file.path.ends_with("/__init__.py");
      entry["kind"] = is_package ? "package" : "module";
      std::string module = file.path.substr(0, file.path.size() - (is_package ? 12 : 3));
      for (char& c : module) c = c == '/' ? '.' : c;
      entry["module"] = module;
    }
    list.push_back(std::move(entry));
  }
  nlohmann::json manifest = {
      {"format", 1}, {"entry_module", input.ConsumeRandomLengthString(20)}, {"class_name", "C"}, {"python_requires", "3.9"}};
  manifest["files"] = std::move(list);
  return manifest.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string MadeZip(FuzzedDataProvider& input, bool has_matching_manifest) {
  std::vector<ZipEntry> entries;
  for (size_t i = input.ConsumeIntegralInRange<size_t>(0, 4); i > 0; --i) {
    ZipEntry& entry = entries.emplace_back();
    entry.path = input.ConsumeRandomLengthString(40);
    entry.bytes = input.ConsumeRandomLengthString(200);
    entry.is_deflated = input.ConsumeBool();
    if (input.ConsumeBool()) continue;  // most are right in all but their names
    entry.flags = input.ConsumeIntegral<uint16_t>();
    entry.mode = input.ConsumeIntegral<uint32_t>();
    if (input.ConsumeBool()) entry.method = input.ConsumeIntegral<uint16_t>();
    if (input.ConsumeBool()) entry.crc = input.ConsumeIntegral<uint32_t>();
    if (input.ConsumeBool()) entry.told_size = input.ConsumeIntegral<uint32_t>();
    if (input.ConsumeBool()) entry.local_path = input.ConsumeRandomLengthString(40);
  }
  std::string manifest = has_matching_manifest ? Manifest(entries, input) : input.ConsumeRemainingBytesAsString();
  entries.push_back({.path = "fs-package.json", .bytes = std::move(manifest)});
  return MakeZip(entries);
}

void CheckModules(FuzzedDataProvider& input) {
  std::vector<std::pair<std::string, std::string>> modules;
  const std::string class_name = input.ConsumeRandomLengthString(20);
  for (size_t i = input.ConsumeIntegralInRange<size_t>(0, 6); i > 0; --i) {
    std::string name = input.ConsumeRandomLengthString(30);
    modules.emplace_back(std::move(name), input.ConsumeRandomLengthString(100));
  }
  Check(PackageFromModules(class_name, std::move(modules), input.ConsumeBool() ? kLimit : 100));
}

}  // namespace
}  // namespace fs::catalog

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fs::catalog;
  if (size == 0) return 0;
  FuzzedDataProvider input(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      Check(ReadPackage({reinterpret_cast<const char*>(data) + 1, size - 1}, kLimit));
      break;
    case 1:
    case 2:
      Check(ReadPackage(MadeZip(input, data[0] % 4 == 2), kLimit));
      break;
    default:
      CheckModules(input);
  }
  return 0;
}
