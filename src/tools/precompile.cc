// fs-precompile: compiles the Python runtime's module into the cache, so that no server has to, and prints the entry's path.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "sandbox/runtime.h"

int main(int argc, char** argv) {
  CLI::App app("Compiles the Python runtime's WebAssembly module into a server's cache and prints the entry's path.");
  fs::sandbox::RuntimeOptions options;
  app.add_option("--wasm", options.wasm_path, "The module, python.wasm")->required()->check(CLI::ExistingFile);
  app.add_option("--cache", options.cache_dir, "The folder of compiled modules, python.cache_dir of the server's configuration")
      ->required();
  CLI11_PARSE(app, argc, argv);

  const auto entry = fs::sandbox::Runtime::Precompile(options);
  if (!entry.ok()) {
    std::fprintf(stderr, "fs-precompile: %s\n", std::string(fs::Message(entry.status())).c_str());
    return 1;
  }
  std::printf("%s\n", entry->c_str());
  return 0;
}
