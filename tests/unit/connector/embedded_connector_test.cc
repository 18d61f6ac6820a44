#include "connector/embedded/embedded_connector.h"

#include <gtest/gtest.h>

#include "base/steady_clock.h"
#include "support/temporary_folder.h"

namespace fs::connector::embedded {
namespace {

class NoListener final : public SourceListener {
 public:
  absl::StatusOr<Positions> OnAssigned(std::span<const connector::GroupPosition>) override { return Positions{}; }
  void OnRevoked(std::span<const int32_t>) override {}
  void OnLost(std::span<const int32_t>) override {}
};

config::Endpoint Endpoint(std::string path, std::vector<std::pair<std::string, std::string>> properties) {
  config::Endpoint endpoint;
  endpoint.type = "embedded";
  endpoint.path = std::move(path);
  endpoint.line = 10;
  int line = 10;
  for (auto& [key, value] : properties) endpoint.properties.push_back({key, value, false, false, ++line});
  return endpoint;
}

class EmbeddedConnectorTest : public testing::Test {
 protected:
  void SetUp() override {
    EmbeddedLog::Options options;
    options.folder = "memory";
    options.in_memory = true;
    log_ = EmbeddedLog::Open(options).value();
    connector_ = std::make_unique<EmbeddedConnector>(*log_);
  }
  std::unique_ptr<Session> Open(std::string function = "f", uint32_t index = 0) {
    return connector_
        ->OpenSession({.function_name = function, .function_id = function, .instance_index = index, .waker = waker_, .exactly_once = true})
        .value();
  }
  static config::Endpoint Input(std::string topic, std::string reset = "earliest", std::string group = "g") {
    return Endpoint("input-groups[0].inputs[0]",
                    {{"topic", std::move(topic)}, {"group_id", std::move(group)}, {"auto.offset.reset", std::move(reset)}});
  }
  static config::Endpoint Output(std::string topic) { return Endpoint("outputs[0]", {{"topic", std::move(topic)}}); }

  void Publish(std::string_view topic, std::initializer_list<std::string_view> values) {
    std::vector<OutputRecord> records;
    for (const std::string_view value : values) records.push_back({value, {}, {}, 0});
    ASSERT_TRUE(log_->Append(topic, records).ok());
  }
  static std::vector<std::string> Poll(Source& source, size_t max_records = 100) {
    std::vector<Record> records;
    const absl::Status status = source.Poll(max_records, 1 << 20, records);
    EXPECT_TRUE(status.ok()) << status;
    std::vector<std::string> values;
    for (const Record& record : records) values.emplace_back(record.value);
    return values;
  }
  std::vector<std::string> Values(std::string_view topic) {
    std::vector<std::string> values;
    const ReadResult read = log_->Read(topic, 0, 1000, 1 << 30).value();
    for (const Record& record : read.records) values.emplace_back(record.value);
    return values;
  }
  using Strings = std::vector<std::string>;

