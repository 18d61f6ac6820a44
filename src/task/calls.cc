#include "task/calls.h"

#include <algorithm>
#include <utility>

namespace fs::task {
namespace {

constexpr absl::Duration kGivenUpSlice = absl::Milliseconds(250);

}  // namespace

absl::StatusOr<std::string> Calls::Call(std::string payload, absl::Time deadline, const std::function<bool()>& is_given_up,
                                        const std::function<void()>& wake) {
  FS_RETURN_IF_ERROR(CheckSize("payload", payload.size(), "publish large data to a topic that the function reads"));
  const std::shared_ptr<Request> request(new Request(std::move(payload)));
  {
    absl::MutexLock lock(&mutex_);
    if (!closed_.ok()) return closed_;
    if (waiting_.size() == kMaxWaiting) {
      return ResourceExhausted("{} calls wait for it already, which is the limit; try again later", kMaxWaiting);
    }
    waiting_.push_back(request);
    waiting_count_.store(waiting_.size(), std::memory_order_release);
  }
  wake();

  absl::MutexLock lock(&mutex_);
  while (!request->answer_) {
    if (SteadyNow() >= deadline || is_given_up()) {
      std::erase(waiting_, request);
      waiting_count_.store(waiting_.size(), std::memory_order_release);
      return DeadlineExceeded("custom() {}", request->is_taken_ ? "has begun and had not answered in time; what it changes will count"
                                                                : "was not called in time: the function was busy, or between restarts");
    }
    answered_.WaitUntil(mutex_, std::min(deadline, SteadyNow() + kGivenUpSlice));
  }
  return *std::move(request->answer_);
}

absl::Status Calls::CheckSize(std::string_view what, size_t bytes, std::string_view advice) const {
  use_.Saw(Limit::kCustom, static_cast<double>(bytes), static_cast<double>(limit_bytes_));
  if (bytes <= limit_bytes_) return absl::OkStatus();
  use_.Refused(Limit::kCustom);
  return InvalidArgument("{}: {} bytes; the limit is {} (limits.custom_mb of the function's configuration); {}", what, bytes, limit_bytes_,
                         advice);
}

void Calls::Open() {
  absl::MutexLock lock(&mutex_);
  closed_ = absl::OkStatus();
}

void Calls::Close(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  closed_ = reason;
  for (const auto& request : waiting_) request->answer_ = reason;
  waiting_.clear();
  waiting_count_.store(0, std::memory_order_release);
  answered_.SignalAll();
}

std::shared_ptr<Calls::Request> Calls::Take() {
  if (waiting_count_.load(std::memory_order_acquire) == 0) [[likely]]
    return nullptr;
  absl::MutexLock lock(&mutex_);
  if (waiting_.empty()) return nullptr;
  std::shared_ptr<Request> request = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_count_.store(waiting_.size(), std::memory_order_release);
  request->is_taken_ = true;
  return request;
}

void Calls::Answer(Request& request, absl::StatusOr<std::string> answer) {
  absl::MutexLock lock(&mutex_);
  request.answer_ = std::move(answer);
  answered_.SignalAll();
}

}  // namespace fs::task
