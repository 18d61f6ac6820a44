#include "api/record_codec.h"

#include <gtest/gtest.h>

namespace fs::api {
namespace {

Record WithHeaders(std::string_view headers) {
  Record record;
  record.headers = headers;
  return record;
}

TEST(RecordCodec, RecordComesBackAsItWasPublished) {
  ::function_stream::PublishRequest request;
  ::function_stream::EmbeddedRecord& full = *request.add_records();
  full.set_key(std::string("k\0", 2));
  full.set_value("v");
  full.set_timestamp_ms(-5);
  ::function_stream::Header& header = *full.add_headers();
  header.set_name("trace");
  header.set_value("");
  full.add_headers()->set_name("null");
  request.add_records();

  const PublishedRecords published(request);
  ASSERT_EQ(published.records().size(), 2u);
  for (int i = 0; i < 2; ++i) {
    const OutputRecord& out = published.records()[static_cast<size_t>(i)];
    ::function_stream::EmbeddedRecord wire;
    const Record record{.value = out.value, .key = out.key, .headers = out.headers, .timestamp_ms = out.timestamp_ms, .offset = 7};
    ASSERT_TRUE(ToWire(record, wire).ok());
    ::function_stream::EmbeddedRecord expected = request.records(i);
    expected.set_offset(7);
    EXPECT_EQ(wire.SerializeAsString(), expected.SerializeAsString());
  }
  EXPECT_EQ(published.records()[1].timestamp_ms, kNoTimestamp);
  EXPECT_FALSE(published.records()[1].key.has_value());
}

TEST(RecordCodec, HeadersThatAreCutShortAreDataLoss) {
  ::function_stream::PublishRequest request;
  ::function_stream::Header& header = *request.add_records()->add_headers();
  header.set_name("name");
  header.set_value("value");
  const PublishedRecords published(request);
  const std::string_view whole = published.records()[0].headers;
  for (size_t length = 1; length < whole.size(); ++length) {
    ::function_stream::EmbeddedRecord wire;
    EXPECT_EQ(ToWire(WithHeaders(whole.substr(0, length)), wire).code(), absl::StatusCode::kDataLoss) << length;
  }
}

TEST(RecordCodec, HeaderNameOfAnyBytesIsShown) {
  ::function_stream::EmbeddedRecord wire;
  const std::string headers("\x01\0\0\0\xff\xff\xff\xff\xfe", 9);
  ASSERT_TRUE(ToWire(WithHeaders(headers), wire).ok());
  EXPECT_EQ(wire.headers(0).name(), "\xef\xbf\xbd");
  EXPECT_FALSE(wire.headers(0).has_value());
}

}  // namespace
}  // namespace fs::api
