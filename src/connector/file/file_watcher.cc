#include "connector/file/file_watcher.h"

#include <absl/time/time.h>

namespace fs::connector::file {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(50);

FileLook ToLook(const struct stat& status) { return {true, status.st_dev, status.st_ino, status.st_size}; }

}  // namespace

FileLook LookAt(const std::filesystem::path& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 ? ToLook(status) : FileLook();
}

FileLook LookAt(int descriptor) {
  struct stat status = {};
  return fstat(descriptor, &status) == 0 ? ToLook(status) : FileLook();
}

FileWatcher::~FileWatcher() {
  {
    absl::MutexLock lock(&mutex_);
    is_closing_ = true;
    closing_.SignalAll();
  }
  thread_.Join();
}

uint64_t FileWatcher::NewNumber() {
  absl::MutexLock lock(&mutex_);
  return ++last_number_;
}

absl::Status FileWatcher::Wait(uint64_t number, const std::filesystem::path& path, const FileLook& seen, std::shared_ptr<Waker> waker) {
  absl::MutexLock lock(&mutex_);
  if (!is_running_) {
    FS_ASSIGN_OR_RETURN(thread_, Thread::Start("file-watcher", [this] { Run(); }));
    is_running_ = true;
  }
  entries_.insert_or_assign(number, Entry{path, seen, std::move(waker)});
  return absl::OkStatus();
}

void FileWatcher::Cancel(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  entries_.erase(number);
}

void FileWatcher::Run() {
  absl::MutexLock lock(&mutex_);
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return is_closing_ || !entries_.empty(); };
  while (true) {
    mutex_.Await(absl::Condition(&has_work));
    if (is_closing_) return;
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      if (LookAt(entry->second.path) == entry->second.seen) {
        ++entry;
      } else {
        entry->second.waker->Wake();
        entry = entries_.erase(entry);
      }
    }
    const absl::Time look = SteadyNow() + kLookEvery;
    while (!is_closing_ && closing_.WaitUntil(mutex_, look)) {
    }
    if (is_closing_) return;
  }
}

}  // namespace fs::connector::file
