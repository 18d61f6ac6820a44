// Where records come from and go to: Source and Sink, what decides a checkpoint, and the connector that makes them.
//
// A connector is a folder under connector/ and one line in registry.cc. Sources, sinks and deciders belong to one instance and are
// used on its thread only; a Connector is shared by the server and thread-safe. Blocking is never allowed here but in the calls
// that say so: the instance's thread must be free to stop within a second. Deadlines are SteadyNow's (base/steady_clock.h).
#ifndef FUNCTION_STREAM_CONNECTOR_CONNECTOR_H_
#define FUNCTION_STREAM_CONNECTOR_CONNECTOR_H_

#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.h"
#include "base/status.h"
#include "base/waker.h"
#include "config/endpoint.h"
#include "connector/marker.h"

namespace fs::connector {

// Offset of the next record to read, by partition, for one input.
using Positions = std::map<int32_t, int64_t>;

// What a consumer group remembers of a partition. Nothing pending is in it: what an earlier owner had left undecided is decided.
struct GroupPosition {
  int32_t partition = 0;
  std::optional<int64_t> committed;
  std::optional<Marker> marker;  // of the function that committed it; nullopt: none, or it was not a function (an administrator)
};

// What a source tells its instance, on the instance's thread and from within Poll(), when a group protocol moves partitions.
class SourceListener {
 public:
  virtual ~SourceListener() = default;
  // Where to resume the partitions that were just given; those not in the answer start by the reset policy. An error is the source's end.
  [[nodiscard]] virtual absl::StatusOr<Positions> OnAssigned(std::span<const GroupPosition> partitions) = 0;
  // Called before they are given up: the place for a checkpoint. Bounded by the group protocol's own time.
  virtual void OnRevoked(std::span<const int32_t> partitions) = 0;
  // They are gone already: nothing of them may be committed any more.
  virtual void OnLost(std::span<const int32_t> partitions) = 0;
  // Where no group protocol moves partitions: those that this input reads from now on, all of them; possibly none. Also from Start.
  virtual void OnPartitions(std::span<const int32_t> /*partitions*/) {}
  // Likewise: one that Start was given no position of is read from here on, which belongs to the next checkpoint, read or not.
  virtual void OnBegin(int32_t /*partition*/, int64_t /*position*/) {}
  // Likewise: the function was taken back to an earlier checkpoint. What a group remembers of partitions that the checkpoint does not know
  // was read later, and is to be read again: they start by the reset policy.
  [[nodiscard]] virtual bool is_restored() const { return false; }
};

// One input of a function: one topic or file.
class Source {
 public:
  virtual ~Source() = default;

  // Begins delivery. `positions` is where the last checkpoint left off; partitions without one start by the reset policy, or as the
  // listener says where a group protocol gives them. Called once, before the first Poll.
  [[nodiscard]] virtual absl::Status Start(const Positions& positions, SourceListener& listener) = 0;

  // Appends to `out` up to max_records records or about max_bytes of payload that are there now, without waiting; none with
  // max_records 0, which only serves the outside. Nothing there is OK and empty, and the waker given at Open wakes when something comes.
  // The views hold until the next Poll. kUnavailable: the outside is away and the source goes on trying by itself. Other errors: the source
  // cannot go on.
  [[nodiscard]] virtual absl::Status Poll(size_t max_records, size_t max_bytes, std::vector<Record>& out) = 0;

  // True when the source could have more right now although the last Poll was short (so: poll again, do not wait).
  [[nodiscard]] virtual bool HasMore() const = 0;

  // Tells the outside (a consumer group) how far a completed checkpoint got, for monitoring and for a first start elsewhere. Best
  // effort where positions live in the state; never blocks.
  virtual void Committed(const Positions& positions, const Marker& marker) = 0;

