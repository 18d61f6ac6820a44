// Wakes those who wait for a file to change: one thread for all files of a server, and none while nobody waits.
//
// Thread-safe. It looks at the files' sizes a few times a second, which works on every file system; a wake is a hint, and reading decides.
#ifndef FUNCTION_STREAM_CONNECTOR_FILE_FILE_WATCHER_H_
#define FUNCTION_STREAM_CONNECTOR_FILE_FILE_WATCHER_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>

#include "base/status.h"
#include "base/steady_clock.h"
#include "base/thread.h"
#include "base/waker.h"

namespace fs::connector::file {

// A file as it is at one moment, so far as a change would show.
struct FileLook {
  bool is_there = false;
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  bool operator==(const FileLook&) const = default;
};
[[nodiscard]] FileLook LookAt(const std::filesystem::path& path);
[[nodiscard]] FileLook LookAt(int descriptor);

class FileWatcher {
 public:
  FileWatcher() = default;
  ~FileWatcher();

  // From now on, until the file looks otherwise than `seen`: then the waker wakes, once. Replaces an earlier wait under the same number.
  absl::Status Wait(uint64_t number, const std::filesystem::path& path, const FileLook& seen, std::shared_ptr<Waker> waker);
  void Cancel(uint64_t number);
  [[nodiscard]] uint64_t NewNumber();

 private:
  struct Entry {
    std::filesystem::path path;
    FileLook seen;
    std::shared_ptr<Waker> waker;
  };
  void Run();

  absl::Mutex mutex_;
  SteadyCondition closing_;
  std::map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_running_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_closing_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace fs::connector::file

#endif  // FUNCTION_STREAM_CONNECTOR_FILE_FILE_WATCHER_H_
