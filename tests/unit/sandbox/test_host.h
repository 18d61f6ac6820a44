// What a guest is tested against: a Host that remembers, over a KvStore that is a sorted map in memory.
#ifndef FUNCTION_STREAM_TESTS_UNIT_SANDBOX_TEST_HOST_H_
#define FUNCTION_STREAM_TESTS_UNIT_SANDBOX_TEST_HOST_H_

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/guest.h"
#include "state/kv_store.h"

namespace fs::sandbox {

class MapIterator : public state::KvIterator {
 public:
  explicit MapIterator(std::vector<std::pair<std::string, std::string>> entries) : entries_(std::move(entries)) {}
  absl::StatusOr<std::optional<state::KvEntry>> Next() override {
    if (position_ == entries_.size()) return std::nullopt;
    const auto& [key, value] = entries_[position_++];
    return state::KvEntry{key, value};
  }

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
  size_t position_ = 0;
};

class MapStore : public state::KvStore {
 public:
  using Parts = std::array<std::string, 4>;

  absl::StatusOr<std::optional<std::string_view>> Get(std::string_view key) override { return Find(plain, std::string(key)); }
  absl::Status Put(std::string_view key, std::string_view value) override {
    if (!failure.ok()) return failure;
    plain[std::string(key)] = value;
    return absl::OkStatus();
  }
  absl::Status Delete(std::string_view key) override {
    plain.erase(std::string(key));
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<state::KvIterator>> Range(std::string_view start, std::string_view end) override {
    std::vector<std::pair<std::string, std::string>> entries;
    for (auto at = plain.lower_bound(std::string(start)); at != plain.end() && at->first < end; ++at) entries.emplace_back(*at);
    return std::make_unique<MapIterator>(std::move(entries));
  }
  absl::StatusOr<std::optional<std::string_view>> Get(const state::ComplexKey& key) override { return Find(complex, ToParts(key)); }
  absl::Status Put(const state::ComplexKey& key, std::string_view value) override {
    complex[ToParts(key)] = value;
    return absl::OkStatus();
  }
  absl::Status Delete(const state::ComplexKey& key) override {
    complex.erase(ToParts(key));
    return absl::OkStatus();
  }
  absl::Status Merge(const state::ComplexKey& key, std::string_view value) override {
    complex[ToParts(key)] += value;
    return absl::OkStatus();
  }
  absl::Status DeletePrefix(const state::ComplexKey& key) override {
    const Parts prefix = ToParts(key);
    std::erase_if(complex, [&](const auto& entry) { return SharesThree(entry.first, prefix) && entry.first[3].starts_with(prefix[3]); });
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<state::KvIterator>> Range(const state::ComplexKey& key, std::string_view start,
                                                           std::string_view end) override {
    std::vector<std::pair<std::string, std::string>> entries;
    for (const auto& [parts, value] : complex) {
      if (SharesThree(parts, ToParts(key)) && parts[3] >= start && parts[3] < end) entries.emplace_back(parts[3], value);
    }
    return std::make_unique<MapIterator>(std::move(entries));
  }
  absl::StatusOr<std::unique_ptr<state::KvIterator>> Scan(const state::ComplexKey& key) override {
    std::vector<std::pair<std::string, std::string>> entries;
    for (const auto& [parts, value] : complex) {
      if (SharesThree(parts, ToParts(key))) entries.emplace_back(parts[3], value);
    }
    return std::make_unique<MapIterator>(std::move(entries));
  }

  std::map<std::string, std::string> plain;
  std::map<Parts, std::string> complex;
  absl::Status failure;  // of the next puts

 private:
  template <typename Map, typename Key>
  static absl::StatusOr<std::optional<std::string_view>> Find(const Map& map, const Key& key) {
    const auto found = map.find(key);
    if (found == map.end()) return std::nullopt;
    return std::string_view(found->second);
  }
  static Parts ToParts(const state::ComplexKey& key) {
    return {std::string(key.key_group), std::string(key.key), std::string(key.name_space), std::string(key.user_key)};
  }
  static bool SharesThree(const Parts& a, const Parts& b) { return a[0] == b[0] && a[1] == b[1] && a[2] == b[2]; }
};

class TestHost : public Host {
 public:
  absl::StatusOr<state::KvStore*> OpenStore(std::string_view name) override {
    if (name.empty()) return MakeError(absl::StatusCode::kInvalidArgument, "store: the name is empty");
    auto& store = stores[std::string(name)];
    if (!store) store = std::make_unique<MapStore>();
    return store.get();
  }
  void BeginMessage(uint32_t index) override { begun.push_back(index); }
  void Log(int level, std::string_view text) override { lines.emplace_back(level, text); }

  [[nodiscard]] bool Logged(std::string_view part) const {
    for (const auto& [level, text] : lines) {
      if (text.find(part) != std::string::npos) return true;
    }
    return false;
  }

  std::map<std::string, std::unique_ptr<MapStore>> stores;
  std::vector<uint32_t> begun;
  std::vector<std::pair<int, std::string>> lines;
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
    output.push_back({emitted.channel, std::string(emitted.record.value), std::move(key), emitted.is_watermark, emitted.record.timestamp_ms});
    return true;
  });
  if (!status.ok()) output.push_back({UINT32_MAX, std::string(Message(status)), std::nullopt, false, 0});
  return output;
}

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_TESTS_UNIT_SANDBOX_TEST_HOST_H_
