#include "task/backlog.h"

#include <algorithm>
#include <utility>

namespace fs::task {

void Backlog::Wait(absl::Time due, std::string reason) {
  due_ = due;
  reason_ = std::move(reason);
}

void Backlog::Keep(std::span<const Record> records) {
  size_t size = 0;
  for (const Record& record : records) size += record.value.size() + (record.key ? record.key->size() : 0) + record.headers.size();
  // Never grown below: the views stay where they are.
  bytes_.clear();
  bytes_.reserve(size);
  records_.assign(records.begin(), records.end());
  next_ = 0;
  const auto copy = [this](std::string_view bytes) {
    const size_t begin = bytes_.size();
    bytes_.append(bytes);
    return std::string_view(bytes_).substr(begin);
  };
  for (Record& record : records_) {
    record.value = copy(record.value);
    if (record.key) record.key = copy(*record.key);
    record.headers = copy(record.headers);
  }
}

void Backlog::Drop(size_t count) {
  next_ += count;
  if (empty()) Clear();
}

void Backlog::Forget(std::span<const int32_t> partitions) {
  if (empty()) return;
  const auto is_gone = [&](const Record& record) {
    return std::find(partitions.begin(), partitions.end(), record.partition) != partitions.end();
  };
  if (is_gone(records().front())) Wait(absl::InfinitePast(), "");
  records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(next_));
  next_ = 0;
  std::erase_if(records_, is_gone);
  if (empty()) Clear();
}

void Backlog::Clear() {
  records_.clear();
  next_ = 0;
  // What waited may have been large; failures are rare.
  bytes_ = std::string();
  Wait(absl::InfinitePast(), "");
}

}  // namespace fs::task
