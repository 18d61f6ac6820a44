// What stands in records that anybody may have written: headers, watermark stamps, JSON with an event time, and a publish on the wire.
#include <cstring>
#include <memory>
#include <string>

#include "api/record_codec.h"
#include "connector/embedded/record_block.h"
#include "connector/kafka/headers.h"
#include "fuzz/fuzz.h"
#include "observe/printable.h"
#include "task/json_field.h"
#include "task/watermark_stamp.h"

namespace fs {
namespace {

using fuzz::Require;

// As a client that reads the topic would see it, and back.
void CheckWire(std::string_view headers) {
  ::function_stream::PublishRequest request;
  const Record record{.value = "v", .key = "k", .headers = headers};
  const absl::Status status = api::ToWire(record, *request.add_records());
  fuzz::CheckRefusal(status, {absl::StatusCode::kDataLoss});
  if (!status.ok()) return;
  const std::string bytes = request.SerializeAsString();
  Require(request.ParseFromString(bytes), "an answer that its reader cannot parse");
  const api::PublishedRecords published(request);
  ::function_stream::EmbeddedRecord again;
  const Record stored{.value = "v", .key = "k", .headers = published.records()[0].headers};
  Require(api::ToWire(stored, again).ok(), "what was published cannot be read");
  Require(again.headers_size() == request.records(0).headers_size(), "headers lost on the way");
  for (int i = 0; i < again.headers_size(); ++i) {
    const auto& left = again.headers(i);
    const auto& right = request.records(0).headers(i);
    Require(left.name() == right.name() && left.value() == right.value() && left.has_value() == right.has_value(), "header {} differs", i);
  }
}

void CheckStamps(std::string_view headers, FuzzedDataProvider& input) {
  const auto stamp = task::FindStamp(headers);
  if (stamp) Require(!stamp->writer.empty() && stamp->writer.size() < 600, "a writer of {} bytes", stamp->writer.size());
  task::WatermarkStamps stamps("writer/0", 1);
  if (input.ConsumeBool()) stamps.Begin();
  const int64_t watermark = input.ConsumeIntegral<int64_t>();
  stamps.Advance(0, watermark);
  const OutputRecord written = stamps.Apply(0, {.value = "v", .key = std::nullopt, .headers = headers});
  const auto found = task::FindStamp(written.headers);
  if (found) Require(found->writer == "writer/0" && found->watermark == watermark, "a foreign stamp was passed on");
}

void CheckKafka(std::string_view headers) {
  fuzz::CheckRefusal(connector::kafka::DecodeHeaders(headers).status(), {absl::StatusCode::kInvalidArgument});
}

void CheckJson(std::string_view json, FuzzedDataProvider& input) {
  task::JsonField chosen(input.ConsumeRandomLengthString(8));
  (void)chosen.NumberIn(json);
  // As a function uses it: one parser for all records.
  static auto* const kept = new task::JsonField("ts");
  const auto number = kept->NumberIn(json);
  Require(number == task::JsonField("ts").NumberIn(json), "a parser that remembers the record before");
}

void CheckPrintable(std::string_view text) {
  std::string printable, json;
  observe::AppendPrintable(text, printable);
  observe::AppendJsonString(text, json);
  Require(IsUtf8(printable) && IsUtf8(json), "text that is not UTF-8");
  for (const char c : printable) Require(static_cast<unsigned char>(c) >= 0x20 || c == '\t', "a control character in: {}", printable);
  for (const char c : json) Require(static_cast<unsigned char>(c) >= 0x20, "a control character in: {}", json);
}

}  // namespace
}  // namespace fs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fs;
  FuzzedDataProvider input(data, size);
  const std::string text = input.ConsumeRandomLengthString(512);
  const std::unique_ptr<char[]> exactly(new char[text.size()]);
  std::memcpy(exactly.get(), text.data(), text.size());
  const std::string_view bytes(exactly.get(), text.size());
  CheckWire(bytes);
  CheckStamps(bytes, input);
  CheckKafka(bytes);
  CheckJson(bytes, input);
  CheckPrintable(bytes);
  return 0;
}
