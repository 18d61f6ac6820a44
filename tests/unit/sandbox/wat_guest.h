// Small guests in WebAssembly's text format: right in all but what a test makes wrong.
#ifndef FUNCTION_STREAM_TESTS_UNIT_SANDBOX_WAT_GUEST_H_
#define FUNCTION_STREAM_TESTS_UNIT_SANDBOX_WAT_GUEST_H_

#include <gtest/gtest.h>
#include <wasmtime.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "sandbox/guest.h"
#include "sandbox/runtime.h"

namespace fs::sandbox {

// Memory: 32 pages; fs_shared at 1024, the interrupt word at 2048, the input buffer at 65536.
struct WatGuest {
  std::string imports;
  std::string memory = R"((memory (export "memory") 32))";
  std::string shared = R"(\01\00\00\00 \00\00\00\00 \00\00\00\00 \00\00\00\00 \00\00\00\00 \00\00\00\00 \00\00\00\00 \00\08\00\00)";
  std::string version = "i32.const 1";
  std::string shared_address = "i32.const 1024";
  std::string reserve = "i32.const 65536";
  std::string load = "i32.const 0";
  std::string hook = "i32.const 0";
  std::string process = "(i32.store (i32.const 1028) (local.get 1)) i32.const 0";
  std::string extra;

  [[nodiscard]] std::string Text() const {
    std::string data;
    for (const char c : shared) {
      if (c != ' ') data += c;
    }
    return "(module " + imports + memory + "(data (i32.const 1024) \"" + data + "\")" + "(func (export \"fs_abi_version\") (result i32) " +
           version + ")" + "(func (export \"fs_shared_address\") (result i32) " + shared_address + ")" +
           "(func (export \"fs_reserve\") (param i32) (result i32) " + reserve + ")" +
           "(func (export \"fs_load\") (param i32) (result i32) " + load + ")" +
           "(func (export \"fs_hook\") (param i32 i32 i64 i32) (result i32) " + hook + ")" +
           "(func (export \"fs_process\") (param i32 i32 i32) (result i32) " + process + ")" + extra + ")";
  }
};

inline std::string Compile(const std::string& text) {
  wasm_byte_vec_t bytes = {};
  wasmtime_error_t* error = wasmtime_wat2wasm(text.data(), text.size(), &bytes);
  if (error != nullptr) {
    wasm_name_t message;
    wasmtime_error_message(error, &message);
    ADD_FAILURE() << std::string(message.data, message.size) << "\n" << text;
    wasm_byte_vec_delete(&message);
    wasmtime_error_delete(error);
    return "";
  }
  std::string wasm(bytes.data, bytes.size);
  wasm_byte_vec_delete(&bytes);
  return wasm;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "fs-sandbox-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  std::filesystem::path Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline absl::StatusOr<std::unique_ptr<Runtime>> LoadRuntime(const std::string& text) {
  const TemporaryFolder folder;
  return Runtime::Load({.wasm_path = folder.Write("guest.wasm", Compile(text)), .cache_dir = "", .enable_cache = false});
}

inline GuestProgram OneChannelProgram() {
  GuestProgram program;
  program.function_name = "f";
  program.channel_count = 1;
  program.topics = {"in"};
  return program;
}

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_TESTS_UNIT_SANDBOX_WAT_GUEST_H_
