// Our errors on the wire: one function maps codes, one writes them into an answer.
//
// Pure functions, any thread.
#ifndef FUNCTION_STREAM_API_RESPONSE_H_
#define FUNCTION_STREAM_API_RESPONSE_H_

#include <function_stream.pb.h>

#include <string>
#include <string_view>

#include "base/status.h"

namespace fs::api {

[[nodiscard]] ::function_stream::StatusCode ToStatusCode(absl::StatusCode code);

// Text for people as a protobuf string: UTF-8, printable lines, and no longer than people read.
[[nodiscard]] std::string ToWireText(std::string_view text);

// Sets status_code and message of any answer that has them. `success` and its message are for an OK status.
template <class Answer>
void SetStatus(const absl::Status& status, Answer& answer, ::function_stream::StatusCode success = ::function_stream::OK,
               std::string_view message = "") {
  answer.set_status_code(status.ok() ? success : ToStatusCode(status.code()));
  answer.set_message(status.ok() ? std::string(message) : ToWireText(Message(status)));
}

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_RESPONSE_H_
