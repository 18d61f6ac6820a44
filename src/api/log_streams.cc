#include "api/log_streams.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/function_service.h"

namespace fs::api {
namespace {

using ::function_stream::LogsRequest;
using ::function_stream::LogsResponse;

// Of one answer.
constexpr size_t kMaxBytes = size_t{256} << 10;

class LogStream final : public ReadingStream<LogsResponse> {
 public:
  LogStream(ReadingStreams& owner, const task::Supervisor& supervisor, LogsRequest request)
      : ReadingStream(owner), supervisor_(supervisor), request_(std::move(request)) {}

 protected:
  absl::StatusOr<bool> Read(LogsResponse& answer) override {
    if (reader_ == nullptr) FS_RETURN_IF_ERROR(Open());
    // Asked before reading: what a function wrote before it was dropped is read first.
    is_over_ = reader_->is_over();
    std::vector<observe::LogLine> lines;
    FS_RETURN_IF_ERROR(reader_->Read(kMaxBytes, lines));
    if (lines.empty()) return false;
    answer.set_status_code(::function_stream::OK);
    for (const observe::LogLine& line : lines) {
      ::function_stream::LogLine& wire = *answer.add_lines();
      wire.set_time(ToWireText(line.time));
      wire.set_level(ToWireText(line.level));
      wire.set_text(ToWireText(line.text));
    }
    return true;
  }

  bool follows() const override { return request_.follow() && !is_over_; }
  void StopGrowth() override { reader_.reset(); }

 private:
  absl::Status Open() {
    FS_RETURN_IF_ERROR(CheckFunctionName(request_.function_name()));
    const std::optional<uint64_t> tail = request_.has_tail() ? std::optional<uint64_t>(request_.tail()) : std::nullopt;
    FS_ASSIGN_OR_RETURN(reader_,
                        supervisor_.ReadLog(request_.function_name(), tail, request_.follow() ? Growth() : std::function<void()>()));
    // So that a client can tell that what is written from here on will reach it.
    StartSendInitialMetadata();
    return absl::OkStatus();
  }

  const task::Supervisor& supervisor_;
  const LogsRequest request_;
  std::unique_ptr<observe::FunctionLogReader> reader_;
  bool is_over_ = false;
};

}  // namespace

grpc::ServerWriteReactor<LogsResponse>* OpenLogStream(ReadingStreams& streams, const task::Supervisor& supervisor,
                                                      const LogsRequest& request) {
  auto stream = std::make_shared<LogStream>(streams, supervisor, request);
  stream->HoldForGrpc();
  LogStream* reactor = stream.get();
  streams.Open(stream);
  return reactor;
}

}  // namespace fs::api
