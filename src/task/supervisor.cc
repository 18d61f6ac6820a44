#include "task/supervisor.h"

#include <absl/container/btree_map.h>
#include <absl/synchronization/mutex.h>

#include <random>
#include <set>
#include <system_error>
#include <utility>

#include "base/steady_clock.h"
#include "observe/log.h"
#include "task/delivery.h"
#include "task/instance_group.h"
#include "task/partition_split.h"

namespace fs::task {
namespace {

// How long a create waits for a cluster to say how many partitions there are.
constexpr absl::Duration kCountPatience = absl::Seconds(5);
// A function that loads has some MiB of the interpreter's pages to itself until it rests.
constexpr uint32_t kLoadingTogether = 8;
constexpr absl::Duration kPatienceWithLoading = absl::Milliseconds(200);

std::string NewStateId(std::string_view name) {
  std::random_device entropy;
  // Names may be 255 bytes long, as folders may: the id keeps what a person recognises.
  return fmt::format("{}-{:08x}{:08x}", name.substr(0, 200), entropy(), entropy());
}

// What a function did to itself while being created is the request's fault, not the server's.
absl::Status AsCreateError(const absl::Status& status) {
  if (absl::IsCancelled(status)) return AlreadyExists("it was stopped before it ran: {}", Message(status));
  const bool is_guest_limit = absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status) || absl::IsAborted(status);
  return is_guest_limit ? absl::Status(absl::StatusCode::kInvalidArgument, status.message()) : status;
}

class SupervisorImpl final : public Supervisor {
 public:
  SupervisorImpl(Options options, catalog::Catalog& catalog, TaskEnvironment environment)
      : options_(std::move(options)),
        catalog_(catalog),
        admission_(options_.limit_running_functions, options_.limit_total_memory_bytes),
        environment_([&] {
          environment.admission = &admission_;
          environment.start_gate = &start_gate_;
          environment.limit_caps = options_.limit_caps;
          return std::move(environment);
        }()) {}
  ~SupervisorImpl() override { Shutdown(); }

  absl::Status Recover() override;
  absl::Status CreateFunction(std::string config_yaml, config::FunctionConfig config, catalog::Package package) override;
  absl::Status StartFunction(std::string_view name) override;
  absl::Status StopFunction(std::string_view name) override;
  absl::Status DropFunction(std::string_view name) override;
  absl::StatusOr<std::string> CallFunction(std::string_view name, uint32_t instance, std::string payload, absl::Time deadline,
                                           const std::function<bool()>& is_given_up) override;
  absl::StatusOr<std::vector<RetainedInfo>> ListCheckpoints(std::string_view name) const override;
  absl::StatusOr<RetainedInfo> CreateCheckpoint(std::string_view name, absl::Time deadline,
                                                const std::function<bool()>& is_cancelled) override;
  absl::Status DeleteCheckpoint(std::string_view name, uint64_t id) override;
  absl::Status StartFromCheckpoint(std::string_view name, uint64_t id) override;
  std::vector<Description> List() const override;
  std::vector<ServerLimit> limits() const override;
  absl::StatusOr<Description> Describe(std::string_view name) const override;
  absl::StatusOr<std::unique_ptr<observe::FunctionLogReader>> ReadLog(std::string_view name, std::optional<uint64_t> tail,
                                                                      std::function<void()> on_growth) const override;
  void Shutdown() override;

 private:
  [[nodiscard]] absl::StatusOr<std::shared_ptr<InstanceGroup>> Find(std::string_view name) const;
  [[nodiscard]] absl::Status CheckEndpoints(const config::FunctionConfig& config) const;
  [[nodiscard]] absl::Status StartCreated(const std::shared_ptr<InstanceGroup>& task);
  [[nodiscard]] absl::Status StartWanted(InstanceGroup& task);
  void RemoveOrphans(const std::set<std::string>& folders);

