#include "task/task.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "base/steady_clock.h"
#include "observe/log.h"
#include "task/partition_split.h"

namespace fs::task {
namespace {

// An instance that lived this long has shown that it can: earlier failures are forgiven.
constexpr absl::Duration kHealthy = absl::Minutes(1);
constexpr size_t kMaxErrorBytes = size_t{64} << 10;

bool IsFinal(const absl::Status& status) {
  return absl::IsAborted(status) || absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) ||
         absl::IsUnimplemented(status) || absl::IsDataLoss(status);
}

size_t InputCount(const config::FunctionConfig& config) {
  size_t count = 0;
  for (const auto& group : config.input_groups) count += group.inputs.size();
  return count;
}

std::string TopicOf(const config::Endpoint& endpoint) {
  const config::Property* topic = endpoint.Find("topic");
  if (topic == nullptr) topic = endpoint.Find("path");
  return topic != nullptr ? topic->value : std::string();
}

EndpointTraffic TrafficOf(uint32_t source_id, const config::Endpoint& endpoint, const Traffic& traffic) {
  return {source_id, TopicOf(endpoint), traffic.messages.load(std::memory_order_relaxed), traffic.bytes.load(std::memory_order_relaxed)};
}

std::string Cut(std::string_view text) {
  if (text.size() <= kMaxErrorBytes) return std::string(text);
  return std::string(text.substr(0, kMaxErrorBytes)) + "\n[cut]";
}

}  // namespace

std::string_view StatusName(Status status) {
  switch (status) {
    case Status::kCreated:
      return "CREATED";
    case Status::kRunning:
      return "RUNNING";
    case Status::kStopped:
      return "STOPPED";
    case Status::kFailed:
      return "FAILED";
    case Status::kRestarting:
      return "RESTARTING";
  }
  return "UNKNOWN";
}

Task::Task(const TaskEnvironment& environment, std::shared_ptr<const catalog::Function> function, uint32_t index, Status status,
           Retention& retention, std::function<void(const absl::Status&)> on_failed)
    : environment_(environment),
      function_(std::move(function)),
      index_(index),
      label_(function_->instance_count == 1 ? function_->name : fmt::format("{}/{}", function_->name, index_)),
      on_failed_(std::move(on_failed)),
      state_folder_(environment_.state_dir / StateFolderName(function_->state_id, index_)),
      limits_(function_->config.limits),
      limits_accepted_(config::ApplyCaps(environment_.limit_caps, limits_)),
      counters_(function_->config.input_groups.size(), InputCount(function_->config), function_->config.outputs.size()),
      calls_(limits_.custom_bytes(), counters_.limits),
      retention_(retention, index_, *waker_),
      errors_(function_->config.on_error),
      status_(status),
      since_(absl::Now()) {}

Task::~Task() {
  RequestStop();
  Join();
}

absl::Status Task::Start(StartMode mode, std::shared_ptr<observe::FunctionLog> log) {
  absl::MutexLock thread_lock(&thread_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    if (alive_) return absl::OkStatus();
  }
  thread_.Join();
  FS_RETURN_IF_ERROR(limits_accepted_);
  FS_ASSIGN_OR_RETURN(Admission::Place place, environment_.admission->Enter(limits_.memory_bytes()));
  log_ = std::move(log);
  place_ = std::move(place);
  stopping_.store(false);
  errors_.Reset();
  calls_.Open();
  {
    absl::MutexLock lock(&mutex_);
    alive_ = true;
    held_ = mode == StartMode::kHeld;
    patient_ = mode == StartMode::kPatient;
    opened_ = false;
    end_ = absl::OkStatus();
  }
  retention_.Open();
  absl::StatusOr<Thread> thread = Thread::Start("fn:" + label_, [this] { Body(); });
  if (!thread.ok()) {
    calls_.Close(thread.status());
    retention_.Close();
    place_.Leave();
    absl::MutexLock lock(&mutex_);
    alive_ = false;
    return thread.status();
  }
  thread_ = *std::move(thread);
  return absl::OkStatus();
}

absl::Status Task::WaitUntilRunning() {
  bool is_stopped;
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](Task* task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task->mutex_) { return task->opened_ || !task->alive_ || task->waiting_stops_ > 0; },
        this));
    is_stopped = !opened_ && alive_;
  }
  if (is_stopped) {
    RequestStop();
    while (!WaitEnded(SteadyNow() + kStopGrace)) Interrupt();
  }
  absl::MutexLock lock(&mutex_);
  return opened_ ? absl::OkStatus() : end_;
}

void Task::AddWaitingStops(int change) {
  absl::MutexLock lock(&mutex_);
  waiting_stops_ += change;
}

void Task::Release() {
  absl::MutexLock lock(&mutex_);
  held_ = false;
}

void Task::RequestStop() {
  stopping_.store(true, std::memory_order_release);
  waker_->Wake();
  absl::MutexLock lock(&mutex_);
  held_ = false;
}

