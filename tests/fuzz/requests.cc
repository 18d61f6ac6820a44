// Sessions of a hostile client: any requests of both gRPC services, in any order, with any bytes, over a socket, against
// the real services, supervisor, catalog and embedded log, kept in memory. Functions run in a small guest that takes any package.
//
// The input is a row of frames: method u8, length u16 (little-endian), the request's bytes. Neighbours of one streaming method are messages
// of one stream. The mutator knows frames, and requests by their descriptors, so that it gets past the parser.
#include <function_stream.grpc.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "api/extension_service.h"
#include "api/function_service.h"
#include "connector/embedded/embedded_connector.h"
#include "connector/file/file_connector.h"
#include "fuzz/fuzz.h"
#include "observe/log.h"
#include "task/supervisor.h"
#include "unit/sandbox/wat_guest.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// A worker of gRPC's belongs to nobody but its own thread while that begins or ends, which is when it is looked for on a busy machine.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizer's name for it
extern "C" const char* __lsan_default_suppressions() { return "leak:grpc::ThreadManager::MainWorkLoop\n"; }

namespace fs {
namespace {

namespace pb = ::google::protobuf;
using fuzz::Require;

// ---- Methods and frames.

std::vector<const pb::MethodDescriptor*> FindMethods() {
  std::vector<const pb::MethodDescriptor*> methods;
  const pb::FileDescriptor& file = *::function_stream::Response::descriptor()->file();
  for (int s = 0; s < file.service_count(); ++s) {
    for (int m = 0; m < file.service(s)->method_count(); ++m) methods.push_back(file.service(s)->method(m));
  }
  return methods;
}

const std::vector<const pb::MethodDescriptor*>& Methods() {
  static const auto* const methods = new std::vector(FindMethods());
  return *methods;
}

const pb::Message& Prototype(const pb::Descriptor& type) { return *pb::MessageFactory::generated_factory()->GetPrototype(&type); }

struct Frame {
  uint8_t method = 0;  // modulo Methods()
  std::string bytes;

  [[nodiscard]] const pb::MethodDescriptor& descriptor() const { return *Methods()[method % Methods().size()]; }
};
constexpr size_t kMaxFrames = 24;

std::vector<Frame> ReadFrames(const uint8_t* data, size_t size) {
  std::vector<Frame> frames;
  while (size >= 3 && frames.size() < kMaxFrames) {
    const size_t length = std::min<size_t>(data[1] | data[2] << 8, size - 3);
    frames.push_back({data[0], std::string(reinterpret_cast<const char*>(data) + 3, length)});
    data += 3 + length;
    size -= 3 + length;
  }
  return frames;
}

std::string WriteFrames(const std::vector<Frame>& frames) {
  std::string out;
  for (const Frame& frame : frames) {
    const size_t length = std::min<size_t>(frame.bytes.size(), 0xffff);
    out += {static_cast<char>(frame.method), static_cast<char>(length), static_cast<char>(length >> 8)};
    out.append(frame.bytes, 0, length);
  }
  return out;
}

// ---- Mutation.

std::string MutateBytes(std::string bytes, size_t room) {
  const size_t size = bytes.size();
  bytes.resize(size + std::min<size_t>(room, 256));
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), size, bytes.size()));
  return bytes;
}

