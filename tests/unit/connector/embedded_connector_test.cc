#include "connector/embedded/embedded_connector.h"

#include <gtest/gtest.h>

#include "base/steady_clock.h"
#include "connector/embedded/partitioner.h"
#include "support/temporary_folder.h"

namespace fs::connector::embedded {
namespace {

class NoListener final : public SourceListener {
 public:
  absl::StatusOr<Positions> OnAssigned(std::span<const connector::GroupPosition>) override { return Positions{}; }
  void OnRevoked(std::span<const int32_t>) override {}
  void OnLost(std::span<const int32_t>) override {}
  void OnPartitions(std::span<const int32_t> given) override { partitions.assign(given.begin(), given.end()); }
  void OnBegin(int32_t partition, int64_t position) override { begun.emplace(partition, position); }
  [[nodiscard]] bool is_restored() const override { return restored; }
  std::vector<int32_t> partitions = {-1};
  Positions begun;
  bool restored = false;
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
  std::unique_ptr<Session> Open(std::string function = "f", uint32_t index = 0, uint32_t count = 1) {
    return connector_
        ->OpenSession({.function_name = function,
                       .function_id = function,
                       .instance_index = index,
                       .instance_count = count,
                       .waker = waker_,
                       .exactly_once = true})
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
      {input, {{"topic", "t"}, {"group_id", "g"}, {"partition", "1024"}}, "inputs[0].partition (line 13)"},
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
  EXPECT_EQ(decider.Recover({}, soon_).value(), std::nullopt);
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
  EXPECT_EQ(successor->decider()->Recover({}, soon_).value(), (Marker{"run", 1}));
  ASSERT_TRUE(successor->decider()->Commit({"run", 2}, positions, soon_).ok());
  EXPECT_EQ(Values("a"), Strings{"x"});
  EXPECT_EQ(Open("f", 1, 2)->decider()->Recover({}, soon_).value(), std::nullopt);
  EXPECT_EQ(Open("other")->decider()->Recover({}, soon_).value(), std::nullopt);
}

TEST_F(EmbeddedConnectorTest, ASuccessorShutsOutTheSessionBeforeIt) {
  const auto old_session = Open();
  const auto old_sink = old_session->OpenSink(Output("a")).value();
  ASSERT_TRUE(old_session->decider()->Recover({}, soon_).ok());
  const auto new_session = Open();
  ASSERT_TRUE(new_session->decider()->Recover({}, soon_).ok());
  ASSERT_TRUE(old_sink->Write({"too late", {}, {}, 0}).ok());
  EXPECT_EQ(old_session->decider()->Commit({"run", 1}, {}, soon_).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Values("a"), Strings{});
  ASSERT_TRUE(new_session->decider()->Commit({"run", 1}, {}, soon_).ok());
  ASSERT_TRUE(connector_->ForgetFunction("f", 1, {}, {}).ok());
  EXPECT_EQ(new_session->decider()->Commit({"run", 2}, {}, soon_).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Open()->decider()->Recover({}, soon_).value(), std::nullopt);
}

TEST_F(EmbeddedConnectorTest, ForgettingOneFunctionLeavesThoseWithALongerName) {
  for (const char* name : {"f", "f2", "f/x"}) {
    const auto session = Open(name);
    ASSERT_TRUE(session->decider()->Recover({}, soon_).ok());
    ASSERT_TRUE(session->decider()->Commit({"run", 1}, {}, soon_).ok());
  }
  ASSERT_TRUE(connector_->ForgetFunction("f2", 1, {}, {}).ok());
  EXPECT_TRUE(Open("f")->decider()->Recover({}, soon_).value().has_value());
  EXPECT_FALSE(Open("f2")->decider()->Recover({}, soon_).value().has_value());
}

TEST_F(EmbeddedConnectorTest, EachInstanceReadsItsPartitionsInTurnAndGroupsKnowEach) {
  ASSERT_TRUE(log_->CreateTopic("t", 5).ok());
  for (int32_t partition = 0; partition < 5; ++partition) {
    const std::string value = std::to_string(partition);
    const OutputRecord records[] = {{value, {}, {}, 0}, {value, {}, {}, 0}};
    ASSERT_TRUE(log_->Append({"t", partition}, records).ok());
  }
  const auto session = Open("f", 1, 2);
  const auto source = session->OpenSource(0, Input("t")).value();
  ASSERT_TRUE(source->Start({{3, 1}}, listener_).ok());
  EXPECT_EQ(listener_.partitions, (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(Poll(*source, 1), Strings{"1"});
  EXPECT_EQ(Poll(*source, 1), Strings{"3"});
  EXPECT_EQ(Poll(*source, 1), Strings{"1"});
  EXPECT_EQ(Poll(*source), Strings{});
  EXPECT_FALSE(source->HasMore());
  EXPECT_EQ(source->EndOffsets(), (Positions{{1, 2}, {3, 2}}));
  source->Committed({{1, 2}, {3, 2}}, {"run", 1});
  EXPECT_EQ(log_->ReadGroupPosition("g", {"t", 3}).value(), 2);
  EXPECT_EQ(log_->ReadGroupPosition("g", "t").value(), std::nullopt);
}

TEST_F(EmbeddedConnectorTest, ItIsToldWhereEachUnknownPartitionBeginsWhichForARestoredFunctionIsNotWhereTheGroupIs) {
  ASSERT_TRUE(log_->CreateTopic("t", 4).ok());
  for (int32_t partition = 0; partition < 4; ++partition) {
    const OutputRecord records[] = {{"x", {}, {}, 0}, {"y", {}, {}, 0}};
    ASSERT_TRUE(log_->Append({"t", partition}, records).ok());
    ASSERT_TRUE(log_->NoteGroupPosition({"g", "t", 1, partition}).ok());
  }
  const auto session = Open("f", 1, 2);
  for (const bool is_restored : {false, true}) {
    NoListener listener;
    listener.restored = is_restored;
    const auto source = session->OpenSource(0, Input("t")).value();
    ASSERT_TRUE(source->Start({{1, 2}}, listener).ok());
    EXPECT_EQ(listener.begun, (Positions{{3, is_restored ? 0 : 1}}));
    EXPECT_EQ(Poll(*source), is_restored ? (Strings{"x", "y"}) : Strings{"y"});
  }
  // What is not there yet begins when it is.
  NoListener listener;
  const auto source = session->OpenSource(0, Input("later")).value();
  ASSERT_TRUE(source->Start({}, listener).ok());
  EXPECT_TRUE(listener.begun.empty());
  ASSERT_TRUE(log_->CreateTopic("later", 4).ok());
  EXPECT_EQ(Poll(*source), Strings{});
  EXPECT_EQ(listener.begun, (Positions{{1, 0}, {3, 0}}));
}

TEST_F(EmbeddedConnectorTest, AnInstanceWithoutAPartitionReadsNothingUntilTheTopicHasOne) {
  const auto session = Open("f", 2, 3);
  const auto source = session->OpenSource(0, Input("t")).value();
  ASSERT_TRUE(source->Start({}, listener_).ok());
  EXPECT_TRUE(listener_.partitions.empty());
  EXPECT_FALSE(source->EndOffsets().empty());
  EXPECT_EQ(Poll(*source), Strings{});
  waker_->TakeWake();
  ASSERT_TRUE(log_->CreateTopic("t", 6).ok());
  EXPECT_TRUE(waker_->TakeWake());
  EXPECT_EQ(Poll(*source), Strings{});
  EXPECT_EQ(listener_.partitions, (std::vector<int32_t>{2, 5}));
  const OutputRecord records[] = {{"x", {}, {}, 0}};
  ASSERT_TRUE(log_->Append({"t", 5}, records).ok());
  EXPECT_TRUE(source->HasMore());
  EXPECT_EQ(Poll(*source), Strings{"x"});
}

TEST_F(EmbeddedConnectorTest, AnExplicitPartitionIsOneInstances) {
  ASSERT_TRUE(log_->CreateTopic("t", 4).ok());
  const OutputRecord records[] = {{"x", {}, {}, 0}};
  ASSERT_TRUE(log_->Append({"t", 3}, records).ok());
  config::Endpoint input = Input("t");
  input.properties.push_back({"partition", "3", false, false, 15});
  EXPECT_EQ(connector_->CountPartitions(input, soon_).value(), 1u);
  EXPECT_EQ(connector_->CountPartitions(Input("t"), soon_).value(), 4u);
  for (const uint32_t index : {0u, 1u}) {
    const auto session = Open("f", index, 2);
    const auto source = session->OpenSource(0, input).value();
    ASSERT_TRUE(source->Start({}, listener_).ok());
    EXPECT_EQ(Poll(*source), index == 1 ? Strings{"x"} : Strings{});
  }
}

TEST_F(EmbeddedConnectorTest, KeysDecideThePartitionOfAnOutputUnlessItIsNamed) {
  ASSERT_TRUE(log_->CreateTopic("a", 3).ok());
  const auto session = Open();
  const auto by_key = session->OpenSink(Output("a")).value();
  config::Endpoint second = Endpoint("outputs[1]", {{"topic", "a"}, {"partition", "2"}});
  const auto named = session->OpenSink(second).value();
  ASSERT_TRUE(by_key->Start(std::nullopt).ok());
  ASSERT_TRUE(named->Start(std::nullopt).ok());
  ASSERT_TRUE(session->decider()->Recover({}, soon_).ok());
  std::map<int32_t, size_t> expected;
  for (int i = 0; i < 30; ++i) {
    const std::string key = fmt::format("k{}", i);
    ASSERT_TRUE(by_key->Write({"v", key, {}, 0}).ok());
    ++expected[PartitionOfKey(key, 3)];
    // Without a key they take turns.
    ASSERT_TRUE(by_key->Write({"v", {}, {}, 0}).ok());
    ASSERT_TRUE(named->Write({"v", key, {}, 0}).ok());
  }
  EXPECT_EQ(expected.size(), 3u);
  ASSERT_TRUE(session->decider()->Commit({"run", 1}, {}, soon_).ok());
  for (int32_t partition = 0; partition < 3; ++partition) {
    EXPECT_EQ(log_->Read({"a", partition}, 0, 1000, 1 << 20)->records.size(), expected[partition] + 10 + (partition == 2 ? 30 : 0));
  }
  // Made anew with fewer: recovery goes on with what there is.
  ASSERT_TRUE(named->Write({"v", {}, {}, 0}).ok());
  ASSERT_TRUE(log_->DeleteTopic("a").ok());
  EXPECT_EQ(session->decider()->Commit({"run", 2}, {}, soon_).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Open()->OpenSink(second).value()->Start(std::nullopt).code(), absl::StatusCode::kFailedPrecondition);
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
