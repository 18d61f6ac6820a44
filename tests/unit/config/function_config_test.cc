#include "config/function_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fs::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr std::string_view kEverything = R"(name: python-etl-job
type: python
input-groups:
  - inputs:
      - input-type: kafka
        bootstrap_servers: kafka:9092
        topic: raw-data
        group_id: fs-group
        partition: 0
        auto.offset.reset: earliest
        runtime: {client.id: "7"}
outputs:
  - output-type: kafka
    bootstrap_servers: kafka:9092
    topic: clean-data
init_config: {metric_name: user_click, ratio: 1.50, on: true, quoted: "5", empty: ""}
input-selector: priority
enable_checkpoint: true
checkpoint_interval_seconds: 0.25
use_builtin_event_serialization: false
retained_checkpoints: {count: 5, interval_seconds: 30, max_age_seconds: 86400}
delivery: at-least-once
parallelism: 1
on_error: {policy: fail}
restart: {max_attempts: 3, backoff_ms: 50, backoff_max_ms: 1000}
watermark: {source: timestamp, max_out_of_orderness_ms: 5, idle_timeout_ms: 6}
heartbeat_interval_ms: 500
limits: {memory_mb: 128, process_timeout_ms: 2000}
)";

constexpr std::string_view kInputs = "input-groups: [{inputs: [{input-type: embedded, topic: t, group_id: g}]}]\n";

// The least that a function needs, and `more` from line 3 on.
std::string With(std::string_view more) {
  return fmt::format("name: f\ntype: python\n{}{}", more, more.find("input-group") == std::string_view::npos ? kInputs : "");
}

TEST(FunctionConfig, EveryKeyOfTheContractIsRead) {
  const auto config = ParseFunctionConfig(kEverything);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->name, "python-etl-job");
  ASSERT_EQ(config->input_groups.size(), 1u);
  const Endpoint& input = config->input_groups[0].inputs[0];
  EXPECT_EQ(input.type, "kafka");
  EXPECT_EQ(input.path, "input-groups[0].inputs[0]");
  EXPECT_EQ(input.line, 5);
  ASSERT_EQ(input.properties.size(), 6u);
  EXPECT_EQ(input.Find("auto.offset.reset")->line, 10);
  EXPECT_TRUE(input.properties.back().is_runtime);
  EXPECT_TRUE(input.properties.back().is_quoted);
  EXPECT_EQ(config->outputs[0].path, "outputs[0]");
  EXPECT_THAT(config->init_config, testing::ElementsAre(Pair("metric_name", "user_click"), Pair("ratio", "1.50"), Pair("on", "true"),
                                                        Pair("quoted", "5"), Pair("empty", "")));
  EXPECT_EQ(config->input_selector, InputSelector::kPriority);
  EXPECT_TRUE(config->enable_checkpoint);
  EXPECT_EQ(config->checkpoint_interval, absl::Milliseconds(250));
  EXPECT_EQ(config->retained_checkpoints, 5u);
  EXPECT_EQ(config->retained_checkpoint_interval, absl::Seconds(30));
  EXPECT_EQ(config->retained_checkpoint_max_age, absl::Hours(24));
  EXPECT_EQ(config->delivery, Delivery::kAtLeastOnce);
  EXPECT_EQ(config->delivery_line, 22);
  EXPECT_EQ(config->restart.max_attempts, 3u);
  EXPECT_EQ(config->watermark.max_out_of_orderness, absl::Milliseconds(5));
  EXPECT_EQ(config->heartbeat_interval, absl::Milliseconds(500));
  EXPECT_EQ(config->limits.memory_bytes(), uint64_t{128} << 20);
  EXPECT_EQ(config->limits.process_timeout(), absl::Seconds(2));
}

