// A function's code: the package format of docs/package-format.md, read from hostile bytes.
//
// Value types, any thread. Everything here is checked before it is believed: names, sizes, digests, ratios; errors are kInvalidArgument
// naming the file, or kResourceExhausted naming the limit.
#ifndef FUNCTION_STREAM_CATALOG_PACKAGE_H_
#define FUNCTION_STREAM_CATALOG_PACKAGE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/package_file.h"
#include "base/status.h"

namespace fs::catalog {

struct Package {
  std::string entry_module;
  std::string class_name;
  std::string python_requires;  // "3.10": the oldest Python that can parse it; empty: not told
  std::vector<PackageFile> files;
};

// Of the zip that clients upload.
[[nodiscard]] absl::StatusOr<Package> ReadPackage(std::string_view zip, uint64_t limit_bytes);

// Of the modules that CreatePythonFunction carries: dotted names and their UTF-8 sources. The entry module stays empty: the guest finds
// the one module that defines the class.
[[nodiscard]] absl::StatusOr<Package> PackageFromModules(std::string_view class_name,
                                                         std::vector<std::pair<std::string, std::string>> modules, uint64_t limit_bytes);

}  // namespace fs::catalog

#endif  // FUNCTION_STREAM_CATALOG_PACKAGE_H_
