#include "task/instance.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "base/steady_clock.h"
#include "observe/log.h"
#include "task/delivery.h"
#include "task/ownership.h"

namespace fs::task {
namespace {

// A batch is as many records as take about this long, so that a stop, a checkpoint or a quiet input waits no longer than that.
constexpr double kBatchSeconds = 0.02;
constexpr size_t kFirstBatchRecords = 64;
constexpr size_t kMaxBatchRecords = 4096;
constexpr size_t kMaxBatchBytes = size_t{4} << 20;
constexpr absl::Duration kUnavailableWait = absl::Milliseconds(500);
constexpr absl::Duration kFullSinkWait = absl::Milliseconds(100);
// How long a stop waits for an output that is away.
constexpr absl::Duration kPatienceAtStop = absl::Seconds(1);
// A start that takes longer than this says for what it waits, and counts as running: create no longer tells what becomes of it. A broker
// that is there may well need seconds for its first transaction.
constexpr absl::Duration kQuietConnection = absl::Seconds(2);
constexpr absl::Duration kQuietRecovery = absl::Seconds(10);
// A decision that is not heard of for this long is given up, and recovery finds out; a group that takes partitions away waits no longer.
constexpr absl::Duration kDecisionPatience = absl::Seconds(30);
constexpr absl::Duration kObserveInterval = absl::Seconds(1);
constexpr absl::Duration kQuietUntilRest = absl::Seconds(2);
// An instance that started and finds nothing to do: a server with many functions starts them all at once.
constexpr absl::Duration kQuietAfterStart = absl::Milliseconds(200);
constexpr absl::Duration kPushInterval = absl::Milliseconds(2);

// The sandbox names the hook in everything but what the user's code raised.
absl::Status InHook(const absl::Status& status, std::string_view hook) {
  return absl::IsAborted(status) ? WithContext(status, hook) : status;
}

}  // namespace

Instance::Instance(InstanceSpec spec)
    : spec_(std::move(spec)),
      config_(spec_.function->config),
      checkpoint_interval_(config_.checkpoint_interval),
      handed_over_(config_.outputs.size()),
      order_(config_.input_selector, [this] {
        std::vector<size_t> sizes;
        for (const auto& group : config_.input_groups) sizes.push_back(group.inputs.size());
        return sizes;
      }()) {}

Instance::~Instance() { interruptible_.store(nullptr); }

absl::Status Instance::Open() {
  absl::StatusOr<std::unique_ptr<state::FunctionState>> state = state::FunctionState::Open(*spec_.states, spec_.state_folder);
  if (absl::IsDataLoss(state.status())) {
    return DataLoss("the state is damaged: {}; start the function from a retained checkpoint, or drop the function and create it anew",
                    Message(state.status()));
  }
  FS_ASSIGN_OR_RETURN_CONTEXT(state_, std::move(state), "state");
  state_->SetLimit(spec_.limits.state_bytes(), &spec_.counters->limits);
  FS_RETURN_IF_ERROR(OpenConnectors());

  std::vector<connector::Sink*> sinks;
  for (const auto& sink : sinks_) sinks.push_back(sink.get());
  std::vector<std::string> topics;
  for (const Input& input : inputs_) topics.push_back(input.topic);
  checkpoints_ = std::make_unique<CheckpointProtocol>(
      *state_, decider_, sinks, topics,
      [this](WaitingIn step, absl::Duration since, const absl::Status& what) { return KeepWaiting(step, since, what); },
      PartitionSplit{spec_.index, spec_.function->instance_count});
  // Before recovery: what is wrong with the package is told at once, also while the outputs are away.
  FS_RETURN_IF_ERROR(LoadGuest());
  FS_ASSIGN_OR_RETURN(const std::optional<state::Checkpoint> checkpoint, checkpoints_->Recover());
  Waiting("");
  if (const std::string& warning = checkpoints_->warning(); !warning.empty()) {
    observe::LogWarning("function {}: {}", config_.name, warning);
    Log(30, warning);
  }

  Progress progress;
  if (checkpoint) {
    FS_ASSIGN_OR_RETURN_CONTEXT(progress, DecodeProgress(checkpoint->positions), spec_.state_folder.native());
  }
  positions_ = std::move(progress.inputs);
  positions_.resize(inputs_.size());
  backlogs_.resize(inputs_.size());
  for (size_t channel = 0; channel < sinks_.size(); ++channel) {
    std::optional<std::string_view> mark;
    if (channel < progress.sink_marks.size()) mark = progress.sink_marks[channel];
    FS_RETURN_IF_ERROR_CONTEXT(sinks_[channel]->Start(mark), config_.outputs[channel].path);
  }

  OpenEventTime();
  FS_RETURN_IF_ERROR(event_time_->Restore(progress.event_time, SteadyNow()));
  AdvanceOutputs();
  FS_RETURN_IF_ERROR(StartGuest(checkpoint));
  for (size_t i = 0; i < inputs_.size(); ++i) {
    polled_input_ = i;
    FS_RETURN_IF_ERROR_CONTEXT(inputs_[i].source->Start(positions_[i], *this), inputs_[i].topic);
  }
  checkpoint_due_ = SteadyNow();
  heartbeat_due_ = guest_->has_heartbeat() ? SteadyNow() + config_.heartbeat_interval : absl::InfiniteFuture();
  // A sink that is cut back needs to know from the start to where.
  const bool has_mark = std::any_of(sinks_.begin(), sinks_.end(), [](const auto& sink) { return !sink->Mark().empty(); });
  if (!checkpoint && has_mark) FS_RETURN_IF_ERROR(CommitWith(std::nullopt));
  if (checkpoint) {
    spec_.counters->checkpoint_id.store(checkpoint->sequence);
    spec_.on_checkpoint(positions_);
  }
  return absl::OkStatus();
}

absl::Status Instance::OpenConnectors() {
  FS_ASSIGN_OR_RETURN(const config::Delivery delivery, ResolveDelivery(config_, *spec_.connectors));
  connector::InstanceContext context;
  context.function_name = config_.name;
  context.function_id = spec_.function->state_id;
  context.instance_index = spec_.index;
  context.instance_count = spec_.function->instance_count;
  context.waker = spec_.waker;
  context.exactly_once = delivery == config::Delivery::kExactlyOnce;
  context.checkpoint_interval = config_.checkpoint_interval;
  context.batch_timeout = spec_.limits.batch_timeout();
  context.server_id = spec_.server_id;
  const auto session = [&](const config::Endpoint& endpoint) -> absl::StatusOr<connector::Session*> {
    FS_ASSIGN_OR_RETURN(connector::Connector* const connector, spec_.connectors->Find(endpoint));
    auto& known = sessions_[connector];
    if (known == nullptr) {
      FS_ASSIGN_OR_RETURN_CONTEXT(known, connector->OpenSession(context), endpoint.path);
    }
    return known.get();
  };

  for (size_t group = 0; group < config_.input_groups.size(); ++group) {
    for (const config::Endpoint& endpoint : config_.input_groups[group].inputs) {
      FS_ASSIGN_OR_RETURN(connector::Session* const owner, session(endpoint));
      Input input;
      input.source_id = static_cast<uint32_t>(group);
      FS_ASSIGN_OR_RETURN_CONTEXT(input.source, owner->OpenSource(inputs_.size(), endpoint), endpoint.path);
      input.topic = std::string(input.source->topic());
      inputs_.push_back(std::move(input));
    }
  }
  for (const config::Endpoint& endpoint : config_.outputs) {
    FS_ASSIGN_OR_RETURN(connector::Session* const owner, session(endpoint));
    FS_ASSIGN_OR_RETURN_CONTEXT(auto sink, owner->OpenSink(endpoint), endpoint.path);
    sinks_.push_back(std::move(sink));
  }
  // Only now: a decider knows all inputs and outputs of its session. ResolveDelivery has seen to it that there is one at most.
  for (const config::Endpoint& endpoint : config_.outputs) {
    FS_ASSIGN_OR_RETURN(connector::Session* const owner, session(endpoint));
    if (connector::Decider* const decider = owner->decider()) decider_ = decider;
  }
  if (decider_ != nullptr) checkpoint_interval_ = std::min(checkpoint_interval_, decider_->longest_interval());
  return absl::OkStatus();
}

absl::Status Instance::LoadGuest() {
  sandbox::GuestLimits limits;
  limits.memory_bytes = spec_.limits.memory_bytes();
  limits.call_timeout = spec_.limits.process_timeout();
  limits.batch_timeout = spec_.limits.batch_timeout();
  limits.output_bytes = spec_.limits.output_bytes();
  limits.iterators = static_cast<size_t>(spec_.limits.iterators);
  limits.stores = static_cast<size_t>(spec_.limits.stores);
  limits.use = &spec_.counters->limits;
  const StartGate::Turn turn(*spec_.start_gate);
  FS_ASSIGN_OR_RETURN(guest_, sandbox::Guest::Create(*spec_.runtime, limits, *this));
  interruptible_.store(guest_.get());
  if (stopping()) return absl::CancelledError("stopped while starting");

  sandbox::GuestProgram program;
  program.function_name = config_.name;
  program.entry_module = spec_.function->package->entry_module;
  program.class_name = spec_.function->package->class_name;
  program.channel_count = sinks_.size();
  for (const Input& input : inputs_) program.topics.push_back(input.topic);
  program.config = config_.init_config;
  program.files = spec_.function->package->files;
  return guest_->Load(program);
}

absl::Status Instance::StartGuest(const std::optional<state::Checkpoint>& checkpoint) {
  FS_RETURN_IF_ERROR(InHook(guest_->Init(), "init"));
  FS_RETURN_IF_ERROR(WriteEmitted());
  if (checkpoint && checkpoint->function_bytes) {
    last_function_bytes_ = checkpoint->function_bytes;
    FS_RETURN_IF_ERROR(InHook(guest_->RestoreCheckpoint(checkpoint->sequence, *checkpoint->function_bytes), "restore_checkpoint"));
    FS_RETURN_IF_ERROR(WriteEmitted());
  }
  return absl::OkStatus();
}

absl::Status Instance::Run() {
  absl::Status status = Loop();
  if (status.ok()) status = Finish();
  // Stopped in the middle of a call: what was not committed is given up and comes again at the next start.
  if (stopping() && (absl::IsCancelled(status) || (guest_ != nullptr && guest_->is_dead()))) return absl::OkStatus();
  return status;
}

absl::Status Instance::Loop() {
  // What the checkpoint holds of watermarks, the function may not have been told.
  FS_RETURN_IF_ERROR(AdvanceEventTime());
  while (!stopping()) {
    FS_ASSIGN_OR_RETURN(const absl::Time look_again, Turn());
    FS_RETURN_IF_ERROR(AdvanceEventTime());
    FS_RETURN_IF_ERROR(ServeCalls());
    const absl::Time now = SteadyNow();
    FS_RETURN_IF_ERROR(PushOutputs(look_again > now));
    const bool is_due = is_dirty() && (now >= checkpoint_due_ || pending_bytes() > kMaxPendingBytes);
    if (is_due || spec_.retention->is_asked()) FS_RETURN_IF_ERROR(TakeCheckpoint());
    if (now >= heartbeat_due_) FS_RETURN_IF_ERROR(Heartbeat());
    Observe(now);
    if (look_again > now) {
      const absl::Time due = std::min(is_dirty() ? checkpoint_due_ : heartbeat_due_, is_missing_ends_ ? observe_due_ : heartbeat_due_);
      spec_.waker->WaitUntil(std::min({look_again, heartbeat_due_, due, event_time_->due(now), RestWhenQuiet(now)}));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> Instance::Turn() {
  size_t max_records = kFirstBatchRecords;
  if (seconds_per_message_ > 0) {
    max_records = static_cast<size_t>(std::clamp(kBatchSeconds / seconds_per_message_, 1.0, double{kMaxBatchRecords}));
  }
  absl::Time look_again = absl::InfiniteFuture();
  std::string unavailable;
  for (const size_t i : order_.order()) {
    polled_input_ = i;
    records_.clear();
    Backlog& backlog = backlogs_[i];
    // With a backlog the source is only served, which may also take partitions and their records away.
    const bool is_held = !backlog.empty();
    const absl::Status polled = inputs_[i].source->Poll(is_held ? 0 : max_records, is_held ? 0 : kMaxBatchBytes, records_);
    FS_RETURN_IF_ERROR(std::exchange(revoke_status_, absl::OkStatus()));
    if (absl::IsUnavailable(polled)) {
      unavailable = fmt::format("{}: {}", inputs_[i].topic, Message(polled));
      look_again = std::min(look_again, SteadyNow() + kUnavailableWait);
    } else if (!polled.ok()) {
      return WithContext(polled, inputs_[i].topic);
    } else if (!is_held && event_time_->is_used()) {
      event_time_->Polled(i, SteadyNow());
    }
    if (!backlog.empty() && backlog.due() > SteadyNow()) {
      look_again = std::min(look_again, backlog.due());
      unavailable = backlog.reason();
      if (order_.is_strict()) break;
      continue;
    }
    if (!backlog.empty()) {
      FS_ASSIGN_OR_RETURN(const size_t done, ProcessBatch(i, backlog.records()));
      backlog.Drop(done);
      order_.Served(i);
      return absl::InfinitePast();
    }
    if (!records_.empty()) {
      FS_ASSIGN_OR_RETURN(const size_t done, ProcessBatch(i, records_));
      if (done < records_.size()) backlog.Keep(std::span(records_).subspan(done));
      order_.Served(i);
      return absl::InfinitePast();
    }
    if (is_held || inputs_[i].source->HasMore()) look_again = absl::InfinitePast();
  }
  Waiting(std::move(unavailable));
  return look_again;
}

absl::Status Instance::WriteEmitted() {
  size_t written = 0;
  absl::Status status;
  FS_RETURN_IF_ERROR(guest_->ForEachEmitted([&](const sandbox::Emitted& emitted) {
    if (emitted.is_watermark) {
      event_time_->Emitted(emitted.channel, emitted.record.timestamp_ms);
      AdvanceOutputs();
      return true;
    }
    status = WriteStamped(emitted.channel, emitted.record);
    if (status.ok()) ++written;
    return status.ok();
  }));
  for (size_t i = 0; i < handed_over_.size(); ++i) {
    const HandedOver counted = std::exchange(handed_over_[i], {});
    if (counted.messages > 0) Count(spec_.counters->outputs[i], counted.messages, counted.bytes);
  }
  FS_RETURN_IF_ERROR(status);
  if (written > 0) {
    has_progress_ = true;
    spec_.counters->emitted.fetch_add(written, std::memory_order_relaxed);
  }
  return absl::OkStatus();
}

absl::Status Instance::PushOutputs(bool is_idle) {
  if (!has_unpushed_ || (!is_idle && SteadyNow() < push_due_)) return absl::OkStatus();
  for (size_t channel = 0; channel < sinks_.size(); ++channel) {
    FS_RETURN_IF_ERROR_CONTEXT(sinks_[channel]->Push(), config_.outputs[channel].path);
  }
  has_unpushed_ = false;
  push_due_ = SteadyNow() + kPushInterval;
  return absl::OkStatus();
}

absl::Status Instance::WriteWaiting(uint32_t channel, const OutputRecord& record) {
  while (true) {
    absl::Status status = sinks_[channel]->Write(record);
    if (status.ok()) [[likely]] {
      ++handed_over_[channel].messages;
      has_unpushed_ = true;
      handed_over_[channel].bytes += record.value.size();
      return status;
    }
    if (!absl::IsUnavailable(status)) return WithContext(status, config_.outputs[channel].path);
    if (stopping()) return absl::CancelledError("stopped while an output was full");
    Waiting(fmt::format("{}: {}", config_.outputs[channel].path, Message(status)));
    Observe(SteadyNow());
    spec_.waker->WaitUntil(SteadyNow() + kFullSinkWait);
  }
}

bool Instance::is_dirty() const { return has_progress_ || state_->pending_bytes() > 0; }

size_t Instance::pending_bytes() const { return state_->pending_bytes() + (decider_ != nullptr ? decider_->pending_bytes() : 0); }

absl::Status Instance::TakeCheckpoint() {
  absl::StatusOr<std::optional<std::string>> bytes = guest_->TakeCheckpoint(checkpoints_->next_sequence());
  if (!bytes.ok()) return InHook(bytes.status(), "take_checkpoint");
  if (*bytes) FS_RETURN_IF_ERROR(CheckFunctionBytes((*bytes)->size()));
  FS_RETURN_IF_ERROR(WriteEmitted());
  FS_RETURN_IF_ERROR(CommitWith(*std::move(bytes)));
  // Neither a group nor a stop waits for a copy.
  if (!is_rebalancing_ && !stopping()) spec_.retention->AfterCheckpoint(*state_, *spec_.log);
  return absl::OkStatus();
}

absl::Status Instance::CheckFunctionBytes(size_t bytes) {
  const uint64_t limit = spec_.limits.checkpoint_bytes();
  spec_.counters->limits.Saw(Limit::kCheckpoint, static_cast<double>(bytes), static_cast<double>(limit));
  if (bytes <= limit) return absl::OkStatus();
  spec_.counters->limits.Refused(Limit::kCheckpoint);
  return ResourceExhausted(
      "take_checkpoint: returned {} bytes; the limit is {} (limits.checkpoint_mb of the function's configuration); keep what is large in a "
      "store",
      bytes, limit);
}

absl::Status Instance::KeepWaiting(WaitingIn step, absl::Duration since, const absl::Status& what) {
  const bool is_starting = step == WaitingIn::kConnection || step == WaitingIn::kRecovery;
  if (!is_starting || since > (step == WaitingIn::kConnection ? kQuietConnection : kQuietRecovery)) Waiting(std::string(Message(what)));
  if (!is_starting) Observe(SteadyNow());
  if ((step == WaitingIn::kDecision || is_rebalancing_) && since > kDecisionPatience) return what;
  if (!stopping()) return absl::OkStatus();
  if (is_starting) return absl::CancelledError("stopped while starting");
  if (give_up_ == absl::InfiniteFuture()) give_up_ = SteadyNow() + kPatienceAtStop;
  if (SteadyNow() < give_up_) return absl::OkStatus();
  Log(30, fmt::format("stopped before all outputs arrived; what was not committed comes again at the next start: {}", Message(what)));
  return absl::CancelledError("stopped while an output was away");
}

absl::Status Instance::CommitWith(std::optional<std::string> function_bytes) {
  const absl::Time started = SteadyNow();
  const size_t bytes = pending_bytes() + (function_bytes ? function_bytes->size() : 0);
  last_function_bytes_ = function_bytes;
  FS_RETURN_IF_ERROR_CONTEXT(checkpoints_->Take(positions_, std::move(function_bytes), event_time_->Save()),
                             fmt::format("checkpoint {}", checkpoints_->next_sequence()));
  Waiting("");
  has_progress_ = false;
  stamps_->Renew();
  spec_.errors->Committed(positions_);
  spec_.counters->skipped.fetch_add(std::exchange(skipped_, 0), std::memory_order_relaxed);
  spec_.counters->dead_lettered.fetch_add(std::exchange(dead_lettered_, 0), std::memory_order_relaxed);
  checkpoint_due_ = SteadyNow() + checkpoint_interval_;
  CountCheckpoint(*spec_.counters, checkpoints_->next_sequence() - 1, SteadyNow() - started, bytes);
  for (size_t i = 0; i < inputs_.size(); ++i) {
    connector::Marker marker = checkpoints_->last();
    marker.keeps_state = KeepsPartitions(i);
    inputs_[i].source->Committed(positions_[i], marker);
  }
  spec_.on_checkpoint(positions_);
  return absl::OkStatus();
}

absl::Time Instance::RestWhenQuiet(absl::Time now) {
  if (guest_->is_rested()) return absl::InfiniteFuture();
  if (const uint64_t calls = guest_->calls(); calls != calls_seen_) {
    rest_due_ = now + (calls_seen_ == 0 ? kQuietAfterStart : kQuietUntilRest);
    calls_seen_ = calls;
  }
  if (now < rest_due_) return rest_due_;
  guest_->Rest();
  return absl::InfiniteFuture();
}

absl::Status Instance::Heartbeat() {
  heartbeat_due_ = SteadyNow() + config_.heartbeat_interval;
  const absl::StatusOr<bool> healthy = guest_->CheckHeartbeat();
  if (!healthy.ok()) {
    if (!absl::IsAborted(healthy.status())) return healthy.status();
    return Unavailable("check_heartbeat raised: {}", Message(healthy.status()));
  }
  if (!*healthy) return Unavailable("check_heartbeat returned False");
  return WriteEmitted();
}

absl::Status Instance::Finish() {
  // Of several instances one may have had nothing to do so far; that what stopped can be retained takes a checkpoint of each.
  const bool is_first = spec_.function->instance_count > 1 && !state_->last();
  if (is_dirty() || is_first) FS_RETURN_IF_ERROR(TakeCheckpoint());
  const absl::Status closed = guest_->Close();
  if (!closed.ok()) {
    observe::LogWarning("function {}: close: {}", config_.name, Message(closed));
    Log(40, fmt::format("close: {}", Message(closed)));
    if (guest_->is_dead()) return absl::OkStatus();
  }
  FS_RETURN_IF_ERROR(WriteEmitted());
  // What close() wrote and emitted counts too; its own bytes are those of the checkpoint before.
  if (is_dirty()) return CommitWith(last_function_bytes_);
  return absl::OkStatus();
}

void Instance::Interrupt() {
  if (sandbox::Guest* const guest = interruptible_.load()) guest->Interrupt();
}

void Instance::Waiting(std::string what) {
  if (what == waiting_for_) return;
  waiting_for_ = what;
  spec_.on_waiting(std::move(what));
}

void Instance::Observe(absl::Time now) {
  if (now < observe_due_) return;
  observe_due_ = now + kObserveInterval;
  spec_.counters->observed_ms.store(absl::ToUnixMillis(absl::Now()), std::memory_order_relaxed);
  const uint64_t memory = guest_->memory_bytes();
  const uint64_t state = state_->stored_bytes() + state_->pending_bytes();
  spec_.counters->memory_bytes.store(memory, std::memory_order_relaxed);
  spec_.counters->state_bytes.store(state, std::memory_order_relaxed);
  LimitUse& use = spec_.counters->limits;
  use.IsNow(Limit::kMemory, static_cast<double>(memory), static_cast<double>(spec_.limits.memory_bytes()));
  use.IsNow(Limit::kState, static_cast<double>(state), static_cast<double>(spec_.limits.state_bytes()));
  std::vector<connector::Positions> ends;
  for (const Input& input : inputs_) ends.push_back(input.source->EndOffsets());
  is_missing_ends_ = std::any_of(ends.begin(), ends.end(), [](const connector::Positions& end) { return end.empty(); });
  spec_.on_observed(std::move(ends));
}

absl::StatusOr<state::KvStore*> Instance::OpenStore(std::string_view name) { return state_->GetOrCreateStore(name); }

void Instance::BeginMessage(uint32_t index) {
  state_->Mark();
  marked_message_ = index;
  has_marked_ = true;
}

void Instance::Log(int level, std::string_view text) { spec_.log->Write(level, text); }

bool Instance::KeepsPartitions(size_t input) const {
  // What the group remembers is as exact as the outputs where both are one step, and where outputs may repeat, or there are none.
  const bool is_cut_back = std::any_of(sinks_.begin(), sinks_.end(), [](const auto& sink) { return !sink->Mark().empty(); });
  const bool is_group_exact = inputs_[input].source->IsCommittedByDecider() || config_.delivery == config::Delivery::kAtLeastOnce ||
                              (decider_ == nullptr && !is_cut_back);
  return state_->keeps_state() || !is_group_exact;
}

absl::StatusOr<connector::Positions> Instance::OnAssigned(std::span<const connector::GroupPosition> partitions) {
  const connector::Source& source = *inputs_[polled_input_].source;
  connector::Positions& positions = positions_[polled_input_];
  FS_ASSIGN_OR_RETURN(Resumption resumption, Resume({spec_.function->state_id, KeepsPartitions(polled_input_), &positions, source.topic(),
                                                     source.group(), checkpoints_->superseded()},
                                                    partitions));
  for (const std::string& warning : resumption.warnings) {
    observe::LogWarning("function {}: {}", config_.name, warning);
    Log(30, warning);
  }
  for (const auto& [partition, offset] : resumption.positions) positions[partition] = offset;
  const absl::Time now = SteadyNow();
  for (const connector::GroupPosition& given : partitions) event_time_->Assigned(polled_input_, given.partition, now);
  return std::move(resumption.positions);
}

void Instance::OnPartitions(std::span<const int32_t> partitions) { event_time_->SetPartitions(polled_input_, partitions, SteadyNow()); }

void Instance::OnRevoked(std::span<const int32_t> partitions) {
  backlogs_[polled_input_].Forget(partitions);
  event_time_->Forget(polled_input_, partitions);
  if (!is_dirty() || guest_ == nullptr || guest_->is_dead()) return;
  is_rebalancing_ = true;
  revoke_status_.Update(TakeCheckpoint());
  is_rebalancing_ = false;
}

void Instance::OnLost(std::span<const int32_t> partitions) {
  backlogs_[polled_input_].Forget(partitions);
  event_time_->Forget(polled_input_, partitions);
  // All of their work is committed: there is nothing to give up, and where they come back they go on from there.
  if (!is_dirty()) return;
  revoke_status_.Update(
      Unavailable("{}: the group took the partitions away before their work was committed; it is given up and starts "
                  "again from the last checkpoint",
                  inputs_[polled_input_].topic));
}

}  // namespace fs::task