void Task::Join() {
  // Asked again and again: an interrupt only reaches the guest that is there at the time.
  while (stopping_.load() && !WaitEnded(SteadyNow() + kStopGrace)) Interrupt();
  absl::MutexLock lock(&thread_mutex_);
  thread_.Join();
  if (stopping_.load()) SetStatus(Status::kStopped, "");
}

bool Task::WaitEnded(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  while (alive_ && ended_.WaitUntil(mutex_, deadline)) {
  }
  return !alive_;
}

void Task::Interrupt() {
  absl::MutexLock lock(&mutex_);
  if (instance_ != nullptr) instance_->Interrupt();
}

absl::StatusOr<std::string> Task::Call(std::string payload, absl::Time deadline, const std::function<bool()>& is_given_up) {
  auto answer = calls_.Call(std::move(payload), deadline, is_given_up, [this] { waker_->Wake(); });
  if (!answer.ok()) return WithContext(answer.status(), fmt::format("function {}", label_));
  return answer;
}

absl::Status Task::Destroy() { return state::FunctionState::Destroy(*environment_.states, state_folder_); }

void Task::Body() {
  const config::Restart& policy = function_->config.restart;
  uint32_t attempts = 0;
  absl::Duration backoff = policy.backoff;
  absl::Status status;
  while (true) {
    const absl::Time started = SteadyNow();
    status = RunInstance();
    if (stopping_.load() || status.ok()) break;
    log_->Write(50, Message(status));
    observe::LogError("function {}: {}", label_, Message(status).substr(0, Message(status).find('\n')));
    bool is_awaited;
    {
      absl::MutexLock lock(&mutex_);
      last_error_ = Cut(Message(status));
      last_error_at_ = absl::Now();
      ++failures_;
      is_awaited = !opened_ && !patient_;
    }
    absl::Duration pause;
    if (const std::optional<absl::Duration> by_message = errors_.TakeRestart()) {
      pause = *by_message;
      SetStatus(Status::kRestarting, std::string(Message(status)));
    } else {
      if (IsFinal(status) || is_awaited) break;
      if (SteadyNow() - started >= kHealthy) {
        attempts = 0;
        backoff = policy.backoff;
      }
      if (attempts == policy.max_attempts) {
        status = WithContext(status, fmt::format("given up after {} restarts in a row", attempts));
        break;
      }
      ++attempts;
      SetStatus(Status::kRestarting, fmt::format("restart {} of at most {}: {}", attempts, policy.max_attempts, Message(status)));
      pause = std::exchange(backoff, std::min(backoff * 2, policy.backoff_max));
    }
    const absl::Time resume = SteadyNow() + pause;
    while (!stopping_.load() && SteadyNow() < resume) waker_->WaitUntil(resume);
    if (stopping_.load()) break;
    absl::MutexLock lock(&mutex_);
    ++restarts_;
  }

  if (stopping_.load() || status.ok()) {
    SetStatus(Status::kStopped, "");
  } else {
    SetStatus(Status::kFailed, std::string(Message(status)));
    on_failed_(status);
  }
  calls_.Close(absl::AlreadyExistsError(stopping_.load() || status.ok() ? "it is STOPPED: start it first"
                                                                        : fmt::format("it is FAILED: {}", Message(status))));
  retention_.Close();
  // Its end tells what a flood at last had dropped.
  log_.reset();
  place_.Leave();
  absl::MutexLock lock(&mutex_);
  end_ = status.ok() ? absl::CancelledError("stopped before it ran") : status;
  alive_ = false;
  ended_.SignalAll();
}

absl::Status Task::RunInstance() {
  FS_RETURN_IF_ERROR(retention_.Recover());
  InstanceSpec spec;
  spec.function = function_;
  spec.index = index_;
  spec.limits = limits_;
  spec.state_folder = state_folder_;
  spec.runtime = environment_.runtime;
  spec.states = environment_.states;
  spec.connectors = environment_.connectors;
  spec.start_gate = environment_.start_gate;
  spec.log = log_.get();
  spec.waker = waker_;
  spec.counters = &counters_;
  spec.stopping = &stopping_;
  spec.retention = &retention_;
  spec.errors = &errors_;
  spec.calls = &calls_;
  spec.failure_log = &failure_log_;
  spec.server_id = environment_.server_id;
  spec.on_checkpoint = [this](std::span<const connector::Positions> positions) {
    absl::MutexLock lock(&mutex_);
    positions_.assign(positions.begin(), positions.end());
  };
  spec.on_waiting = [this](std::string what) {
    // A start that has to wait for the outside is no failure, and nobody waits for it.
    if (!what.empty()) SetStatus(Status::kRunning, "");
    absl::MutexLock lock(&mutex_);
    opened_ = opened_ || !what.empty();
    waiting_for_ = std::move(what);
  };
  spec.on_observed = [this](std::vector<connector::Positions> ends) {
    absl::MutexLock lock(&mutex_);
    ends_ = std::move(ends);
    recent_.Sample(SteadyNow(), counters_);
  };

  Instance instance(std::move(spec));
  {
    absl::MutexLock lock(&mutex_);
    instance_ = &instance;
    waiting_for_.clear();
  }
  absl::Status status = instance.Open();
  if (status.ok()) {
    SetStatus(Status::kRunning, "");
    absl::MutexLock lock(&mutex_);
    opened_ = true;
    mutex_.Await(absl::Condition(+[](Task* task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task->mutex_) { return !task->held_; }, this));
  }
  if (status.ok()) status = instance.Run();
  absl::MutexLock lock(&mutex_);
  instance_ = nullptr;
  counters_.memory_bytes.store(0, std::memory_order_relaxed);
  counters_.limits.IsNow(Limit::kMemory, 0, 1);
  return status;
}