TEST(FunctionConfig, OmittedKeysHaveTheContractsDefaults) {
  for (const std::string_view rest : {"", "outputs: null\ninit_config:\nlimits: {}\nrestart: ~\n"}) {
    const auto config = ParseFunctionConfig(With(rest));
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->checkpoint_interval, absl::Milliseconds(100));
    EXPECT_EQ(config->delivery, Delivery::kDefault);
    EXPECT_EQ(config->restart.max_attempts, 10u);
    EXPECT_FALSE(config->enable_checkpoint);
    EXPECT_TRUE(config->outputs.empty());
  }
}

TEST(FunctionConfig, OutputOfOlderClientsIsAccepted) {
  const auto config = ParseFunctionConfig(
      "name: default-processor\ntype: python\nuse_builtin_event_serialization: false\nenable_checkpoint: false\n"
      "checkpoint_interval_seconds: 1\ninit_config: {}\ninput-groups:\n- inputs:\n  - &id001\n    input-type: kafka\n"
      "    bootstrap_servers: localhost:9092\n    topic: t\n    group_id: g\n  - *id001\noutputs: []\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->input_groups[0].inputs.size(), 2u);
}

TEST(FunctionConfig, EachMistakeIsNamedWithPathLineAndRemedy) {
  struct Case {
    std::string yaml;
    std::string_view message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"", "function configuration: line 1: must be a map of keys"},
           {"- a\n", "not a list"},
           {"a: [", "function configuration: line 1"},
           {"type: python\n", "name (line 1): required: letters, digits"},
           {"name: f\n", "type (line 1): required: python, processor"},
           {"name:\ntype: python\n", "name (line 1): required"},
           {"name: a/b\ntype: python\n", "name (line 1): `a/b` has a character that is not allowed"},
           {"name: ..\ntype: python\n", "name (line 1): `..` is not a name"},
           {"name: [a]\ntype: python\n", "name (line 1): must be a name, not a list"},
           {"name: f\ntype: Python\n", "type (line 2): must be one of python, processor, not `Python`"},
           {With("input-group: []\n"), "input-group (line 3): unknown key `input-group`; did you mean `input-groups`?"},
           {With("zzz: 1\n"), "zzz (line 3): unknown key `zzz`; known: name, type"},
           {"name: f\ntype: python\n", "input-groups (line 1): required: list of groups, one or more"},
           {With("input-groups: []\n"), "input-groups (line 3): must hold at least one group"},
           {With("input-groups:\n"), "input-groups (line 1): required"},
           {With("input-groups: {}\n"), "input-groups (line 3): must be a list of groups"},
           {With("input-groups: [{}]\n"), "input-groups[0].inputs (line 3): required"},
           {With("input-groups: [{inputs: []}]\n"), "input-groups[0].inputs (line 3): must hold at least one input"},
           {With("input-groups:\n  - inputs:\n      - topic: t\n"), "input-groups[0].inputs[0].input-type (line 5): required"},
           {With("input-groups:\n  - inputs:\n      - input-type: kafka\n        topic: [t]\n"),
            "input-groups[0].inputs[0].topic (line 6): must be a plain value, not a list"},
           {With("input-groups:\n  - inputs:\n      - input-type: kafka\n        topic:\n"),
            "input-groups[0].inputs[0].topic (line 6): has no value"},
           {With("input-groups:\n  - inputs:\n      - topic: t\n        input_type: kafka\n"),
            "input-groups[0].inputs[0].input_type (line 6): unknown key `input_type`; did you mean `input-type`?"},
           {With("input-groups:\n  - inputs:\n      - output-type: kafka\n"), "did you mean `input-type`?"},
           {With("input-groups:\n  - input: []\n"), "input-groups[0].input (line 4): unknown key `input`; did you mean `inputs`?"},
           {With("outputs: [kafka]\n"), "outputs[0] (line 3): must be a map with output-type, not `kafka`"},
           {With("outputs:\n  - output-type: ''\n"), "outputs[0].output-type (line 4): must be a connector's name"},
           {With("outputs:\n  - output-type: kafka\n    runtime: [a]\n"),
            "outputs[0].runtime (line 5): must be a map of client properties"},
           {With("outputs:\n  - output-type: kafka\n    runtime: {a: {b: c}}\n"),
            "outputs[0].runtime.a (line 5): must be a plain value, not a map"},
           {With("init_config: [a]\n"), "init_config (line 3): must be a map of plain values, not a list"},
           {With("init_config:\n  a: {b: 1}\n"), "init_config.a (line 4): must be a plain value, not a map; the function receives text"},
           {With("init_config:\n  a:\n"), "init_config.a (line 4): has no value"},
           {With("input-selector: roundrobin\n"), "input-selector (line 3): must be one of round-robin"},
           {With("enable_checkpoint: yes\n"), "enable_checkpoint (line 3): must be true or false, not `yes`"},
           {With("enable_checkpoint: \"true\"\n"), "must be true or false, not the text \"true\""},
           {With("checkpoint_interval_seconds: 0\n"), "must be seconds, 0.01 to 86400, fractions allowed, not `0`"},
           {With("checkpoint_interval_seconds: nan\n"), "not `nan`"},
           {With("checkpoint_interval_seconds: -1\n"), "not `-1`"},
           {With("checkpoint_interval_seconds: 1s\n"), "not `1s`"},
           {With("limits: {memory_mb: 16}\n"), "limits.memory_mb (line 3): must be a whole number, 32 to 4096, not `16`"},
           {With("limits:\n  memory_mb: 1.5\n"), "limits.memory_mb (line 4)"},
           {With("limits:\n  memory: 64\n"), "limits.memory (line 4): unknown key `memory`; did you mean `memory_mb`?"},
           {With("limits: 5\n"), "limits (line 3): must be a map of keys, not `5`"},
           {With("heartbeat_interval_ms: 010\n"), "not `010`"},
           {With("restart: {backoff_ms: 2000, backoff_max_ms: 1000}\n"),
            "restart.backoff_max_ms (line 3): backoff_max_ms (1000) must not be below backoff_ms (2000)"},
           {With("watermark: {source: clock}\n"), "watermark.source (line 3): must be timestamp, function, or json:<field>"},
           {With("delivery: once\n"), "delivery (line 3): must be one of exactly-once, at-least-once"},
           {With("parallelism: 0\n"), "parallelism (line 3): must be 1 to 1024, or partitions"},
           {With("on_error: {retries: -1}\n"), "on_error.retries (line 3)"},
           {With("on_error: {policy: ignore}\n"), "on_error.policy (line 3): must be one of fail, retry, skip, dead-letter"},
           {With("on_error: {backoff_ms: 60000}\n"),
            "on_error.backoff_ms (line 3): backoff_max_ms (30000) must not be below backoff_ms (60000)"},
           {With("on_error: {policy: retry, retries: 1}\n"), "on_error.retries (line 3): policy retry tries again without end"},
           {With("on_error: {policy: dead-letter}\n"), "dead_letter_output"},
           {With("on_error:\n  policy: dead-letter\n  dead_letter_output: 0\n"),
            "on_error.dead_letter_output (line 5): there is no output 0"},
           {With("on_error: {policy: dead-letter, dead_letter_output: 1}\noutputs: [{output-type: embedded, topic: a}]\n"),
            "on_error.dead_letter_output (line 3): there is no output 1: the function has one output, 0"},
           {With("on_error: {policy: skip, dead_letter_output: 0}\noutputs: [{output-type: embedded, topic: a}]\n"),
            "on_error.dead_letter_output (line 3): only policy dead-letter uses it"},
           {With("on_error: {dead_letter_output: 0}\noutputs: [{output-type: embedded, topic: a}]\n"), "only policy dead-letter uses it"},
           {With("name: again\n"), "name (line 3): given twice; first on line 1"},
       }) {
    const auto config = ParseFunctionConfig(c.yaml);
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << c.yaml;
    EXPECT_THAT(Message(config.status()), HasSubstr(c.message)) << c.yaml;
  }
}

