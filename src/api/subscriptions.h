// Streams that follow embedded topics: each reads when there is something, and costs no thread while it waits.
//
// One per server, thread-safe, outlived by its streams only until Stop(). A thread of its own does all reading for all streams: the
// log's callbacks and gRPC's only put a stream into its queue. A stream's write is under way or the stream is queued or it waits, never two
// at once.
#ifndef FUNCTION_STREAM_API_SUBSCRIPTIONS_H_
#define FUNCTION_STREAM_API_SUBSCRIPTIONS_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <function_stream.grpc.pb.h>

#include <deque>
#include <memory>
#include <set>

#include "base/status.h"
#include "base/thread.h"
#include "connector/embedded/embedded_log.h"

namespace fs::api {

class Subscriptions {
 public:
  // kInternal: no thread to be had.
  static absl::StatusOr<std::unique_ptr<Subscriptions>> Start(connector::embedded::EmbeddedLog& log);
  ~Subscriptions();

  // The reactor for a new stream; gRPC runs it, and it frees itself when gRPC is done with it.
  grpc::ServerWriteReactor<::function_stream::SubscribeResponse>* Open(const ::function_stream::SubscribeRequest& request);

  // Ends all streams as UNAVAILABLE, and every later one at once.
  void Stop();

 private:
  class Stream;

  explicit Subscriptions(connector::embedded::EmbeddedLog& log) : log_(log) {}
  void Enqueue(std::shared_ptr<Stream> stream);
  void Forget(Stream* stream);
  void Run();

  connector::embedded::EmbeddedLog& log_;
  absl::Mutex mutex_;
  std::deque<std::shared_ptr<Stream>> queue_ ABSL_GUARDED_BY(mutex_);
  std::set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_SUBSCRIPTIONS_H_
