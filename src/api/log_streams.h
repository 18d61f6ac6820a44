// ReadLogs: a stream that reads a function's own log and follows it until the function is dropped.
#ifndef FUNCTION_STREAM_API_LOG_STREAMS_H_
#define FUNCTION_STREAM_API_LOG_STREAMS_H_

#include <function_stream.grpc.pb.h>

#include "api/reading_streams.h"
#include "task/supervisor.h"

namespace fs::api {

// The reactor for a new stream, for gRPC to run. `streams` and `supervisor` outlive it.
grpc::ServerWriteReactor<::function_stream::LogsResponse>* OpenLogStream(ReadingStreams& streams, const task::Supervisor& supervisor,
                                                                         const ::function_stream::LogsRequest& request);

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_LOG_STREAMS_H_