// Changes one field of the message, or of one inside it.
void MutateField(pb::Message& message, std::minstd_rand& random) {
  const pb::Descriptor& type = *message.GetDescriptor();
  const pb::Reflection& reflection = *message.GetReflection();
  if (type.field_count() == 0) return;
  const pb::FieldDescriptor* field = type.field(static_cast<int>(random() % static_cast<unsigned>(type.field_count())));
  const bool is_message = field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE;
  if (field->is_repeated()) {
    // All of ours are messages.
    if (!is_message) return;
    const int count = reflection.FieldSize(message, field);
    const auto pick = count == 0 ? 0 : static_cast<int>(random() % static_cast<unsigned>(count));
    const unsigned what = random() % 4;
    if (count == 0 || what == 0) return MutateField(*reflection.AddMessage(&message, field), random);
    if (what == 1) return reflection.RemoveLast(&message, field);
    if (what == 2) {
      // Not in one expression: adding may move what is copied.
      const std::unique_ptr<pb::Message> copy(reflection.GetRepeatedMessage(message, field, pick).New());
      copy->CopyFrom(reflection.GetRepeatedMessage(message, field, pick));
      return reflection.AddMessage(&message, field)->CopyFrom(*copy);
    }
    return MutateField(*reflection.MutableRepeatedMessage(&message, field, pick), random);
  }
  if (random() % 16 == 0) return reflection.ClearField(&message, field);
  const auto number = static_cast<int64_t>(random() % 4 == 0 ? random() * uint64_t{0x9e3779b97f4a7c15} : random() % 8);
  switch (field->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      return MutateField(*reflection.MutableMessage(&message, field), random);
    case pb::FieldDescriptor::CPPTYPE_STRING: {
      std::string text = MutateBytes(reflection.GetString(message, field), 4096);
      // What is no UTF-8 in a string never reaches us.
      return reflection.SetString(&message, field, field->type() == pb::FieldDescriptor::TYPE_STRING ? ToUtf8(text) : text);
    }
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(&message, field, random() % 2 == 0);
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(&message, field, static_cast<int32_t>(number));
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(&message, field, static_cast<uint32_t>(number));
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(&message, field, number - 2);
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(&message, field, static_cast<uint64_t>(number));
    default:
      return;
  }
}

void MutateFrames(std::vector<Frame>& frames, std::minstd_rand& random) {
  const auto any = [&] { return frames.begin() + static_cast<std::ptrdiff_t>(random() % frames.size()); };
  switch (frames.empty() ? 0 : random() % 10) {
    case 0:
      frames.insert(frames.begin() + static_cast<std::ptrdiff_t>(random() % (frames.size() + 1)),
                    Frame{static_cast<uint8_t>(random()), ""});
      return;
    case 1:
      frames.erase(any());
      return;
    case 2: {
      const Frame copy = *any();
      frames.insert(any(), copy);
      return;
    }
    case 3:
      any()->method = static_cast<uint8_t>(random() % Methods().size());
      return;
    case 4: {
      Frame& frame = *any();
      frame.bytes = MutateBytes(std::move(frame.bytes), 4096);
      return;
    }
    default: {
      Frame& frame = *any();
      const std::unique_ptr<pb::Message> message(Prototype(*frame.descriptor().input_type()).New());
      if (!message->ParseFromString(frame.bytes)) message->Clear();
      MutateField(*message, random);
      frame.bytes = message->SerializeAsString();
    }
  }
}

// ---- The server.

template <class T>
T Made(absl::StatusOr<T> made) {
  Require(made.ok(), "cannot start: {}", Message(made.status()));
  return *std::move(made);
}

