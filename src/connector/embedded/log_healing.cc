// After a failed write: closing the database and opening it again, as a new server would, once its folder takes writes.
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/steady_clock.h"
#include "connector/embedded/log.h"
#include "observe/log.h"

namespace fs::connector::embedded {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(500);
// What opening writes beside the records that are not in a table yet.
constexpr uint64_t kRoomToOpen = 4 << 20;
constexpr std::string_view kProbe = "can-be-written";

// A write that is tried, because quotas and limits are in no number of the file system's.
absl::Status TryToWrite(const std::filesystem::path& folder, uint64_t needed_bytes) {
  struct statvfs disk = {};
  if (statvfs(folder.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < needed_bytes) {
    return ResourceExhausted("{}: {} bytes are free, {} are needed", folder.native(), disk.f_bavail * disk.f_frsize, needed_bytes);
  }
  const std::filesystem::path file = folder / kProbe;
  const int descriptor = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return Internal("{}: {}", file.native(), std::strerror(errno));
  const std::string bytes(64 << 10, 'x');
  const bool is_written = write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) && fsync(descriptor) == 0;
  const int reason = errno;
  close(descriptor);
  unlink(file.c_str());
  return is_written ? absl::OkStatus() : Internal("{}: {}", file.native(), std::strerror(reason));
}

}  // namespace

void Log::Failed(const Stage& stage, const rocksdb::Status& reason) {
  failed_ = Unavailable("embedded log: a write failed, and none is taken until {} can be written again: {}", options_.folder.native(),
                        reason.ToString());
  heal_due_ = SteadyNow() + kPause;
  observe::LogError("{}", Message(failed_));
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, offset] : stage.group_positions) {
    if (group_positions_.contains(key)) noted_.insert(key);
  }
}

absl::Status Log::CheckOpen() const {
  if (database_ != nullptr) return absl::OkStatus();
  return Unavailable("embedded log: {} was closed after a failed write, and cannot be opened again yet", options_.folder.native());
}

void Log::Heal() {
  if (options_.in_memory || SteadyNow() < heal_due_) return;
  heal_due_ = SteadyNow() + kPause;
  absl::Status healed;
  if (database_ != nullptr) {
    uint64_t unsaved_bytes = 0;
    database_->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &unsaved_bytes);
    healed = TryToWrite(options_.folder, unsaved_bytes + kRoomToOpen);
  }
  if (healed.ok()) {
    absl::MutexLock lock(&database_mutex_);
    database_.reset();
    healed = OpenDatabase();
    if (!healed.ok()) database_.reset();
  }
  if (!healed.ok()) {
    failed_ = Unavailable("embedded log: a write failed, and none is taken until {} can be written again: {}", options_.folder.native(),
                          Message(healed));
    return;
  }
  failed_ = absl::OkStatus();
  observe::LogInfo("embedded log: {} takes writes again", options_.folder.native());
  WakeAll();
}

// Where the write that failed had survived after all, topics have grown.
void Log::WakeAll() {
  std::vector<std::shared_ptr<Topic>> topics;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (const auto& [name, topic] : topics_) topics.push_back(topic);
  }
  for (const std::shared_ptr<Topic>& topic : topics) {
    absl::MutexLock lock(&topic->subscribers_mutex);
    for (const auto& [number, on_growth] : topic->subscribers) on_growth();
  }
}

}  // namespace fs::connector::embedded
