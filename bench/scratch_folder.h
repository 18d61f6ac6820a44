// A folder of a benchmark's own, for as long as it runs.
#ifndef FUNCTION_STREAM_BENCH_SCRATCH_FOLDER_H_
#define FUNCTION_STREAM_BENCH_SCRATCH_FOLDER_H_

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>

namespace fs {

// Calls `run` with a new folder, under the one that the program's first argument names, and removes it. Answers main's exit code.
template <typename Run>
int InScratchFolder(int argc, char** argv, const std::string& name, const Run& run) {
  std::string folder = (std::filesystem::path(argc > 1 ? argv[1] : "/tmp") / (name + "-XXXXXX")).native();
  if (mkdtemp(folder.data()) == nullptr) {
    std::perror(folder.c_str());
    return 1;
  }
  run(std::filesystem::path(folder));
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace fs

#endif  // FUNCTION_STREAM_BENCH_SCRATCH_FOLDER_H_
