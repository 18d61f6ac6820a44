// What all fuzz targets share: how one says that a promise was broken, and what every refusal of hostile bytes must look like.
#ifndef FUNCTION_STREAM_TESTS_FUZZ_FUZZ_H_
#define FUNCTION_STREAM_TESTS_FUZZ_FUZZ_H_

#include <fmt/format.h>
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "base/status.h"
#include "base/utf8.h"

namespace fs::fuzz {

// Ends the run: libFuzzer writes the input that broke the promise.
template <typename... Args>
[[noreturn]] void Broken(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print(stderr, "broken promise: {}\n", fmt::format(format, std::forward<Args>(args)...));
  std::abort();
}

template <typename... Args>
void Require(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds) [[unlikely]]
    Broken(format, std::forward<Args>(args)...);
}

// A refusal is for a person: one of the codes that blame the input, and a text of a length to read. The wire makes it fit for terminals.
inline void CheckRefusal(const absl::Status& status, std::initializer_list<absl::StatusCode> allowed) {
  if (status.ok()) return;
  const std::string_view message = Message(status);
  bool is_allowed = false;
  for (const absl::StatusCode code : allowed) is_allowed = is_allowed || status.code() == code;
  Require(is_allowed, "refused with code {}: {}", static_cast<int>(status.code()), message);
  Require(!message.empty(), "refused without a word");
  Require(message.size() < 4096, "a message of {} bytes", message.size());
  Require(IsUtf8(message), "a message that is not UTF-8: {}", message);
}

}  // namespace fs::fuzz

#endif  // FUNCTION_STREAM_TESTS_FUZZ_FUZZ_H_
