// One input or output as the user wrote it: a type and properties, each with its place, read by the connector of that type.
//
// A value type; thread-compatible. The accessors make errors that name key and line: "input-groups[0].inputs[1].topic (line 14): ...".
#ifndef FUNCTION_STREAM_CONFIG_ENDPOINT_H_
#define FUNCTION_STREAM_CONFIG_ENDPOINT_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace fs::config {

struct Property {
  std::string key;
  std::string value;        // the scalar as written
  bool is_quoted = false;   // "5" is not a number where one is wanted
  bool is_runtime = false;  // stood under `runtime:`: always a client property
  int line = 0;
};

struct Endpoint {
  std::string type;  // kafka, embedded, file
  std::string path;  // "input-groups[0].inputs[1]" or "outputs[0]"
  int line = 0;
  std::vector<Property> properties;  // without input-type and output-type, in the order of the file

  // The property of that name, but not one under `runtime:`; nullptr when there is none.
  [[nodiscard]] const Property* Find(std::string_view key) const;
  // kInvalidArgument when missing or empty; a property that is near to `key` is taken for a slip.
  [[nodiscard]] absl::StatusOr<std::string> RequireString(std::string_view key) const;
  [[nodiscard]] absl::StatusOr<std::optional<int64_t>> OptionalInt(std::string_view key, int64_t min = 0,
                                                                   int64_t max = std::numeric_limits<int64_t>::max()) const;
  // kInvalidArgument naming the first property that is not in `known`, with the nearest known one; for connectors without pass-through.
  [[nodiscard]] absl::Status RequireOnly(std::span<const std::string_view> known) const;
  // kInvalidArgument for a property whose key may be meant for `key`, which is missing.
  [[nodiscard]] absl::Status CheckSlip(std::string_view key) const;
  // "input-groups[0].inputs[1].topic (line 14): " + what: an error about a key of this endpoint (the endpoint's line if it is missing).
  [[nodiscard]] absl::Status ErrorAt(std::string_view key, std::string_view what) const;
};

// The word of `known` nearest to `word` by edit distance, if near enough to be meant.
[[nodiscard]] std::optional<std::string_view> NearestName(std::string_view word, std::span<const std::string_view> known);

}  // namespace fs::config

#endif  // FUNCTION_STREAM_CONFIG_ENDPOINT_H_
