// One sandboxed interpreter with one function in it: load it, call its hooks, run batches, and stop it from outside.
//
// Owned by the task's Instance and used on its thread only, except Interrupt(), which any thread may call. Nothing the function
// does reaches past this class: every address and length it hands out is checked, its memory, time, stack, output and log are
// limited, and a guest that trapped, ran out of time or was interrupted is dead: it answers kFailedPrecondition from then on, and only
// dropping it remains. runtime/abi/fs_abi.h is the wall, seen from both sides.
#ifndef FUNCTION_STREAM_SANDBOX_GUEST_H_
#define FUNCTION_STREAM_SANDBOX_GUEST_H_

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/package_file.h"
#include "base/record.h"
#include "base/status.h"
#include "sandbox/runtime.h"
#include "state/kv_store.h"

namespace fs::sandbox {

// Where user code raised. Statuses of user errors carry it (code kAborted; kInvalidArgument from Load): Message() is
// "Type: message\n" + traceback.
struct UserError {
  std::string type;  // qualified name of the exception's class
  std::string message;
  std::string traceback;  // as Python prints it, without the runtime's frames
};

// What a guest may ask of the server. Implemented by the Instance; called on its thread, from within a Guest call.
class Host {
 public:
  virtual ~Host() = default;
  [[nodiscard]] virtual absl::StatusOr<state::KvStore*> OpenStore(std::string_view name) = 0;
  // The message at this index of the batch is about to make its first state write. Hot path.
  virtual void BeginMessage(uint32_t index) = 0;
  // One line or more of the function's own log, from ctx.logger (level as logging's: 10..50) or stdout (20) and stderr (40).
  virtual void Log(int level, std::string_view text) = 0;
};

struct GuestLimits {
  size_t memory_bytes = size_t{256} << 20;
  absl::Duration call_timeout = absl::Seconds(30);   // for each message, and for each hook
  absl::Duration batch_timeout = absl::Seconds(30);  // for the messages of one call together
  size_t output_bytes = size_t{64} << 20;            // emitted in one call, which ends after the message that made it 4 MiB
  size_t iterators = 1000;                           // open at once
  size_t stores = 1000;
  LimitUse* use = nullptr;  // told of what was used and refused; may be null
};

// What to load. The vectors may be large: passed by reference, copied once into the guest.
struct GuestProgram {
  std::string function_name;
  std::string entry_module;  // empty: the module that defines the class
  std::string class_name;
  size_t channel_count = 0;
  std::vector<std::string> topics;  // Record's topic, by index given to Process
  std::vector<std::pair<std::string, std::string>> config;
  std::span<const PackageFile> files;
};

struct Emitted {
  uint32_t channel;  // < channel_count
  bool is_watermark;
  OutputRecord record;  // views into guest memory
};

struct BatchResult {
  size_t processed = 0;            // messages completed; their emits stand
  std::optional<UserError> error;  // of the message at index `processed`: its emits are gone, its state writes are the caller's to undo
};

class Guest {
 public:
  // kResourceExhausted: no memory for another instance.
  static absl::StatusOr<std::unique_ptr<Guest>> Create(Runtime& runtime, const GuestLimits& limits, Host& host);
  virtual ~Guest() = default;

  // Imports the function's modules and makes its instance; does not call init. kInvalidArgument with the UserError's text when the
  // package does not hold such a class, or its import raised.
  [[nodiscard]] virtual absl::Status Load(const GuestProgram& program) = 0;

  // The hooks. kAborted: it raised (the guest lives on). kDeadlineExceeded: over call_timeout or batch_timeout; kResourceExhausted: over
  // the memory or output limit, named; kInternal: it trapped; kCancelled: Interrupt(). After all but the first the guest is dead.
  [[nodiscard]] virtual absl::Status Init() = 0;
  [[nodiscard]] virtual absl::Status RestoreCheckpoint(uint64_t checkpoint_id, std::string_view bytes) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::optional<std::string>> TakeCheckpoint(uint64_t checkpoint_id) = 0;
  [[nodiscard]] virtual absl::Status ProcessWatermark(uint32_t source_id, int64_t watermark_ms) = 0;
  [[nodiscard]] virtual absl::StatusOr<bool> CheckHeartbeat() = 0;
  // After Init: whether CheckHeartbeat can say anything but true.
  [[nodiscard]] virtual bool has_heartbeat() const = 0;
  [[nodiscard]] virtual absl::Status Close() = 0;
  [[nodiscard]] virtual absl::StatusOr<std::string> Custom(std::string_view payload) = 0;

  // Hot path. Runs process() over the records, in order. May stop early, at least one message on, when the output buffer is full or the
  // records are more than 8 MiB (then error is empty and processed < records.size(): take the output and call again with the rest).
  // `topic` indexes GuestProgram::topics. Errors as of hooks; what the user's code raised is in the result.
  [[nodiscard]] virtual absl::StatusOr<BatchResult> Process(uint32_t source_id, uint32_t topic, std::span<const Record> records) = 0;

  // After Process ended the guest: how many messages of that batch had been completed. The one at this index is to blame, unless it was
  // the batch as a whole that took too long.
  [[nodiscard]] virtual size_t processed_before_end() const = 0;
  // The limit that ended the guest, if one did.
  [[nodiscard]] virtual std::optional<Limit> ended_by() const = 0;

  // What the last call emitted, in order, hooks' emits included. The views hold until the next call. `take` returns false to stop.
  [[nodiscard]] virtual absl::Status ForEachEmitted(const std::function<bool(const Emitted&)>& take) = 0;

  // Between calls, when none is expected soon: gives back the memory that the next call can have again as it was. Costs some hundred
  // microseconds, and the next calls about the same.
  virtual void Rest() = 0;
  [[nodiscard]] virtual bool is_rested() const = 0;  // no call since Rest
  [[nodiscard]] virtual uint64_t calls() const = 0;

  // Any thread: ends the call in progress, and any later one, within a second, whatever the guest does.
  virtual void Interrupt() = 0;
  [[nodiscard]] virtual bool is_dead() const = 0;

  [[nodiscard]] virtual size_t memory_bytes() const = 0;
  // All of it, for looking only.
  [[nodiscard]] virtual std::span<const uint8_t> memory() const = 0;
  // The last user error, with its parts.
  [[nodiscard]] virtual const std::optional<UserError>& last_user_error() const = 0;
};

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_GUEST_H_
