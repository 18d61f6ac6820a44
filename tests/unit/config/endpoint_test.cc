#include "config/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace fs::config {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;

Endpoint KafkaOutput(std::vector<Property> properties) {
  return {.type = "kafka", .path = "outputs[0]", .line = 14, .properties = std::move(properties)};
}

Property Written(std::string key, std::string value) { return {.key = std::move(key), .value = std::move(value), .line = 16}; }

TEST(Endpoint, MissingKeyIsNamedWithTheEndpointsLine) {
  const absl::StatusOr<std::string> topic = KafkaOutput({}).RequireString("topic");
  EXPECT_THAT(Message(topic.status()), Eq("outputs[0].topic (line 14): required for output-type kafka"));
  EXPECT_EQ(topic.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Endpoint, MissingKeyThatWasMistypedIsFound) {
  EXPECT_THAT(Message(KafkaOutput({Written("topci", "t")}).RequireString("topic").status()),
              Eq("outputs[0].topci (line 16): unknown key `topci`; did you mean `topic`?"));
}

TEST(Endpoint, EmptyStringIsRefusedWithItsOwnLine) {
  EXPECT_THAT(Message(KafkaOutput({Written("topic", "")}).RequireString("topic").status()),
              Eq("outputs[0].topic (line 16): must not be empty"));
}

TEST(Endpoint, PropertyUnderRuntimeIsNotTheEndpointsOwn) {
  Property topic = Written("topic", "t");
  topic.is_runtime = true;
  const Endpoint endpoint = KafkaOutput({topic});
  EXPECT_EQ(endpoint.Find("topic"), nullptr);
  EXPECT_THAT(Message(endpoint.ErrorAt("topic", "unknown")), Eq("outputs[0].runtime.topic (line 16): unknown"));
}

TEST(Endpoint, WholeNumbersAreReadStrictly) {
  struct Case {
    std::string text;
    std::optional<int64_t> value;
  };
  for (const Case& c : std::initializer_list<Case>{{"0", 0},
                                                   {"-1", std::nullopt},
                                                   {"7", 7},
                                                   {"8", std::nullopt},
                                                   {"07", std::nullopt},
                                                   {"1.0", std::nullopt},
                                                   {"", std::nullopt},
                                                   {"0x1", std::nullopt},
                                                   {"1 ", std::nullopt},
                                                   {"99999999999999999999", std::nullopt},
                                                   {"true", std::nullopt}}) {
    const auto value = KafkaOutput({Written("partition", c.text)}).OptionalInt("partition", 0, 7);
    EXPECT_EQ(value.ok(), c.value.has_value()) << c.text;
    if (value.ok()) {
      EXPECT_EQ(*value, c.value) << c.text;
    } else {
      EXPECT_THAT(Message(value.status()), HasSubstr("outputs[0].partition (line 16): must be a whole number from 0 to 7")) << c.text;
    }
  }
  EXPECT_EQ(*KafkaOutput({}).OptionalInt("partition"), std::nullopt);
}

TEST(Endpoint, QuotedNumberIsNoNumber) {
  Property partition = Written("partition", "5");
  partition.is_quoted = true;
  EXPECT_THAT(Message(KafkaOutput({partition}).OptionalInt("partition").status()), HasSubstr("written without quotes"));
}

TEST(Endpoint, UnknownKeyGetsTheNearestName) {
  constexpr std::array<std::string_view, 2> known = {"topic", "group_id"};
  EXPECT_TRUE(KafkaOutput({Written("topic", "t")}).RequireOnly(known).ok());
  EXPECT_THAT(Message(KafkaOutput({Written("topics", "t")}).RequireOnly(known)),
              Eq("outputs[0].topics (line 16): unknown key `topics` for type kafka; did you mean `topic`?"));
  EXPECT_THAT(Message(KafkaOutput({Written("zzz", "t")}).RequireOnly(known)), HasSubstr("known: topic, group_id"));
}

TEST(NearestName, FindsWhatWasMeantAndNothingElse) {
  constexpr std::array<std::string_view, 4> known = {"input-groups", "bootstrap_servers", "name", "type"};
  struct Case {
    std::string_view word, nearest;
  };
  for (const Case& c : std::initializer_list<Case>{{"input-group", "input-groups"},
                                                   {"input_groups", "input-groups"},
                                                   {"INPUT-GROUPS", "input-groups"},
                                                   {"bootstrap.servers", "bootstrap_servers"},
                                                   {"nmae", "name"},
                                                   {"typ", "type"},
                                                   {"x", ""},
                                                   {"", ""},
                                                   {"completely", ""}}) {
    EXPECT_EQ(NearestName(c.word, known).value_or(""), c.nearest) << c.word;
  }
  EXPECT_EQ(NearestName(std::string(1 << 20, 'n'), known), std::nullopt);
}

}  // namespace
}  // namespace fs::config
