#include "task/instance_group.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "base/steady_clock.h"
#include "task/instance_log.h"
#include "task/partition_split.h"

namespace fs::task {
namespace {

// A function is what its worst instance is.
int Badness(Status status) {
  switch (status) {
    case Status::kFailed:
      return 4;
    case Status::kRestarting:
      return 3;
    case Status::kRunning:
      return 2;
    case Status::kStopped:
      return 1;
    case Status::kCreated:
      return 0;
  }
  return 0;
}

InstanceInfo InfoOf(const Description& one, size_t index) {
  return {.index = static_cast<uint32_t>(index),
          .status = one.status,
          .reason = one.reason,
          .since_ms = one.since_ms,
          .restarts = one.restarts,
          .processed = one.processed,
          .emitted = one.emitted,
          .checkpoint = one.checkpoint,
          .memory_bytes = one.memory_bytes,
          .state_bytes = one.state_bytes,
          .watermark_ms = one.watermark_ms,
          .last_error = one.last_error,
          .last_error_ms = one.last_error_ms};
}

void AddTraffic(std::vector<EndpointTraffic>& all, const std::vector<EndpointTraffic>& one) {
  for (size_t i = 0; i < all.size() && i < one.size(); ++i) {
    all[i].messages += one[i].messages;
    all[i].bytes += one[i].bytes;
  }
}

// All that is counted; what is chosen is left alone.
void AddCounts(Description& all, const Description& one) {
  all.restarts += one.restarts;
  all.processed += one.processed;
  all.emitted += one.emitted;
  all.retried += one.retried;
  all.skipped += one.skipped;
  all.dead_lettered += one.dead_lettered;
  AddTraffic(all.inputs, one.inputs);
  AddTraffic(all.outputs, one.outputs);
  all.rates.processed_per_second += one.rates.processed_per_second;
  all.rates.emitted_per_second += one.rates.emitted_per_second;
  all.rates.of.Add(one.rates.of);
  all.message_seconds.Add(one.message_seconds);
  all.exceptions += one.exceptions;
  all.failures += one.failures;
  all.checkpoint_seconds.Add(one.checkpoint_seconds);
  all.memory_bytes += one.memory_bytes;
  all.state_bytes += one.state_bytes;
  all.memory_limit_bytes += one.memory_limit_bytes;
  all.state_limit_bytes += one.state_limit_bytes;
  for (size_t i = 0; i < all.limits.size(); ++i) {
    all.limits[i].used = std::max(all.limits[i].used, one.limits[i].used);
    all.limits[i].refused += one.limits[i].refused;
  }
}

void SortByPartition(std::vector<InputPosition>& positions) {
  std::ranges::sort(positions, {}, [](const InputPosition& one) { return std::tuple(one.input, one.partition); });
}

// The states of all instances, by instance.
std::vector<std::filesystem::path> StateFolders(const TaskEnvironment& environment, const catalog::Function& function) {
  std::vector<std::filesystem::path> folders;
  for (uint32_t i = 0; i < function.instance_count; ++i) folders.push_back(environment.state_dir / StateFolderName(function.state_id, i));
  return folders;
}

std::optional<int64_t> Least(std::optional<int64_t> one, std::optional<int64_t> other) {
  if (!one || !other) return one ? one : other;
  return std::min(*one, *other);
}

}  // namespace

Description Merge(std::vector<Description> instances) {
  std::vector<InstanceInfo> infos;
  for (size_t i = 0; i < instances.size(); ++i) infos.push_back(InfoOf(instances[i], i));
  Description all = std::move(instances.front());
  if (instances.size() > 1) {
    // With which the function's own status and reason begin: the first of the worst.
    const auto worst =
        std::max_element(infos.begin(), infos.end(), [](const auto& a, const auto& b) { return Badness(a.status) < Badness(b.status); });
    all.status = worst->status;
    all.since_ms = worst->since_ms;
    all.reason.clear();
    for (const InstanceInfo& info : infos) {
      if (info.status != all.status || info.reason.empty()) continue;
      all.reason = fmt::format("instance {}: {}", info.index, info.reason);
      break;
    }
    const auto newest_error =
        std::max_element(infos.begin(), infos.end(), [](const auto& a, const auto& b) { return a.last_error_ms < b.last_error_ms; });
    all.last_error_ms = newest_error->last_error_ms;
    all.last_error = newest_error->last_error.empty() ? "" : fmt::format("instance {}: {}", newest_error->index, newest_error->last_error);
    all.checkpoint = std::max_element(infos.begin(), infos.end(), [](const auto& a, const auto& b) {
                       return std::tuple(a.checkpoint.time_ms, a.checkpoint.id) < std::tuple(b.checkpoint.time_ms, b.checkpoint.id);
                     })->checkpoint;
    for (size_t i = 1; i < instances.size(); ++i) {
      const Description& one = instances[i];
      AddCounts(all, one);
      all.positions.insert(all.positions.end(), one.positions.begin(), one.positions.end());
      all.watermark_ms = Least(all.watermark_ms, one.watermark_ms);
      for (size_t source = 0; source < one.source_watermarks_ms.size(); ++source) {
        all.source_watermarks_ms[source] = Least(all.source_watermarks_ms[source], one.source_watermarks_ms[source]);
      }
      all.observed_ms = std::min(all.observed_ms, one.observed_ms);
    }
    all.rates.SetPercentiles();
    SortByPartition(all.positions);
  }
  all.instances = std::move(infos);
  return all;
}

InstanceGroup::InstanceGroup(const TaskEnvironment& environment, std::shared_ptr<const catalog::Function> function, Status status)
    : environment_(environment),
      function_(std::move(function)),
      checkpoints_(*environment_.states, environment_.checkpoint_dir / function_->state_id, StateFolders(environment_, *function_)),
      retention_(function_->config, checkpoints_, function_->instance_count) {
  for (uint32_t i = 0; i < function_->instance_count; ++i) {
    tasks_.push_back(
        std::make_unique<Task>(environment_, function_, i, status, retention_, [this, i](const absl::Status& reason) { Fail(i, reason); }));
  }
}

InstanceGroup::~InstanceGroup() {
  RequestStop();
  Join();
}

absl::StatusOr<std::shared_ptr<observe::FunctionLog>> InstanceGroup::OpenLog() {
  config::FunctionLimits limits = function_->config.limits;
  FS_RETURN_IF_ERROR(config::ApplyCaps(environment_.limit_caps, limits));
  observe::FunctionLog::Options options;
  options.limit_bytes = limits.log_bytes();
  options.lines_per_second = static_cast<uint64_t>(limits.log_lines_per_second);
  options.bytes_per_second = limits.log_bytes_per_second();
  options.use = &log_use_;
  options.dropped_lines = &log_lines_dropped_;
  options.followers = log_followers_;
  return observe::FunctionLog::Open(environment_.log_dir, function_->name, options);
}

InstanceGroup::StopTurn::StopTurn(InstanceGroup& group) : group_(group) {
  for (const auto& task : group_.tasks_) task->AddWaitingStops(1);
  group_.lifecycle_.Lock();
  for (const auto& task : group_.tasks_) task->AddWaitingStops(-1);
}

InstanceGroup::StopTurn::~StopTurn() { group_.lifecycle_.Unlock(); }

absl::Status InstanceGroup::Start(StartMode mode) {
  if (is_alive()) {
    if (!has_failed_.load()) return absl::OkStatus();
    // The others are about to end.
    RequestStop();
  }
  Join();
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<observe::FunctionLog> function_log, OpenLog());
  absl::Status status;
  {
    absl::MutexLock lock(&start_mutex_);
    has_failed_.store(false);
    failure_ = absl::OkStatus();
    for (size_t i = 0; i < tasks_.size() && status.ok(); ++i) {
      std::shared_ptr<observe::FunctionLog> log = function_log;
      if (tasks_.size() > 1) log = std::make_shared<InstanceLog>(function_log, static_cast<uint32_t>(i));
      status = tasks_[i]->Start(mode, std::move(log));
    }
  }
  if (!status.ok() && is_alive()) {
    RequestStop();
    Join();
  }
  return status;
}

