// From a request's bytes to a function to create: the four ways a client can bring its code, checked before anything is stored.
//
// Value types, used on one thread each. Errors are for the client: kInvalidArgument, kResourceExhausted naming the limit, kUnimplemented.
#ifndef FUNCTION_STREAM_API_CREATION_H_
#define FUNCTION_STREAM_API_CREATION_H_

#include <function_stream.pb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "catalog/package.h"
#include "config/function_config.h"

namespace fs::api {

// What the server takes and has, for checks that need no other room.
struct CreationRules {
  uint64_t limit_package_bytes = uint64_t{64} << 20;
  uint64_t limit_config_bytes = uint64_t{1} << 20;  // of the configuration's text
  std::string python_version;  // of the interpreter in the sandbox, "3.13"; empty: not known, nothing is refused for it
};

struct NewFunction {
  std::string config_yaml;
  config::FunctionConfig config;
  catalog::Package package;
};

// CreateFunction: function_bytes is a package (a ZIP) or one Python source file.
[[nodiscard]] absl::StatusOr<NewFunction> FromRequest(const ::function_stream::CreateFunctionRequest& request, const CreationRules& rules);
[[nodiscard]] absl::StatusOr<NewFunction> FromRequest(const ::function_stream::CreatePythonFunctionRequest& request,
                                                      const CreationRules& rules);

// UploadFunction: a header, then the package's bytes. Memory grows with what arrives, not with what was announced.
class Upload {
 public:
  explicit Upload(const CreationRules& rules) : rules_(rules) {}

  // Takes the stream's messages in order. The first error is the stream's answer.
  [[nodiscard]] absl::Status Take(const ::function_stream::UploadChunk& chunk);
  // At the stream's end.
  [[nodiscard]] absl::StatusOr<NewFunction> Finish() &&;

 private:
  absl::Status TakeHeader(const ::function_stream::UploadHeader& header);

  const CreationRules& rules_;
  std::optional<::function_stream::UploadHeader> header_;
  config::FunctionConfig config_;
  std::string bytes_;
};

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_CREATION_H_
