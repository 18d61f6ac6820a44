// fs-checkpoint-bench: what checkpoints of large states cost, as one line of JSON. On the folder given, else below /tmp; needs 4 GiB there.
//
// The two ways to two-phase commit, by number of changed keys: RocksDB's own, which Database has, and the batch as a value under a key of
// its own, which costs the batch twice in the write-ahead log. Then a state of 1 GiB: a checkpoint with 1 % of it changed, opening it after
// SIGKILL with a checkpoint prepared, and a retained checkpoint with its restore. Wall time: all of it waits for the disk.
#include <absl/time/clock.h>
#include <rocksdb/db.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/rocksdb.h"
#include "scratch_folder.h"
#include "state/database.h"
#include "state/function_state.h"
#include "state/retained.h"

namespace fs {
namespace {

constexpr size_t kValueBytes = 1000;
constexpr int kLargeKeys = 1 << 20;

template <class Status>
void Check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "fs-checkpoint-bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

double MillisecondsOf(const std::function<void()>& work) {
  const absl::Time start = absl::Now();
  work();
  return absl::ToDoubleMilliseconds(absl::Now() - start);
}

double Median(std::vector<double>& times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// Not compressible, so that 1 GiB is 1 GiB.
std::string Value(std::mt19937_64& random, size_t bytes) {
  std::string value(bytes, '\0');
  for (char& byte : value) byte = static_cast<char>(random());
  return value;
}

void FillBatch(rocksdb::WriteBatch& batch, int keys, std::mt19937_64& random) {
  const std::string value = Value(random, 100);
  for (int i = 0; i < keys; ++i) Check(batch.Put("key" + std::to_string(random() % 1'000'000), value));
}

void MeasureTwoPhase(const std::filesystem::path& folder, nlohmann::json& result) {
  const auto environment = state::StateEnvironment::Create({}).value();
  auto& shared = static_cast<state::Environment&>(*environment);
  for (const int keys : {100, 10'000, 200'000}) {
    const std::string name = std::to_string(keys);
    const auto database = state::Database::Open(shared, folder / ("transaction-" + name)).value();
    rocksdb::DB* opened = nullptr;
    Check(rocksdb::DB::Open(shared.database_options(), (folder / ("own-key-" + name)).native(), &opened));
    const std::unique_ptr<rocksdb::DB> plain(opened);
    std::mt19937_64 random(1);
    rocksdb::WriteBatch batch;
    std::vector<double> transaction;
    std::vector<double> own_key;
    // In turn, so that both meet the same disk.
    for (int i = 0; i < (keys > 10'000 ? 9 : 51); ++i) {
      transaction.push_back(MillisecondsOf([&] {
        Check(database->Prepare([&](rocksdb::WriteBatch& prepared) {
          FillBatch(prepared, keys, random);
          return absl::OkStatus();
        }));
        Check(database->CommitPrepared());
      }));
      own_key.push_back(MillisecondsOf([&] {
        batch.Clear();
        FillBatch(batch, keys, random);
        rocksdb::WriteOptions synced;
        synced.sync = true;
        Check(plain->Put(synced, "prepared", batch.Data()));
        Check(batch.Delete("prepared"));
        Check(plain->Write(rocksdb::WriteOptions(), &batch));
      }));
    }
    result["two_phase_transaction_ms"][name] = Median(transaction);
    result["two_phase_own_key_ms"][name] = Median(own_key);
  }
}

std::string LargeKey(int number) { return "key" + std::to_string(number); }

void Change(state::FunctionState& state, int keys, std::mt19937_64& random) {
  state::KvStore& store = **state.GetOrCreateStore("large");
  for (int i = 0; i < keys; ++i) Check(store.Put(LargeKey(static_cast<int>(random() % kLargeKeys)), Value(random, kValueBytes)));
}

void MeasureLarge(const std::filesystem::path& folder, nlohmann::json& result) {
  std::mt19937_64 random(1);
  // Another process makes the state, prepares a checkpoint of 32 MiB and dies, as by SIGKILL.
  const pid_t child = fork();
  if (child == 0) {
    const auto environment = state::StateEnvironment::Create({}).value();
    const auto state = state::FunctionState::Open(*environment, folder / "state").value();
    state::KvStore& store = **state->GetOrCreateStore("large");
    uint64_t sequence = 0;
    for (int i = 0; i < kLargeKeys; ++i) {
      Check(store.Put(LargeKey(i), Value(random, kValueBytes)));
      if (state->pending_bytes() > (size_t{32} << 20)) Check(state->Commit({"run", ++sequence, "p", std::nullopt}));
    }
    Check(state->Commit({"run", ++sequence, "p", std::nullopt}));
    Change(*state, kLargeKeys / 33, random);
    Check(state->Prepare({"run", ++sequence, "p", std::nullopt}));
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
    std::fputs("fs-checkpoint-bench: the process that makes the state failed\n", stderr);
    std::exit(1);
  }

  const auto environment = state::StateEnvironment::Create({}).value();
  std::unique_ptr<state::FunctionState> state;
  result["recover_1gib_ms"] = MillisecondsOf([&] {
    state = state::FunctionState::Open(*environment, folder / "state").value();
    Check(state->CommitPrepared());
    Check((*state->GetOrCreateStore("large"))->Get(LargeKey(7)).status());
  });
  uint64_t sequence = state->last()->sequence;
  std::vector<double> times;
  for (int i = 0; i < 7; ++i) {
    Change(*state, kLargeKeys / 100, random);
    times.push_back(MillisecondsOf([&] {
      Check(state->Prepare({"run", ++sequence, "p", std::nullopt}));
      Check(state->CommitPrepared());
    }));
  }
  result["checkpoint_1gib_1_percent_ms"] = Median(times);
  result["checkpoint_1gib_1_percent_worst_ms"] = times.back();

  state::RetainedCheckpoints retained(*environment, folder / "retained", {folder / "state"});
  uint64_t id = 0;
  uint64_t bytes = 0;
  result["retain_1gib_ms"] = MillisecondsOf([&] {
    const auto making = retained.Begin(state::RetainReason::kRequested);
    Check(making.status());
    Check(retained.MakePart(*making, 0, *state));
    const auto made = retained.Complete(*making);
    Check(made.status());
    id = made->id;
    bytes = made->bytes;
  });
  result["retained_bytes"] = bytes;
  state.reset();
  result["restore_1gib_ms"] = MillisecondsOf([&] { Check(retained.Restore(id, std::vector<std::string>{"new"})); });
}

}  // namespace
}  // namespace fs

int main(int argc, char** argv) {
  return fs::InScratchFolder(argc, argv, "fs-checkpoint-bench", [](const std::filesystem::path& folder) {
    nlohmann::json result;
    std::filesystem::create_directories(folder / "two-phase");
    // Forks, and so comes before there are threads.
    fs::MeasureLarge(folder / "large", result);
    fs::MeasureTwoPhase(folder / "two-phase", result);
    std::puts(result.dump().c_str());
  });
}
