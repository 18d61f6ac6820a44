#include "api/subscriptions.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/record_codec.h"
#include "api/response.h"

namespace fs::api {
namespace {

using connector::embedded::EmbeddedLog;
using ::function_stream::SubscribeRequest;
using ::function_stream::SubscribeResponse;

// Of one answer: big enough that its overhead does not count, small enough that the first record is not kept waiting for the last.
constexpr size_t kMaxRecords = 1000;
constexpr size_t kMaxBytes = size_t{512} << 10;

absl::Status CheckRequest(const SubscribeRequest& request) {
  FS_RETURN_IF_ERROR(connector::embedded::CheckTopicName(request.topic()));
  if (!request.group_id().empty()) FS_RETURN_IF_ERROR(connector::embedded::CheckGroupId(request.group_id()));
  if (request.has_offset() && request.offset() < 0) return InvalidArgument("offset: must be 0 or more, not {}", request.offset());
  return absl::OkStatus();
}

// Where to begin: at the offset; else where the group stands; else at the oldest record or after the newest.
absl::StatusOr<int64_t> FirstOffset(const SubscribeRequest& request, const EmbeddedLog& log) {
  if (request.has_offset()) return request.offset();
  if (!request.group_id().empty()) {
    FS_ASSIGN_OR_RETURN(const std::optional<int64_t> position, log.ReadGroupPosition(request.group_id(), request.topic()));
    if (position) return *position;
  }
  if (request.from_earliest()) return 0;
  const auto topic = log.DescribeTopic(request.topic());
  if (absl::IsNotFound(topic.status())) return 0;
  FS_RETURN_IF_ERROR(topic.status());
  return topic->end_offset;
}

}  // namespace

class Subscriptions::Stream : public grpc::ServerWriteReactor<SubscribeResponse>, public std::enable_shared_from_this<Stream> {
 public:
  Stream(Subscriptions& owner, SubscribeRequest request) : owner_(owner), request_(std::move(request)) {}

  // gRPC holds the stream from now on, until OnDone.
  void HoldForGrpc() { self_ = shared_from_this(); }

  // On the reading thread: one read, and its write begun.
  void Step() {
    {
      absl::MutexLock lock(&mutex_);
      if (state_ == State::kFinished) return;
      state_ = State::kReading;
      has_grown_ = false;
    }
    response_.Clear();
    const absl::StatusOr<bool> has_records = Read();
    switch (const State next = StateAfter(has_records)) {
      case State::kFinished:
        return FinishWith(has_records.status());
      case State::kWriting:
        return StartWrite(&response_);
      default:
        if (next == State::kQueued) owner_.Enqueue(shared_from_this());
    }
  }

  void End(grpc::Status status) {
    {
      absl::MutexLock lock(&mutex_);
      if (!end_) end_ = std::move(status);
      if (state_ != State::kWaiting) return;
      state_ = State::kQueued;
    }
    owner_.Enqueue(shared_from_this());
  }

  void OnCancel() override { End(grpc::Status(grpc::StatusCode::CANCELLED, "the client ended the stream")); }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      if (state_ != State::kWriting) return;
      if (!ok && !end_) end_ = grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone");
      state_ = State::kQueued;
    }
    owner_.Enqueue(shared_from_this());
  }

  void OnDone() override {
    owner_.Forget(this);
    // Waits for a callback of the log that is under way, so it must not be left to whoever drops the last reference.
    growth_ = {};
    self_.reset();
  }

 private:
  enum class State { kQueued, kReading, kWriting, kWaiting, kFinished };

  // True with records in response_, false at the topic's end.
  absl::StatusOr<bool> Read() {
    if (!is_open_) FS_RETURN_IF_ERROR(OpenTopic());
    FS_ASSIGN_OR_RETURN(const auto result, owner_.log_.Read(request_.topic(), next_offset_, kMaxRecords, kMaxBytes));
    for (const Record& record : result.records) FS_RETURN_IF_ERROR(ToWire(record, *response_.add_records()));
    if (!result.records.empty()) {
      next_offset_ = result.next_offset;
      response_.set_status_code(::function_stream::OK);
    }
    return !result.records.empty();
  }

  State StateAfter(const absl::StatusOr<bool>& has_records) {
    absl::MutexLock lock(&mutex_);
    if (end_ || !has_records.ok()) {
      state_ = State::kFinished;
    } else if (*has_records) {
      state_ = State::kWriting;
    } else if (!request_.follow()) {
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
    if (end) return Finish(*end);
    if (read.ok()) return Finish(grpc::Status::OK);
    response_.Clear();
    SetStatus(read, response_);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }

  absl::Status OpenTopic() {
    FS_RETURN_IF_ERROR(CheckRequest(request_));
    if (request_.follow()) {
      FS_ASSIGN_OR_RETURN(growth_, owner_.log_.Subscribe(request_.topic(), [stream = weak_from_this()] {
        if (const std::shared_ptr<Stream> alive = stream.lock()) alive->OnGrowth();
      }));
    }
    FS_ASSIGN_OR_RETURN(next_offset_, FirstOffset(request_, owner_.log_));
    is_open_ = true;
    // So that a client can tell that what is published from here on will reach it.
    StartSendInitialMetadata();
    return absl::OkStatus();
  }

  // On the log's thread, which holds its lock.
  void OnGrowth() {
    {
      absl::MutexLock lock(&mutex_);
      has_grown_ = true;
      if (state_ != State::kWaiting) return;
      state_ = State::kQueued;
    }
    owner_.Enqueue(shared_from_this());
  }

  Subscriptions& owner_;
  const SubscribeRequest request_;
  std::shared_ptr<Stream> self_;
  // Of the reading thread, and of gRPC's while a write is under way.
  SubscribeResponse response_;
  bool is_open_ = false;
  int64_t next_offset_ = 0;
  connector::embedded::Subscription growth_;

  absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kQueued;
  bool has_grown_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);  // asked for
};

absl::StatusOr<std::unique_ptr<Subscriptions>> Subscriptions::Start(EmbeddedLog& log) {
  std::unique_ptr<Subscriptions> subscriptions(new Subscriptions(log));
  FS_ASSIGN_OR_RETURN(subscriptions->thread_, Thread::Start("fs-subscribe", [self = subscriptions.get()] { self->Run(); }));
  return subscriptions;
}

Subscriptions::~Subscriptions() {
  Stop();
  {
    absl::MutexLock lock(&mutex_);
    is_over_ = true;
  }
  thread_.Join();
}

grpc::ServerWriteReactor<SubscribeResponse>* Subscriptions::Open(const SubscribeRequest& request) {
  auto stream = std::make_shared<Stream>(*this, request);
  stream->HoldForGrpc();
  bool is_late = false;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream.get());
    is_late = is_stopping_;
  }
  if (is_late) stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down"));
  Stream* reactor = stream.get();
  Enqueue(std::move(stream));
  return reactor;
}

void Subscriptions::Stop() {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
    for (Stream* stream : streams_) streams.push_back(stream->shared_from_this());
  }
  for (const auto& stream : streams) stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down"));
}

void Subscriptions::Enqueue(std::shared_ptr<Stream> stream) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(stream));
}

void Subscriptions::Forget(Stream* stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

void Subscriptions::Run() {
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
