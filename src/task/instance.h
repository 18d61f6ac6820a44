// One running copy of a function: its sandbox, state, sources and sinks, and the loop between them.
//
// Owned by its Task and used on the task's thread only, except Interrupt(), which any thread may call. An instance that returned an
// error is spent: whatever it had not committed is given up by dropping it, and the next instance resumes from the last checkpoint.
// Hot path: ProcessBatch and what it calls; nothing there allocates, logs or locks per message.
#ifndef FUNCTION_STREAM_TASK_INSTANCE_H_
#define FUNCTION_STREAM_TASK_INSTANCE_H_

#include <absl/time/time.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/waker.h"
#include "catalog/catalog.h"
#include "connector/connector.h"
#include "observe/function_log.h"
#include "sandbox/guest.h"
#include "state/function_state.h"
#include "task/checkpoint.h"
#include "task/inputs.h"

namespace fs::task {

// Read by any thread, written by the instance.
struct InstanceCounters {
  std::atomic<uint64_t> processed{0};
  std::atomic<uint64_t> emitted{0};
  std::atomic<uint64_t> checkpoint_id{0};
};

struct InstanceSpec {
  std::shared_ptr<const catalog::Function> function;
  std::filesystem::path state_folder;
  sandbox::Runtime* runtime = nullptr;
  state::StateEnvironment* states = nullptr;
  connector::Registry* connectors = nullptr;
  observe::FunctionLog* log = nullptr;
  std::shared_ptr<Waker> waker;
  InstanceCounters* counters = nullptr;
  const std::atomic<bool>* stopping = nullptr;
  // Set when the instance before was ended by a message: how many came before that one since the last checkpoint. They are committed
  // before it is tried again, and it is tried alone, so that it holds back nothing but itself.
  std::optional<uint64_t> suspect_after;
  std::function<void(uint64_t)> on_suspect;
  std::string server_id;
  // Told on the instance's thread: positions after a checkpoint, and what it waits for ("" when nothing stands in the way).
  std::function<void(std::span<const connector::Positions>)> on_checkpoint;
  std::function<void(std::string)> on_waiting;
};

class Instance : private sandbox::Host, private connector::SourceListener {
 public:
  explicit Instance(InstanceSpec spec);
  ~Instance() override;

  // Opens state, resolves an interrupted checkpoint, loads the function, calls init and restore_checkpoint, and starts the sources.
  // kInvalidArgument and kAborted: the user's code, with its traceback. kFailedPrecondition: the state belongs to another run.
  [[nodiscard]] absl::Status Open();

  // Runs until `stopping` is set (OK: everything is committed and close was called, or the call in progress was interrupted and its
  // work given up) or something fails. kAborted: user code raised; all before it is committed.
  [[nodiscard]] absl::Status Run();

  // Any thread, while the instance lives: ends the guest call in progress.
  void Interrupt();

 private:
  struct Input {
    uint32_t source_id;
    std::string topic;
    std::unique_ptr<connector::Source> source;
  };

  [[nodiscard]] absl::Status OpenConnectors();
  [[nodiscard]] absl::Status LoadGuest();
  // init, and restore_checkpoint where there is one with bytes.
  [[nodiscard]] absl::Status StartGuest(const std::optional<state::Checkpoint>& checkpoint);
  [[nodiscard]] absl::Status Loop();
  // Takes one batch from the first input that has one, and says when to look again: at once after a batch, soon while something outside is
  // away (its coming back wakes nobody), else when something wakes us.
  [[nodiscard]] absl::StatusOr<absl::Time> Turn();
  [[nodiscard]] absl::Status ProcessBatch(size_t input, std::span<const Record> records);
  // Counts down to the suspect, commits what came before it, and forgets it once it has passed.
  [[nodiscard]] absl::Status ApproachSuspect(uint64_t processed);
  // Hands what the last guest call emitted to the sinks, waiting where they are full. kCancelled when stopping.
  [[nodiscard]] absl::Status WriteEmitted();
  void Advance(size_t input, std::span<const Record> records);
  [[nodiscard]] absl::Status TakeCheckpoint();
  // The Patience of the checkpoint protocol: outputs that are away are waited for as long as it takes, saying so; a decision for a while.
  // kCancelled when a stop finds them still away.
  [[nodiscard]] absl::Status KeepWaiting(WaitingIn step, absl::Duration since, const absl::Status& what);
  [[nodiscard]] absl::Status CommitWith(std::optional<std::string> function_bytes);
  [[nodiscard]] absl::Status Heartbeat();
  [[nodiscard]] absl::Status Finish();
  [[nodiscard]] bool is_dirty() const;
  [[nodiscard]] size_t pending_bytes() const;
  [[nodiscard]] bool stopping() const { return spec_.stopping->load(std::memory_order_acquire); }
  void Waiting(std::string what);

  absl::StatusOr<state::KvStore*> OpenStore(std::string_view name) override;
  void BeginMessage(uint32_t index) override;
  void Log(int level, std::string_view text) override;

  // Whether the partitions of an input stay with this function: see ownership.h.
  [[nodiscard]] bool KeepsPartitions(size_t input) const;

  absl::StatusOr<connector::Positions> OnAssigned(std::span<const connector::GroupPosition> partitions) override;
  void OnRevoked(std::span<const int32_t> partitions) override;
  void OnLost(std::span<const int32_t> partitions) override;

  InstanceSpec spec_;
  const config::FunctionConfig& config_;
  absl::Duration checkpoint_interval_;  // what is configured, or less where the decider cannot wait so long
  // Destroyed in reverse order: sources and sinks before their sessions, the guest (and its iterators) before the state.
  std::unique_ptr<state::FunctionState> state_;
  std::map<connector::Connector*, std::unique_ptr<connector::Session>> sessions_;
  std::vector<Input> inputs_;
  std::vector<std::unique_ptr<connector::Sink>> sinks_;
  connector::Decider* decider_ = nullptr;
  std::unique_ptr<CheckpointProtocol> checkpoints_;
  std::unique_ptr<sandbox::Guest> guest_;
  std::atomic<sandbox::Guest*> interruptible_{nullptr};
  InputOrder order_;

  std::vector<connector::Positions> positions_;
  std::vector<Record> records_;
  size_t polled_input_ = 0;
  absl::Status revoke_status_;  // of the checkpoint taken inside a Poll
  bool is_rebalancing_ = false;
  uint64_t since_checkpoint_ = 0;  // messages processed
  std::optional<uint64_t> suspect_after_;
  bool has_progress_ = false;  // records were processed or emitted since the last checkpoint
  std::optional<std::string> last_function_bytes_;
  absl::Time checkpoint_due_;
  absl::Time heartbeat_due_;
  absl::Time give_up_ = absl::InfiniteFuture();  // of a stop that waits for outputs
  uint32_t marked_message_ = 0;
  bool has_marked_ = false;
  double seconds_per_message_ = 0;
  std::string waiting_for_;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_INSTANCE_H_
