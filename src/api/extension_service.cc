#include "api/extension_service.h"

#include <absl/time/clock.h>

#include <utility>

#include "api/description_codec.h"
#include "api/log_streams.h"
#include "api/record_codec.h"
#include "api/response.h"
#include "api/subscriptions.h"
#include "base/steady_clock.h"
#include "observe/log.h"

namespace fs::api {
namespace {

using connector::embedded::EmbeddedLog;

constexpr absl::Duration kLongestCall = absl::Hours(1);
constexpr absl::Duration kAnswerTravel = absl::Milliseconds(50);

absl::StatusOr<task::Description> Describe(const task::Supervisor& supervisor, std::string_view name) {
  FS_RETURN_IF_ERROR(CheckFunctionName(name));
  return supervisor.Describe(name);
}

::function_stream::RetainedCheckpoint ToWire(const task::RetainedInfo& from) {
  using Wire = ::function_stream::RetainedCheckpoint;
  Wire checkpoint;
  checkpoint.set_id(from.id);
  checkpoint.set_created_ms(from.created_ms);
  switch (from.reason) {
    case state::RetainReason::kPeriodic:
      checkpoint.set_reason(Wire::PERIODIC);
      break;
    case state::RetainReason::kRequested:
      checkpoint.set_reason(Wire::REQUESTED);
      break;
    case state::RetainReason::kBeforeRestore:
      checkpoint.set_reason(Wire::BEFORE_RESTORE);
      break;
  }
  checkpoint.set_checkpoint_id(from.checkpoint_id);
  checkpoint.set_bytes(from.bytes);
  for (const task::InputPosition& position : from.positions) *checkpoint.add_positions() = api::ToWire(position);
  checkpoint.set_problem(ToShownText(from.problem));
  return checkpoint;
}

absl::StatusOr<std::vector<task::RetainedInfo>> ListOf(const task::Supervisor& supervisor, std::string_view name) {
  FS_RETURN_IF_ERROR(CheckFunctionName(name));
  return supervisor.ListCheckpoints(name);
}

absl::StatusOr<task::RetainedInfo> CreateOf(task::Supervisor& supervisor, std::string_view name, const grpc::ServerContext& context) {
  FS_RETURN_IF_ERROR(CheckFunctionName(name));
  // So that the answer, which says what was waited for, arrives before the client gives up.
  const absl::Duration left = absl::FromChrono(context.deadline()) - absl::Now() - absl::Milliseconds(200);
  const absl::Time deadline = SteadyNow() + left;
  return supervisor.CreateCheckpoint(name, deadline, [&context] { return context.IsCancelled(); });
}

absl::Status CheckCheckpoint(std::string_view name, uint64_t id) {
  FS_RETURN_IF_ERROR(CheckFunctionName(name));
  return id > 0 ? absl::OkStatus() : InvalidArgument("id: must be that of a checkpoint, 1 or more");
}

absl::Status CommitOffsetTo(EmbeddedLog& log, const ::function_stream::CommitOffsetRequest& request) {
  FS_RETURN_IF_ERROR(connector::embedded::CheckTopicName(request.topic()));
  FS_RETURN_IF_ERROR(connector::embedded::CheckGroupId(request.group_id()));
  if (request.offset() < 0) return InvalidArgument("offset: must be 0 or more, not {}", request.offset());
  if (const auto topic = log.DescribeTopic(request.topic()); topic.ok() && request.offset() > topic->end_offset) {
    return InvalidArgument("offset: {} is past the end of topic {}, where offset {} comes next", request.offset(), request.topic(),
                           topic->end_offset);
  }
  return log.CommitGroupPosition({.group = request.group_id(), .topic = request.topic(), .offset = request.offset()});
}

absl::StatusOr<std::string> Call(task::Supervisor& supervisor, const grpc::ServerContext& context,
                                 const ::function_stream::CallFunctionRequest& request) {
  FS_RETURN_IF_ERROR(CheckFunctionName(request.function_name()));
  const absl::Time deadline = absl::FromChrono(context.deadline());
  // An answer that says why arrives a little before the client's own patience ends.
  const absl::Duration patience = deadline == absl::InfiniteFuture() ? kLongestCall : deadline - absl::Now() - kAnswerTravel;
  return supervisor.CallFunction(request.function_name(), request.payload(), SteadyNow() + std::min(patience, kLongestCall),
                                 [&] { return context.IsCancelled(); });
}

}  // namespace

grpc::Status ExtensionService::UploadFunction(grpc::ServerContext* context, grpc::ServerReader<::function_stream::UploadChunk>* reader,
                                              ::function_stream::Response* response) {
  Upload upload(functions_.rules());
  ::function_stream::UploadChunk chunk;
  while (reader->Read(&chunk)) {
    if (const absl::Status taken = upload.Take(chunk); !taken.ok()) {
      functions_.Create(taken, *response);
      return functions_.requests().Answered("UploadFunction", response->status_code());
    }
  }
  // A stream that broke looks like one that ended.
  if (context->IsCancelled()) return grpc::Status::CANCELLED;
  functions_.Create(std::move(upload).Finish(), *response);
  return functions_.requests().Answered("UploadFunction", response->status_code());
}

grpc::Status ExtensionService::Publish(
    grpc::ServerContext*, grpc::ServerReaderWriter<::function_stream::PublishResponse, ::function_stream::PublishRequest>* stream) {
  std::string topic;
  ::function_stream::StatusCode answered = ::function_stream::OK;
  ::function_stream::PublishRequest request;
  while (stream->Read(&request)) {
    if (!request.topic().empty()) topic = request.topic();
    ::function_stream::PublishResponse response;
    absl::Status status =
        topic.empty() ? InvalidArgument("topic: required in the first request of a stream") : connector::embedded::CheckTopicName(topic);
    if (status.ok() && request.records_size() > 0) {
      const PublishedRecords published(request);
      const absl::StatusOr<int64_t> first_offset = log_.Append(topic, published.records());
      status = first_offset.status();
      if (status.ok()) response.set_first_offset(*first_offset);
    }
    if (status.ok()) response.set_count(static_cast<uint32_t>(request.records_size()));
    SetStatus(status, response);
    answered = response.status_code();
    // After a refusal nothing that follows may be appended: it would stand where the refused records should.
    if (!stream->Write(response) || !status.ok()) break;
  }
  return functions_.requests().Answered("Publish", answered);
}

grpc::ServerWriteReactor<::function_stream::SubscribeResponse>* ExtensionService::Subscribe(
    grpc::CallbackServerContext*, const ::function_stream::SubscribeRequest* request) {
  functions_.requests().Answered("Subscribe", ::function_stream::OK);
  return OpenSubscription(streams_, log_, *request);
}

grpc::ServerWriteReactor<::function_stream::LogsResponse>* ExtensionService::ReadLogs(grpc::CallbackServerContext*,
                                                                                      const ::function_stream::LogsRequest* request) {
  functions_.requests().Answered("ReadLogs", ::function_stream::OK);
  return OpenLogStream(streams_, functions_.supervisor(), *request);
}

grpc::Status ExtensionService::CommitOffset(grpc::ServerContext*, const ::function_stream::CommitOffsetRequest* request,
                                            ::function_stream::Response* response) {
  SetStatus(CommitOffsetTo(log_, *request), *response);
  return functions_.requests().Answered("CommitOffset", response->status_code());
}

grpc::Status ExtensionService::ListTopics(grpc::ServerContext*, const ::function_stream::ListTopicsRequest*,
                                          ::function_stream::ListTopicsResponse* response) {
  for (const connector::embedded::TopicInfo& info : log_.ListTopics()) {
    ::function_stream::TopicInfo& topic = *response->add_topics();
    topic.set_name(info.name);
    topic.set_first_offset(info.first_offset);
    topic.set_next_offset(info.end_offset);
    topic.set_bytes(info.bytes);
  }
  SetStatus(absl::OkStatus(), *response);
  return functions_.requests().Answered("ListTopics", response->status_code());
}

grpc::Status ExtensionService::DeleteTopic(grpc::ServerContext*, const ::function_stream::DeleteTopicRequest* request,
                                           ::function_stream::Response* response) {
  absl::Status status = connector::embedded::CheckTopicName(request->topic());
  if (status.ok()) status = log_.DeleteTopic(request->topic());
  if (status.ok()) observe::LogInfo("delete topic {}: done", request->topic());
  SetStatus(status, *response, ::function_stream::OK, fmt::format("topic {}: deleted", request->topic()));
  return functions_.requests().Answered("DeleteTopic", response->status_code());
}

grpc::Status ExtensionService::DescribeFunction(grpc::ServerContext*, const ::function_stream::DescribeFunctionRequest* request,
                                                ::function_stream::DescribeFunctionResponse* response) {
  const absl::StatusOr<task::Description> description = Describe(functions_.supervisor(), request->function_name());
  SetStatus(description.status(), *response);
  if (!description.ok()) return functions_.requests().Answered("DescribeFunction", response->status_code());

  ToWire(*description, *response);
  return functions_.requests().Answered("DescribeFunction", response->status_code());
}

grpc::Status ExtensionService::ListCheckpoints(grpc::ServerContext*, const ::function_stream::ListCheckpointsRequest* request,
                                               ::function_stream::ListCheckpointsResponse* response) {
  const auto checkpoints = ListOf(functions_.supervisor(), request->function_name());
  SetStatus(checkpoints.status(), *response);
  if (!checkpoints.ok()) return functions_.requests().Answered("ListCheckpoints", response->status_code());
  for (const task::RetainedInfo& checkpoint : *checkpoints) *response->add_checkpoints() = ToWire(checkpoint);
  return functions_.requests().Answered("ListCheckpoints", response->status_code());
}

grpc::Status ExtensionService::CreateCheckpoint(grpc::ServerContext* context, const ::function_stream::CreateCheckpointRequest* request,
                                                ::function_stream::CreateCheckpointResponse* response) {
  const auto checkpoint = CreateOf(functions_.supervisor(), request->function_name(), *context);
  SetStatus(checkpoint.status(), *response, ::function_stream::CREATED);
  if (checkpoint.ok()) *response->mutable_checkpoint() = ToWire(*checkpoint);
  return functions_.requests().Answered("CreateCheckpoint", response->status_code());
}

grpc::Status ExtensionService::DeleteCheckpoint(grpc::ServerContext*, const ::function_stream::DeleteCheckpointRequest* request,
                                                ::function_stream::Response* response) {
  const std::string& name = request->function_name();
  absl::Status status = CheckCheckpoint(name, request->id());
  if (status.ok()) status = functions_.supervisor().DeleteCheckpoint(name, request->id());
  if (status.ok()) observe::LogInfo("function {}: checkpoint {} deleted", name, request->id());
  SetStatus(status, *response, ::function_stream::OK, fmt::format("{}: checkpoint {} is deleted", name, request->id()));
  return functions_.requests().Answered("DeleteCheckpoint", response->status_code());
}

grpc::Status ExtensionService::StartFromCheckpoint(grpc::ServerContext*, const ::function_stream::StartFromCheckpointRequest* request,
                                                   ::function_stream::Response* response) {
  const std::string& name = request->function_name();
  absl::Status status = CheckCheckpoint(name, request->id());
  if (status.ok()) status = functions_.supervisor().StartFromCheckpoint(name, request->id());
  SetStatus(status, *response, ::function_stream::OK, fmt::format("{}: is running from checkpoint {}", name, request->id()));
  return functions_.requests().Answered("StartFromCheckpoint", response->status_code());
}

grpc::Status ExtensionService::CallFunction(grpc::ServerContext* context, const ::function_stream::CallFunctionRequest* request,
                                            ::function_stream::CallFunctionResponse* response) {
  absl::StatusOr<std::string> answer = Call(functions_.supervisor(), *context, *request);
  SetStatus(answer.status(), *response);
  if (answer.ok()) response->set_answer(*std::move(answer));
  return functions_.requests().Answered("CallFunction", response->status_code());
}

grpc::Status ExtensionService::GetServerInfo(grpc::ServerContext*, const ::function_stream::ServerInfoRequest*,
                                             ::function_stream::ServerInfoResponse* response) {
  response->set_version(info_.version);
  response->set_python_version(info_.python_version);
  for (const std::string& module : info_.native_modules) response->add_native_modules(module);
  response->set_max_package_bytes(functions_.rules().limit_package_bytes);
  return functions_.requests().Answered("GetServerInfo", ::function_stream::OK);
}

}  // namespace fs::api
