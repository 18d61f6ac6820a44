#include "sandbox/guest.h"

#include <fs_abi.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <utility>

#include "base/steady_clock.h"
#include "base/thread.h"
#include "sandbox/codec.h"
#include "sandbox/host_side.h"
#include "sandbox/runtime_impl.h"

namespace fs::sandbox {
namespace {

// One call's input is kept to this, unless a single message is larger: the guest's memory is the function's, not the batch's.
constexpr uint64_t kInputChunk = uint64_t{8} << 20;
constexpr uint64_t kSmallestInput = uint64_t{64} << 10;
constexpr size_t kMebibyte = size_t{1} << 20;

// CPython has one memory, one table, and a few thousand functions in it.
constexpr int64_t kMaxTableElements = 100'000;
constexpr int64_t kMaxTables = 8;

Watchdog::Clock::duration ToClock(absl::Duration duration) {
  return std::chrono::nanoseconds(absl::ToInt64Nanoseconds(std::min(duration, absl::Hours(24 * 365))));
}

class GuestImpl : public Guest {
 public:
  GuestImpl(Runtime::Impl& runtime, const GuestLimits& limits, Host& host)
      : runtime_(runtime),
        limits_(limits),
        watched_(*runtime.watchdog, ToClock(limits.call_timeout), ToClock(std::max(limits.call_timeout, limits.batch_timeout))),
        side_(host, watched_, limits_) {}

  absl::Status Start();

  absl::Status Load(const GuestProgram& program) override;
  absl::Status Init() override;
  absl::Status RestoreCheckpoint(uint64_t checkpoint_id, std::string_view bytes) override {
    return Hook(FS_HOOK_RESTORE_CHECKPOINT, "restore_checkpoint", 0, static_cast<int64_t>(checkpoint_id), bytes);
  }
  absl::StatusOr<std::optional<std::string>> TakeCheckpoint(uint64_t checkpoint_id) override;
  absl::Status ProcessWatermark(uint32_t source_id, int64_t watermark_ms) override {
    return Hook(FS_HOOK_WATERMARK, "process_watermark", source_id, watermark_ms, "");
  }
  absl::StatusOr<bool> CheckHeartbeat() override;
  bool has_heartbeat() const override { return has_heartbeat_; }
  absl::Status Close() override;
  absl::StatusOr<std::string> Custom(std::string_view payload) override;
  absl::StatusOr<BatchResult> Process(uint32_t source_id, uint32_t topic, std::span<const Record> records) override;
  absl::Status ForEachEmitted(const std::function<bool(const Emitted&)>& take) override;

  void Rest() override;
  bool is_rested() const override { return rested_at_ == calls_; }
  uint64_t calls() const override { return calls_; }
  void Interrupt() override { watched_.Interrupt(); }
  size_t processed_before_end() const override { return processed_before_end_; }
  std::optional<Limit> ended_by() const override { return ended_by_; }
  bool is_dead() const override { return !death_.ok(); }
  size_t memory_bytes() const override { return wasmtime_memory_data_size(context_, &memory_); }
  std::span<const uint8_t> memory() const override { return {memory_view_.base(), memory_bytes()}; }
  const std::optional<UserError>& last_user_error() const override { return last_user_error_; }

 private:
  using Values = std::span<wasmtime_val_raw_t>;

  static wasmtime_val_raw_t I32(uint32_t value) {
    wasmtime_val_raw_t raw = {};
    raw.i32 = static_cast<int32_t>(value);
    return raw;
  }
  static wasmtime_val_raw_t I64(int64_t value) {
    wasmtime_val_raw_t raw = {};
    raw.i64 = value;
    return raw;
  }

  // Calls an export and returns its i32. Whatever else ends the call ends the guest.
  absl::StatusOr<int32_t> Call(const wasmtime_func_t& function, std::string_view what, Values values);
  absl::Status Ended(std::string_view what, Watchdog::Verdict verdict, const wasmtime_error_t* error, const wasm_trap_t* trap,
                     int32_t status);
  absl::Status OutOfMemory(std::string_view what, std::string_view detail);
  absl::Status Die(absl::Status reason);
  // The guest is to end because of a limit.
  void Over(Limit limit);
  void Saw(Limit limit, double used, double allowed) {
    if (limits_.use != nullptr) limits_.use->Saw(limit, used, allowed);
  }
  // After a call that began then and completed that many messages (a hook counts as one).
  void SawTime(absl::Time begun, size_t messages);

