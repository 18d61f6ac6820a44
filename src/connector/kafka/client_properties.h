// What librdkafka's client can be told: the names of its properties, whom each is for, and which of them are not the user's to set.
//
// Read once from librdkafka's own table, so that it cannot drift from the library we link. Any thread.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_CLIENT_PROPERTIES_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_CLIENT_PROPERTIES_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fs::connector::kafka {

enum class Side { kInput, kOutput };

// Why `name` = `value` cannot be set for this side, as the end of a sentence; nullopt: librdkafka may be asked.
[[nodiscard]] std::optional<std::string> WhyRefused(Side side, std::string_view name, std::string_view value);

// A property that means the same to every client: of brokers, security, sockets.
[[nodiscard]] bool IsOfEveryClient(std::string_view name);

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_CLIENT_PROPERTIES_H_
