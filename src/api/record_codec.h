// Records of embedded topics between the wire and the log. Pure, any thread.
#ifndef FUNCTION_STREAM_API_RECORD_CODEC_H_
#define FUNCTION_STREAM_API_RECORD_CODEC_H_

#include <function_stream.pb.h>

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.h"
#include "base/status.h"
#include "connector/embedded/embedded_log.h"

namespace fs::api {

// The records of a publish as the log takes them. The views hold as long as the request and this live.
class PublishedRecords {
 public:
  explicit PublishedRecords(const ::function_stream::PublishRequest& request);
  [[nodiscard]] const std::vector<OutputRecord>& records() const { return records_; }

 private:
  std::vector<OutputRecord> records_;
  std::deque<std::string> headers_;  // encoded, where a record has some
};

// kInvalidArgument: the topic has no such partition.
[[nodiscard]] absl::Status CheckPartition(const connector::embedded::EmbeddedLog& log, std::string_view topic, int32_t partition);

// Copies a record out. kDataLoss: its headers are cut short.
[[nodiscard]] absl::Status ToWire(const Record& record, ::function_stream::EmbeddedRecord& wire);

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_RECORD_CODEC_H_
