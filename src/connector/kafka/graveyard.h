// Where clients close: on threads of their own, because closing can wait for a name server or for a broker that is away.
//
// Owned by the connector and shared with its sessions; thread-safe. Whatever a closing client needs belongs to the function given.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_GRAVEYARD_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_GRAVEYARD_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <functional>
#include <list>

#include "base/thread.h"

namespace fs::connector::kafka {

class Graveyard {
 public:
  Graveyard() = default;
  Graveyard(const Graveyard&) = delete;
  Graveyard& operator=(const Graveyard&) = delete;
  // Waits up to two seconds for what is closing, so that group members leave and the server's exit stays quick. What still hangs then is
  // left to the process's end.
  ~Graveyard();

  // Runs `close` on another thread; here, where the machine has no thread to give.
  void Bury(const std::function<void()>& close);

 private:
  struct Burial {
    Thread thread;
    std::atomic<bool> is_done{false};
  };

  // Joins the threads that have ended.
  void Clear() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  std::list<Burial*> burials_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_GRAVEYARD_H_
