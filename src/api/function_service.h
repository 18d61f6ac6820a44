// The service that clients in the field speak: create, start, stop, drop, show. Decides nothing: requests become calls of the Supervisor.
//
// Owned by the Server; called by gRPC's threads, several at once. A refused request is a gRPC OK whose answer says why.
#ifndef FUNCTION_STREAM_API_FUNCTION_SERVICE_H_
#define FUNCTION_STREAM_API_FUNCTION_SERVICE_H_

#include <function_stream.grpc.pb.h>

#include <string>
#include <string_view>

#include "api/creation.h"
#include "api/request_counters.h"
#include "base/status.h"
#include "task/supervisor.h"

namespace fs::api {

// The checked way to the Supervisor, and the count of what was answered, shared by both services.
class Functions {
 public:
  Functions(task::Supervisor& supervisor, CreationRules rules) : supervisor_(supervisor), rules_(std::move(rules)) {}

  [[nodiscard]] const CreationRules& rules() const { return rules_; }
  [[nodiscard]] task::Supervisor& supervisor() { return supervisor_; }

  [[nodiscard]] RequestCounters& requests() { return requests_; }
  [[nodiscard]] const RequestCounters& requests() const { return requests_; }

  // Creates, logs and answers. `function` is what the request became.
  void Create(absl::StatusOr<NewFunction> function, ::function_stream::Response& response);

 private:
  task::Supervisor& supervisor_;
  const CreationRules rules_;
  RequestCounters requests_;
};

// 1 to 255 bytes; whether there is such a function is the Supervisor's to say.
[[nodiscard]] absl::Status CheckFunctionName(std::string_view name);
[[nodiscard]] ::function_stream::FunctionInfo ToWire(const task::Description& description);

class FunctionService final : public ::function_stream::FunctionStreamService::Service {
 public:
  explicit FunctionService(Functions& functions) : functions_(functions) {}

  grpc::Status ExecuteSql(grpc::ServerContext* context, const ::function_stream::SqlRequest* request,
                          ::function_stream::Response* response) override;
  grpc::Status CreateFunction(grpc::ServerContext* context, const ::function_stream::CreateFunctionRequest* request,
                              ::function_stream::Response* response) override;
  grpc::Status CreatePythonFunction(grpc::ServerContext* context, const ::function_stream::CreatePythonFunctionRequest* request,
                                    ::function_stream::Response* response) override;
  grpc::Status DropFunction(grpc::ServerContext* context, const ::function_stream::DropFunctionRequest* request,
                            ::function_stream::Response* response) override;
  grpc::Status StartFunction(grpc::ServerContext* context, const ::function_stream::StartFunctionRequest* request,
                             ::function_stream::Response* response) override;
  grpc::Status StopFunction(grpc::ServerContext* context, const ::function_stream::StopFunctionRequest* request,
                            ::function_stream::Response* response) override;
  grpc::Status ShowFunctions(grpc::ServerContext* context, const ::function_stream::ShowFunctionsRequest* request,
                             ::function_stream::ShowFunctionsResponse* response) override;

 private:
  Functions& functions_;
};

}  // namespace fs::api

#endif  // FUNCTION_STREAM_API_FUNCTION_SERVICE_H_