void Task::SetStatus(Status status, const std::string& reason) {
  absl::MutexLock lock(&mutex_);
  reason_ = Cut(reason);
  if (status_ == status) return;
  since_ = absl::Now();
  status_ = status;
  observe::LogInfo("function {}: {}", label_, StatusName(status));
}

Description Task::Describe() const {
  Description description;
  description.name = function_->name;
  description.type = function_->config.type;
  description.processed = counters_.processed.load(std::memory_order_relaxed);
  description.emitted = counters_.emitted.load(std::memory_order_relaxed);
  description.message_seconds = counters_.message_seconds.Snapshot();
  description.exceptions = counters_.exceptions.load(std::memory_order_relaxed);
  description.checkpoint.id = counters_.checkpoint_id.load(std::memory_order_relaxed);
  description.checkpoint.time_ms = counters_.checkpoint_ms.load(std::memory_order_relaxed);
  description.checkpoint.seconds = counters_.checkpoint_last_seconds.load(std::memory_order_relaxed);
  description.checkpoint.bytes = counters_.checkpoint_last_bytes.load(std::memory_order_relaxed);
  description.checkpoint_seconds = counters_.checkpoint_seconds.Snapshot();
  const int64_t watermark_ms = counters_.watermark_ms.load(std::memory_order_relaxed);
  if (watermark_ms != kNoTimestamp) description.watermark_ms = watermark_ms;
  for (const std::atomic<int64_t>& watermark : counters_.source_watermarks_ms) {
    const int64_t told = watermark.load(std::memory_order_relaxed);
    description.source_watermarks_ms.push_back(told != kNoTimestamp ? std::optional(told) : std::nullopt);
  }
  description.observed_ms = counters_.observed_ms.load(std::memory_order_relaxed);
  description.memory_bytes = counters_.memory_bytes.load(std::memory_order_relaxed);
  description.state_bytes = counters_.state_bytes.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kLimitCount; ++i) {
    description.limits[i] = {counters_.limits.used(static_cast<Limit>(i)), counters_.limits.refused(static_cast<Limit>(i))};
  }
  description.allowed = limits_;
  description.memory_limit_bytes = limits_.memory_bytes();
  description.state_limit_bytes = limits_.state_bytes();
  const config::FunctionConfig& config = function_->config;
  for (size_t group = 0; group < config.input_groups.size(); ++group) {
    for (const config::Endpoint& endpoint : config.input_groups[group].inputs) {
      description.inputs.push_back(TrafficOf(static_cast<uint32_t>(group), endpoint, counters_.inputs[description.inputs.size()]));
    }
  }
  for (const config::Endpoint& endpoint : config.outputs) {
    description.outputs.push_back(TrafficOf(0, endpoint, counters_.outputs[description.outputs.size()]));
  }
  description.retried = counters_.retried.load(std::memory_order_relaxed);
  description.skipped = counters_.skipped.load(std::memory_order_relaxed);
  description.dead_lettered = counters_.dead_lettered.load(std::memory_order_relaxed);

  absl::MutexLock lock(&mutex_);
  description.rates = recent_.Tell(SteadyNow(), counters_);
  description.failures = failures_;
  description.last_error_ms = last_error_.empty() ? 0 : absl::ToUnixMillis(last_error_at_);
  description.status = status_;
  description.reason = status_ == Status::kRunning ? waiting_for_ : reason_;
  description.since_ms = absl::ToUnixMillis(since_);
  description.restarts = restarts_;
  description.last_error = last_error_;
  description.positions = ToInputPositions(positions_);
  for (InputPosition& position : description.positions) {
    if (position.input >= ends_.size()) continue;
    const auto end = ends_[position.input].find(position.partition);
    if (end != ends_[position.input].end()) position.end_offset = std::max(end->second, position.offset);
  }
  return description;
}

std::vector<InputPosition> Task::ToInputPositions(std::span<const connector::Positions> inputs) const {
  std::vector<InputPosition> result;
  size_t input = 0;
  for (size_t group = 0; group < function_->config.input_groups.size(); ++group) {
    for (const config::Endpoint& endpoint : function_->config.input_groups[group].inputs) {
      if (input >= inputs.size()) break;
      for (const auto& [partition, offset] : inputs[input]) {
        result.push_back(
            {static_cast<uint32_t>(input), static_cast<uint32_t>(group), TopicOf(endpoint), partition, offset, std::nullopt, index_});
      }
      ++input;
    }
  }
  return result;
}

bool Task::is_alive() const {
  absl::MutexLock lock(&mutex_);
  return alive_;
}

}  // namespace fs::task
