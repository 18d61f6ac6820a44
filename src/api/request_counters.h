// How many requests were answered, by method and by the status code of the answer.
//
// One per server, thread-safe: a short lock a request.
#ifndef FUNCTION_STREAM_API_REQUEST_COUNTERS_H_
#define FUNCTION_STREAM_API_REQUEST_COUNTERS_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <function_stream.pb.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

namespace fs::api {

class RequestCounters {
 public:
  // By method and StatusCode. Methods are literals.
  using Counts = std::map<std::pair<std::string_view, int>, uint64_t>;

  // What a method returns when its answer is filled in.
  grpc::Status Answered(std::string_view method, ::function_stream::StatusCode code) {
    absl::MutexLock lock(&mutex_);
    ++counts_[{method, code}];
    return grpc::Status::OK;
  }
  [[nodiscard]] Counts counts() const {
    absl::MutexLock lock(&mutex_);
    return counts_;
  }

 private:
  mutable absl::Mutex mutex_;
  Counts counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_REQUEST_COUNTERS_H_
