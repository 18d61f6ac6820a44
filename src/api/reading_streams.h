// Streams that answer with what there is to read and then wait for more, at the cost of no thread while they wait.
//
// ReadingStreams is one per server and thread-safe, outlived by its streams only until Stop(). A thread of its own does all reading for
// all streams: callbacks, gRPC's and those of who writes, only put a stream into its queue. A stream's write is under way or the stream
// is queued or it waits, never two at once. What is read is the business of the classes derived from ReadingStream.
#ifndef FUNCTION_STREAM_API_READING_STREAMS_H_
#define FUNCTION_STREAM_API_READING_STREAMS_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "api/response.h"
#include "base/status.h"
#include "base/thread.h"

namespace fs::api {

class ReadingStreams {
 public:
  class Stream {
   public:
    virtual ~Stream() = default;
    // On the reading thread: one read, and its write begun.
    virtual void Step() = 0;
    // Ends it with this status, from any thread.
    virtual void End(grpc::Status status) = 0;
    virtual std::shared_ptr<Stream> Share() = 0;
  };

  // kInternal: no thread to be had.
  static absl::StatusOr<std::unique_ptr<ReadingStreams>> Start();
  ~ReadingStreams();

  // The stream is read for the first time; gRPC runs it from here on.
  void Open(const std::shared_ptr<Stream>& stream);
  void Enqueue(std::shared_ptr<Stream> stream);
  void Forget(Stream* stream);
  // Ends all streams as UNAVAILABLE, and every later one at once.
  void Stop();

 private:
  ReadingStreams() = default;
  void Run();

  absl::Mutex mutex_;
  std::deque<std::shared_ptr<Stream>> queue_ ABSL_GUARDED_BY(mutex_);
  std::set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

// A reactor that gRPC runs; it frees itself when gRPC is done with it. Answer has status_code and message, as all of ours.
template <class Answer>
class ReadingStream : public grpc::ServerWriteReactor<Answer>,
                      public ReadingStreams::Stream,
                      public std::enable_shared_from_this<ReadingStream<Answer>> {
 public:
  explicit ReadingStream(ReadingStreams& owner) : owner_(owner) {}

  // gRPC holds the stream from now on, until OnDone.
  void HoldForGrpc() { self_ = this->shared_from_this(); }
  std::shared_ptr<Stream> Share() override { return this->shared_from_this(); }

  void Step() override {
    {
      absl::MutexLock lock(&mutex_);
      if (state_ == State::kFinished) return;
      state_ = State::kReading;
      has_grown_ = false;
    }
    answer_.Clear();
    const absl::StatusOr<bool> has_more = Read(answer_);
    switch (const State next = StateAfter(has_more)) {
      case State::kFinished:
        return FinishWith(has_more.status());
      case State::kWriting:
        return this->StartWrite(&answer_);
      default:
        if (next == State::kQueued) owner_.Enqueue(Share());
    }
  }

  void End(grpc::Status status) override {
    {
      absl::MutexLock lock(&mutex_);
      if (!end_) end_ = std::move(status);
      if (state_ != State::kWaiting) return;
      state_ = State::kQueued;
    }
    owner_.Enqueue(Share());
  }

  void OnCancel() override { End(grpc::Status(grpc::StatusCode::CANCELLED, "the client ended the stream")); }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      if (state_ != State::kWriting) return;
      if (!ok && !end_) end_ = grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone");
      state_ = State::kQueued;
    }
    owner_.Enqueue(Share());
  }

  void OnDone() override {
    owner_.Forget(this);
    // Waits for a callback that is under way, so it must not be left to whoever drops the last reference.
    StopGrowth();
    self_.reset();
  }

 protected:
  // On the reading thread. True with something in `answer`, false at the present end.
  virtual absl::StatusOr<bool> Read(Answer& answer) = 0;
  // At the present end: whether there may be more.
  [[nodiscard]] virtual bool follows() const = 0;
  // After it no OnGrowth comes.
  virtual void StopGrowth() = 0;

  // For callbacks that may outlive the stream: tells it that there is more. Any thread, any lock.
  [[nodiscard]] std::function<void()> Growth() {
    return [stream = this->weak_from_this()] {
      if (const auto alive = stream.lock()) alive->OnGrowth();
    };
  }

 private:
  enum class State { kQueued, kReading, kWriting, kWaiting, kFinished };

  State StateAfter(const absl::StatusOr<bool>& has_more) {
    const bool is_following = follows();
    absl::MutexLock lock(&mutex_);
    if (end_ || !has_more.ok()) {
      state_ = State::kFinished;
    } else if (*has_more) {
      state_ = State::kWriting;
    } else if (!is_following) {
      state_ = State::kFinished;
    } else {
      state_ = has_grown_ ? State::kQueued : State::kWaiting;
    }
    return state_;
  }

  // Once, in state kFinished. Without the lock, as every call into gRPC: it may call back before it returns.
  void FinishWith(const absl::Status& read) {
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      end = end_;
    }
    if (end) return this->Finish(*end);
    if (read.ok()) return this->Finish(grpc::Status::OK);
    answer_.Clear();
    SetStatus(read, answer_);
    this->StartWriteAndFinish(&answer_, grpc::WriteOptions(), grpc::Status::OK);
  }

  void OnGrowth() {
    {
      absl::MutexLock lock(&mutex_);
      has_grown_ = true;
      if (state_ != State::kWaiting) return;
      state_ = State::kQueued;
    }
    owner_.Enqueue(Share());
  }

  ReadingStreams& owner_;
  std::shared_ptr<ReadingStream> self_;
  Answer answer_;  // of the reading thread, and of gRPC's while a write is under way

  absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kQueued;
  bool has_grown_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);  // asked for
};

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_READING_STREAMS_H_