  const Options options_;
  catalog::Catalog& catalog_;
  Admission admission_;
  StartGate start_gate_{kLoadingTogether, kPatienceWithLoading};
  const TaskEnvironment environment_;
  mutable absl::Mutex mutex_;
  uint64_t refused_functions_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::btree_map<std::string, std::shared_ptr<InstanceGroup>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::set<std::shared_ptr<InstanceGroup>> being_created_ ABSL_GUARDED_BY(mutex_);
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status SupervisorImpl::Recover() {
  std::set<std::string> folders;
  std::vector<std::shared_ptr<InstanceGroup>> to_start;
  for (const auto& function : catalog_.List()) {
    for (uint32_t i = 0; i < function->instance_count; ++i) folders.insert(StateFolderName(function->state_id, i));
    auto task = std::make_shared<InstanceGroup>(environment_, function, Status::kStopped);
    if (function->wanted == catalog::WantedStatus::kRunning) to_start.push_back(task);
    absl::MutexLock lock(&mutex_);
    tasks_[function->name] = std::move(task);
  }
  RemoveOrphans(folders);
  for (const auto& task : to_start) {
    const absl::Status status = task->Start(InstanceGroup::StartMode::kPatient);
    if (status.ok()) continue;
    observe::LogError("function {}: {}", task->function().name, Message(status));
    task->SetFailed(status);
  }
  return absl::OkStatus();
}

// A crash while a function was created or dropped leaves its folder; nobody knows it any more.
void SupervisorImpl::RemoveOrphans(const std::set<std::string>& folders) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.state_dir, error)) {
    const std::string id = entry.path().filename().string();
    if (folders.contains(id)) continue;
    observe::LogInfo("removing {}: it belongs to no function", entry.path().string());
    absl::Status status = state::FunctionState::Destroy(*environment_.states, entry.path());
    for (const auto& [type, connector] : environment_.connectors->all()) status.Update(connector->ForgetFunction(id, 1, {}, {}));
    if (!status.ok()) observe::LogWarning("{}: {}", entry.path().string(), Message(status));
  }
  for (const auto& entry : std::filesystem::directory_iterator(options_.checkpoint_dir, error)) {
    if (folders.contains(entry.path().filename().string())) continue;
    observe::LogInfo("removing {}: it belongs to no function", entry.path().string());
    const absl::Status status = state::RetainedCheckpoints(*environment_.states, entry.path(), {}).Destroy();
    if (!status.ok()) observe::LogWarning("{}", Message(status));
  }
}

absl::Status SupervisorImpl::CheckEndpoints(const config::FunctionConfig& config) const {
  for (const auto& group : config.input_groups) {
    for (const config::Endpoint& input : group.inputs) {
      FS_ASSIGN_OR_RETURN(const connector::Connector* const connector, environment_.connectors->Find(input));
      FS_RETURN_IF_ERROR(connector->ValidateInput(input));
    }
  }
  for (const config::Endpoint& output : config.outputs) {
    FS_ASSIGN_OR_RETURN(const connector::Connector* const connector, environment_.connectors->Find(output));
    FS_RETURN_IF_ERROR(connector->ValidateOutput(output));
  }
  return ResolveDelivery(config, *environment_.connectors).status();
}

absl::Status SupervisorImpl::CreateFunction(std::string config_yaml, config::FunctionConfig config, catalog::Package package) {
  if (config.type == config::TaskType::kProcessor) {
    return Unimplemented("type: processor (a WASM module of your own) is not supported by this version; use type: python");
  }
  FS_RETURN_IF_ERROR(CheckEndpoints(config));
  FS_ASSIGN_OR_RETURN(const uint32_t instance_count, ResolveParallelism(config, *environment_.connectors, SteadyNow() + kCountPatience));
  {
    absl::MutexLock lock(&mutex_);
    if (shut_down_) return Unavailable("the server is shutting down");
    if (tasks_.size() >= options_.limit_functions) {
      ++refused_functions_;
      return ResourceExhausted("{} functions are registered, which is the limit (limits.functions); drop one first", tasks_.size());
    }
  }
  const std::string name = config.name;
  FS_RETURN_IF_ERROR(catalog_.Reserve(name));

  auto function = std::make_shared<catalog::Function>();
  function->name = name;
  function->config_yaml = std::move(config_yaml);
  function->config = std::move(config);
  function->package = std::make_shared<const catalog::Package>(std::move(package));
  function->wanted = catalog::WantedStatus::kRunning;
  function->instance_count = instance_count;
  function->state_id = NewStateId(name);

  auto task = std::make_shared<InstanceGroup>(environment_, function, Status::kCreated);
  absl::Status status = task->Start(InstanceGroup::StartMode::kHeld);
  if (status.ok()) status = StartCreated(task);
  if (status.ok()) status = catalog_.Put(function);
  if (!status.ok()) {
    task->RequestStop();
    task->Join();
    const absl::Status destroyed = task->Destroy();
    if (!destroyed.ok()) observe::LogWarning("function {}: left behind by a failed create: {}", name, Message(destroyed));
    catalog_.Release(name);
    return status;
  }
  {
    absl::MutexLock lock(&mutex_);
    tasks_[name] = task;
  }
  task->Release();
  return absl::OkStatus();
}

