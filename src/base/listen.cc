#include "base/listen.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fs {

std::string ListenAddress(const std::string& host, uint16_t port) {
  const bool is_bare_ipv6 = host.find(':') != std::string::npos && !host.starts_with('[');
  return is_bare_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string WhyNotListening(const std::string& host, uint16_t port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0) return gai_strerror(error);
  std::string why = "refused by the library that listens";
  const int handle = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol);
  if (handle < 0 || bind(handle, found->ai_addr, found->ai_addrlen) != 0 || listen(handle, 1) != 0) why = std::strerror(errno);
  if (handle >= 0) close(handle);
  freeaddrinfo(found);
  return why;
}

}  // namespace fs
