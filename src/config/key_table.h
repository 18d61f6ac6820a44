// How a YAML map becomes a struct: a table with one row per key, which says what the key may hold and where it goes.
//
// The tables drive the parsing, the errors and the reference in docs/configuration.md (a test compares them), so none of the three can
// drift. Value types, used while parsing only.
#ifndef FUNCTION_STREAM_CONFIG_KEY_TABLE_H_
#define FUNCTION_STREAM_CONFIG_KEY_TABLE_H_

#include <absl/time/time.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "config/endpoint.h"
#include "config/yaml_tree.h"

namespace fs::config {

// A value in its place: "limits.memory_mb (line 7)".
struct Value {
  const YamlNode* node = nullptr;
  std::string path;
  int line = 0;

  [[nodiscard]] absl::Status Error(std::string_view what) const;
  // "must be <form>, not <what is there>".
  [[nodiscard]] absl::Status MustBe(std::string_view form) const;
  // About a key of this map, at its line where it is given.
  [[nodiscard]] absl::Status ErrorAt(std::string_view key, std::string_view what) const;
  // A value below this one: "path.key" or "path[index]".
  [[nodiscard]] Value Child(const YamlEntry& entry) const;
  [[nodiscard]] Value Child(size_t index) const;
};

// Each is kInvalidArgument, naming place, form and what is there instead.
[[nodiscard]] absl::StatusOr<std::string> ReadText(const Value& value, std::string_view form);
[[nodiscard]] absl::StatusOr<bool> ReadBool(const Value& value);
[[nodiscard]] absl::StatusOr<int64_t> ReadWhole(const Value& value, int64_t min, int64_t max, std::string_view form);
[[nodiscard]] absl::StatusOr<double> ReadNumber(const Value& value, double min, double max, std::string_view form);
[[nodiscard]] absl::StatusOr<size_t> ReadChoice(const Value& value, const std::vector<std::string_view>& words);

// A row of the reference.
struct KeyDescription {
  std::string path;  // "limits.memory_mb", "input-groups[].inputs"
  std::string form;  // "a whole number, 32 to 4096"
};

// What a key may hold, and how it is read into a T.
template <class T>
struct Reader {
  std::string form;
  std::function<absl::Status(const Value&, T&)> read;
  std::function<void(const std::string& path, std::vector<KeyDescription>& out)> describe_below;  // of the keys inside; may be empty
};

template <class T>
struct Key {
  std::string_view name;
  Reader<T> reader;
  bool is_required = false;
};

template <class T>
using KeyTable = std::vector<Key<T>>;

// What to do with a key that no row names; with none given it is refused.
using UnknownKeyRule = std::function<absl::Status(const Value& unknown, std::string_view key, const std::vector<std::string_view>& known)>;
[[nodiscard]] absl::Status RefuseUnknownKey(const Value& unknown, std::string_view key, const std::vector<std::string_view>& known);

[[nodiscard]] absl::Status MissingKey(const Value& map, std::string_view key, std::string_view form);

// Reads a map by its table. A key without a value counts as not written.
template <class T>
[[nodiscard]] absl::Status ReadMap(const Value& map, const KeyTable<T>& table, T& target,
                                   const UnknownKeyRule& on_unknown = RefuseUnknownKey) {
  if (map.node->kind == YamlNode::Kind::kNull) {
    for (const Key<T>& key : table) {
      if (key.is_required) return MissingKey(map, key.name, key.reader.form);
    }
    return absl::OkStatus();
  }
  if (map.node->kind != YamlNode::Kind::kMap) return map.MustBe("a map of keys");
  std::vector<bool> is_given(table.size());
  for (const YamlEntry& entry : map.node->entries) {
    size_t row = 0;
    while (row < table.size() && table[row].name != entry.key) ++row;
    const Value value = map.Child(entry);
    if (row == table.size()) {
      std::vector<std::string_view> known;
      for (const Key<T>& key : table) known.push_back(key.name);
      FS_RETURN_IF_ERROR(on_unknown(value, entry.key, known));
      continue;
    }
    if (entry.value.kind == YamlNode::Kind::kNull) continue;
    FS_RETURN_IF_ERROR(table[row].reader.read(value, target));
    is_given[row] = true;
  }
  for (size_t row = 0; row < table.size(); ++row) {
    if (table[row].is_required && !is_given[row]) {
      return MissingKey(map, table[row].name, table[row].reader.form);
    }
  }
  return absl::OkStatus();
}

template <class T>
void Describe(const std::string& prefix, const KeyTable<T>& table, std::vector<KeyDescription>& out) {
  for (const Key<T>& key : table) {
    const std::string path = prefix.empty() ? std::string(key.name) : fmt::format("{}.{}", prefix, key.name);
    out.push_back({.path = path, .form = key.reader.form});
    if (key.reader.describe_below) key.reader.describe_below(path, out);
  }
}

// ---- Readers for what keys usually hold. `member` is where it goes.

template <class T>
Reader<T> Text(std::string T::* member) {
  std::string form = "text";
  return {form,
          [member, form](const Value& value, T& target) -> absl::Status {
            FS_ASSIGN_OR_RETURN(target.*member, ReadText(value, form));
            return (target.*member).empty() ? value.Error("must not be empty") : absl::OkStatus();
          },
          nullptr};
}

template <class T>
Reader<T> Path(std::filesystem::path T::* member, bool may_be_empty = false) {
  std::string form = may_be_empty ? "path or \"\"" : "path";
  return {form,
          [=](const Value& value, T& target) -> absl::Status {
            FS_ASSIGN_OR_RETURN(std::string text, ReadText(value, form));
            if (text.empty() && !may_be_empty) return value.Error("must not be empty");
            target.*member = std::move(text);
            return absl::OkStatus();
          },
          nullptr};
}

template <class T>
Reader<T> Bool(bool T::* member) {
  return {"true or false",
          [member](const Value& value, T& target) -> absl::Status {
            FS_ASSIGN_OR_RETURN(target.*member, ReadBool(value));
            return absl::OkStatus();
          },
          nullptr};
}

// A whole number that is stored times `unit`: 64 (MB) as bytes with unit 1 << 20.
template <class Number>
struct NumberIn {
  using Type = Number;
};
template <class Number>
struct NumberIn<std::optional<Number>> {
  using Type = Number;
};
template <class T, class Number>
Reader<T> Whole(Number T::* member, int64_t min, int64_t max, int64_t unit = 1) {
  std::string form = fmt::format("a whole number, {} to {}", min, max);
  return {form,
          [=](const Value& value, T& target) -> absl::Status {
            FS_ASSIGN_OR_RETURN(const int64_t number, ReadWhole(value, min, max, form));
            target.*member = static_cast<typename NumberIn<Number>::Type>(number * unit);
            return absl::OkStatus();
          },
          nullptr};
}

template <class T>
Reader<T> Milliseconds(absl::Duration T::* member, int64_t min, int64_t max) {
  std::string form = fmt::format("a whole number of milliseconds, {} to {}", min, max);
  return {form,
          [=](const Value& value, T& target) -> absl::Status {
            FS_ASSIGN_OR_RETURN(const int64_t number, ReadWhole(value, min, max, form));
            target.*member = absl::Milliseconds(number);
            return absl::OkStatus();
          },
          nullptr};
}

template <class T>
Reader<T> Seconds(absl::Duration T::* member, double min, double max) {
  std::string form = fmt::format("seconds, {} to {}, fractions allowed", min, max);
  return {form,
          [=](const Value& value, T& target) -> absl::Status {
            FS_ASSIGN_OR_RETURN(const double number, ReadNumber(value, min, max, form));
            target.*member = absl::Seconds(number);
            return absl::OkStatus();
          },
          nullptr};
}

// One of a few words, each standing for a value.
template <class T, class Choice>
Reader<T> OneOf(Choice T::* member, const std::vector<std::pair<std::string_view, Choice>>& choices) {
  std::vector<std::string_view> words;
  for (const auto& [word, choice] : choices) words.push_back(word);
  return {fmt::format("{}", fmt::join(words, ", ")),
          [=](const Value& value, T& target) -> absl::Status {
            FS_ASSIGN_OR_RETURN(const size_t index, ReadChoice(value, words));
            target.*member = choices[index].second;
            return absl::OkStatus();
          },
          nullptr};
}

// A map inside, with a table of its own.
template <class T, class Inner>
Reader<T> Section(Inner T::* member, const KeyTable<Inner>& table, const UnknownKeyRule& on_unknown = RefuseUnknownKey) {
  return {"map", [=](const Value& value, T& target) { return ReadMap(value, table, target.*member, on_unknown); },
          [=](const std::string& path, std::vector<KeyDescription>& out) { Describe(path, table, out); }};
}

}  // namespace fs::config

#endif  // FUNCTION_STREAM_CONFIG_KEY_TABLE_H_
