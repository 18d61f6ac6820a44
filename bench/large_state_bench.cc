// fs-large-state-bench: messages of ten gets and ten puts over a million keys of 600 bytes, more than the caches hold, as one line of JSON.
// On the folder given, else below /tmp; needs 4 GiB there.
//
// The state's part of the benchmark kv-heavy (bench/peers), without Kafka and Python: a two-phase checkpoint at each 32 MiB. CPU of the
// whole process, as flushing and compacting is done by other threads, and of the instance's own; wall time depends on the disk.
#include <absl/time/clock.h>
#include <stdlib.h>
#include <time.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "scratch_folder.h"
#include "state/function_state.h"

namespace fs {
namespace {

constexpr uint64_t kKeys = 1'000'000;
constexpr uint64_t kKeysAMessage = 10;
constexpr uint64_t kMessages = 100'000;
constexpr size_t kValueBytes = 600;
constexpr size_t kCheckpointBytes = size_t{32} << 20;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "fs-large-state-bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

// SplitMix64 (Steele, Lea, Flood 2014): as good as chance, so a cache has what its size lets it have, whatever it drops first.
uint64_t Mixed(uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
  number = (number ^ number >> 27) * 0x94d049bb133111eb;
  return number ^ number >> 31;
}

double CpuSeconds(clockid_t clock) {
  struct timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Moment {
  double process_s = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
  double thread_s = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
  absl::Time wall = absl::Now();

  [[nodiscard]] nlohmann::json MicrosecondsSince(const Moment& start, uint64_t calls) const {
    const double calls_us = static_cast<double>(calls) / 1e6;
    return {{"cpu_us", (process_s - start.process_s) / calls_us},
            {"own_cpu_us", (thread_s - start.thread_s) / calls_us},
            {"wall_us", absl::ToDoubleSeconds(wall - start.wall) / calls_us}};
  }
};

class Counters {
 public:
  explicit Counters(const std::filesystem::path& folder)
      : environment_(state::StateEnvironment::Create({}).value()),
        state_(state::FunctionState::Open(*environment_, folder).value()),
        store_(**state_->GetOrCreateStore("counters")) {
    std::mt19937_64 random(7);
    for (char& byte : noise_) byte = static_cast<char>(random());
  }

  void Make(uint64_t number) {
    state_->Mark();
    Put(number, 0);
    CheckpointIfDue();
  }

  void Count(uint64_t message) {
    state_->Mark();
    for (uint64_t n = 0; n < kKeysAMessage; ++n) {
      const uint64_t number = Mixed(message * kKeysAMessage + n) % kKeys;
      const auto value = store_.Get(Key(number));
      Check(value.status());
      const uint64_t count = std::stoull(std::string(value->value().substr(0, 10)));
      sum_ += count + 1;
      Put(number, count + 1);
    }
    CheckpointIfDue();
  }

  [[nodiscard]] uint64_t sum() const { return sum_; }
  [[nodiscard]] uint64_t stored_bytes() const { return state_->stored_bytes(); }

 private:
  std::string_view Key(uint64_t number) {
    std::snprintf(key_, sizeof(key_), "counter-%08llu", static_cast<unsigned long long>(number));
    return key_;
  }

  void Put(uint64_t number, uint64_t count) {
    std::snprintf(value_, sizeof(value_), "%010llu", static_cast<unsigned long long>(count));
    const size_t rest = kValueBytes - 10;
    std::copy_n(noise_ + number * 7919 % (sizeof(noise_) - rest), rest, value_ + 10);
    Check(store_.Put(Key(number), {value_, kValueBytes}));
  }

  void CheckpointIfDue() {
    if (state_->pending_bytes() < kCheckpointBytes) return;
    Check(state_->Prepare({"run", ++sequence_, "positions", std::nullopt}));
    Check(state_->CommitPrepared());
  }

  std::unique_ptr<state::StateEnvironment> environment_;
  std::unique_ptr<state::FunctionState> state_;
  state::KvStore& store_;
  uint64_t sequence_ = 0;
  uint64_t sum_ = 0;
  char key_[32] = {};
  char value_[kValueBytes + 16] = {};
  char noise_[1 << 16] = {};
};

void Measure(const std::filesystem::path& folder) {
  Counters counters(folder);
  nlohmann::json result;
  const Moment start;
  for (uint64_t number = 0; number < kKeys; ++number) counters.Make(number);
  const Moment made;
  for (uint64_t message = 0; message < kMessages; ++message) counters.Count(message);
  const Moment end;
  result["put_new_key"] = made.MicrosecondsSince(start, kKeys);
  result["message"] = end.MicrosecondsSince(made, kMessages);
  result["stored_mib"] = counters.stored_bytes() >> 20;
  result["sum"] = counters.sum();
  std::puts(result.dump().c_str());
}

}  // namespace
}  // namespace fs

int main(int argc, char** argv) {
  return fs::InScratchFolder(argc, argv, "fs-large-state-bench", [](const std::filesystem::path& folder) { fs::Measure(folder); });
}