// Waits for a task that is in no list yet, so that a shutdown can end the wait.
absl::Status SupervisorImpl::StartCreated(const std::shared_ptr<InstanceGroup>& task) {
  {
    absl::MutexLock lock(&mutex_);
    if (shut_down_) return Unavailable("the server is shutting down");
    being_created_.insert(task);
  }
  const absl::Status status = task->WaitUntilRunning();
  absl::MutexLock lock(&mutex_);
  being_created_.erase(task);
  return shut_down_ ? Unavailable("the server is shutting down") : AsCreateError(status);
}

absl::Status SupervisorImpl::StartFunction(std::string_view name) {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<InstanceGroup> task, Find(name));
  absl::MutexLock lifecycle(&task->lifecycle());
  FS_RETURN_IF_ERROR(Find(name).status());
  return StartWanted(*task);
}

// The answer that the user gets must hold over a restart of the server, too: what was not let in is not wanted.
absl::Status SupervisorImpl::StartWanted(InstanceGroup& task) {
  const std::string& name = task.function().name;
  FS_RETURN_IF_ERROR(catalog_.SetWanted(name, catalog::WantedStatus::kRunning));
  if (const absl::Status started = task.Start(InstanceGroup::StartMode::kNow); !started.ok()) {
    FS_RETURN_IF_ERROR(catalog_.SetWanted(name, catalog::WantedStatus::kStopped));
    return WithContext(started, fmt::format("function {}", name));
  }
  return AsCreateError(task.WaitUntilRunning());
}

absl::Status SupervisorImpl::StopFunction(std::string_view name) {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<InstanceGroup> task, Find(name));
  const InstanceGroup::StopTurn turn(*task);
  FS_RETURN_IF_ERROR(Find(name).status());
  FS_RETURN_IF_ERROR(catalog_.SetWanted(name, catalog::WantedStatus::kStopped));
  task->RequestStop();
  task->Join();
  return absl::OkStatus();
}

absl::Status SupervisorImpl::DropFunction(std::string_view name) {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<InstanceGroup> task, Find(name));
  const InstanceGroup::StopTurn turn(*task);
  FS_RETURN_IF_ERROR(Find(name).status());
  task->RequestStop();
  task->Join();
  FS_RETURN_IF_ERROR(catalog_.Remove(name));
  const absl::Status destroyed = task->Destroy();
  {
    absl::MutexLock lock(&mutex_);
    tasks_.erase(std::string(name));
  }
  return WithContext(destroyed, fmt::format("{} is dropped, but not all of it could be removed", name));
}

absl::StatusOr<std::vector<RetainedInfo>> SupervisorImpl::ListCheckpoints(std::string_view name) const {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<InstanceGroup> task, Find(name));
  std::vector<RetainedInfo> result;
  for (const state::RetainedCheckpoint& checkpoint : task->checkpoints().List()) result.push_back(task->Describe(checkpoint));
  return result;
}

absl::StatusOr<RetainedInfo> SupervisorImpl::CreateCheckpoint(std::string_view name, absl::Time deadline,
                                                              const std::function<bool()>& is_cancelled) {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<InstanceGroup> task, Find(name));
  if (!task->checkpoints().is_supported()) return task->checkpoints().MakeOfStopped(state::RetainReason::kRequested).status();
  while (true) {
    if (auto asked = task->retention().Ask(deadline, is_cancelled)) {
      FS_ASSIGN_OR_RETURN_CONTEXT(const state::RetainedCheckpoint made, *std::move(asked), name);
      return task->Describe(made);
    }
    absl::MutexLock lifecycle(&task->lifecycle());
    FS_RETURN_IF_ERROR(Find(name).status());
    // It was started in between, or has not quite ended.
    if (task->is_alive()) continue;
    {
      absl::MutexLock lock(&mutex_);
      if (shut_down_) return Unavailable("the server is shutting down");
    }
    task->Join();
    FS_ASSIGN_OR_RETURN_CONTEXT(const state::RetainedCheckpoint made, task->checkpoints().MakeOfStopped(state::RetainReason::kRequested),
                                name);
    return task->Describe(made);
  }
}

