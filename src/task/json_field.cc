#include "task/json_field.h"

#include <simdjson.h>

#include <cmath>
#include <utility>

namespace fs::task {
namespace {

namespace ondemand = simdjson::ondemand;

std::optional<int64_t> Whole(simdjson::simdjson_result<ondemand::value> value) {
  ondemand::number number;
  if (value.get_number().get(number) != simdjson::SUCCESS) return std::nullopt;
  if (number.is_int64()) return number.get_int64();
  if (!number.is_double() || !(std::abs(number.get_double()) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(number.get_double());
}

}  // namespace

struct JsonField::Parser {
  ondemand::parser parser;
  std::string padded;  // the parser reads a little past the end
};

JsonField::JsonField(std::string name) : name_(std::move(name)), parser_(std::make_unique<Parser>()) {}

JsonField::~JsonField() = default;

std::optional<int64_t> JsonField::NumberIn(std::string_view json) {
  std::string& padded = parser_->padded;
  padded.reserve(json.size() + simdjson::SIMDJSON_PADDING);
  padded.assign(json);
  ondemand::document document;
  if (parser_->parser.iterate(padded.data(), padded.size(), padded.capacity()).get(document) != simdjson::SUCCESS) return std::nullopt;
  ondemand::object object;
  if (document.get_object().get(object) != simdjson::SUCCESS) return std::nullopt;
  std::optional<int64_t> found;
  for (auto member : object) {
    std::string_view name;
    if (member.unescaped_key().get(name) != simdjson::SUCCESS) return std::nullopt;
    if (name == name_) found = Whole(member.value());
  }
  const bool is_at_end = document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  return is_at_end ? found : std::nullopt;
}

}  // namespace fs::task
