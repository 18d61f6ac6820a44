#include "api/function_service.h"

#include <utility>

#include "api/name_filter.h"
#include "api/response.h"
#include "observe/log.h"

namespace fs::api {
namespace {

// The log has what was refused and why, in one line: the rest of a traceback is the client's.
void LogOutcome(std::string_view doing, std::string_view name, const absl::Status& status) {
  if (status.ok()) {
    observe::LogInfo("{} {}: done", doing, name);
  } else {
    const std::string_view message = Message(status);
    observe::LogInfo("{} {}: {} {}", doing, name, static_cast<int>(ToStatusCode(status.code())), message.substr(0, message.find('\n')));
  }
}

// start, stop, drop.
grpc::Status Answer(std::string_view method, std::string_view doing, std::string_view done, const std::string& name, Functions& functions,
                    absl::Status (task::Supervisor::*act)(std::string_view), ::function_stream::Response& response) {
  absl::Status status = CheckFunctionName(name);
  if (status.ok()) {
    status = (functions.supervisor().*act)(name);
    LogOutcome(doing, name, status);
  }
  SetStatus(status, response, ::function_stream::OK, fmt::format("function {}: {}", name, done));
  return functions.requests().Answered(method, response.status_code());
}

}  // namespace

void Functions::Create(absl::StatusOr<NewFunction> function, ::function_stream::Response& response) {
  absl::Status status = function.status();
  std::string name = "function";
  if (function.ok()) {
    name = function->config.name;
    status = supervisor_.CreateFunction(std::move(function->config_yaml), std::move(function->config), std::move(function->package));
  }
  LogOutcome("create", name, status);
  SetStatus(status, response, ::function_stream::CREATED, fmt::format("function {}: created and running", name));
}

absl::Status CheckFunctionName(std::string_view name) {
  if (name.empty()) return InvalidArgument("function_name: must not be empty");
  if (name.size() > 255) return InvalidArgument("function_name: {} bytes; the limit is 255", name.size());
  return absl::OkStatus();
}

::function_stream::FunctionInfo ToWire(const task::Description& description) {
  ::function_stream::FunctionInfo info;
  info.set_name(description.name);
  info.set_task_type(description.type == config::TaskType::kPython ? "python" : "processor");
  info.set_status(std::string(task::StatusName(description.status)));
  return info;
}

grpc::Status FunctionService::ExecuteSql(grpc::ServerContext*, const ::function_stream::SqlRequest*,
                                         ::function_stream::Response* response) {
  SetStatus(
      Unimplemented("this server has no SQL; create functions with CreateFunction, CreatePythonFunction or UploadFunction, and list them "
                    "with ShowFunctions (fs_client has a method for each)"),
      *response);
  return functions_.requests().Answered("ExecuteSql", response->status_code());
}

grpc::Status FunctionService::CreateFunction(grpc::ServerContext*, const ::function_stream::CreateFunctionRequest* request,
                                             ::function_stream::Response* response) {
  functions_.Create(FromRequest(*request, functions_.rules()), *response);
  return functions_.requests().Answered("CreateFunction", response->status_code());
}

grpc::Status FunctionService::CreatePythonFunction(grpc::ServerContext*, const ::function_stream::CreatePythonFunctionRequest* request,
                                                   ::function_stream::Response* response) {
  functions_.Create(FromRequest(*request, functions_.rules()), *response);
  return functions_.requests().Answered("CreatePythonFunction", response->status_code());
}

grpc::Status FunctionService::DropFunction(grpc::ServerContext*, const ::function_stream::DropFunctionRequest* request,
                                           ::function_stream::Response* response) {
  return Answer("DropFunction", "drop", "dropped", request->function_name(), functions_, &task::Supervisor::DropFunction, *response);
}

grpc::Status FunctionService::StartFunction(grpc::ServerContext*, const ::function_stream::StartFunctionRequest* request,
                                            ::function_stream::Response* response) {
  return Answer("StartFunction", "start", "running", request->function_name(), functions_, &task::Supervisor::StartFunction, *response);
}

grpc::Status FunctionService::StopFunction(grpc::ServerContext*, const ::function_stream::StopFunctionRequest* request,
                                           ::function_stream::Response* response) {
  return Answer("StopFunction", "stop", "stopped", request->function_name(), functions_, &task::Supervisor::StopFunction, *response);
}

grpc::Status FunctionService::ShowFunctions(grpc::ServerContext*, const ::function_stream::ShowFunctionsRequest* request,
                                            ::function_stream::ShowFunctionsResponse* response) {
  size_t shown = 0;
  for (const task::Description& description : functions_.supervisor().List()) {
    if (!MatchesFilter(description.name, request->filter())) continue;
    *response->add_functions() = ToWire(description);
    ++shown;
  }
  SetStatus(absl::OkStatus(), *response, ::function_stream::OK, fmt::format("{} functions", shown));
  return functions_.requests().Answered("ShowFunctions", response->status_code());
}

}  // namespace fs::api
