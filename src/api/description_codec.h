// What the task room tells of a function, on the wire. Pure, any thread.
#ifndef FUNCTION_STREAM_API_DESCRIPTION_CODEC_H_
#define FUNCTION_STREAM_API_DESCRIPTION_CODEC_H_

#include <function_stream.pb.h>

#include "task/supervisor.h"

namespace fs::api {

[[nodiscard]] ::function_stream::InputPosition ToWire(const task::InputPosition& from);
void ToWire(const task::Description& description, ::function_stream::DescribeFunctionResponse& wire);

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_DESCRIPTION_CODEC_H_