absl::Status InstanceGroup::WaitUntilRunning() {
  absl::Status first;
  for (const auto& task : tasks_) {
    const absl::Status status = task->WaitUntilRunning();
    if (first.ok() || (absl::IsCancelled(first) && !status.ok())) first = status;
  }
  if (!absl::IsCancelled(first)) return first;
  // It was stopped before it ran: because another failed, or by request.
  absl::MutexLock lock(&start_mutex_);
  return failure_.ok() ? first : failure_;
}

void InstanceGroup::Fail(uint32_t failed, const absl::Status& reason) {
  absl::MutexLock lock(&start_mutex_);
  if (!has_failed_.load()) failure_ = reason;
  has_failed_.store(true);
  for (uint32_t i = 0; i < tasks_.size(); ++i) {
    if (i != failed) tasks_[i]->RequestStop();
  }
}

void InstanceGroup::Release() {
  for (const auto& task : tasks_) task->Release();
}

void InstanceGroup::SetFailed(const absl::Status& reason) {
  for (const auto& task : tasks_) task->SetFailed(reason);
}

void InstanceGroup::RequestStop() {
  for (const auto& task : tasks_) task->RequestStop();
}

void InstanceGroup::Join() {
  // One grace for all of them.
  if (tasks_.size() > 1 && !WaitEnded(SteadyNow() + kStopGrace)) Interrupt();
  for (const auto& task : tasks_) task->Join();
}