  // True when the decider's commit tells the group in its own step, so that outputs and the group's position are never apart; Committed
  // then has nothing to do.
  [[nodiscard]] virtual bool IsCommittedByDecider() const { return false; }
  // The consumer group this source is a member of, for messages; empty: none.
  [[nodiscard]] virtual std::string_view group() const { return {}; }

  // Where each partition ends, as far as it is known without asking anybody: the offset that its next record will get. Empty where nothing
  // is known yet. For telling how far behind the function is.
  [[nodiscard]] virtual Positions EndOffsets() const { return {}; }

  // The name records carry for this source (ctx.message.topic).
  [[nodiscard]] virtual std::string_view topic() const = 0;
};

// One output (channel) of a function.
class Sink {
 public:
  virtual ~Sink() = default;

  // Called once, before the first Write, after recovery. `mark` is what Mark() answered for the last checkpoint, nullopt in a fresh state:
  // a sink that can be cut back (a file) drops what was written since; the others have nothing to do.
  [[nodiscard]] virtual absl::Status Start(std::optional<std::string_view> mark) = 0;

  // What Start needs to cut the output back to here; stored with the checkpoint, after a Flush. Empty: nothing to remember.
  [[nodiscard]] virtual std::string Mark() const = 0;

  // Whether Write can ever take this record: kInvalidArgument, saying why, for its size or content. Costs little and changes nothing.
  [[nodiscard]] virtual absl::Status Check(const OutputRecord& record) const = 0;

  // Takes a copy. kUnavailable: full now, offer it again after the waker woke (back-pressure). kInvalidArgument: what Check says, nothing
  // was taken, others can be written. Other errors are final for this run.
  [[nodiscard]] virtual absl::Status Write(const OutputRecord& record) = 0;

  // Hands on what still waits inside, where nobody decides over it: called when a batch is done and no other follows at once. For sinks
  // that collect; a client library of its own sends by itself.
  [[nodiscard]] virtual absl::Status Push() { return absl::OkStatus(); }

  // Everything written is with the outside when this returns OK. May block up to the deadline: kDeadlineExceeded, call again.
  [[nodiscard]] virtual absl::Status Flush(absl::Time deadline) = 0;
};

// Makes outputs, positions and marker durable in one step, and so decides whether a checkpoint happened (design: "The checkpoint
// protocol"). One per function at most. Its sinks write into the same step. What was written and not decided is given up when the session
// ends.
class Decider {
 public:
  virtual ~Decider() = default;
  // Shuts out earlier owners, resolves what they left in doubt, and tells the marker of the last decided checkpoint; nullopt: none yet.
  // Of `superseded` runs, which a restore has replaced, a marker is told only where there is no other. May block up to the deadline:
  // kDeadlineExceeded, call again.
  [[nodiscard]] virtual absl::StatusOr<std::optional<Marker>> Recover(std::span<const std::string> superseded, absl::Time deadline) = 0;
  // False while nobody can be asked at all: a Recover that is not done yet is then waited for in another way than one that is slow.
  [[nodiscard]] virtual bool IsConnected() const { return true; }
  // THE COMMIT POINT: everything written to this decider's sinks since the last decision, the positions of all inputs and the marker.
  // `positions` is by input of the function, other connectors' included. May block up to the deadline. kDeadlineExceeded: not yet decided,
  // call again with the same arguments, or give up; kUnavailable: no telling. Then the outcome is unknown: go through recovery. Other
  // errors: it did not happen, and the session is spent.
  [[nodiscard]] virtual absl::Status Commit(const Marker& marker, std::span<const Positions> positions, absl::Time deadline) = 0;
  // Bytes written since the last decision: the instance checkpoints early when they grow.
  [[nodiscard]] virtual size_t pending_bytes() const = 0;
  // The marker of a function that has not committed for some days may be gone although nothing else is.
  [[nodiscard]] virtual bool forgets_markers() const = 0;
  // What is written can wait no longer than this for its decision.
  [[nodiscard]] virtual absl::Duration longest_interval() const { return absl::InfiniteDuration(); }
};

// Of one instance of one function: what its sources and sinks need to know of it.
struct InstanceContext {
  std::string function_name;  // for people: client ids, messages
  std::string function_id;    // unlike the name, never used twice: what a connector keeps for the function is kept under it
  // Which of how many: partition p of every input is that of instance p mod count. More than one: no group protocol assigns.
  uint32_t instance_index = 0;
  uint32_t instance_count = 1;
  std::shared_ptr<Waker> waker;
  // Outputs are to commit with the checkpoint: the session makes a decider, where the connector has one, and its sinks wait for it.
  bool exactly_once = false;
  // How long outputs may wait for their checkpoint: the interval, and the batch during which it ends.
  absl::Duration checkpoint_interval = absl::Milliseconds(100);
  absl::Duration batch_timeout = absl::Seconds(30);
  std::string server_id = {};  // hexadecimal, the same over the server's restarts

