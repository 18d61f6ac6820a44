// Checked access to a guest's linear memory: the only way this room turns a guest's numbers into addresses.
//
// A value type of the guest's thread. The memory never moves and never shrinks (engine.h), so a size once seen stays true; when an
// address lies beyond it, the size is asked for anew. What comes back empty was outside the memory, whatever the numbers.
#ifndef FUNCTION_STREAM_SANDBOX_MEMORY_VIEW_H_
#define FUNCTION_STREAM_SANDBOX_MEMORY_VIEW_H_

#include <wasmtime.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

namespace fs::sandbox {

class MemoryView {
 public:
  MemoryView() = default;
  MemoryView(wasmtime_context_t* context, const wasmtime_memory_t& memory)
      : context_(context),
        memory_(memory),
        base_(wasmtime_memory_data(context, &memory)),
        size_(wasmtime_memory_data_size(context, &memory)) {}

  [[nodiscard]] uint8_t* base() const { return base_; }
  [[nodiscard]] size_t CurrentSize() {
    if (base_ != nullptr) size_ = wasmtime_memory_data_size(context_, &memory_);
    return size_;
  }

  // Null when [address, address + length) is not all inside. Not null for an empty range at the very end.
  [[nodiscard]] uint8_t* At(uint32_t address, uint64_t length) {
    if (length > UINT32_MAX) return nullptr;
    const uint64_t end = uint64_t{address} + length;
    if (end > size_) [[unlikely]] {
      if (end > CurrentSize()) return nullptr;
    }
    return base_ + address;
  }

  [[nodiscard]] std::optional<std::string_view> Bytes(uint32_t address, uint32_t length) {
    const uint8_t* bytes = At(address, length);
    if (bytes == nullptr) return std::nullopt;
    return std::string_view(reinterpret_cast<const char*>(bytes), length);
  }

  // A copy: the guest cannot change it after the check, and alignment does not matter.
  template <typename T>
  [[nodiscard]] std::optional<T> Read(uint32_t address) {
    static_assert(std::is_trivially_copyable_v<T>);
    const uint8_t* bytes = At(address, sizeof(T));
    if (bytes == nullptr) return std::nullopt;
    T value;
    std::memcpy(&value, bytes, sizeof(T));
    return value;
  }

  template <typename T>
  [[nodiscard]] bool Write(uint32_t address, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    uint8_t* bytes = At(address, sizeof(T));
    if (bytes == nullptr) return false;
    std::memcpy(bytes, &value, sizeof(T));
    return true;
  }

 private:
  wasmtime_context_t* context_ = nullptr;
  wasmtime_memory_t memory_ = {};
  uint8_t* base_ = nullptr;
  size_t size_ = 0;
};

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_MEMORY_VIEW_H_
