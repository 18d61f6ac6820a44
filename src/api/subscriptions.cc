#include "api/subscriptions.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/record_codec.h"

namespace fs::api {
namespace {

using connector::embedded::EmbeddedLog;
using ::function_stream::SubscribeRequest;
using ::function_stream::SubscribeResponse;

// Of one answer: big enough that its overhead does not count, small enough that the first record is not kept waiting for the last.
constexpr size_t kMaxRecords = 1000;
constexpr size_t kMaxBytes = size_t{512} << 10;

absl::Status CheckRequest(const SubscribeRequest& request, const EmbeddedLog& log) {
  FS_RETURN_IF_ERROR(connector::embedded::CheckTopicName(request.topic()));
  FS_RETURN_IF_ERROR(CheckPartition(log, request.topic(), request.partition()));
  if (!request.group_id().empty()) FS_RETURN_IF_ERROR(connector::embedded::CheckGroupId(request.group_id()));
  if (request.has_offset() && request.offset() < 0) return InvalidArgument("offset: must be 0 or more, not {}", request.offset());
  return absl::OkStatus();
}

connector::embedded::TopicPartition PlaceOf(const SubscribeRequest& request) { return {request.topic(), request.partition()}; }

// Where to begin: at the offset; else where the group stands; else at the oldest record or after the newest.
absl::StatusOr<int64_t> FirstOffset(const SubscribeRequest& request, const EmbeddedLog& log) {
  if (request.has_offset()) return request.offset();
  if (!request.group_id().empty()) {
    FS_ASSIGN_OR_RETURN(const std::optional<int64_t> position, log.ReadGroupPosition(request.group_id(), PlaceOf(request)));
    if (position) return *position;
  }
  if (request.from_earliest()) return 0;
  FS_ASSIGN_OR_RETURN(const auto extent, log.Read(PlaceOf(request), 0, 0, 0));
  return extent.end_offset;
}

class TopicStream final : public ReadingStream<SubscribeResponse> {
 public:
  TopicStream(ReadingStreams& owner, EmbeddedLog& log, SubscribeRequest request)
      : ReadingStream(owner), log_(log), request_(std::move(request)) {}

 protected:
  absl::StatusOr<bool> Read(SubscribeResponse& answer) override {
    if (!is_open_) FS_RETURN_IF_ERROR(OpenTopic());
    FS_ASSIGN_OR_RETURN(const auto result, log_.Read(PlaceOf(request_), next_offset_, kMaxRecords, kMaxBytes));
    for (const Record& record : result.records) FS_RETURN_IF_ERROR(ToWire(record, *answer.add_records()));
    if (result.records.empty()) return false;
    next_offset_ = result.next_offset;
    answer.set_status_code(::function_stream::OK);
    return true;
  }

  bool follows() const override { return request_.follow(); }
  void StopGrowth() override { growth_ = {}; }

 private:
  absl::Status OpenTopic() {
    FS_RETURN_IF_ERROR(CheckRequest(request_, log_));
    if (request_.follow()) {
      FS_ASSIGN_OR_RETURN(growth_, log_.Subscribe(PlaceOf(request_), Growth()));
    }
    FS_ASSIGN_OR_RETURN(next_offset_, FirstOffset(request_, log_));
    is_open_ = true;
    // So that a client can tell that what is published from here on will reach it.
    StartSendInitialMetadata();
    return absl::OkStatus();
  }

  EmbeddedLog& log_;
  const SubscribeRequest request_;
  bool is_open_ = false;
  int64_t next_offset_ = 0;
  connector::embedded::Subscription growth_;
};

}  // namespace

grpc::ServerWriteReactor<SubscribeResponse>* OpenSubscription(ReadingStreams& streams, EmbeddedLog& log, const SubscribeRequest& request) {
  auto stream = std::make_shared<TopicStream>(streams, log, request);
  stream->HoldForGrpc();
  TopicStream* reactor = stream.get();
  streams.Open(stream);
  return reactor;
}

}  // namespace fs::api
