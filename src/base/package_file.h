// One file of a function's package: how the catalog keeps it and the sandbox gets it. A value type.
#ifndef FUNCTION_STREAM_BASE_PACKAGE_FILE_H_
#define FUNCTION_STREAM_BASE_PACKAGE_FILE_H_

#include <string>

namespace fs {

struct PackageFile {
  enum class Kind { kModule, kPackage, kData };
  Kind kind = Kind::kModule;
  std::string path;  // dotted module name; for data the slash-separated path
  std::string bytes;
};

}  // namespace fs

#endif  // FUNCTION_STREAM_BASE_PACKAGE_FILE_H_
