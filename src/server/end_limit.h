// Ends the process where its end takes longer than it may.
//
// A library that does not keep its own time-outs (librdkafka, while a broker that was there is gone) must not hold the server's end up.
// What is then not committed is given up as by a crash, and comes again at the next start. Made by main around the end of everything else.
#ifndef FUNCTION_STREAM_SERVER_END_LIMIT_H_
#define FUNCTION_STREAM_SERVER_END_LIMIT_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include "base/steady_clock.h"
#include "base/thread.h"

namespace fs::server {

class EndLimit {
 public:
  // Without a thread to be had there is no limit.
  explicit EndLimit(absl::Duration limit);
  // In time.
  ~EndLimit();
  EndLimit(const EndLimit&) = delete;
  EndLimit& operator=(const EndLimit&) = delete;

 private:
  void Watch(absl::Duration limit);

  absl::Mutex mutex_;
  SteadyCondition changed_;
  bool has_ended_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace fs::server

#endif  // FUNCTION_STREAM_SERVER_END_LIMIT_H_
