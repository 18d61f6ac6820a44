// One number out of a JSON object, without building the rest: the event time of a record whose value has it.
//
// Owned by an EventTime, used on its thread; hot where a function's watermark.source is json:<field>. simdjson's on-demand parser, whose
// buffers are kept from record to record. Only what is needed to find the member is checked: other members may hold what is no JSON, NaN
// for example.
#ifndef FUNCTION_STREAM_TASK_JSON_FIELD_H_
#define FUNCTION_STREAM_TASK_JSON_FIELD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fs::task {

class JsonField {
 public:
  explicit JsonField(std::string name);
  ~JsonField();
  JsonField(const JsonField&) = delete;
  JsonField& operator=(const JsonField&) = delete;

  // The number that the object's member of this name holds, fractions cut off; the last one where the name occurs twice, as Python's json.
  // nullopt: not a JSON object in UTF-8, no such member, no number, or not within 64 bits.
  [[nodiscard]] std::optional<int64_t> NumberIn(std::string_view json);

 private:
  struct Parser;

  const std::string name_;
  const std::unique_ptr<Parser> parser_;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_JSON_FIELD_H_
