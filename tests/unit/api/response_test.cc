#include "api/response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/utf8.h"

namespace fs::api {
namespace {

using ::testing::EndsWith;

TEST(Response, EveryCodeHasItsStatus) {
  struct Case {
    absl::StatusCode code;
    int status;
  };
  for (const Case& c : std::initializer_list<Case>{
           {absl::StatusCode::kOk, 200},
           {absl::StatusCode::kInvalidArgument, 400},
           {absl::StatusCode::kAborted, 400},
           {absl::StatusCode::kUnauthenticated, 401},
           {absl::StatusCode::kPermissionDenied, 403},
           {absl::StatusCode::kNotFound, 404},
           {absl::StatusCode::kAlreadyExists, 409},
           {absl::StatusCode::kResourceExhausted, 429},
           {absl::StatusCode::kInternal, 500},
           {absl::StatusCode::kDataLoss, 500},
           {absl::StatusCode::kFailedPrecondition, 500},
           {absl::StatusCode::kCancelled, 500},
           {absl::StatusCode::kUnknown, 500},
           {absl::StatusCode::kUnimplemented, 501},
           {absl::StatusCode::kUnavailable, 503},
           {absl::StatusCode::kDeadlineExceeded, 504},
       }) {
    EXPECT_EQ(static_cast<int>(ToStatusCode(c.code)), c.status) << static_cast<int>(c.code);
  }
}

TEST(Response, MessagesAreFitForProtobuf) {
  ::function_stream::Response response;
  SetStatus(Aborted("ValueError: caf\xe9\n"), response);
  EXPECT_EQ(response.status_code(), ::function_stream::BAD_REQUEST);
  EXPECT_EQ(response.message(), "ValueError: caf\\xe9\n");

  std::string long_text;
  for (int i = 0; i < 100'000; ++i) long_text += "\xe2\x82\xac";
  const std::string wire = ToWireText(long_text + "the end");
  EXPECT_LT(wire.size(), size_t{66} << 10);
  EXPECT_TRUE(IsUtf8(wire));
  EXPECT_THAT(wire, EndsWith("\xe2\x82\xacthe end"));
}

TEST(Response, NothingInAMessageCommandsATerminal) {
  EXPECT_EQ(ToWireText("name: `a\x1b[2Jb`\r\n\tat \xe2\x80\xae\x07"), "name: `a\\x1b[2Jb`\\r\n\tat \\u202e\\x07");
}

TEST(Response, SuccessSaysWhatWasAskedFor) {
  ::function_stream::Response response;
  SetStatus(absl::OkStatus(), response, ::function_stream::CREATED, "function f: created and running");
  EXPECT_EQ(response.status_code(), 201);
  EXPECT_EQ(response.message(), "function f: created and running");
}

}  // namespace
}  // namespace fs::api