  std::unique_ptr<EmbeddedLog> log_;
  std::unique_ptr<EmbeddedConnector> connector_;
  std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  NoListener listener_;
  const absl::Time soon_ = SteadyNow() + absl::Minutes(1);
};

TEST_F(EmbeddedConnectorTest, KeysAreCheckedWithTheirLine) {
  using Properties = std::vector<std::pair<std::string, std::string>>;
  const std::string input = "input-groups[0].inputs[0]", output = "outputs[0]";
  const struct {
    std::string path;
    Properties properties;
    std::string message;  // empty: good
  } cases[] = {
      {input, {{"topic", "t"}, {"group_id", "g"}}, ""},
      {input, {{"topic", "t"}, {"group_id", "g"}, {"partition", "0"}, {"auto.offset.reset", "latest"}}, ""},
      {output, {{"topic", "t"}, {"partition", "0"}}, ""},
      {input, {{"group_id", "g"}}, "inputs[0].topic (line 10)"},
      {input, {{"topic", "t"}}, "inputs[0].group_id (line 10)"},
      {input, {{"topic", ""}, {"group_id", "g"}}, "inputs[0].topic (line 11)"},
      {input, {{"topic", "a/b"}, {"group_id", "g"}}, "inputs[0].topic (line 11): byte 0x2f"},
      {input, {{"topic", "t"}, {"group_id", "a\nb"}}, "inputs[0].group_id (line 12)"},
      {input, {{"topic", "t"}, {"group_id", "g"}, {"partition", "1"}}, "inputs[0].partition (line 13)"},
      {input, {{"topic", "t"}, {"group_id", "g"}, {"auto.offset.reset", "smallest"}}, "inputs[0].auto.offset.reset (line 13)"},
      {input, {{"topc", "t"}, {"group_id", "g"}}, "did you mean `topic`"},
      {output, {{"topic", "t"}, {"group_id", "g"}}, "outputs[0].group_id (line 12)"},
      {output, {}, "outputs[0].topic (line 10)"},
      {output, {{"topic", ".."}}, "outputs[0].topic (line 11)"},
  };
  for (const auto& [path, properties, message] : cases) {
    const config::Endpoint endpoint = Endpoint(path, properties);
    const absl::Status status = path == input ? connector_->ValidateInput(endpoint) : connector_->ValidateOutput(endpoint);
    if (message.empty()) {
      EXPECT_TRUE(status.ok()) << status;
    } else {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_NE(Message(status).find(message), std::string_view::npos) << status << "\nexpected: " << message;
    }
  }
}

TEST_F(EmbeddedConnectorTest, ASourceStartsAtTheCheckpointElseTheGroupElseTheReset) {
  Publish("t", {"0", "1", "2", "3"});
  ASSERT_TRUE(log_->CommitGroupPosition({"known", "t", 2}).ok());
  const struct {
    std::string group;
    std::string reset;
    Positions positions;
    Strings expected;
  } cases[] = {
      {"new", "earliest", {}, {"0", "1", "2", "3"}}, {"new", "latest", {}, {}},       {"known", "latest", {}, {"2", "3"}},
      {"known", "earliest", {{0, 3}}, {"3"}},        {"new", "latest", {{0, 4}}, {}},
  };
  for (const auto& [group, reset, positions, expected] : cases) {
    const auto session = Open();
    const auto source = session->OpenSource(0, Input("t", reset, group)).value();
    ASSERT_TRUE(source->Start(positions, listener_).ok());
    EXPECT_EQ(Poll(*source), expected);
  }
  const auto session = Open();
  const auto source = session->OpenSource(0, Input("t")).value();
  const absl::Status lost = source->Start({{0, 5}}, listener_);
  EXPECT_EQ(lost.code(), absl::StatusCode::kFailedPrecondition) << lost;
}

TEST_F(EmbeddedConnectorTest, ASourceWakesItsInstanceAndReadsOn) {
  const auto session = Open();
  const auto source = session->OpenSource(0, Input("t")).value();
  ASSERT_TRUE(source->Start({}, listener_).ok());
  EXPECT_EQ(Poll(*source), Strings{});
  EXPECT_FALSE(source->HasMore());
  waker_->TakeWake();
  Publish("t", {"0", "1", "2"});
  EXPECT_TRUE(waker_->TakeWake());
  EXPECT_TRUE(source->HasMore());
  EXPECT_EQ(Poll(*source, 2), (Strings{"0", "1"}));
  EXPECT_TRUE(source->HasMore());
  EXPECT_EQ(Poll(*source, 2), (Strings{"2"}));
  EXPECT_FALSE(source->HasMore());
  EXPECT_EQ(Poll(*source), Strings{});
  source->Committed({{0, 3}}, {"a", 1});
  EXPECT_EQ(log_->ReadGroupPosition("g", "t").value(), 3);
}

TEST_F(EmbeddedConnectorTest, WhatRetentionTookIsFollowedByTheResetPolicy) {
  for (const std::string reset : {"earliest", "latest"}) {
    const std::string topic = "t-" + reset;
    Publish(topic, {"0", "1", "2"});
    const auto session = Open();
    const auto source = session->OpenSource(0, Input(topic, reset)).value();
    ASSERT_TRUE(source->Start({{0, 1}}, listener_).ok());
    ASSERT_TRUE(log_->DeleteTopic(topic).ok());
    Publish(topic, {"3", "4"});
    EXPECT_EQ(Poll(*source), reset == "earliest" ? (Strings{"3", "4"}) : Strings{});
    Publish(topic, {"5"});
    EXPECT_EQ(Poll(*source), Strings{"5"});
  }
}

TEST_F(EmbeddedConnectorTest, OutputsPositionsAndMarkerBecomeVisibleTogether) {
  Publish("in", {"0", "1"});
  const auto session = Open();
  const auto source = session->OpenSource(1, Input("in")).value();
  const auto first = session->OpenSink(Output("a")).value();
  const auto second = session->OpenSink(Output("b")).value();
  Decider& decider = *session->decider();
  EXPECT_EQ(decider.Recover(soon_).value(), std::nullopt);
  ASSERT_TRUE(first->Start(std::nullopt).ok());
  ASSERT_TRUE(first->Write({"x", "key", {}, 5}).ok());
  ASSERT_TRUE(second->Write({"y", {}, {}, kNoTimestamp}).ok());
  EXPECT_GT(decider.pending_bytes(), 0u);
  ASSERT_TRUE(first->Flush(soon_).ok());
  EXPECT_EQ(Values("a"), Strings{});
  const Positions positions[] = {{{0, 77}}, {{0, 2}}};
  ASSERT_TRUE(decider.Commit({"run", 1}, positions, soon_).ok());
  EXPECT_EQ(decider.pending_bytes(), 0u);
  EXPECT_EQ(Values("a"), Strings{"x"});
  EXPECT_EQ(Values("b"), Strings{"y"});
  EXPECT_EQ(log_->ReadGroupPosition("g", "in").value(), 2);

  ASSERT_TRUE(first->Write({"given up with the session", {}, {}, 0}).ok());
  const auto successor = Open();
  EXPECT_EQ(successor->decider()->Recover(soon_).value(), (Marker{"run", 1}));
  ASSERT_TRUE(successor->decider()->Commit({"run", 2}, positions, soon_).ok());
  EXPECT_EQ(Values("a"), Strings{"x"});
  EXPECT_EQ(Open("f", 1)->decider()->Recover(soon_).value(), std::nullopt);
  EXPECT_EQ(Open("other")->decider()->Recover(soon_).value(), std::nullopt);
}

TEST_F(EmbeddedConnectorTest, ASuccessorShutsOutTheSessionBeforeIt) {
  const auto old_session = Open();
  const auto old_sink = old_session->OpenSink(Output("a")).value();
  ASSERT_TRUE(old_session->decider()->Recover(soon_).ok());
  const auto new_session = Open();
  ASSERT_TRUE(new_session->decider()->Recover(soon_).ok());
  ASSERT_TRUE(old_sink->Write({"too late", {}, {}, 0}).ok());
  EXPECT_EQ(old_session->decider()->Commit({"run", 1}, {}, soon_).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Values("a"), Strings{});
  ASSERT_TRUE(new_session->decider()->Commit({"run", 1}, {}, soon_).ok());
  ASSERT_TRUE(connector_->ForgetFunction("f", {}, {}).ok());
  EXPECT_EQ(new_session->decider()->Commit({"run", 2}, {}, soon_).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Open()->decider()->Recover(soon_).value(), std::nullopt);
}

TEST_F(EmbeddedConnectorTest, ForgettingOneFunctionLeavesThoseWithALongerName) {
  for (const char* name : {"f", "f2", "f/x"}) {
    const auto session = Open(name);
    ASSERT_TRUE(session->decider()->Recover(soon_).ok());
    ASSERT_TRUE(session->decider()->Commit({"run", 1}, {}, soon_).ok());
  }
  ASSERT_TRUE(connector_->ForgetFunction("f2", {}, {}).ok());
  EXPECT_TRUE(Open("f")->decider()->Recover(soon_).value().has_value());
  EXPECT_FALSE(Open("f2")->decider()->Recover(soon_).value().has_value());
}

TEST_F(EmbeddedConnectorTest, WithoutRecoveryFlushAppends) {
  const auto session = Open();
  const auto sink = session->OpenSink(Output("a")).value();
  ASSERT_TRUE(sink->Write({"x", {}, {}, 0}).ok());
  EXPECT_EQ(Values("a"), Strings{});
  ASSERT_TRUE(sink->Flush(soon_).ok());
  ASSERT_TRUE(sink->Flush(soon_).ok());
  EXPECT_EQ(Values("a"), Strings{"x"});
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(sink->Write({std::string(100000, 'x'), {}, {}, 0}).ok());
  EXPECT_GT(Values("a").size(), 40u);
}

TEST_F(EmbeddedConnectorTest, AnUnknownConnectorIsRefusedWithTheNearestName) {
  Registry registry;
  registry.Register("embedded", std::make_shared<EmbeddedConnector>(*log_));
  config::Endpoint endpoint = Input("t");
  EXPECT_TRUE(registry.Find(endpoint).ok());
  endpoint.type = "embeded";
  const absl::Status refused = registry.Find(endpoint).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(refused), "input-groups[0].inputs[0].input-type (line 10): unknown connector `embeded`; did you mean `embedded`?");
}

}  // namespace
}  // namespace fs::connector::embedded
