// The ABI's bytes: what is encoded reads back as the guest reads it, and edges keep their meaning.
#include "sandbox/codec.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace fs::sandbox {
namespace {

TEST(CodecTest, ARecordIsPaddedAndKeepsTheDifferenceOfNoKeyAndEmptyKey) {
  for (const size_t length : {0U, 1U, 7U, 8U, 1000U}) {
    const std::string value(length, 'v');
    for (const auto& key :
         {std::optional<std::string_view>(), std::optional<std::string_view>(""), std::optional<std::string_view>("key")}) {
      Record record;
      record.value = value;
      record.key = key;
      record.headers = "hh";
      record.timestamp_ms = -5;
      record.offset = int64_t{1} << 40;
      record.partition = 3;
      const uint64_t size = EncodedSize(record);
      EXPECT_EQ(size % 8, 0U);
      std::vector<uint8_t> buffer(size + 1, 0xee);
      EXPECT_EQ(EncodeRecord(record, 9, buffer.data()), buffer.data() + size);
      EXPECT_EQ(buffer.back(), 0xee) << "nothing past the end";
      fs_record header;
      std::memcpy(&header, buffer.data(), sizeof(header));
      EXPECT_EQ(header.size, size);
      EXPECT_EQ(header.value_len, length);
      EXPECT_EQ(header.key_len, key ? static_cast<int32_t>(key->size()) : -1);
      EXPECT_EQ(header.timestamp_ms, -5);
      EXPECT_EQ(header.offset, int64_t{1} << 40);
      EXPECT_EQ(header.partition, 3);
      EXPECT_EQ(header.topic, 9U);
      const std::string text(reinterpret_cast<const char*>(buffer.data()) + sizeof(header), length + (key ? key->size() : 0) + 2);
      EXPECT_EQ(text, value + std::string(key.value_or("")) + "hh");
    }
  }
}

TEST(CodecTest, TheLoadImageHoldsEverythingInOrder) {
  const std::vector<PackageFile> files = {{PackageFile::Kind::kModule, "a", "x = 1"},
                                          {PackageFile::Kind::kPackage, "p", ""},
                                          {PackageFile::Kind::kData, "p/d.bin", std::string("\0\xff", 2)}};
  GuestProgram program;
  program.function_name = "f";
  program.class_name = "C";
  program.channel_count = 2;
  program.topics = {"t"};
  program.config = {{"k", "v"}};
  program.files = files;
  const std::string image = EncodeLoadImage(program);
  std::vector<std::string> strings;
  for (size_t position = 0; position < image.size();) {
    uint32_t length;
    std::memcpy(&length, image.data() + position, sizeof(length));
    strings.push_back(image.substr(position + sizeof(length), length));
    position += sizeof(length) + length;
  }
  const std::vector<std::string> expected = {"1", "f", "",  "C",     "2", "1", "t", "1", "k",       "v",
                                             "3", "m", "a", "x = 1", "p", "p", "",  "d", "p/d.bin", std::string("\0\xff", 2)};
  EXPECT_EQ(strings, expected);
}

TEST(CodecTest, EmittedRecordsAreWalkedInOrder) {
  std::string bytes;
  const auto append = [&](uint32_t channel, std::string_view value, std::optional<std::string_view> key, uint32_t kind, int64_t timestamp) {
    const size_t size = (sizeof(fs_emitted) + value.size() + key.value_or("").size() + 7) / 8 * 8;
    const fs_emitted header = {static_cast<uint32_t>(size),
                               channel,
                               static_cast<uint32_t>(value.size()),
                               key ? static_cast<int32_t>(key->size()) : -1,
                               0,
                               kind,
                               timestamp};
    std::string record(reinterpret_cast<const char*>(&header), sizeof(header));
    record.append(value).append(key.value_or(""));
    record.resize(size);
    bytes += record;
  };
  append(0, "value", std::nullopt, FS_EMIT_RECORD, 7);
  append(1, "", "", FS_EMIT_RECORD, FS_NO_TIMESTAMP);
  append(0, "", std::nullopt, FS_EMIT_WATERMARK, 99);
  EmittedReader reader(bytes, 3, 2);
  auto emitted = reader.Next();
  ASSERT_TRUE(emitted.ok() && *emitted);
  EXPECT_EQ((*emitted)->record.value, "value");
  EXPECT_FALSE((*emitted)->record.key);
  EXPECT_EQ((*emitted)->record.timestamp_ms, 7);
  emitted = reader.Next();
  ASSERT_TRUE(emitted.ok() && *emitted);
  EXPECT_EQ((*emitted)->channel, 1U);
  EXPECT_EQ((*emitted)->record.key, "");
  EXPECT_EQ((*emitted)->record.timestamp_ms, kNoTimestamp);
  emitted = reader.Next();
  ASSERT_TRUE(emitted.ok() && *emitted);
  EXPECT_TRUE((*emitted)->is_watermark);
  EXPECT_EQ((*emitted)->record.timestamp_ms, 99);
  emitted = reader.Next();
  ASSERT_TRUE(emitted.ok());
  EXPECT_FALSE(*emitted);
}

// A bug once: a function that made its own reports could hand over as much as it had memory, and all of it was kept, several times.
TEST(CodecTest, AReportIsCutWhoeverMadeIt) {
  std::string report;
  for (const size_t size : {size_t{5} << 20, size_t{64} << 10, size_t{0}}) {
    const auto length = static_cast<uint32_t>(size);
    report.append(reinterpret_cast<const char*>(&length), sizeof(length)).append(size, 'x');
  }
  const auto error = DecodeErrorReport(report);
  ASSERT_TRUE(error.ok()) << error.status();
  EXPECT_EQ(error->type, std::string(64 << 10, 'x') + "... (5242880 bytes, cut)");
  EXPECT_EQ(error->message.size(), size_t{64} << 10);
  EXPECT_EQ(error->traceback, "");
}

TEST(CodecTest, AUserErrorReadsLikePythons) {
  EXPECT_EQ(UserErrorText({"ValueError", "no", "Traceback\n  line"}), "ValueError: no\nTraceback\n  line");
  EXPECT_EQ(UserErrorText({"KeyError", "", ""}), "KeyError");
}

}  // namespace
}  // namespace fs::sandbox
