// One running copy of a function: its sandbox, state, sources and sinks, and the loop between them.
//
// Owned by its Task and used on the task's thread only, except Interrupt(), which any thread may call. An instance that returned an
// error is spent: whatever it had not committed is given up by dropping it, and the next instance resumes from the last checkpoint.
// Hot path: ProcessBatch and what it calls (processing.cc); nothing there allocates, logs or locks per message, unless it failed.
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
#include "task/backlog.h"
#include "task/calls.h"
#include "task/checkpoint.h"
#include "task/counters.h"
#include "task/dead_letter.h"
#include "task/error_policy.h"
#include "task/event_time.h"
#include "task/inputs.h"
#include "task/retention.h"
#include "task/start_gate.h"
#include "task/watermark_stamp.h"

namespace fs::task {

struct InstanceSpec {
  std::shared_ptr<const catalog::Function> function;
  uint32_t index = 0;             // of the function's instances (partition_split.h)
  config::FunctionLimits limits;  // with the server's caps
  std::filesystem::path state_folder;
  sandbox::Runtime* runtime = nullptr;
  state::StateEnvironment* states = nullptr;
  connector::Registry* connectors = nullptr;
  StartGate* start_gate = nullptr;
  observe::FunctionLog* log = nullptr;
  std::shared_ptr<Waker> waker;
  InstanceCounters* counters = nullptr;
  const std::atomic<bool>* stopping = nullptr;
  Retention::Part* retention = nullptr;
  // Of the task: they outlive the instance.
  ErrorPolicy* errors = nullptr;
  Calls* calls = nullptr;
  FailureLog* failure_log = nullptr;
  std::string server_id;
  // Told on the instance's thread: positions after a checkpoint, and what it waits for ("" when nothing stands in the way).
  std::function<void(std::span<const connector::Positions>)> on_checkpoint;
  std::function<void(std::string)> on_waiting;
  // About once a second while something happens: where the inputs end, as far as they know (Source::EndOffsets).
  std::function<void(std::vector<connector::Positions>)> on_observed;
};

class Instance : private sandbox::Host, private connector::SourceListener {
 public:
  explicit Instance(InstanceSpec spec);
  ~Instance() override;

  // Opens state, resolves an interrupted checkpoint, loads the function, calls init and restore_checkpoint, and starts the sources.
  // kInvalidArgument and kAborted: the user's code, with its traceback. kFailedPrecondition: the state belongs to another run.
  [[nodiscard]] absl::Status Open();

  // Runs until `stopping` is set (OK: everything is committed and close was called, or the call in progress was interrupted and its
  // work given up) or something fails. kAborted: a message failed and on_error says to fail; all before it is
  // committed. Where a message is the reason and the next instance knows it, errors->TakeRestart() says so.
  [[nodiscard]] absl::Status Run();

  // Any thread, while the instance lives: ends the guest call in progress.
  void Interrupt();