absl::Status SupervisorImpl::DeleteCheckpoint(std::string_view name, uint64_t id) {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<InstanceGroup> task, Find(name));
  return WithContext(task->checkpoints().Delete(id), name);
}

absl::Status SupervisorImpl::StartFromCheckpoint(std::string_view name, uint64_t id) {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<InstanceGroup> task, Find(name));
  absl::MutexLock lifecycle(&task->lifecycle());
  FS_RETURN_IF_ERROR(Find(name).status());
  if (task->is_alive()) {
    return AlreadyExists("{}: is {}: only a function that does not run can be started from a checkpoint; stop it first", name,
                         StatusName(task->Describe().status));
  }
  task->Join();
  const absl::Status restored = task->Restore(id);
  if (!restored.ok()) return WithContext(restored, name);
  observe::LogInfo("function {}: restored from checkpoint {}", name, id);
  return StartWanted(*task);
}

absl::StatusOr<std::shared_ptr<InstanceGroup>> SupervisorImpl::Find(std::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const auto found = tasks_.find(std::string(name));
  if (found == tasks_.end()) return NotFound("function {}: there is none of this name; show_functions lists those there are", name);
  return found->second;
}

absl::StatusOr<std::string> SupervisorImpl::CallFunction(std::string_view name, uint32_t instance, std::string payload, absl::Time deadline,
                                                         const std::function<bool()>& is_given_up) {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<InstanceGroup> task, Find(name));
  return task->Call(instance, std::move(payload), deadline, is_given_up);
}

std::vector<Description> SupervisorImpl::List() const {
  std::vector<std::shared_ptr<InstanceGroup>> tasks;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, task] : tasks_) tasks.push_back(task);
  }
  std::vector<Description> descriptions;
  descriptions.reserve(tasks.size());
  for (const auto& task : tasks) descriptions.push_back(task->Describe());
  return descriptions;
}

std::vector<ServerLimit> SupervisorImpl::limits() const {
  const auto [running, memory] = admission_.limits();
  absl::MutexLock lock(&mutex_);
  return {{"functions", static_cast<double>(tasks_.size()), static_cast<double>(options_.limit_functions), refused_functions_},
          running,
          memory};
}

absl::StatusOr<Description> SupervisorImpl::Describe(std::string_view name) const {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<InstanceGroup> task, Find(name));
  return task->Describe();
}

absl::StatusOr<std::unique_ptr<observe::FunctionLogReader>> SupervisorImpl::ReadLog(std::string_view name, std::optional<uint64_t> tail,
                                                                                    std::function<void()> on_growth) const {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<InstanceGroup> task, Find(name));
  return task->ReadLog(tail, std::move(on_growth));
}

void SupervisorImpl::Shutdown() {
  std::vector<std::shared_ptr<InstanceGroup>> tasks;
  {
    absl::MutexLock lock(&mutex_);
    shut_down_ = true;
    tasks.assign(being_created_.begin(), being_created_.end());
    for (const auto& [name, task] : tasks_) tasks.push_back(task);
  }
  for (const auto& task : tasks) task->RequestStop();
  // One grace for all: functions that hang must not add up.
  const absl::Time grace = SteadyNow() + InstanceGroup::kStopGrace;
  for (const auto& task : tasks) {
    if (!task->WaitEnded(grace)) task->Interrupt();
  }
  for (const auto& task : tasks) task->Join();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Supervisor>> Supervisor::Create(const Options& options, catalog::Catalog& catalog, sandbox::Runtime& runtime,
                                                               state::StateEnvironment& states, connector::Registry& connectors) {
  std::error_code error;
  for (const auto& [key, folder] :
       {std::pair{"state_storage.base_dir", options.state_dir}, std::pair{"state_storage.base_dir", options.checkpoint_dir},
        std::pair{"logging.file_path", options.log_dir}}) {
    std::filesystem::create_directories(folder, error);
    if (error) return Internal("{}: {}: cannot be made: {}", key, folder.string(), error.message());
  }
  return std::make_unique<SupervisorImpl>(
      options, catalog,
      TaskEnvironment{&runtime, &states, &connectors, options.state_dir, options.checkpoint_dir, options.log_dir, catalog.server_id()});
}

}  // namespace fs::task