bool InstanceGroup::WaitEnded(absl::Time deadline) {
  bool has_ended = true;
  for (const auto& task : tasks_) has_ended = task->WaitEnded(deadline) && has_ended;
  return has_ended;
}

void InstanceGroup::Interrupt() {
  for (const auto& task : tasks_) task->Interrupt();
}

bool InstanceGroup::is_alive() const {
  return std::any_of(tasks_.begin(), tasks_.end(), [](const auto& task) { return task->is_alive(); });
}

absl::StatusOr<std::string> InstanceGroup::Call(uint32_t instance, std::string payload, absl::Time deadline,
                                                const std::function<bool()>& is_given_up) {
  if (instance >= tasks_.size()) {
    return InvalidArgument("function {}: there is no instance {}: it has {}, counted from 0", function_->name, instance, tasks_.size());
  }
  return tasks_[instance]->Call(std::move(payload), deadline, is_given_up);
}

RetainedInfo InstanceGroup::Describe(const state::RetainedCheckpoint& checkpoint) const {
  RetainedInfo info;
  info.id = checkpoint.id;
  info.created_ms = checkpoint.created_ms;
  info.reason = checkpoint.reason;
  info.bytes = checkpoint.bytes;
  info.problem = checkpoint.problem;
  int64_t newest_ms = 0;
  for (size_t i = 0; i < checkpoint.parts.size(); ++i) {
    const state::RetainedCheckpoint::Part& part = checkpoint.parts[i];
    if (std::tuple(part.created_ms, part.sequence) > std::tuple(newest_ms, info.checkpoint_id)) {
      newest_ms = part.created_ms;
      info.checkpoint_id = part.sequence;
    }
    const absl::StatusOr<Progress> progress = DecodeProgress(part.positions);
    if (!progress.ok()) {
      info.problem = Message(progress.status());
      info.positions.clear();
      break;
    }
    std::ranges::move(tasks_[i]->ToInputPositions(progress->inputs), std::back_inserter(info.positions));
  }
  SortByPartition(info.positions);
  return info;
}

absl::Status InstanceGroup::Restore(uint64_t checkpoint) {
  std::vector<std::string> run_ids;
  for (size_t i = 0; i < tasks_.size(); ++i) run_ids.push_back(NewRunId());
  return checkpoints_.Restore(checkpoint, run_ids);
}

absl::Status InstanceGroup::Destroy() {
  log_followers_->End();
  absl::Status status;
  // The first goes last: as long as it is there, a restart finds the function's leftovers by its name.
  for (auto task = tasks_.rbegin(); task != tasks_.rend(); ++task) status.Update((*task)->Destroy());
  status.Update(checkpoints_.Destroy());
  status.Update(observe::FunctionLog::Remove(environment_.log_dir, function_->name));
  for (const auto& [type, connector] : environment_.connectors->all()) {
    std::vector<config::Endpoint> inputs, outputs;
    const auto is_its = [&wanted = type](const config::Endpoint& endpoint) { return endpoint.type == wanted; };
    for (const auto& group : function_->config.input_groups) std::ranges::copy_if(group.inputs, std::back_inserter(inputs), is_its);
    std::ranges::copy_if(function_->config.outputs, std::back_inserter(outputs), is_its);
    status.Update(connector->ForgetFunction(function_->state_id, function_->instance_count, inputs, outputs));
  }
  return status;
}

Description InstanceGroup::Describe() const {
  std::vector<Description> instances;
  instances.reserve(tasks_.size());
  for (const auto& task : tasks_) instances.push_back(task->Describe());
  Description all = Merge(std::move(instances));
  all.log_lines_dropped = log_lines_dropped_.load(std::memory_order_relaxed);
  for (const Limit limit : {Limit::kLogLines, Limit::kLogBytes}) {
    all.limits[static_cast<size_t>(limit)] = {log_use_.used(limit), log_use_.refused(limit)};
  }
  return all;
}

absl::StatusOr<std::unique_ptr<observe::FunctionLogReader>> InstanceGroup::ReadLog(std::optional<uint64_t> tail,
                                                                                   std::function<void()> on_growth) const {
  return observe::FunctionLogReader::Open(environment_.log_dir, function_->name, tail, log_followers_, std::move(on_growth));
}

}  // namespace fs::task
