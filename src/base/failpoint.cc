#include "base/failpoint.h"

#ifdef FS_FAILPOINTS

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace fs {
namespace {

struct Armed {
  std::string name;
  std::atomic<long> passes_left{0};
};

Armed& TheArmed() {
  static Armed armed;
  static const bool parsed = [] {
    const char* text = std::getenv("FS_FAILPOINT");
    if (text == nullptr) return false;
    const std::string value = text;
    const size_t colon = value.rfind(':');
    armed.name = value.substr(0, colon);
    armed.passes_left = colon == std::string::npos ? 1 : std::strtol(value.c_str() + colon + 1, nullptr, 10);
    return true;
  }();
  static_cast<void>(parsed);
  return armed;
}

}  // namespace

void FailPoint(std::string_view name) {
  Armed& armed = TheArmed();
  if (armed.name == name && armed.passes_left.fetch_sub(1) == 1) kill(getpid(), SIGKILL);
}

bool Sabotage(std::string_view name) {
  static const std::string sabotaged = [] {
    const char* text = std::getenv("FS_SABOTAGE");
    return "," + std::string(text != nullptr ? text : "") + ",";
  }();
  return sabotaged.find("," + std::string(name) + ",") != std::string::npos;
}

}  // namespace fs

#endif  // FS_FAILPOINTS
