// The real interpreter for tests: python.wasm, named by FS_PYTHON_WASM, compiled once per test run (FS_PYTHON_CACHE keeps it longer).
#ifndef FUNCTION_STREAM_TESTS_UNIT_SANDBOX_PYTHON_RUNTIME_H_
#define FUNCTION_STREAM_TESTS_UNIT_SANDBOX_PYTHON_RUNTIME_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/test_host.h"
#include "sandbox/wat_guest.h"

namespace fs::sandbox {

// Null, with a failure of the test, where there is none.
inline Runtime* PythonRuntime() {
  static const auto* const folder = new TemporaryFolder;
  static auto* const runtime = [] {
    const char* wasm = std::getenv("FS_PYTHON_WASM");
    const char* cache = std::getenv("FS_PYTHON_CACHE");
    RuntimeOptions options;
    options.wasm_path = wasm == nullptr ? "" : wasm;
    options.cache_dir = cache == nullptr ? folder->path() : std::filesystem::path(cache);
    return new absl::StatusOr<std::unique_ptr<Runtime>>(Runtime::Load(options));
  }();
  if (!runtime->ok()) {
    ADD_FAILURE() << "FS_PYTHON_WASM must name the built python.wasm: " << runtime->status();
    return nullptr;
  }
  return (*runtime)->get();
}

// One guest with one module of the user's in it.
class PythonGuest {
 public:
  explicit PythonGuest(std::string source, std::string class_name = "F", GuestLimits limits = {}) : limits_(limits) {
    files.push_back({PackageFile::Kind::kModule, "main", std::move(source)});
    program.function_name = "f";
    program.entry_module = "main";
    program.class_name = std::move(class_name);
    program.channel_count = 2;
    program.topics = {"in"};
  }
  // Creates and loads, and calls init.
  absl::Status Start() {
    FS_RETURN_IF_ERROR(Load());
    return guest->Init();
  }
  absl::Status Load() {
    Runtime* runtime = PythonRuntime();
    if (runtime == nullptr) return absl::FailedPreconditionError("no runtime");
    auto created = Guest::Create(*runtime, limits_, host);
    if (!created.ok()) return created.status();
    guest = *std::move(created);
    program.files = files;
    return guest->Load(program);
  }
  absl::StatusOr<BatchResult> Process(const std::vector<std::string>& values) {
    std::vector<Record> records(values.size());
    for (size_t i = 0; i < values.size(); ++i) records[i].value = values[i];
    return guest->Process(0, 0, records);
  }

  TestHost host;
  std::vector<PackageFile> files;
  GuestProgram program;
  std::unique_ptr<Guest> guest;

 private:
  GuestLimits limits_;
};

// A function whose process() has this body, indented by four spaces by the caller's text.
inline std::string FunctionWith(std::string_view body, std::string_view prelude = "") {
  std::string source = std::string(prelude) +
                       "\nfrom fs_api import FSProcessorDriver\nclass F(FSProcessorDriver):\n  def process(self, ctx, source_id, data):\n";
  size_t begin = 0;
  while (begin <= body.size()) {
    const size_t end = std::min(body.find('\n', begin), body.size());
    source += "    " + std::string(body.substr(begin, end - begin)) + "\n";
    begin = end + 1;
  }
  return source;
}

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_TESTS_UNIT_SANDBOX_PYTHON_RUNTIME_H_