TEST(FunctionConfig, OnErrorIsReadWithTheOutputItNames) {
  const auto config =
      ParseFunctionConfig(With("on_error: {policy: dead-letter, retries: 3, backoff_ms: 0, backoff_max_ms: 500, dead_letter_output: 1}\n"
                               "outputs: [{output-type: embedded, topic: a}, {output-type: embedded, topic: b}]\n"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->on_error.policy, ErrorPolicy::kDeadLetter);
  EXPECT_EQ(config->on_error.retries, 3);
  EXPECT_EQ(config->on_error.backoff, absl::ZeroDuration());
  EXPECT_EQ(config->on_error.backoff_max, absl::Milliseconds(500));
  EXPECT_EQ(config->on_error.dead_letter_channel, 1);
  EXPECT_EQ(ParseFunctionConfig(With("on_error: {policy: retry}\n"))->on_error.policy, ErrorPolicy::kRetry);
}

TEST(FunctionConfig, WhatThisVersionDoesNotHaveIsSaidSo) {
  for (const std::string_view line : {"parallelism: 2", "parallelism: partitions"}) {
    const auto config = ParseFunctionConfig(With(fmt::format("{}\n", line)));
    EXPECT_EQ(config.status().code(), absl::StatusCode::kUnimplemented) << line;
    EXPECT_THAT(Message(config.status()), HasSubstr("(line 3): this version")) << line;
  }
}

TEST(CheckName, TakesTheContractsCharactersOnly) {
  for (const std::string& name : {std::string("a"), std::string("A.b_c-9"), std::string("..."), std::string(255, 'x')}) {
    EXPECT_TRUE(CheckName(name, "name").ok()) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a b"), std::string("a/b"), std::string("\xc3\xa9"),
        std::string("a\n"), std::string("a\0b", 3), std::string(256, 'x'), std::string("../x")}) {
    EXPECT_THAT(Message(CheckName(name, "name (line 3)")), StartsWith("name (line 3): ")) << name;
  }
}

