#include "sandbox/host_side.h"

#include <algorithm>

namespace fs::sandbox {
namespace {

constexpr int kStdoutLevel = 20;
constexpr int kStderrLevel = 40;

int LevelOf(size_t stream) { return stream == 0 ? kStdoutLevel : kStderrLevel; }

}  // namespace

int32_t HostSide::OpenStore(std::string_view name) {
  if (const auto found = handles_.find(name); found != handles_.end()) return found->second;
  if (stores_.size() >= limits_.stores) {
    if (limits_.use != nullptr) limits_.use->Refused(Limit::kStores);
    return Fail(
        ResourceExhausted("store: {} are open, which is the limit (limits.stores of the function's configuration)", stores_.size()));
  }
  auto store = host_.OpenStore(name);
  if (!store.ok()) return Fail(store.status());
  const auto handle = static_cast<int32_t>(stores_.size());
  stores_.push_back(*store);
  Used(Limit::kStores, stores_.size(), limits_.stores);
  handles_.emplace(std::string(name), handle);
  return handle;
}

state::KvStore* HostSide::StoreAt(int32_t handle) {
  if (handle >= 0 && static_cast<size_t>(handle) < stores_.size()) [[likely]]
    return stores_[static_cast<size_t>(handle)];
  last_error_ = fmt::format("store: no store has the handle {}", handle);
  return nullptr;
}

int32_t HostSide::Fail(const absl::Status& status) {
  last_error_ = Message(status);
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnknown:
      return FS_KV_IO;
    default:
      return FS_KV_OTHER;
  }
}

int32_t HostSide::AddIterator(absl::StatusOr<std::unique_ptr<state::KvIterator>> entries, bool keys_only) {
  if (!entries.ok()) return Fail(entries.status());
  if (open_iterators_ >= limits_.iterators) {
    if (limits_.use != nullptr) limits_.use->Refused(Limit::kIterators);
    return Fail(ResourceExhausted(
        "iterator: {} are open, which is the limit (limits.iterators of the function's configuration): finish or delete some",
        open_iterators_));
  }
  ++open_iterators_;
  Used(Limit::kIterators, open_iterators_, limits_.iterators);
  auto place = std::find_if(iterators_.begin(), iterators_.end(), [](const Iterator& iterator) { return iterator.entries == nullptr; });
  if (place == iterators_.end()) place = iterators_.emplace(iterators_.end());
  *place = Iterator{.entries = *std::move(entries), .keys_only = keys_only, .next = std::nullopt, .failed = absl::OkStatus()};
  return static_cast<int32_t>(place - iterators_.begin());
}

HostSide::Iterator* HostSide::IteratorAt(int32_t handle) {
  if (handle >= 0 && static_cast<size_t>(handle) < iterators_.size()) {
    Iterator& iterator = iterators_[static_cast<size_t>(handle)];
    if (iterator.entries != nullptr) return &iterator;
  }
  last_error_ = fmt::format("iterator: none has the handle {}: it was closed, or never opened", handle);
  return nullptr;
}

void HostSide::CloseIterator(int32_t handle) {
  Iterator* iterator = IteratorAt(handle);
  if (iterator == nullptr) return;
  *iterator = Iterator{};
  --open_iterators_;
}

void HostSide::Log(int level, std::string_view text) {
  if (text.size() <= kMaxLogText) {
    host_.Log(level, text);
    return;
  }
  host_.Log(level, fmt::format("{}... ({} bytes, cut)", text.substr(0, kMaxLogText), text.size()));
}

void HostSide::WriteStream(uint32_t descriptor, std::string_view bytes) {
  const size_t stream = descriptor - 1;
  std::string& partial = partial_lines_[stream];
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const size_t room = kMaxLogLine - partial.size();
    if (end == std::string_view::npos && bytes.size() < room) {
      partial += bytes;
      return;
    }
    const bool is_whole = end != std::string_view::npos && end <= room;
    const std::string_view piece = bytes.substr(0, is_whole ? end : room);
    if (partial.empty()) {
      host_.Log(LevelOf(stream), piece);
    } else {
      partial += piece;
      host_.Log(LevelOf(stream), partial);
      partial.clear();
    }
    bytes.remove_prefix(piece.size() + (is_whole ? 1 : 0));
  }
}

void HostSide::FlushStreams() {
  for (size_t stream = 0; stream < partial_lines_.size(); ++stream) {
    if (partial_lines_[stream].empty()) continue;
    host_.Log(LevelOf(stream), partial_lines_[stream]);
    partial_lines_[stream].clear();
  }
}

void HostSide::Used(Limit limit, size_t used, size_t allowed) {
  if (limits_.use != nullptr) limits_.use->Saw(limit, static_cast<double>(used), static_cast<double>(allowed));
}

wasm_trap_t* HostSide::TrapBecause(std::string reason) {
  trap_reason_ = std::move(reason);
  return wasmtime_trap_new(trap_reason_.data(), trap_reason_.size());
}

}  // namespace fs::sandbox
