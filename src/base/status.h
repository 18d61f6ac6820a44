// Errors: how they are made, given context on the way up, and returned early.
//
// absl::Status carries a code and one sentence with a place in it. Codes mean the same in every room, and api/ maps them to
// the wire in one function: kInvalidArgument (the request or configuration is wrong), kNotFound, kAlreadyExists,
// kResourceExhausted (a limit, named), kUnimplemented, kUnavailable (try again later), kDeadlineExceeded, kAborted (user code
// raised: the message is the user's error, UserError its parts), kFailedPrecondition, kDataLoss, kInternal (ours or the machine's).
// Debian's absl has a string_view of its own, so text is made with fmt and std::string_view. Any thread.
#ifndef FUNCTION_STREAM_BASE_STATUS_H_
#define FUNCTION_STREAM_BASE_STATUS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace fs {

inline std::string_view Message(const absl::Status& status) { return {status.message().data(), status.message().size()}; }

template <typename... Args>
[[nodiscard]] absl::Status MakeError(absl::StatusCode code, fmt::format_string<Args...> format, Args&&... args) {
  return absl::Status(code, fmt::format(format, std::forward<Args>(args)...));
}

#define FS_DEFINE_ERROR(Name, code)                                                     \
  template <typename... Args>                                                           \
  [[nodiscard]] absl::Status Name(fmt::format_string<Args...> format, Args&&... args) { \
    return MakeError(absl::StatusCode::code, format, std::forward<Args>(args)...);      \
  }
FS_DEFINE_ERROR(InvalidArgument, kInvalidArgument)
FS_DEFINE_ERROR(NotFound, kNotFound)
FS_DEFINE_ERROR(AlreadyExists, kAlreadyExists)
FS_DEFINE_ERROR(ResourceExhausted, kResourceExhausted)
FS_DEFINE_ERROR(Unimplemented, kUnimplemented)
FS_DEFINE_ERROR(Unavailable, kUnavailable)
FS_DEFINE_ERROR(DeadlineExceeded, kDeadlineExceeded)
FS_DEFINE_ERROR(Aborted, kAborted)
FS_DEFINE_ERROR(FailedPrecondition, kFailedPrecondition)
FS_DEFINE_ERROR(DataLoss, kDataLoss)
FS_DEFINE_ERROR(Internal, kInternal)
#undef FS_DEFINE_ERROR

// The same error with "context: " in front.
[[nodiscard]] inline absl::Status WithContext(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status wrapped(status.code(), fmt::format("{}: {}", context, Message(status)));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { wrapped.SetPayload(url, payload); });
  return wrapped;
}

}  // namespace fs

// Returns the error to the caller, as it is or with context added.
#define FS_RETURN_IF_ERROR(expression)                                               \
  do {                                                                               \
    if (absl::Status fs_status_ = (expression); !fs_status_.ok()) return fs_status_; \
  } while (false)
#define FS_RETURN_IF_ERROR_CONTEXT(expression, context)                                                          \
  do {                                                                                                           \
    if (absl::Status fs_status_ = (expression); !fs_status_.ok()) return ::fs::WithContext(fs_status_, context); \
  } while (false)

#define FS_CONCAT_INNER_(a, b) a##b
#define FS_CONCAT_(a, b) FS_CONCAT_INNER_(a, b)
// FS_ASSIGN_OR_RETURN(auto value, Fallible());
#define FS_ASSIGN_OR_RETURN(target, expression) FS_ASSIGN_OR_RETURN_IMPL_(FS_CONCAT_(fs_or_, __LINE__), target, expression)
#define FS_ASSIGN_OR_RETURN_IMPL_(statusor, target, expression) \
  auto statusor = (expression);                                 \
  if (!statusor.ok()) return std::move(statusor).status();      \
  target = std::move(statusor).value()
#define FS_ASSIGN_OR_RETURN_CONTEXT(target, expression, context) \
  FS_ASSIGN_OR_RETURN_CONTEXT_IMPL_(FS_CONCAT_(fs_or_, __LINE__), target, expression, context)
#define FS_ASSIGN_OR_RETURN_CONTEXT_IMPL_(statusor, target, expression, context)       \
  auto statusor = (expression);                                                        \
  if (!statusor.ok()) return ::fs::WithContext(std::move(statusor).status(), context); \
  target = std::move(statusor).value()

#endif  // FUNCTION_STREAM_BASE_STATUS_H_
