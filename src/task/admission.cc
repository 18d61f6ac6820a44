#include "task/admission.h"

namespace fs::task {

Admission::Place& Admission::Place::operator=(Place&& other) noexcept {
  Leave();
  admission_ = std::exchange(other.admission_, nullptr);
  memory_bytes_ = other.memory_bytes_;
  return *this;
}

void Admission::Place::Leave() {
  Admission* const admission = std::exchange(admission_, nullptr);
  if (admission == nullptr) return;
  absl::MutexLock lock(&admission->mutex_);
  --admission->running_;
  admission->memory_bytes_ -= memory_bytes_;
}

absl::StatusOr<Admission::Place> Admission::Enter(uint64_t memory_bytes) {
  absl::MutexLock lock(&mutex_);
  if (running_ >= limit_running_) {
    ++refused_running_;
    return ResourceExhausted("{} functions run, which is the limit (limits.running_functions); stop one first", running_);
  }
  if (limit_memory_bytes_ > 0 && memory_bytes_ + memory_bytes > limit_memory_bytes_) {
    ++refused_memory_;
    return ResourceExhausted(
        "limits.memory_mb of the function is {}, those that run have {} together, and limits.total_memory_mb of the server is {}; stop one "
        "first, or ask for less",
        memory_bytes >> 20, memory_bytes_ >> 20, limit_memory_bytes_ >> 20);
  }
  ++running_;
  memory_bytes_ += memory_bytes;
  return Place(*this, memory_bytes);
}

std::pair<ServerLimit, ServerLimit> Admission::limits() const {
  absl::MutexLock lock(&mutex_);
  return {{"running_functions", static_cast<double>(running_), static_cast<double>(limit_running_), refused_running_},
          {"total_memory_mb", static_cast<double>(memory_bytes_ >> 20), static_cast<double>(limit_memory_bytes_ >> 20), refused_memory_}};
}

}  // namespace fs::task
