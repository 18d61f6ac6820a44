// The durable state of one instance: its stores, its input positions and its own bytes, changed in atomic checkpoints.
//
// Owned by the task's Instance and used on its thread only. Writes collect in an overlay in memory and reach the database
// (RocksDB, one per instance) with a checkpoint, all or nothing. A checkpoint takes one of two ways:
//
//   Commit(checkpoint)                        one step, synced: this database's write is the commit point
//   Prepare(checkpoint), then CommitPrepared  two phases: after Prepare (synced) the checkpoint survives a crash undecided,
//   or RollbackPrepared                       and whoever decides (connector/: the embedded log, Kafka) is asked at the next start
//
// A crash leaves the state either before or after a checkpoint, or prepared; never between. docs/architecture.md has the formats.
#ifndef FUNCTION_STREAM_STATE_FUNCTION_STATE_H_
#define FUNCTION_STREAM_STATE_FUNCTION_STATE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/limits.h"
#include "base/status.h"
#include "state/kv_store.h"

namespace fs::state {

// What a checkpoint makes durable beside the stores. The state room does not look inside positions and function_bytes.
struct Checkpoint {
  std::string run_id;                         // which run of the function this belongs to; new with every fresh or restored state
  uint64_t sequence = 0;                      // 1 for the first of a run
  std::string positions;                      // the task's encoding of input positions and watermarks
  std::optional<std::string> function_bytes;  // what take_checkpoint returned
  // Runs that this state stands in for since it was restored, until the first checkpoint of its own; empty otherwise. The decider's last
  // marker is one of theirs.
  std::vector<std::string> supersedes = {};
};

// Shared by all states of a server: cache, write buffer budget, background threads. Thread-safe; outlives its states.
class StateEnvironment {
 public:
  struct Options {
    bool in_memory = false;                  // storage_type memory: nothing outlives the process
    size_t cache_bytes = size_t{512} << 20;  // committed values kept ready for the next read, and RocksDB's blocks
    size_t write_buffer_bytes = size_t{256} << 20;
  };
  static absl::StatusOr<std::unique_ptr<StateEnvironment>> Create(const Options& options);
  virtual ~StateEnvironment() = default;

  // What all states together use at the moment.
  struct Memory {
    uint64_t block_cache_bytes = 0;
    uint64_t memtable_bytes = 0;
  };
  [[nodiscard]] virtual Memory memory() const = 0;
};

class FunctionState {
 public:
  // Opens or creates the database in `folder`. kInternal, naming the path, when it cannot be written; kDataLoss when it is damaged;
  // kFailedPrecondition when its format is newer than this server's, or another process holds it.
  static absl::StatusOr<std::unique_ptr<FunctionState>> Open(StateEnvironment& environment, const std::filesystem::path& folder);
  virtual ~FunctionState() = default;

  // Removes the database in `folder`, which nobody has open. Nothing there is no error.
  static absl::Status Destroy(StateEnvironment& environment, const std::filesystem::path& folder);

  // ---- The stores. The same name gives the same store. The name may be any bytes up to 255, not empty.
  [[nodiscard]] virtual absl::StatusOr<KvStore*> GetOrCreateStore(std::string_view name) = 0;

  // How large the database may become; 0, as at first: as large as it likes. A put or merge that would make it larger is
  // kResourceExhausted and changes nothing, deleting is always possible. `use`, which may be null, is told of refusals.
  virtual void SetLimit(uint64_t bytes, LimitUse* use) = 0;

  // ---- One message's writes. A mark ends the writes of the message before; RollbackToMark undoes what was written since.
  // Hot path: Mark costs a few instructions.
  virtual void Mark() = 0;
  virtual void RollbackToMark() = 0;

  // ---- Uncommitted writes: their size, and giving all of them up.
  [[nodiscard]] virtual size_t pending_bytes() const = 0;
  // What the database holds, on disk and in its memtables, about; asks RocksDB, so not for every batch.
  [[nodiscard]] virtual uint64_t stored_bytes() const = 0;
  virtual void DiscardPending() = 0;

  // True when something would be lost with this state: a store was opened (also in a run before), or function_bytes are there. Positions
  // alone do not count.
  [[nodiscard]] virtual bool keeps_state() const = 0;

  // ---- Checkpoints. last(): of the newest committed one, none in a fresh state. After an error of the database, a read's too, none is
  // taken any more: Commit and Prepare return that error, and the state has to be opened anew.
  [[nodiscard]] virtual const std::optional<Checkpoint>& last() const = 0;
  [[nodiscard]] virtual absl::Status Commit(const Checkpoint& checkpoint) = 0;
  [[nodiscard]] virtual absl::Status Prepare(const Checkpoint& checkpoint) = 0;
  // Set between Prepare and its decision, also after a crash in between. Until the decision stores can be read, showing what was
  // prepared (after a crash: what was before), and writing to them is kFailedPrecondition. RollbackPrepared gives the writes up.
  [[nodiscard]] virtual const std::optional<Checkpoint>& prepared() const = 0;
  [[nodiscard]] virtual absl::Status CommitPrepared() = 0;
  [[nodiscard]] virtual absl::Status RollbackPrepared() = 0;

  // Copies the database as of last() into `folder`, which must not exist: links where files never change, and so costs a flush. Nothing may
  // be prepared. Tells the CRC32C of those files whose it knows without reading them. Not in memory.
  [[nodiscard]] virtual absl::StatusOr<std::unordered_map<std::string, uint32_t>> CopyTo(const std::filesystem::path& folder) = 0;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_FUNCTION_STATE_H_