class FuzzServer {
 public:
  FuzzServer() {
    spdlog::set_level(spdlog::level::off);
    sandbox::WatGuest guest;
    // check_heartbeat says yes; take_checkpoint and custom answer with the same byte.
    guest.shared = R"(\01\00\00\00 \00\00\00\00 \00\00\00\00 \00\00\00\00 \00\00\00\00 \00\04\00\00 \01\00\00\00 \00\08\00\00)";
    runtime_ = Made(sandbox::LoadRuntime(guest.Text()));
    catalog_ = Made(catalog::Catalog::Open(folder_.path() / "task", /*in_memory=*/true));
    states_ = Made(state::StateEnvironment::Create({.in_memory = true}));
    log_ = Made(connector::embedded::EmbeddedLog::Open({.folder = folder_.path() / "embedded", .in_memory = true}));
    connectors_.Register("embedded", std::make_shared<connector::embedded::EmbeddedConnector>(*log_));
    connectors_.Register("file", std::make_shared<connector::file::FileConnector>(folder_.path() / "files"));
    task::Supervisor::Options options;
    options.state_dir = folder_.path() / "state";
    options.checkpoint_dir = folder_.path() / "checkpoints";
    options.log_dir = folder_.path() / "logs";
    supervisor_ = Made(task::Supervisor::Create(options, *catalog_, *runtime_, *states_, connectors_));
    functions_ =
        std::make_unique<api::Functions>(*supervisor_, api::CreationRules{.limit_package_bytes = 1 << 20, .python_version = "3.13"});
    streams_ = Made(api::ReadingStreams::Start());
    function_service_ = std::make_unique<api::FunctionService>(*functions_);
    extension_service_ = std::make_unique<api::ExtensionService>(*functions_, *log_, *streams_, api::ServerInfo{"1", "3.13", {}});
    grpc::ServerBuilder builder;
    builder.RegisterService(function_service_.get());
    builder.RegisterService(extension_service_.get());
    // Not gRPC's in-process transport: there a client that still writes when the answer is given waits until its deadline.
    const std::string address = fmt::format("unix:{}", (folder_.path() / "door").native());
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    server_ = builder.BuildAndStart();
    Require(server_ != nullptr, "no gRPC server");
    channel_ = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  }

  void Run(const std::vector<Frame>& frames) {
    for (size_t i = 0; i < frames.size();) {
      const pb::MethodDescriptor& method = frames[i].descriptor();
      std::vector<std::string_view> messages = {frames[i++].bytes};
      while (method.client_streaming() && i < frames.size() && &frames[i].descriptor() == &method) messages.push_back(frames[i++].bytes);
      Call(method, messages);
    }
    Clear();
  }

 private:
  static grpc::ByteBuffer ToBuffer(std::string_view bytes) {
    const grpc::Slice slice(bytes.data(), bytes.size());
    return {&slice, 1};
  }