  absl::Status ReadWords(bool is_loaded);
  // The guest's input buffer, of at least this many bytes.
  absl::StatusOr<uint8_t*> Reserve(uint64_t size, std::string_view what);
  // Checks what a call left in fs_shared, and turns its status into ours; FS_OK and user errors leave the guest alive.
  absl::Status Settle(int32_t status, std::string_view what);
  absl::Status Hook(fs_hook hook, std::string_view name, uint32_t source_id, int64_t number, std::string_view input);
  std::string_view Result() { return memory_view_.Bytes(shared_.result_ptr, shared_.result_len).value_or(std::string_view()); }

  Runtime::Impl& runtime_;
  const GuestLimits limits_;
  StoreHandle store_;  // destroyed after what looks at its memory
  Watchdog::Watched watched_;
  HostSide side_;

  wasmtime_context_t* context_ = nullptr;
  wasmtime_memory_t memory_ = {};
  MemoryView memory_view_;
  wasmtime_func_t reserve_ = {}, load_ = {}, hook_ = {}, process_ = {};
  uint32_t shared_address_ = 0;

  uint8_t* input_ = nullptr;
  uint64_t input_capacity_ = 0;

  bool is_loaded_ = false;
  bool has_heartbeat_ = true;
  uint64_t calls_ = 0;
  uint64_t rested_at_ = 0;
  size_t channel_count_ = 0;
  size_t topic_count_ = 0;
  fs_shared shared_ = {};  // as the last call left it
  std::string_view emitted_;
  std::optional<UserError> last_user_error_;
  size_t processed_before_end_ = 0;
  std::optional<Limit> ended_by_;
  absl::Status death_;
};

absl::Status GuestImpl::Start() {
  if (limits_.memory_bytes < runtime_.initial_memory_bytes) {
    return ResourceExhausted("limits.memory_mb: {} MiB is less than the Python runtime itself takes ({} MiB)",
                             limits_.memory_bytes / kMebibyte, (runtime_.initial_memory_bytes + kMebibyte - 1) / kMebibyte);
  }
  store_.reset(wasmtime_store_new(runtime_.engine.get(), &side_, nullptr));
  context_ = wasmtime_store_context(store_.get());
  const auto memory_limit = static_cast<int64_t>(std::min<uint64_t>(limits_.memory_bytes, kMemoryReservation));
  wasmtime_store_limiter(store_.get(), memory_limit, kMaxTableElements, 1, kMaxTables, 1);

  wasmtime_instance_t instance;
  wasm_trap_t* trap = nullptr;
  if (const ErrorHandle error(wasmtime_instance_pre_instantiate(runtime_.instance_pre.get(), context_, &instance, &trap)); error) {
    return ResourceExhausted("no memory for another instance: {}", ErrorText(*error));
  }
  if (const TrapHandle owned(trap); owned) return Internal("{}: cannot be instantiated: {}", runtime_.name, TrapText(*owned));

  wasmtime_extern_t item;
  if (!wasmtime_instance_export_get(context_, &instance, "memory", 6, &item) || item.kind != WASMTIME_EXTERN_MEMORY) {
    return Internal("{}: it does not export a memory", runtime_.name);
  }
  memory_ = item.of.memory;
  memory_view_ = MemoryView(context_, memory_);
  side_.SetMemory(memory_view_);
  watched_.Attach(memory_view_.base(), kMemoryReservation);

  const auto find = [&](std::string_view name, wasmtime_func_t& function) -> absl::Status {
    if (!wasmtime_instance_export_get(context_, &instance, name.data(), name.size(), &item) || item.kind != WASMTIME_EXTERN_FUNC) {
      return Internal("{}: it does not export {}", runtime_.name, name);
    }
    function = item.of.func;
    return absl::OkStatus();
  };
  wasmtime_func_t version = {}, shared_address = {};
  FS_RETURN_IF_ERROR(find("fs_abi_version", version));
  FS_RETURN_IF_ERROR(find("fs_shared_address", shared_address));
  FS_RETURN_IF_ERROR(find("fs_reserve", reserve_));
  FS_RETURN_IF_ERROR(find("fs_load", load_));
  FS_RETURN_IF_ERROR(find("fs_hook", hook_));
  FS_RETURN_IF_ERROR(find("fs_process", process_));

  std::array<wasmtime_val_raw_t, 1> values = {};
  FS_ASSIGN_OR_RETURN(const int32_t abi_version, Call(version, "fs_abi_version", values));
  if (static_cast<uint32_t>(abi_version) != FS_ABI_VERSION) {
    return Internal("{}: it speaks version {} of the ABI, this server version {}: build both from the same source", runtime_.name,
                    static_cast<uint32_t>(abi_version), FS_ABI_VERSION);
  }
  FS_ASSIGN_OR_RETURN(const int32_t address, Call(shared_address, "fs_shared_address", values));
  shared_address_ = static_cast<uint32_t>(address);
  FS_RETURN_IF_ERROR(ReadWords(false));
  side_.SetShared(memory_view_.At(shared_address_, sizeof(fs_shared)));
  return absl::OkStatus();
}

absl::Status GuestImpl::ReadWords(bool is_loaded) {
  const auto shared = memory_view_.Read<fs_shared>(shared_address_);
  if (!shared || shared_address_ % alignof(fs_shared) != 0) {
    return Die(Internal("{}: its fs_shared at {:#x} lies outside of its memory", runtime_.name, shared_address_));
  }
  if (shared->abi_version != FS_ABI_VERSION) {
    return Die(
        Internal("{}: its fs_shared is of version {}, this server's of version {}", runtime_.name, shared->abi_version, FS_ABI_VERSION));
  }
  uint32_t* interrupt_word = nullptr;
  if (shared->interrupt_ptr != 0 || is_loaded) {
    uint8_t* word = memory_view_.At(shared->interrupt_ptr, sizeof(uint32_t));
    if (word == nullptr || shared->interrupt_ptr == 0 || shared->interrupt_ptr % sizeof(uint32_t) != 0) {
      return Die(Internal("{}: its interrupt word at {:#x} is not one", runtime_.name, shared->interrupt_ptr));
    }
    interrupt_word = reinterpret_cast<uint32_t*>(word);
  }
  const uint8_t* processed = memory_view_.At(shared_address_, sizeof(fs_shared)) + offsetof(fs_shared, processed);
  watched_.SetWords(reinterpret_cast<const uint32_t*>(processed), interrupt_word);
  return absl::OkStatus();
}

absl::StatusOr<int32_t> GuestImpl::Call(const wasmtime_func_t& function, std::string_view what, Values values) {
  if (is_dead()) return FailedPrecondition("{}: the instance has ended: {}", what, Message(death_));
  side_.ForgetTrap();
  ++calls_;
  if (!watched_.BeginCall()) return Die(MakeError(absl::StatusCode::kCancelled, "{}: interrupted", what));
  wasm_trap_t* raw_trap = nullptr;
  const ErrorHandle error(wasmtime_func_call_unchecked(context_, &function, values.data(), values.size(), &raw_trap));
  const TrapHandle trap(raw_trap);
  const Watchdog::Verdict verdict = watched_.EndCall(wasmtime_memory_data_size(context_, &memory_));
  if (verdict == Watchdog::Verdict::kNone && !error && !trap) [[likely]]
    return values[0].i32;
  return Die(Ended(what, verdict, error.get(), trap.get(), values[0].i32));
}

absl::Status GuestImpl::Ended(std::string_view what, Watchdog::Verdict verdict, const wasmtime_error_t* error, const wasm_trap_t* trap,
                              int32_t status) {
  if (verdict != Watchdog::Verdict::kNone) {
    // Stopped by Python's own exception, it says where it was; stopped by force, it cannot.
    std::string where = "; it did not react and was ended by force";
    if (error == nullptr && trap == nullptr) {
      where.clear();
      const auto shared = memory_view_.Read<fs_shared>(shared_address_);
      if (shared && status == FS_INTERRUPTED) {
        shared_ = *shared;
        if (auto report = DecodeErrorReport(Result()); report.ok() && !report->traceback.empty())
          where = "; it was at\n" + report->traceback;
      }
    }
    if (verdict == Watchdog::Verdict::kInterrupted) return MakeError(absl::StatusCode::kCancelled, "{}: interrupted{}", what, where);
    if (verdict == Watchdog::Verdict::kBatchTimeout) {
      Over(Limit::kBatchTimeout);
      return DeadlineExceeded("{}: the messages of one batch took longer than limits.batch_timeout_ms ({} ms){}", what,
                              absl::ToInt64Milliseconds(limits_.batch_timeout), where);
    }
    Over(Limit::kProcessTimeout);
    return DeadlineExceeded("{}: took longer than limits.process_timeout_ms ({} ms){}", what,
                            absl::ToInt64Milliseconds(limits_.call_timeout), where);
  }
  if (trap == nullptr) return Internal("{}: {}", what, error == nullptr ? "no answer" : ErrorText(*error));
  if (!side_.trap_reason().empty()) return Internal("{}: {}", what, side_.trap_reason());

  wasmtime_trap_code_t code = 0;
  const bool has_code = wasmtime_trap_code(trap, &code);
  if (has_code && code == WASMTIME_TRAP_CODE_STACK_OVERFLOW) return Internal("{}: the interpreter's stack overflowed", what);
  // An interpreter that runs out of memory where it cannot raise MemoryError aborts.
  const size_t room = std::max(limits_.memory_bytes / 16, 2 * kMebibyte);
  if (has_code && memory_bytes() + room >= limits_.memory_bytes) return OutOfMemory(what, TrapText(*trap));
  return Internal("{}: the interpreter crashed: {}", what, TrapText(*trap));
}

absl::Status GuestImpl::OutOfMemory(std::string_view what, std::string_view detail) {
  Over(Limit::kMemory);
  return ResourceExhausted("{}: out of memory: limits.memory_mb is {}, {} MiB are in use{}{}", what, limits_.memory_bytes / kMebibyte,
                           memory_bytes() / kMebibyte, detail.empty() ? "" : ": ", detail);
}

void GuestImpl::Over(Limit limit) {
  ended_by_ = limit;
  if (limits_.use != nullptr) limits_.use->Refused(limit);
}

void GuestImpl::SawTime(absl::Time begun, size_t messages) {
  if (limits_.use == nullptr) return;
  const absl::Duration took = SteadyNow() - begun;
  Saw(Limit::kProcessTimeout, absl::ToDoubleSeconds(took) / static_cast<double>(std::max<size_t>(messages, 1)),
      absl::ToDoubleSeconds(limits_.call_timeout));
  Saw(Limit::kBatchTimeout, absl::ToDoubleSeconds(took), absl::ToDoubleSeconds(limits_.batch_timeout));
}

absl::Status GuestImpl::Die(absl::Status reason) {
  death_ = reason;
  emitted_ = {};
  side_.EndBatch();
  side_.FlushStreams();
  side_.CloseIterators();
  return reason;
}

absl::StatusOr<uint8_t*> GuestImpl::Reserve(uint64_t size, std::string_view what) {
  if (is_dead()) return FailedPrecondition("{}: the instance has ended: {}", what, Message(death_));
  if (size <= input_capacity_) return input_;
  // A buffer near the size of the memory cannot be had, whatever the allocator does.
  if (size > limits_.memory_bytes) return Die(OutOfMemory(what, fmt::format("{} bytes of input", size)));
  const uint64_t capacity = std::max(size, kSmallestInput);
  input_capacity_ = 0;
  std::array<wasmtime_val_raw_t, 1> values = {I32(static_cast<uint32_t>(capacity))};
  FS_ASSIGN_OR_RETURN(const int32_t answer, Call(reserve_, what, values));
  if (answer == 0) return Die(OutOfMemory(what, fmt::format("{} bytes of input", size)));
  const auto address = static_cast<uint32_t>(answer);
  input_ = memory_view_.At(address, capacity);
  if (input_ == nullptr || address % 8 != 0) {
    return Die(Internal("{}: the guest's input buffer ({} bytes at {:#x}) lies outside of its memory", what, capacity, address));
  }
  input_capacity_ = capacity;
  return input_;
}

absl::Status GuestImpl::Settle(int32_t status, std::string_view what) {
  const auto shared = memory_view_.Read<fs_shared>(shared_address_);
  if (!shared) return Die(Internal("{}: the guest's fs_shared is gone", what));
  shared_ = *shared;
  if (shared_.out_len > limits_.output_bytes) {
    Over(Limit::kOutput);
    return Die(ResourceExhausted("{}: emitted {} bytes in one call; limits.output_mb is {}", what, shared_.out_len,
                                 limits_.output_bytes / kMebibyte));
  }
  Saw(Limit::kOutput, shared_.out_len, static_cast<double>(limits_.output_bytes));
  const auto output = memory_view_.Bytes(shared_.out_ptr, shared_.out_len);
  if (!output)
    return Die(Internal("{}: the guest's output ({} bytes at {:#x}) lies outside of its memory", what, shared_.out_len, shared_.out_ptr));
  if (!memory_view_.Bytes(shared_.result_ptr, shared_.result_len)) {
    return Die(
        Internal("{}: the guest's result ({} bytes at {:#x}) lies outside of its memory", what, shared_.result_len, shared_.result_ptr));
  }
  emitted_ = *output;
  if (status == FS_OK) [[likely]]
    return absl::OkStatus();

  if (status < FS_OK || status > FS_FATAL) return Die(Internal("{}: the guest answered an unknown status {}", what, status));
  auto report = DecodeErrorReport(status == FS_FATAL ? std::string_view() : Result());
  if (!report.ok()) return Die(WithContext(report.status(), what));
  const std::string text = UserErrorText(*report);
  switch (status) {
    case FS_USER_ERROR:
    case FS_INTERRUPTED:  // nobody interrupted it: the user's code raised FunctionTimeout itself
      last_user_error_ = *std::move(report);
      return Aborted("{}", text);
    case FS_BAD_PACKAGE:
      last_user_error_ = *std::move(report);
      // Without a traceback it is the runtime that speaks, and its exception's name tells the user nothing.
      return last_user_error_->traceback.empty() ? InvalidArgument("package: {}", last_user_error_->message) : InvalidArgument("{}", text);
    case FS_NO_MEMORY:
      return Die(OutOfMemory(what, text));
    default:
      return Die(Internal("{}: the interpreter cannot go on", what));
  }
}

absl::Status GuestImpl::Load(const GuestProgram& program) {
  if (is_loaded_) return FailedPrecondition("load: this instance already has its function");
  const std::string image = EncodeLoadImage(program);
  FS_ASSIGN_OR_RETURN(uint8_t* input, Reserve(image.size(), "load"));
  std::copy(image.begin(), image.end(), input);
  channel_count_ = program.channel_count;
  topic_count_ = program.topics.size();

  std::array<wasmtime_val_raw_t, 1> values = {I32(static_cast<uint32_t>(image.size()))};
  FS_ASSIGN_OR_RETURN(const int32_t answer, Call(load_, "load", values));
  const absl::Status status = Settle(answer, "load");
  if (status.code() == absl::StatusCode::kAborted) return absl::InvalidArgumentError(status.message());
  FS_RETURN_IF_ERROR(status);
  FS_RETURN_IF_ERROR(ReadWords(true));
  is_loaded_ = true;
  return absl::OkStatus();
}

absl::Status GuestImpl::Hook(fs_hook hook, std::string_view name, uint32_t source_id, int64_t number, std::string_view input) {
  if (is_dead()) return FailedPrecondition("{}: the instance has ended: {}", name, Message(death_));
  if (!is_loaded_) return FailedPrecondition("{}: no function is loaded", name);
  emitted_ = {};
  if (!input.empty()) {
    FS_ASSIGN_OR_RETURN(uint8_t* buffer, Reserve(input.size(), name));
    std::copy(input.begin(), input.end(), buffer);
  }
  std::array<wasmtime_val_raw_t, 4> values = {I32(hook), I32(source_id), I64(number), I32(static_cast<uint32_t>(input.size()))};
  const absl::Time begun = SteadyNow();
  FS_ASSIGN_OR_RETURN(const int32_t answer, Call(hook_, name, values));
  SawTime(begun, 1);
  return Settle(answer, name);
}

absl::Status GuestImpl::Init() {
  FS_RETURN_IF_ERROR(Hook(FS_HOOK_INIT, "init", 0, 0, ""));
  has_heartbeat_ = Result() != std::string_view("\0", 1);
  return absl::OkStatus();
}

void GuestImpl::Rest() {
  if (is_dead()) return;
  runtime_.snapshot_pages->GiveBack(memory_view_.base());
  ReleaseUnusedStack();
  rested_at_ = calls_;
}

absl::StatusOr<std::optional<std::string>> GuestImpl::TakeCheckpoint(uint64_t checkpoint_id) {
  FS_RETURN_IF_ERROR(Hook(FS_HOOK_TAKE_CHECKPOINT, "take_checkpoint", 0, static_cast<int64_t>(checkpoint_id), ""));
  if (shared_.result_ptr == 0) return std::nullopt;
  return std::string(Result());
}

absl::StatusOr<bool> GuestImpl::CheckHeartbeat() {
  FS_RETURN_IF_ERROR(Hook(FS_HOOK_CHECK_HEARTBEAT, "check_heartbeat", 0, 0, ""));
  const std::string_view answer = Result();
  if (answer.size() != 1 || static_cast<uint8_t>(answer[0]) > 1) {
    return Die(Internal("check_heartbeat: the guest answered {} bytes, not a truth value", answer.size()));
  }
  return answer[0] == 1;
}

absl::Status GuestImpl::Close() {
  const absl::Status status = Hook(FS_HOOK_CLOSE, "close", 0, 0, "");
  side_.FlushStreams();
  return status;
}

absl::StatusOr<std::string> GuestImpl::Custom(std::string_view payload) {
  FS_RETURN_IF_ERROR(Hook(FS_HOOK_CUSTOM, "custom", 0, 0, payload));
  return std::string(Result());
}

absl::StatusOr<BatchResult> GuestImpl::Process(uint32_t source_id, uint32_t topic, std::span<const Record> records) {
  if (!is_loaded_) return FailedPrecondition("process: no function is loaded");
  if (topic >= topic_count_) return InvalidArgument("process: topic {} of {}", topic, topic_count_);
  emitted_ = {};
  uint64_t size = 0;
  uint32_t count = 0;
  for (const Record& record : records) {
    const uint64_t next = EncodedSize(record);
    if (count > 0 && size + next > kInputChunk) break;
    size += next;
    ++count;
  }
  if (count == 0) return BatchResult{};

  FS_ASSIGN_OR_RETURN(uint8_t* out, Reserve(size, "process"));
  for (const Record& record : records.first(count)) out = EncodeRecord(record, topic, out);

  std::array<wasmtime_val_raw_t, 3> values = {I32(source_id), I32(count), I32(static_cast<uint32_t>(size))};
  side_.BeginBatch();
  const absl::Time begun = SteadyNow();
  const auto answer = Call(process_, "process", values);
  side_.EndBatch();
  absl::Status status = answer.ok() ? Settle(*answer, "process") : answer.status();
  if (is_dead()) {
    const auto processed = memory_view_.Read<uint32_t>(shared_address_ + static_cast<uint32_t>(offsetof(fs_shared, processed)));
    processed_before_end_ = std::min(processed.value_or(0), count - 1);
    // The guest hands over early, so the message that made it too much is the last that was completed.
    if (ended_by_ == Limit::kOutput && answer.ok() && *answer == FS_OK) processed_before_end_ = std::max(shared_.processed, 1U) - 1;
  }
  if (!answer.ok()) return status;

  SawTime(begun, shared_.processed);
  BatchResult result;
  result.processed = shared_.processed;
  if (status.ok()) {
    if (result.processed == 0 || result.processed > count) {
      return Die(Internal("process: the guest says that it has processed {} of {} messages", result.processed, count));
    }
    return result;
  }
  if (status.code() != absl::StatusCode::kAborted) {
    return status.code() == absl::StatusCode::kInvalidArgument ? Die(Internal("process: {}", Message(status))) : status;
  }
  if (result.processed >= count) {
    return Die(Internal("process: the guest says that message {} of {} raised", result.processed, count));
  }
  result.error = last_user_error_;
  return result;
}

absl::Status GuestImpl::ForEachEmitted(const std::function<bool(const Emitted&)>& take) {
  if (is_dead()) return FailedPrecondition("the instance has ended: {}", Message(death_));
  EmittedReader reader(emitted_, emitted_.empty() ? 0 : shared_.out_count, channel_count_);
  while (true) {
    auto emitted = reader.Next();
    if (!emitted.ok()) return Die(emitted.status());
    if (!emitted->has_value() || !take(**emitted)) return absl::OkStatus();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Guest>> Guest::Create(Runtime& runtime, const GuestLimits& limits, Host& host) {
  auto guest = std::make_unique<GuestImpl>(runtime.impl(), limits, host);
  FS_RETURN_IF_ERROR(guest->Start());
  return guest;
}

}  // namespace fs::sandbox
