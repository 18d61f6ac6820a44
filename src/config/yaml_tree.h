// A YAML document as a tree that remembers lines: the one place that touches the YAML library.
//
// A value type. The text is hostile: its size, depth and number of values are bounded, aliases are expanded within that bound, a key given
// twice is an error, and nothing the library throws leaves this file.
#ifndef FUNCTION_STREAM_CONFIG_YAML_TREE_H_
#define FUNCTION_STREAM_CONFIG_YAML_TREE_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace fs::config {

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };
  Kind kind = Kind::kNull;
  int line = 0;
  std::string text;  // of a scalar, as written, without quotes
  bool is_quoted = false;
  std::vector<YamlNode> items;     // of a sequence
  std::vector<YamlEntry> entries;  // of a map, in the order of the file
};

struct YamlEntry {
  std::string key;
  int line = 0;
  YamlNode value;
};

// "text", "a list", "a map" or "nothing": for error messages.
[[nodiscard]] std::string_view KindName(YamlNode::Kind kind);

// kInvalidArgument naming the line. An empty document is a null node.
[[nodiscard]] absl::StatusOr<YamlNode> ParseYaml(std::string_view text);

}  // namespace fs::config

#endif  // FUNCTION_STREAM_CONFIG_YAML_TREE_H_