  // Every answer of ours has these two fields, but GetServerInfo's.
  static void CheckAnswer(const pb::MethodDescriptor& method, const grpc::ByteBuffer& buffer) {
    grpc::Slice slice;
    Require(buffer.DumpToSingleSlice(&slice).ok(), "{}: no answer", method.name());
    const std::unique_ptr<pb::Message> answer(Prototype(*method.output_type()).New());
    Require(answer->ParseFromArray(slice.begin(), static_cast<int>(slice.size())), "{}: an answer that cannot be parsed", method.name());
    const pb::FieldDescriptor* code = method.output_type()->FindFieldByName("status_code");
    const pb::FieldDescriptor* text = method.output_type()->FindFieldByName("message");
    if (code == nullptr || text == nullptr) return;
    const int number = answer->GetReflection()->GetEnumValue(*answer, code);
    const std::string message = answer->GetReflection()->GetString(*answer, text);
    Require(number >= 200 && number < 600 && number != 500, "{}: {}: {}", method.name(), number, message);
    Require(number < 400 || !message.empty(), "{}: {} without a word", method.name(), number);
    for (const char c : message) Require(static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t', "{}: {}", method.name(), message);
  }

  static void CheckStatus(const pb::MethodDescriptor& method, const grpc::Status& status, bool is_cancelled,
                          const std::vector<std::string_view>& messages) {
    if (status.ok() || is_cancelled) return;
    bool is_parsed = true;
    for (const std::string_view bytes : messages) {
      const std::unique_ptr<pb::Message> request(Prototype(*method.input_type()).New());
      is_parsed = is_parsed && request->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
    }
    Require(!is_parsed, "{}: gRPC status {}: {}", method.name(), static_cast<int>(status.error_code()), status.error_message());
  }

  void Call(const pb::MethodDescriptor& method, const std::vector<std::string_view>& messages) {
    using Buffer = grpc::ByteBuffer;
    const std::string path = fmt::format("/{}/{}", method.service()->full_name(), method.name());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    std::vector<Buffer> answers(1);
    grpc::Status status;
    bool is_cancelled = false;
    if (method.client_streaming() && method.server_streaming()) {
      const grpc::internal::RpcMethod rpc(path.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING, channel_);
      const std::unique_ptr<grpc::ClientReaderWriter<Buffer, Buffer>> stream(
          grpc::internal::ClientReaderWriterFactory<Buffer, Buffer>::Create(channel_.get(), rpc, &context));
      // Each message has its answer.
      for (const std::string_view message : messages) {
        if (!stream->Write(ToBuffer(message)) || !stream->Read(&answers.back())) break;
        answers.emplace_back();
      }
      stream->WritesDone();
      while (stream->Read(&answers.back())) answers.emplace_back();
      answers.pop_back();
      status = stream->Finish();
    } else if (method.client_streaming()) {
      const grpc::internal::RpcMethod rpc(path.c_str(), grpc::internal::RpcMethod::CLIENT_STREAMING, channel_);
      const std::unique_ptr<grpc::ClientWriter<Buffer>> stream(
          grpc::internal::ClientWriterFactory<Buffer>::Create(channel_.get(), rpc, &context, &answers[0]));
      for (const std::string_view message : messages) {
        if (!stream->Write(ToBuffer(message))) break;
      }
      stream->WritesDone();
      status = stream->Finish();
    } else if (method.server_streaming()) {
      const grpc::internal::RpcMethod rpc(path.c_str(), grpc::internal::RpcMethod::SERVER_STREAMING, channel_);
      const std::unique_ptr<grpc::ClientReader<Buffer>> stream(
          grpc::internal::ClientReaderFactory<Buffer>::Create(channel_.get(), rpc, &context, ToBuffer(messages[0])));
      // One that follows has no end of its own.
      is_cancelled = Follows(method, messages[0]);
      if (is_cancelled) context.TryCancel();
      while (stream->Read(&answers.back())) answers.emplace_back();
      answers.pop_back();
      status = stream->Finish();
    } else {
      const grpc::internal::RpcMethod rpc(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC, channel_);
      status = grpc::internal::BlockingUnaryCall<Buffer, Buffer>(channel_.get(), rpc, &context, ToBuffer(messages[0]), &answers[0]);
    }
    CheckStatus(method, status, is_cancelled, messages);
    if (!status.ok()) return;
    for (const Buffer& answer : answers) CheckAnswer(method, answer);
  }

  static bool Follows(const pb::MethodDescriptor& method, std::string_view bytes) {
    const std::unique_ptr<pb::Message> request(Prototype(*method.input_type()).New());
    if (!request->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
    return request->GetReflection()->GetBool(*request, method.input_type()->FindFieldByName("follow"));
  }

  // The next input finds a server as new.
  void Clear() {
    for (const task::Description& function : supervisor_->List()) {
      const absl::Status status = supervisor_->DropFunction(function.name);
      Require(status.ok(), "a function that cannot be dropped: {}", Message(status));
    }
    for (const auto& topic : log_->ListTopics()) {
      const absl::Status status = log_->DeleteTopic(topic.name);
      Require(status.ok(), "a topic that cannot be deleted: {}", Message(status));
    }
  }

  sandbox::TemporaryFolder folder_;
  std::unique_ptr<sandbox::Runtime> runtime_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<state::StateEnvironment> states_;
  std::unique_ptr<connector::embedded::EmbeddedLog> log_;
  connector::Registry connectors_;
  std::unique_ptr<task::Supervisor> supervisor_;
  std::unique_ptr<api::Functions> functions_;
  std::unique_ptr<api::ReadingStreams> streams_;
  std::unique_ptr<api::FunctionService> function_service_;
  std::unique_ptr<api::ExtensionService> extension_service_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace
}  // namespace fs

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<fs::Frame> frames = fs::ReadFrames(data, size);
  fs::MutateFrames(frames, random);
  const std::string out = fs::WriteFrames(frames);
  const size_t kept = std::min(out.size(), max_size);
  std::copy_n(out.begin(), kept, data);
  return kept;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const server = new fs::FuzzServer;
  server->Run(fs::ReadFrames(data, size));
  return 0;
}
