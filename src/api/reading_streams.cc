#include "api/reading_streams.h"

#include <vector>

namespace fs::api {

absl::StatusOr<std::unique_ptr<ReadingStreams>> ReadingStreams::Start() {
  std::unique_ptr<ReadingStreams> streams(new ReadingStreams);
  FS_ASSIGN_OR_RETURN(streams->thread_, Thread::Start("fs-streams", [self = streams.get()] { self->Run(); }));
  return streams;
}

ReadingStreams::~ReadingStreams() {
  Stop();
  {
    absl::MutexLock lock(&mutex_);
    is_over_ = true;
  }
  thread_.Join();
}

void ReadingStreams::Open(const std::shared_ptr<Stream>& stream) {
  bool is_late = false;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream.get());
    is_late = is_stopping_;
  }
  if (is_late) stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down"));
  Enqueue(stream);
}

void ReadingStreams::Stop() {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
    for (Stream* stream : streams_) streams.push_back(stream->Share());
  }
  for (const auto& stream : streams) stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down"));
}

void ReadingStreams::Enqueue(std::shared_ptr<Stream> stream) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(stream));
}

void ReadingStreams::Forget(Stream* stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

void ReadingStreams::Run() {
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !queue_.empty() || (is_over_ && streams_.empty()); };
  while (true) {
    std::shared_ptr<Stream> stream;
    {
      absl::MutexLock lock(&mutex_, absl::Condition(&has_work));
      if (queue_.empty()) return;
      stream = std::move(queue_.front());
      queue_.pop_front();
    }
    stream->Step();
  }
}

}  // namespace fs::api
