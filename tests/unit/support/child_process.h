// Another process that runs one disabled test of this binary: for what can only be seen when a process dies, or holds something.
#ifndef FUNCTION_STREAM_TESTS_SUPPORT_CHILD_PROCESS_H_
#define FUNCTION_STREAM_TESTS_SUPPORT_CHILD_PROCESS_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

namespace fs {

// Starts at once; the child finds `folder` and `steps` in FS_TEST_FOLDER and FS_TEST_STEPS. Killed when it goes out of scope.
class ChildProcess {
 public:
  ChildProcess(const std::string& test, const std::filesystem::path& folder, const std::string& steps) {
    setenv("FS_TEST_FOLDER", folder.c_str(), 1);
    setenv("FS_TEST_STEPS", steps.c_str(), 1);
    std::string arguments[] = {"/proc/self/exe", "--gtest_also_run_disabled_tests", "--gtest_brief=1", "--gtest_filter=" + test};
    char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(), arguments[3].data(), nullptr};
    EXPECT_EQ(posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, argv, environ), 0);
  }
  ~ChildProcess() { Kill(); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void Kill() {
    if (pid_ > 0) kill(pid_, SIGKILL);
    Wait();
  }
  // Its status, as waitpid has it.
  int Wait() {
    int status = 0;
    if (pid_ > 0) waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  // Waits until the child has made `file`.
  static bool WaitForFile(const std::filesystem::path& file) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!std::filesystem::exists(file)) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }
  static std::filesystem::path folder() { return getenv("FS_TEST_FOLDER"); }
  static std::string steps() { return getenv("FS_TEST_STEPS"); }

 private:
  pid_t pid_ = -1;
};

}  // namespace fs

#endif  // FUNCTION_STREAM_TESTS_SUPPORT_CHILD_PROCESS_H_
