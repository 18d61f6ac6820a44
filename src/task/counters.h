// What a function's instances count, and how its numbers of late are told from those since the server started.
//
// Counters are written by the instance's thread, once a batch or checkpoint, and read by any. Recent belongs to who owns it.
#ifndef FUNCTION_STREAM_TASK_COUNTERS_H_
#define FUNCTION_STREAM_TASK_COUNTERS_H_

#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/limits.h"
#include "base/record.h"
#include "observe/histogram.h"

namespace fs::task {

// Of one input or one output.
struct Traffic {
  std::atomic<uint64_t> messages{0};
  std::atomic<uint64_t> bytes{0};  // of payloads
};

struct InstanceCounters {
  InstanceCounters(size_t source_count, size_t input_count, size_t output_count);

  std::atomic<uint64_t> processed{0};
  std::atomic<uint64_t> emitted{0};
  std::vector<Traffic> inputs;   // by input
  std::vector<Traffic> outputs;  // by channel
  std::atomic<uint64_t> exceptions{0};
  std::atomic<uint64_t> retried{0};
  std::atomic<uint64_t> skipped{0};
  std::atomic<uint64_t> dead_lettered{0};
  observe::Histogram message_seconds{observe::MessageSeconds()};  // a batch counts as its messages, each with the batch's average

  std::atomic<uint64_t> checkpoint_id{0};
  std::atomic<int64_t> checkpoint_ms{0};  // when the last one was completed, since the epoch; 0: none since the server started
  std::atomic<double> checkpoint_last_seconds{0};
  std::atomic<uint64_t> checkpoint_last_bytes{0};  // what it made durable: state, the function's bytes, outputs that waited for it
  observe::Histogram checkpoint_seconds{observe::CheckpointSeconds()};

  // What process_watermark was last told, by source, and the minimum over all; kNoTimestamp: nothing yet.
  std::vector<std::atomic<int64_t>> source_watermarks_ms;
  std::atomic<int64_t> watermark_ms{kNoTimestamp};

  std::atomic<int64_t> observed_ms{0};    // when the figures below, and where the inputs end, were last looked at; since the epoch
  std::atomic<uint64_t> memory_bytes{0};  // of the sandbox; 0 without one
  std::atomic<uint64_t> state_bytes{0};
  std::atomic<uint64_t> log_lines_dropped{0};

  LimitUse limits;
};

// Adds a batch.
inline void Count(Traffic& traffic, uint64_t messages, uint64_t bytes) {
  traffic.messages.fetch_add(messages, std::memory_order_relaxed);
  traffic.bytes.fetch_add(bytes, std::memory_order_relaxed);
}
void CountCheckpoint(InstanceCounters& counters, uint64_t id, absl::Duration took, uint64_t bytes);

struct Rates {
  double processed_per_second = 0;
  double emitted_per_second = 0;
  // Of processing a message; absent when nothing was ever processed.
  std::optional<double> p50_seconds, p95_seconds, p99_seconds;
};

// The last ten seconds, by samples a second apart. A function that does nothing gives no samples, and needs none.
class Recent {
 public:
  // `now` is SteadyNow's.
  void Sample(absl::Time now, const InstanceCounters& counters);
  // Percentiles are of the last ten seconds, or of all there was when nothing was processed in them.
  [[nodiscard]] Rates Tell(absl::Time now, const InstanceCounters& counters) const;

 private:
  struct At {
    absl::Time time;
    uint64_t processed;
    uint64_t emitted;
    observe::HistogramSnapshot message_seconds;
  };
  std::deque<At> samples_;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_COUNTERS_H_