 private:
  // Uncommitted writes and outputs wait in memory: past this, the checkpoint does not wait for its interval.
  static constexpr size_t kMaxPendingBytes = size_t{32} << 20;

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
  // How many of the records are done with; fewer than all where one waits for its retry, or the function stops.
  [[nodiscard]] absl::StatusOr<size_t> ProcessBatch(size_t input, std::span<const Record> records);
  // One call of the guest: processes, advances and hands over what was emitted. The error is of the message that failed, its state undone.
  struct Step {
    size_t done = 0;
    std::optional<MessageError> error;
  };
  [[nodiscard]] absl::StatusOr<Step> ProcessTogether(size_t input, std::span<const Record> records);
  // A message that has failed before, or may have. Both answer whether it is done with.
  [[nodiscard]] absl::StatusOr<bool> ProcessSuspect(size_t input, const Record& record);
  [[nodiscard]] absl::StatusOr<bool> HandleFailure(size_t input, const Record& record, const ErrorPolicy::Verdict& verdict);
  // The message ended the guest: what follows, for Run to return.
  [[nodiscard]] absl::Status HandleEnd(size_t input, std::span<const Record> records, const absl::Status& end);
  // What an output would refuse of what the one message of the last call emitted.
  [[nodiscard]] absl::StatusOr<std::optional<MessageError>> FindRefused();
  [[nodiscard]] absl::Status WriteDeadLetter(size_t input, const Record& record, const ErrorPolicy::Verdict& verdict);
  [[nodiscard]] std::string PlaceOf(size_t input, const Record& record) const;
  // Hands what the last guest call emitted to the sinks, waiting where they are full. kCancelled when stopping.
  [[nodiscard]] absl::Status WriteEmitted();
  [[nodiscard]] absl::Status WriteWaiting(uint32_t channel, const OutputRecord& record);
  [[nodiscard]] absl::Status WriteStamped(uint32_t channel, const OutputRecord& record);
  // Lets nothing that is done wait in a sink for the checkpoint. Seldom enough that its price does not count where batch follows batch.
  [[nodiscard]] absl::Status PushOutputs(bool is_idle);
  // The payloads' bytes.
  uint64_t Advance(size_t input, std::span<const Record> records);
  [[nodiscard]] absl::Status TakeCheckpoint();
  [[nodiscard]] absl::Status CheckFunctionBytes(size_t bytes);
  // The Patience of the checkpoint protocol: outputs that are away are waited for as long as it takes, saying so; a decision for a while.
  // kCancelled when a stop finds them still away.
  [[nodiscard]] absl::Status KeepWaiting(WaitingIn step, absl::Duration since, const absl::Status& what);
  [[nodiscard]] absl::Status CommitWith(std::optional<std::string> function_bytes);
  [[nodiscard]] absl::Status Heartbeat();
  // Lets the guest rest once it was quiet for long enough; when to look again.
  [[nodiscard]] absl::Time RestWhenQuiet(absl::Time now);
  void OpenEventTime();
  // Tells the function how far event time has come, and the outputs what follows from that. kAborted: process_watermark raised; what it
  // changed is undone and everything before it is committed.
  [[nodiscard]] absl::Status AdvanceEventTime();
  void AdvanceOutputs();
  // Requests to custom(). An exception there is the caller's; a guest that died of it is ours to return.
  [[nodiscard]] absl::Status ServeCalls();
  [[nodiscard]] absl::Status ServeCall(Calls::Request& request);
  [[nodiscard]] absl::Status Finish();
  [[nodiscard]] bool is_dirty() const;
  [[nodiscard]] size_t pending_bytes() const;
  [[nodiscard]] bool stopping() const { return spec_.stopping->load(std::memory_order_acquire); }
  void Waiting(std::string what);
  // Takes stock for who looks from outside, when it is time again.
  void Observe(absl::Time now);

  absl::StatusOr<state::KvStore*> OpenStore(std::string_view name) override;
  void BeginMessage(uint32_t index) override;
  void Log(int level, std::string_view text) override;

  // Whether the partitions of an input stay with this function: see ownership.h.
  [[nodiscard]] bool KeepsPartitions(size_t input) const;

  absl::StatusOr<connector::Positions> OnAssigned(std::span<const connector::GroupPosition> partitions) override;
  void OnRevoked(std::span<const int32_t> partitions) override;
  void OnLost(std::span<const int32_t> partitions) override;
  void OnPartitions(std::span<const int32_t> partitions) override;
  void OnBegin(int32_t partition, int64_t position) override { positions_[polled_input_].try_emplace(partition, position); }
  [[nodiscard]] bool is_restored() const override { return !checkpoints_->superseded().empty(); }

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
  // What the sinks took since it was last added to the counters, by channel.
  struct HandedOver {
    uint64_t messages = 0;
    uint64_t bytes = 0;
  };
  std::vector<HandedOver> handed_over_;
  InputOrder order_;

  std::unique_ptr<EventTime> event_time_;
  std::unique_ptr<WatermarkStamps> stamps_;
  std::vector<connector::Positions> positions_;
  std::vector<Record> records_;
  size_t polled_input_ = 0;
  absl::Status revoke_status_;  // of the checkpoint taken inside a Poll
  bool is_rebalancing_ = false;
  std::vector<Backlog> backlogs_;  // by input
  uint64_t skipped_ = 0;           // since the last checkpoint
  uint64_t dead_lettered_ = 0;     // likewise
  bool has_progress_ = false;      // records were processed or emitted since the last checkpoint
  std::optional<std::string> last_function_bytes_;
  absl::Time checkpoint_due_;
  bool has_unpushed_ = false;
  absl::Time push_due_ = absl::InfinitePast();
  absl::Time heartbeat_due_;
  uint64_t calls_seen_ = 0;
  absl::Time rest_due_ = absl::InfiniteFuture();
  absl::Time give_up_ = absl::InfiniteFuture();  // of a stop that waits for outputs
  absl::Time observe_due_ = absl::InfinitePast();
  bool is_missing_ends_ = true;  // an input does not know yet where it ends
  uint32_t marked_message_ = 0;
  bool has_marked_ = false;
  double seconds_per_message_ = 0;
  std::string waiting_for_;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_INSTANCE_H_
