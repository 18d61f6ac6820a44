// Addresses to listen on: as they are written, and why one cannot be had. Any thread.
#ifndef FUNCTION_STREAM_BASE_LISTEN_H_
#define FUNCTION_STREAM_BASE_LISTEN_H_

#include <cstdint>
#include <string>

namespace fs {

// "127.0.0.1:8080"; an IPv6 address in brackets.
[[nodiscard]] std::string ListenAddress(const std::string& host, uint16_t port);
// For libraries that tell that they cannot listen, but not why: what the system says to a try of our own.
[[nodiscard]] std::string WhyNotListening(const std::string& host, uint16_t port);

}  // namespace fs

#endif  // FUNCTION_STREAM_BASE_LISTEN_H_
