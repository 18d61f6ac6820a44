// How event time travels from one function to the next: a header on records.
//
// `function-stream.watermark` holds "<ms> <writer>" or "- <writer>" (none yet): what that writer (a function's id and instance) says of the
// records that follow in this partition. A plain reader sees its data and nothing else. There are no records for watermarks alone: a
// watermark waits for the next record. The first records of each key bucket after every advance, and after every checkpoint, are stamped:
// which partition a record goes to is the sink's to know, and so all partitions hear of it soon, at the cost of at most kBuckets headers an
// advance. Of records without a key the first kBuckets are, and the sink sends them to the partitions in turn.
//
// Owned by an Instance, used on its thread. Hot path: Apply, which costs two tests where nothing is to be stamped.
#ifndef FUNCTION_STREAM_TASK_WATERMARK_STAMP_H_
#define FUNCTION_STREAM_TASK_WATERMARK_STAMP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.h"

namespace fs::task {

inline constexpr std::string_view kWatermarkHeader = "function-stream.watermark";

struct WatermarkStamp {
  std::optional<int64_t> watermark;  // nullopt: the writer has none yet
  std::string_view writer;
};
// The stamp among encoded headers; one that cannot be read counts as none.
[[nodiscard]] std::optional<WatermarkStamp> FindStamp(std::string_view headers);

class WatermarkStamps {
 public:
  WatermarkStamps(std::string writer, size_t channels) : writer_(std::move(writer)), channels_(channels) {}

  // From now on records are stamped.
  void Begin() { is_stamping_ = true; }
  void Advance(size_t channel, int64_t watermark);
  // After a checkpoint: the next records tell again that this writer is there.
  void Renew();

  // The record as it is to be written: without a stamp that the function copied from what it read, and with ours where it is due. The
  // view holds until the next call.
  [[nodiscard]] OutputRecord Apply(size_t channel, const OutputRecord& record);

 private:
  static constexpr uint64_t kBuckets = 64;

  struct Channel {
    std::optional<int64_t> watermark;
    uint64_t stamped = 0;  // buckets that have had theirs
    uint64_t keyless = 0;  // records without a key since then
    uint64_t salt = 0;     // other keys share a bucket each time
  };

  [[nodiscard]] bool IsDue(Channel& channel, const OutputRecord& record);

  const std::string writer_;
  bool is_stamping_ = false;
  std::vector<Channel> channels_;
  std::string headers_;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_WATERMARK_STAMP_H_
