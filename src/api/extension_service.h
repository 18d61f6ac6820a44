// The service of what came after the first one: streaming upload, embedded topics, describe, logs, and what the server is.
//
// Owned by the Server; called by gRPC's threads, several at once. Subscribe and ReadLogs alone do not hold one (reading_streams.h).
#ifndef FUNCTION_STREAM_API_EXTENSION_SERVICE_H_
#define FUNCTION_STREAM_API_EXTENSION_SERVICE_H_

#include <function_stream.grpc.pb.h>

#include <string>
#include <vector>

#include "api/function_service.h"
#include "api/reading_streams.h"
#include "connector/embedded/embedded_log.h"

namespace fs::api {

// What GetServerInfo tells, beside the package limit.
struct ServerInfo {
  std::string version;
  std::string python_version;               // "3.13"
  std::vector<std::string> native_modules;  // extension modules beyond the standard library
};

class ExtensionService final
    : public ::function_stream::FunctionStreamExtensions::WithCallbackMethod_Subscribe<
          ::function_stream::FunctionStreamExtensions::WithCallbackMethod_ReadLogs<::function_stream::FunctionStreamExtensions::Service>> {
 public:
  ExtensionService(Functions& functions, connector::embedded::EmbeddedLog& log, ReadingStreams& streams, ServerInfo info)
      : functions_(functions), log_(log), streams_(streams), info_(std::move(info)) {}

  grpc::Status UploadFunction(grpc::ServerContext* context, grpc::ServerReader<::function_stream::UploadChunk>* reader,
                              ::function_stream::Response* response) override;
  grpc::Status Publish(grpc::ServerContext* context,
                       grpc::ServerReaderWriter<::function_stream::PublishResponse, ::function_stream::PublishRequest>* stream) override;
  using WithCallbackMethod_Subscribe::Subscribe;
  grpc::ServerWriteReactor<::function_stream::SubscribeResponse>* Subscribe(grpc::CallbackServerContext* context,
                                                                            const ::function_stream::SubscribeRequest* request) override;
  using WithCallbackMethod_ReadLogs::ReadLogs;
  grpc::ServerWriteReactor<::function_stream::LogsResponse>* ReadLogs(grpc::CallbackServerContext* context,
                                                                      const ::function_stream::LogsRequest* request) override;
  grpc::Status CommitOffset(grpc::ServerContext* context, const ::function_stream::CommitOffsetRequest* request,
                            ::function_stream::Response* response) override;
  grpc::Status CreateTopic(grpc::ServerContext* context, const ::function_stream::CreateTopicRequest* request,
                           ::function_stream::Response* response) override;
  grpc::Status ListTopics(grpc::ServerContext* context, const ::function_stream::ListTopicsRequest* request,
                          ::function_stream::ListTopicsResponse* response) override;
  grpc::Status DeleteTopic(grpc::ServerContext* context, const ::function_stream::DeleteTopicRequest* request,
                           ::function_stream::Response* response) override;
  grpc::Status DescribeFunction(grpc::ServerContext* context, const ::function_stream::DescribeFunctionRequest* request,
                                ::function_stream::DescribeFunctionResponse* response) override;
  grpc::Status CallFunction(grpc::ServerContext* context, const ::function_stream::CallFunctionRequest* request,
                            ::function_stream::CallFunctionResponse* response) override;
  grpc::Status ListCheckpoints(grpc::ServerContext* context, const ::function_stream::ListCheckpointsRequest* request,
                               ::function_stream::ListCheckpointsResponse* response) override;
  grpc::Status CreateCheckpoint(grpc::ServerContext* context, const ::function_stream::CreateCheckpointRequest* request,
                                ::function_stream::CreateCheckpointResponse* response) override;
  grpc::Status DeleteCheckpoint(grpc::ServerContext* context, const ::function_stream::DeleteCheckpointRequest* request,
                                ::function_stream::Response* response) override;
  grpc::Status StartFromCheckpoint(grpc::ServerContext* context, const ::function_stream::StartFromCheckpointRequest* request,
                                   ::function_stream::Response* response) override;
  grpc::Status GetServerInfo(grpc::ServerContext* context, const ::function_stream::ServerInfoRequest* request,
                             ::function_stream::ServerInfoResponse* response) override;

 private:
  Functions& functions_;
  connector::embedded::EmbeddedLog& log_;
  ReadingStreams& streams_;
  const ServerInfo info_;
};

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_EXTENSION_SERVICE_H_