  [[nodiscard]] bool IsOurs(int32_t partition) const { return static_cast<uint32_t>(partition) % instance_count == instance_index; }
};

// Everything a function's endpoints of one type have in common, made once per instance start: its sinks share one decider.
class Session {
 public:
  virtual ~Session() = default;
  // `input_index` counts the function's inputs over all groups and connectors: the decider gets positions by it.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<Source>> OpenSource(size_t input_index, const config::Endpoint& input) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<Sink>> OpenSink(const config::Endpoint& output) = 0;
  // nullptr where the connector cannot decide, or is not to (InstanceContext::exactly_once). Owned by the session. For sessions with sinks,
  // when all sources and sinks are open.
  [[nodiscard]] virtual Decider* decider() = 0;
};

class Connector {
 public:
  virtual ~Connector() = default;
  // Checks every key of an endpoint without reaching the outside. kInvalidArgument naming key and line.
  [[nodiscard]] virtual absl::Status ValidateInput(const config::Endpoint& input) const = 0;
  [[nodiscard]] virtual absl::Status ValidateOutput(const config::Endpoint& output) const = 0;
  // Who decides the checkpoints of a function with this output, for exactly once: outputs with equal answers share a decider. Empty: the
  // state's own commit decides, and Sink::Start drops what came after it. kInvalidArgument: exactly once cannot be had, and why, naming
  // key and line. For outputs that ValidateOutput accepts.
  [[nodiscard]] virtual absl::StatusOr<std::string> DeciderOf(const config::Endpoint& output) const = 0;
  // How many partitions an input has, one where it names one. May ask the outside, up to the deadline: kUnavailable, kNotFound.
  [[nodiscard]] virtual absl::StatusOr<uint32_t> CountPartitions(const config::Endpoint& input, absl::Time deadline) const = 0;
  // Several instances may write the same output side by side.
  [[nodiscard]] virtual bool TakesManyWriters() const = 0;
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<Session>> OpenSession(const InstanceContext& context) = 0;
  // Forgets what the connector keeps for a function that is dropped (its markers), as far as it can be reached now. The endpoints are the
  // function's own of this connector; none are given for one of which only the id is known. Waits for the outside a second at most.
  [[nodiscard]] virtual absl::Status ForgetFunction(std::string_view function_id, uint32_t instance_count,
                                                    std::span<const config::Endpoint> inputs,
                                                    std::span<const config::Endpoint> outputs) = 0;
};

// The connectors of a server, by the name that input-type and output-type use.
class Registry {
 public:
  void Register(std::string type, std::shared_ptr<Connector> connector);
  // kInvalidArgument with key, line and the nearest name.
  [[nodiscard]] absl::StatusOr<Connector*> Find(const config::Endpoint& endpoint) const;
  [[nodiscard]] const std::map<std::string, std::shared_ptr<Connector>>& all() const { return connectors_; }

 private:
  std::map<std::string, std::shared_ptr<Connector>> connectors_;
};

}  // namespace fs::connector

#endif  // FUNCTION_STREAM_CONNECTOR_CONNECTOR_H_
