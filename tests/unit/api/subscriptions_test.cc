#include "api/subscriptions.h"

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace fs::api {
namespace {

using connector::embedded::EmbeddedLog;
using ::function_stream::FunctionStreamExtensions;
using ::function_stream::SubscribeRequest;
using ::function_stream::SubscribeResponse;
using ::testing::HasSubstr;

class SubscribeService : public FunctionStreamExtensions::WithCallbackMethod_Subscribe<FunctionStreamExtensions::Service> {
 public:
  SubscribeService(ReadingStreams& streams, EmbeddedLog& log) : streams_(streams), log_(log) {}
  using WithCallbackMethod_Subscribe::Subscribe;
  grpc::ServerWriteReactor<SubscribeResponse>* Subscribe(grpc::CallbackServerContext*, const SubscribeRequest* request) override {
    return OpenSubscription(streams_, log_, *request);
  }

 private:
  ReadingStreams& streams_;
  EmbeddedLog& log_;
};

// A real log and a real gRPC server.
class SubscriptionsTest : public testing::Test {
 protected:
  void SetUp() override {
    log_ = *EmbeddedLog::Open({.folder = "/log", .in_memory = true});
    streams_ = *ReadingStreams::Start();
    service_ = std::make_unique<SubscribeService>(*streams_, *log_);
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = FunctionStreamExtensions::NewStub(grpc::CreateChannel(fmt::format("127.0.0.1:{}", port), grpc::InsecureChannelCredentials()));
  }
  void TearDown() override {
    streams_->Stop();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  }

  void Append(std::string_view topic, int from, int to) {
    for (int i = from; i < to; ++i) {
      const std::string value = std::to_string(i);
      OutputRecord record;
      record.value = value;
      ASSERT_TRUE(log_->Append(topic, std::span(&record, 1)).ok());
    }
  }
  static SubscribeRequest Request(const std::string& topic, bool follow) {
    SubscribeRequest request;
    request.set_topic(topic);
    request.set_from_earliest(true);
    request.set_follow(follow);
    return request;
  }
  std::vector<std::string> ReadAll(const SubscribeRequest& request) {
    grpc::ClientContext context;
    const auto reader = stub_->Subscribe(&context, request);
    std::vector<std::string> values;
    for (SubscribeResponse response; reader->Read(&response);) {
      EXPECT_EQ(response.status_code(), 200) << response.message();
      for (const auto& record : response.records()) values.push_back(record.value());
    }
    EXPECT_TRUE(reader->Finish().ok());
    return values;
  }

  std::unique_ptr<EmbeddedLog> log_;
  std::unique_ptr<ReadingStreams> streams_;
  std::unique_ptr<SubscribeService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<FunctionStreamExtensions::Stub> stub_;
};

TEST_F(SubscriptionsTest, WithoutFollowingItEndsAtTheTopicsEnd) {
  Append("t", 0, 2500);
  const std::vector<std::string> values = ReadAll(Request("t", false));
  ASSERT_EQ(values.size(), 2500u);
  EXPECT_EQ(values[2499], "2499");
  EXPECT_TRUE(ReadAll(Request("none", false)).empty());
}

TEST_F(SubscriptionsTest, BeginsAtTheOffsetElseAtTheGroupsPositionElseAtAnEnd) {
  Append("t", 0, 10);
  ASSERT_TRUE(log_->CommitGroupPosition({.group = "g", .topic = "t", .offset = 7}).ok());
  SubscribeRequest request = Request("t", false);
  request.set_group_id("g");
  EXPECT_EQ(ReadAll(request).size(), 3u);
  request.set_offset(9);
  EXPECT_EQ(ReadAll(request), std::vector<std::string>{"9"});
  request = Request("t", false);
  request.set_group_id("other");
  EXPECT_EQ(ReadAll(request).size(), 10u);
  request.set_from_earliest(false);
  EXPECT_TRUE(ReadAll(request).empty());
}

TEST_F(SubscriptionsTest, FollowerGetsWhatIsPublishedLater) {
  grpc::ClientContext context;
  SubscribeRequest request = Request("t", true);
  request.set_from_earliest(false);
  Append("t", 0, 5);
  const auto reader = stub_->Subscribe(&context, request);
  reader->WaitForInitialMetadata();
  std::thread writer([this] { Append("t", 5, 1005); });
  int next = 5;
  SubscribeResponse response;
  while (next < 1005 && reader->Read(&response)) {
    for (const auto& record : response.records()) {
      EXPECT_EQ(record.value(), std::to_string(next));
      EXPECT_EQ(record.offset(), next);
      ++next;
    }
  }
  writer.join();
  EXPECT_EQ(next, 1005);
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(SubscriptionsTest, RefusalIsTheStreamsLastMessage) {
  SubscribeRequest bad_topic = Request("a/b", true);
  SubscribeRequest past_end = Request("t", false);
  past_end.set_offset(100);
  SubscribeRequest negative = Request("t", false);
  negative.set_offset(-1);
  for (const SubscribeRequest& request : {bad_topic, past_end, negative}) {
    grpc::ClientContext context;
    const auto reader = stub_->Subscribe(&context, request);
    SubscribeResponse response;
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.status_code(), 400);
    EXPECT_FALSE(response.message().empty());
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_TRUE(reader->Finish().ok());
  }
}

TEST_F(SubscriptionsTest, ServerThatStopsEndsWaitingStreamsAtOnce) {
  std::vector<std::thread> clients;
  std::atomic<int> waiting = 0, unavailable = 0;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back([&] {
      grpc::ClientContext context;
      const auto reader = stub_->Subscribe(&context, Request("t", true));
      reader->WaitForInitialMetadata();
      ++waiting;
      SubscribeResponse response;
      while (reader->Read(&response)) {
      }
      if (reader->Finish().error_code() == grpc::StatusCode::UNAVAILABLE) ++unavailable;
    });
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (waiting < 20 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  const absl::Time start = absl::Now();
  streams_->Stop();
  for (std::thread& client : clients) client.join();
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  EXPECT_EQ(unavailable, 20);
}

TEST_F(SubscriptionsTest, ClientsThatComeAndGoLeaveNothingBehind) {
  std::atomic<bool> is_over = false;
  std::thread writer([&] {
    for (int i = 0; !is_over; ++i) Append("t", i, i + 1);
  });
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        grpc::ClientContext context;
        const auto reader = stub_->Subscribe(&context, Request("t", true));
        SubscribeResponse response;
        if (i % 2 == 0) {
          EXPECT_TRUE(reader->Read(&response));
        }
        context.TryCancel();
        reader->Finish();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  is_over = true;
  writer.join();
}

}  // namespace
}  // namespace fs::api
