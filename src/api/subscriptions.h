// Subscribe: a stream that reads an embedded topic and follows it.
#ifndef FUNCTION_STREAM_API_SUBSCRIPTIONS_H_
#define FUNCTION_STREAM_API_SUBSCRIPTIONS_H_

#include <function_stream.grpc.pb.h>

#include "api/reading_streams.h"
#include "connector/embedded/embedded_log.h"

namespace fs::api {

// The reactor for a new stream, for gRPC to run. `streams` and `log` outlive it.
grpc::ServerWriteReactor<::function_stream::SubscribeResponse>* OpenSubscription(ReadingStreams& streams,
                                                                                 connector::embedded::EmbeddedLog& log,
                                                                                 const ::function_stream::SubscribeRequest& request);

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_SUBSCRIPTIONS_H_