std::string WithLimits(std::string_view limits) {
  return fmt::format("name: f\ntype: python\ninput-groups: [{{inputs: [{{input-type: embedded, topic: t, group_id: g}}]}}]\nlimits: {}\n",
                     limits);
}

TEST(FunctionLimits, ABatchHasTheTimeOfAMessageOrMore) {
  EXPECT_EQ(ParseFunctionConfig(WithLimits("{}"))->limits.batch_timeout(), absl::Seconds(30));
  EXPECT_EQ(ParseFunctionConfig(WithLimits("{process_timeout_ms: 100}"))->limits.batch_timeout(), absl::Seconds(5));
  EXPECT_EQ(ParseFunctionConfig(WithLimits("{process_timeout_ms: 90000}"))->limits.batch_timeout(), absl::Seconds(90));
  EXPECT_EQ(ParseFunctionConfig(WithLimits("{process_timeout_ms: 100, batch_timeout_ms: 100}"))->limits.batch_timeout(),
            absl::Milliseconds(100));
  const auto refused = ParseFunctionConfig(WithLimits("{process_timeout_ms: 100, batch_timeout_ms: 99}"));
  EXPECT_EQ(Message(refused.status()),
            "limits (line 4): batch_timeout_ms (99) must not be below process_timeout_ms (100): a batch may be a single message");
}

TEST(FunctionLimits, ACapLowersDefaultsAndRefusesWhatWasAskedFor) {
  FunctionLimits caps = WidestLimits();
  caps.memory_mb = 128;
  FunctionLimits given = ParseFunctionConfig(WithLimits("{state_mb: 7}"))->limits;
  EXPECT_TRUE(ApplyCaps(caps, given).ok());
  EXPECT_EQ(given.memory_mb, 128);
  EXPECT_EQ(given.state_mb, 7);
  given = ParseFunctionConfig(WithLimits("\n  memory_mb: 129"))->limits;
  const absl::Status refused = ApplyCaps(caps, given);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      Message(refused),
      "limits.memory_mb (line 5): 129 is more than this server allows, limits.per_function.memory_mb of its configuration is 128; ask "
      "for less, or have that raised");
}

}  // namespace
}  // namespace fs::config
