// The part of WASI preview 1 that a guest gets: clocks, randomness, sleep, and descriptors 1 and 2, which go to its log.
//
// Every other function of preview 1 is there, because wasi-libc may import any of them, and refuses: there are no files, no folders,
// no sockets, no arguments, no environment. A bad address is EFAULT, as the standard has it, and never ends the guest.
#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "sandbox/imports.h"

namespace fs::sandbox {
namespace {

enum Errno : int32_t {
  kSuccess = 0,
  kBadDescriptor = 8,
  kBadAddress = 21,
  kInvalid = 28,
  kNotImplemented = 52,
  kNotSupported = 58,
  kNotSeekable = 70,
};

constexpr uint32_t kStdout = 1;
constexpr uint32_t kStderr = 2;

bool IsStream(uint32_t descriptor) { return descriptor == kStdout || descriptor == kStderr; }

wasm_trap_t* Answer(wasmtime_val_raw_t* values, int32_t error) {
  values[0].i32 = error;
  return nullptr;
}

template <int32_t error>
wasm_trap_t* Refuse(HostSide&, wasmtime_val_raw_t* values) {
  return Answer(values, error);
}

// ---- Arguments and environment: none.

wasm_trap_t* NoStrings(HostSide&, wasmtime_val_raw_t* values) { return Answer(values, kSuccess); }

wasm_trap_t* NoStringSizes(HostSide& side, wasmtime_val_raw_t* values) {
  const bool written = side.memory().Write<uint32_t>(U32(values[0]), 0) && side.memory().Write<uint32_t>(U32(values[1]), 0);
  return Answer(values, written ? kSuccess : kBadAddress);
}

// ---- Clocks. The CPU clocks are the guest's thread's: a function learns nothing of the others.

std::optional<clockid_t> ClockOf(uint32_t id) {
  constexpr std::array<clockid_t, 4> kClocks = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
  if (id >= kClocks.size()) return std::nullopt;
  return kClocks[id];
}

uint64_t Nanoseconds(const timespec& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

wasm_trap_t* ClockRes(HostSide& side, wasmtime_val_raw_t* values) {
  const auto clock = ClockOf(U32(values[0]));
  timespec time = {};
  if (!clock || clock_getres(*clock, &time) != 0) return Answer(values, kInvalid);
  return Answer(values, side.memory().Write(U32(values[1]), Nanoseconds(time)) ? kSuccess : kBadAddress);
}

wasm_trap_t* ClockTime(HostSide& side, wasmtime_val_raw_t* values) {
  const auto clock = ClockOf(U32(values[0]));
  timespec time = {};
  if (!clock || clock_gettime(*clock, &time) != 0) return Answer(values, kInvalid);
  return Answer(values, side.memory().Write(U32(values[2]), Nanoseconds(time)) ? kSuccess : kBadAddress);
}

// ---- Randomness.

// Between two pieces a call can be ended: half a gigabyte takes a second.
constexpr size_t kRandomPiece = 64 << 10;

wasm_trap_t* RandomGet(HostSide& side, wasmtime_val_raw_t* values) {
  size_t length = U32(values[1]);
  uint8_t* out = side.memory().At(U32(values[0]), length);
  if (out == nullptr) return Answer(values, kBadAddress);
  while (length > 0) {
    if (side.watched().IsKilled()) return wasmtime_trap_new_code(WASMTIME_TRAP_CODE_INTERRUPT);
    const ssize_t got = getrandom(out, std::min(length, kRandomPiece), 0);
    if (got < 0 && errno == EINTR) continue;
    // Never a guess in its place: hash seeds and secrets come from here.
    if (got <= 0) return side.Trap("random_get: the system has no randomness: errno {}", errno);
    out += got;
    length -= static_cast<size_t>(got);
  }
  return Answer(values, kSuccess);
}

// ---- Descriptors 1 and 2.

constexpr uint32_t kMaxVectors = 1024;
// Of one call; who has more to write calls again, and can be stopped in between.
constexpr uint32_t kMaxWritten = 64 << 10;

struct IoVector {
  uint32_t address;
  uint32_t length;
};

wasm_trap_t* FdWrite(HostSide& side, wasmtime_val_raw_t* values) {
  const uint32_t descriptor = U32(values[0]);
  const uint32_t count = U32(values[2]);
  if (!IsStream(descriptor)) return Answer(values, kBadDescriptor);
  if (count > kMaxVectors) return Answer(values, kInvalid);
  uint32_t written = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t place = uint64_t{U32(values[1])} + uint64_t{i} * sizeof(IoVector);
    if (place > UINT32_MAX) return Answer(values, kBadAddress);
    const auto vector = side.memory().Read<IoVector>(static_cast<uint32_t>(place));
    if (!vector) return Answer(values, kBadAddress);
    const auto bytes = side.memory().Bytes(vector->address, vector->length);
    if (!bytes) return Answer(values, kBadAddress);
    const std::string_view taken = bytes->substr(0, kMaxWritten - written);
    side.WriteStream(descriptor, taken);
    written += static_cast<uint32_t>(taken.size());
    if (written == kMaxWritten) break;
  }
  return Answer(values, side.memory().Write(U32(values[3]), written) ? kSuccess : kBadAddress);
}

struct FdStat {
  uint8_t file_type;
  uint8_t padding;
  uint16_t flags;
  uint32_t padding2;
  uint64_t rights;
  uint64_t inheriting;
};
struct FileStat {
  uint64_t device, inode;
  uint8_t file_type;
  std::array<uint8_t, 7> padding;
  uint64_t links, size, accessed, modified, changed;
};
static_assert(sizeof(FdStat) == 24 && sizeof(FileStat) == 64);
constexpr uint8_t kCharacterDevice = 2;
constexpr uint64_t kRightToWrite = 1 << 6;

wasm_trap_t* FdStatGet(HostSide& side, wasmtime_val_raw_t* values) {
  if (!IsStream(U32(values[0]))) return Answer(values, kBadDescriptor);
  FdStat stat = {};
  stat.file_type = kCharacterDevice;
  stat.rights = kRightToWrite;
  return Answer(values, side.memory().Write(U32(values[1]), stat) ? kSuccess : kBadAddress);
}

wasm_trap_t* FileStatGet(HostSide& side, wasmtime_val_raw_t* values) {
  if (!IsStream(U32(values[0]))) return Answer(values, kBadDescriptor);
  FileStat stat = {};
  stat.file_type = kCharacterDevice;
  stat.links = 1;
  return Answer(values, side.memory().Write(U32(values[1]), stat) ? kSuccess : kBadAddress);
}

// On 1 and 2 there is nothing to close, sync or allow; other descriptors do not exist.
wasm_trap_t* OnStream(HostSide&, wasmtime_val_raw_t* values) {
  return Answer(values, IsStream(U32(values[0])) ? kSuccess : kBadDescriptor);
}

template <int32_t error>
wasm_trap_t* NotOnStream(HostSide&, wasmtime_val_raw_t* values) {
  return Answer(values, IsStream(U32(values[0])) ? error : kBadDescriptor);
}

// ---- Sleep.

struct Subscription {
  uint64_t user_data;
  uint8_t tag;
  std::array<uint8_t, 7> padding;
  uint32_t clock_or_descriptor;
  uint32_t padding2;
  uint64_t timeout;
  uint64_t precision;
  uint16_t flags;
  std::array<uint8_t, 6> padding3;
};
struct Event {
  uint64_t user_data;
  uint16_t error;
  uint8_t type;
  std::array<uint8_t, 5> padding;
  uint64_t bytes;
  uint16_t flags;
  std::array<uint8_t, 6> padding2;
};
static_assert(sizeof(Subscription) == 48 && sizeof(Event) == 32);

constexpr uint8_t kOnClock = 0;
constexpr uint8_t kOnWrite = 2;
constexpr uint16_t kAbsoluteTime = 1;
constexpr uint32_t kMaxSubscriptions = 4096;
// Longer sleeps are cut: the call's time limit comes long before.
constexpr uint64_t kLongestSleep = uint64_t{86'400} * 1'000'000'000;

// How long to wait for a clock subscription; nullopt: no such clock.
std::optional<uint64_t> WaitOf(const Subscription& subscription) {
  const auto clock = ClockOf(subscription.clock_or_descriptor);
  if (!clock) return std::nullopt;
  if ((subscription.flags & kAbsoluteTime) == 0) return std::min(subscription.timeout, kLongestSleep);
  timespec time = {};
  clock_gettime(*clock, &time);
  const uint64_t now = Nanoseconds(time);
  return subscription.timeout <= now ? 0 : std::min(subscription.timeout - now, kLongestSleep);
}

// Descriptors are always ready, or not there; so with one of them among the subscriptions there is nothing to wait for.
Event ReadyEvent(const Subscription& subscription) {
  Event event = {};
  event.user_data = subscription.user_data;
  event.type = subscription.tag;
  if (subscription.tag == kOnClock) {
    if (!ClockOf(subscription.clock_or_descriptor)) event.error = kInvalid;
  } else if (subscription.tag == kOnWrite && IsStream(subscription.clock_or_descriptor)) {
    event.bytes = 65536;
  } else {
    event.error = kBadDescriptor;
  }
  return event;
}

wasm_trap_t* PollOneoff(HostSide& side, wasmtime_val_raw_t* values) {
  const uint32_t count = U32(values[2]);
  if (count == 0 || count > kMaxSubscriptions) return Answer(values, kInvalid);
  const uint8_t* in = side.memory().At(U32(values[0]), uint64_t{count} * sizeof(Subscription));
  uint8_t* out = side.memory().At(U32(values[1]), uint64_t{count} * sizeof(Event));
  if (in == nullptr || out == nullptr) return Answer(values, kBadAddress);

  std::vector<Subscription> subscriptions(count);
  std::memcpy(subscriptions.data(), in, count * sizeof(Subscription));

  std::vector<uint64_t> waits(count, 0);
  uint64_t shortest = UINT64_MAX;
  for (uint32_t i = 0; i < count; ++i) {
    if (subscriptions[i].tag == kOnClock) waits[i] = WaitOf(subscriptions[i]).value_or(0);
    shortest = std::min(shortest, waits[i]);
  }
  // Returns early when the call is to end: the guest sees its time elapsed and comes to where Python raises.
  if (shortest > 0) side.watched().SleepUntil(Watchdog::Clock::now() + std::chrono::nanoseconds(shortest));

  uint32_t events = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (waits[i] > shortest) continue;
    const Event event = ReadyEvent(subscriptions[i]);
    std::memcpy(out + events * sizeof(Event), &event, sizeof(Event));
    ++events;
  }
  return Answer(values, side.memory().Write(U32(values[3]), events) ? kSuccess : kBadAddress);
}

// ---- The process.

wasm_trap_t* ProcExit(HostSide& side, wasmtime_val_raw_t* values) {
  return side.Trap("the function ended its interpreter with exit code {}", values[0].i32);
}

constexpr std::array kWasiFunctions = {
    Import{"args_get", "ii", "i", HostFunction<NoStrings>},
    Import{"args_sizes_get", "ii", "i", HostFunction<NoStringSizes>},
    Import{"environ_get", "ii", "i", HostFunction<NoStrings>},
    Import{"environ_sizes_get", "ii", "i", HostFunction<NoStringSizes>},
    Import{"clock_res_get", "ii", "i", HostFunction<ClockRes>},
    Import{"clock_time_get", "iIi", "i", HostFunction<ClockTime>},
    Import{"random_get", "ii", "i", HostFunction<RandomGet>},
    Import{"poll_oneoff", "iiii", "i", HostFunction<PollOneoff>},
    Import{"sched_yield", "", "i", HostFunction<Refuse<kSuccess>>},
    Import{"proc_exit", "i", "", HostFunction<ProcExit>},
    Import{"proc_raise", "i", "i", HostFunction<Refuse<kNotImplemented>>},

    Import{"fd_write", "iiii", "i", HostFunction<FdWrite>},
    Import{"fd_fdstat_get", "ii", "i", HostFunction<FdStatGet>},
    Import{"fd_filestat_get", "ii", "i", HostFunction<FileStatGet>},
    Import{"fd_close", "i", "i", HostFunction<OnStream>},
    Import{"fd_sync", "i", "i", HostFunction<OnStream>},
    Import{"fd_datasync", "i", "i", HostFunction<OnStream>},
    Import{"fd_fdstat_set_flags", "ii", "i", HostFunction<OnStream>},
    Import{"fd_seek", "iIii", "i", HostFunction<NotOnStream<kNotSeekable>>},
    Import{"fd_tell", "ii", "i", HostFunction<NotOnStream<kNotSeekable>>},
    Import{"fd_advise", "iIIi", "i", HostFunction<NotOnStream<kNotSeekable>>},
    Import{"fd_pwrite", "iiiIi", "i", HostFunction<NotOnStream<kNotSeekable>>},
    Import{"fd_allocate", "iII", "i", HostFunction<NotOnStream<kNotSupported>>},
    Import{"fd_fdstat_set_rights", "iII", "i", HostFunction<NotOnStream<kNotSupported>>},
    Import{"fd_filestat_set_size", "iI", "i", HostFunction<NotOnStream<kInvalid>>},
    Import{"fd_filestat_set_times", "iIIi", "i", HostFunction<NotOnStream<kNotSupported>>},
    Import{"fd_renumber", "ii", "i", HostFunction<NotOnStream<kNotSupported>>},

    Import{"fd_read", "iiii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"fd_pread", "iiiIi", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"fd_readdir", "iiiIi", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"fd_prestat_get", "ii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"fd_prestat_dir_name", "iii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"path_create_directory", "iii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"path_filestat_get", "iiiii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"path_filestat_set_times", "iiiiIIi", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"path_link", "iiiiiii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"path_open", "iiiiiIIii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"path_readlink", "iiiiii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"path_remove_directory", "iii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"path_rename", "iiiiii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"path_symlink", "iiiii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"path_unlink_file", "iii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"sock_accept", "iii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"sock_recv", "iiiiii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"sock_send", "iiiii", "i", HostFunction<Refuse<kBadDescriptor>>},
    Import{"sock_shutdown", "ii", "i", HostFunction<Refuse<kBadDescriptor>>},
};
static_assert(kWasiFunctions.size() == 46);

}  // namespace

absl::Status DefineWasi(wasmtime_linker_t* linker) { return DefineImports(linker, "wasi_snapshot_preview1", kWasiFunctions); }

}  // namespace fs::sandbox
