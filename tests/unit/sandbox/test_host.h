// What a guest is tested against: a Host that remembers, over the real state, kept in memory.
#ifndef FUNCTION_STREAM_TESTS_UNIT_SANDBOX_TEST_HOST_H_
#define FUNCTION_STREAM_TESTS_UNIT_SANDBOX_TEST_HOST_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/guest.h"
#include "state/function_state.h"
#include "state/kv_store.h"

namespace fs::sandbox {

inline state::StateEnvironment& MemoryEnvironment() {
  static auto* const environment =
      new absl::StatusOr<std::unique_ptr<state::StateEnvironment>>(state::StateEnvironment::Create({.in_memory = true}));
  return ***environment;
}

class TestHost : public Host {
 public:
  absl::StatusOr<state::KvStore*> OpenStore(std::string_view name) override {
    if (broken_store != nullptr) return broken_store;
    FS_RETURN_IF_ERROR(OpenState());
    return state->GetOrCreateStore(name);
  }
  void BeginMessage(uint32_t index) override {
    begun.push_back(index);
    if (state) state->Mark();
  }
  void Log(int level, std::string_view text) override { lines.emplace_back(level, text); }

  [[nodiscard]] bool Logged(std::string_view part) const {
    for (const auto& [level, text] : lines) {
      if (text.find(part) != std::string::npos) return true;
    }
    return false;
  }
  // The plain key's value, as the function would see it.
  [[nodiscard]] std::string Stored(std::string_view store, std::string_view key) {
    auto opened = OpenStore(store);
    if (!opened.ok()) return std::string(Message(opened.status()));
    const auto value = (*opened)->Get(key);
    if (!value.ok()) return std::string(Message(value.status()));
    return std::string(value->value_or("(absent)"));
  }

  std::unique_ptr<state::FunctionState> state;
  state::KvStore* broken_store = nullptr;  // handed out in place of any store
  std::vector<uint32_t> begun;
  std::vector<std::pair<int, std::string>> lines;

 private:
  absl::Status OpenState() {
    if (state) return absl::OkStatus();
    static std::atomic<int> count{0};
    auto opened = state::FunctionState::Open(MemoryEnvironment(), fmt::format("/state-{}", count.fetch_add(1)));
    FS_RETURN_IF_ERROR(opened.status());
    state = *std::move(opened);
    return absl::OkStatus();
  }
};

// What the last call emitted, copied.
struct Output {
  uint32_t channel;
  std::string value;
  std::optional<std::string> key;
  bool is_watermark;
  int64_t timestamp_ms;
};
inline std::vector<Output> TakeOutput(Guest& guest) {
  std::vector<Output> output;
  const absl::Status status = guest.ForEachEmitted([&](const Emitted& emitted) {
    std::optional<std::string> key;
    if (emitted.record.key) key = std::string(*emitted.record.key);
    output.push_back(
        {emitted.channel, std::string(emitted.record.value), std::move(key), emitted.is_watermark, emitted.record.timestamp_ms});
    return true;
  });
  if (!status.ok()) output.push_back({UINT32_MAX, std::string(Message(status)), std::nullopt, false, 0});
  return output;
}

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_TESTS_UNIT_SANDBOX_TEST_HOST_H_
