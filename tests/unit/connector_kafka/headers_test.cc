#include "connector/kafka/headers.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

namespace fs::connector::kafka {
namespace {

using Header = std::pair<std::string, std::optional<std::string>>;

std::string Encode(const std::vector<Header>& headers) {
  std::string encoded;
  for (const auto& [name, value] : headers) AppendHeader(name, value ? value->data() : nullptr, value ? value->size() : 0, encoded);
  return encoded;
}

std::vector<Header> Listed(const rd_kafka_headers_t* list) {
  std::vector<Header> headers;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0; list != nullptr && rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    headers.emplace_back(name, value == nullptr ? std::nullopt : std::optional(std::string(static_cast<const char*>(value), size)));
  }
  return headers;
}

TEST(KafkaHeaders, SurviveTheWayThroughTheGuest) {
  const std::vector<Header> headers = {{"trace", "abc"},       {"trace", "again"}, {"empty", ""},
                                       {"null", std::nullopt}, {"", "no name"},    {"bytes", std::string("\0\xff", 2)}};
  const auto decoded = DecodeHeaders(Encode(headers));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_FALSE(decoded->is_tombstone);
  EXPECT_EQ(Listed(decoded->list.get()), headers);
}

TEST(KafkaHeaders, NoneAreNoList) {
  const auto decoded = DecodeHeaders("");
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->list, nullptr);
}

TEST(KafkaHeaders, TheTombstoneHeaderIsTakenOutAndTold) {
  const auto decoded = DecodeHeaders(Encode({{"a", "1"}, {std::string(kTombstoneHeader), std::nullopt}, {"b", "2"}}));
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->is_tombstone);
  EXPECT_EQ(Listed(decoded->list.get()), (std::vector<Header>{{"a", "1"}, {"b", "2"}}));
}

TEST(KafkaHeaders, WhatTheGuestGotWrongIsRefusedNotRead) {
  const std::string good = Encode({{"name", "value"}});
  for (size_t cut = 1; cut < good.size(); ++cut) {
    EXPECT_EQ(DecodeHeaders(std::string_view(good).substr(0, cut)).status().code(), absl::StatusCode::kInvalidArgument) << cut;
  }
  std::string bad_length = good;
  bad_length[7] = '\x80';  // a value length below -1
  EXPECT_FALSE(DecodeHeaders(bad_length).ok());
  std::string long_name = good;
  long_name[3] = '\x7f';
  EXPECT_FALSE(DecodeHeaders(long_name).ok());
}

}  // namespace
}  // namespace fs::connector::kafka
