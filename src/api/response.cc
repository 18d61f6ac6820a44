#include "api/response.h"

#include "base/utf8.h"
#include "observe/printable.h"

namespace fs::api {
namespace {

constexpr size_t kMaxMessageBytes = size_t{64} << 10;

}  // namespace

::function_stream::StatusCode ToStatusCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return ::function_stream::OK;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAborted:  // user code raised
      return ::function_stream::BAD_REQUEST;
    case absl::StatusCode::kUnauthenticated:
      return ::function_stream::UNAUTHORIZED;
    case absl::StatusCode::kPermissionDenied:
      return ::function_stream::FORBIDDEN;
    case absl::StatusCode::kNotFound:
      return ::function_stream::NOT_FOUND;
    case absl::StatusCode::kAlreadyExists:
      return ::function_stream::CONFLICT;
    case absl::StatusCode::kResourceExhausted:
      return ::function_stream::TOO_MANY_REQUESTS;
    case absl::StatusCode::kUnimplemented:
      return ::function_stream::NOT_IMPLEMENTED;
    case absl::StatusCode::kUnavailable:
      return ::function_stream::SERVICE_UNAVAILABLE;
    case absl::StatusCode::kDeadlineExceeded:
      return ::function_stream::GATEWAY_TIMEOUT;
    default:
      return ::function_stream::INTERNAL_SERVER_ERROR;
  }
}

std::string ToWireText(std::string_view text) {
  std::string whole = observe::PrintableLines(text);
  if (whole.size() <= kMaxMessageBytes) return whole;
  // Of a long traceback the end says what happened.
  std::string_view end = std::string_view(whole).substr(whole.size() - kMaxMessageBytes);
  while (!end.empty() && Utf8SequenceLength(end) == 0) end.remove_prefix(1);
  return fmt::format("[{} bytes before this are left out] {}", whole.size() - end.size(), end);
}

}  // namespace fs::api
