// Event time: the watermarks of a function's inputs, made or read, merged over partitions, inputs and sources.
//
// A watermark W says: no record with a timestamp of W or less is expected any more. In a partition it is either made, as max timestamp -
// max_out_of_orderness - 1 (Flink's BoundedOutOfOrderness), or, from the first stamped record on (watermark_stamp.h), what the partition's
// writers say: the minimum over them. A source's (input group's) watermark is the minimum over the partitions of all its inputs. What has
// been quiet for idle_timeout, though it was asked, does not hold back the rest; where all are quiet, the newest counts. What goes to
// outputs is what the function emitted, but never more than the minimum over the sources. No watermark ever goes back: they are part of the
// checkpoint.
//
// Owned by an Instance, used on its thread. Times are SteadyNow's. Hot path: Observe (one look-up a run of records of one partition).
#ifndef FUNCTION_STREAM_TASK_EVENT_TIME_H_
#define FUNCTION_STREAM_TASK_EVENT_TIME_H_

#include <absl/time/time.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.h"
#include "base/status.h"
#include "config/function_config.h"
#include "task/json_field.h"

namespace fs::task {

class EventTime {
 public:
  static constexpr int64_t kNone = kNoTimestamp;

  // source_of_input: the group of each input. Not used: nothing is made or called until a stamped record comes.
  EventTime(const config::Watermark& config, const std::vector<uint32_t>& source_of_input, size_t channels, bool is_used, absl::Time now);

  // A function without interest in event time costs nothing until its input carries watermarks.
  [[nodiscard]] bool is_used() const { return is_used_; }
  // Some input carries watermarks.
  [[nodiscard]] bool is_carried() const { return is_carried_; }

  // The input was asked for records, and the answer has them all: what gave none is quiet.
  void Polled(size_t input, absl::Time now) { inputs_[input].quiet_at = now; }
  // A new partition holds back the rest until it has a watermark, or is quiet for long.
  void Assigned(size_t input, int32_t partition, absl::Time now) { inputs_[input].partitions[partition].active_at = now; }
  // These are all that the input reads; without any it holds back nobody.
  void SetPartitions(size_t input, std::span<const int32_t> partitions, absl::Time now);
  void Forget(size_t input, std::span<const int32_t> partitions);
  // These records are done with.
  void Observe(size_t input, std::span<const Record> records, absl::Time now);

  struct Advance {
    uint32_t source_id;
    int64_t watermark;
  };
  // A source whose watermark is ahead of what was last told to the function.
  [[nodiscard]] std::optional<Advance> Next() const;
  void SetTold(uint32_t source_id, int64_t watermark) { told_[source_id] = watermark; }
  // The minimum over sources; kNone before each was told one.
  [[nodiscard]] int64_t least_told() const { return *std::min_element(told_.begin(), told_.end()); }
  [[nodiscard]] int64_t told(uint32_t source_id) const { return told_[source_id]; }
  // When something that is quiet may stop holding back others; never where there is no such thing.
  [[nodiscard]] absl::Time due(absl::Time now) const;

  // The function called emit_watermark.
  void Emitted(size_t channel, int64_t watermark);
  // What the channel's readers may be told; kNone: nothing yet. Never goes back.
  [[nodiscard]] int64_t ForOutput(size_t channel);

  // The part of a checkpoint.
  [[nodiscard]] std::string Save() const;
  // kDataLoss: the bytes cannot be read.
  [[nodiscard]] absl::Status Restore(std::string_view saved, absl::Time now);

 private:
  struct Writer {
    int64_t watermark = kNone;
    absl::Time active_at;
  };
  struct Partition {
    int64_t made = kNone;
    absl::Time active_at;
    bool is_carried = false;
    std::map<std::string, Writer, std::less<>> writers;
  };
  struct Input {
    uint32_t source_id = 0;
    absl::Time since;
    absl::Time quiet_at;
    std::map<int32_t, Partition> partitions;
  };
  // The minimum of what still counts, the maximum of all where nothing does.
  struct Minimum {
    bool has_active = false;
    int64_t of_active = kNone;
    int64_t of_all = kNone;
    void Add(int64_t watermark, bool is_active);
    [[nodiscard]] int64_t value() const { return has_active ? of_active : of_all; }
  };

  [[nodiscard]] bool IsActive(const Input& input, absl::Time active_at) const { return input.quiet_at - active_at < config_.idle_timeout; }
  [[nodiscard]] Minimum OfPartition(const Input& input, const Partition& partition) const;
  [[nodiscard]] Minimum OfSource(uint32_t source_id) const;
  void TakeStamp(Input& input, Partition& partition, std::string_view headers, absl::Time now);
  [[nodiscard]] int64_t TimeOf(const Record& record);

  const config::Watermark config_;
  const int64_t behind_ms_;
  bool is_used_;
  bool is_carried_ = false;
  JsonField json_field_;
  std::vector<Input> inputs_;
  std::vector<int64_t> told_;     // by source
  std::vector<int64_t> emitted_;  // by channel
  std::vector<int64_t> outputs_;  // likewise
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_EVENT_TIME_H_
