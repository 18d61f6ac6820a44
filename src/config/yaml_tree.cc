#include "config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "base/utf8.h"

namespace fs::config {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxDepth = 20;
constexpr size_t kMaxNodes = 10'000;
constexpr size_t kMaxKeyBytes = 1000;
// More than a document of kMaxBytes can hold but by aliases.
constexpr size_t kMaxTextBytes = 4 * kMaxBytes;

// The only way to leave the parser early; caught in ParseYaml.
struct Refused {
  absl::Status status;
};

// Builds the tree from the parser's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  YamlNode Take() && { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Finish(Leaf(YamlNode::Kind::kNull, mark), anchor); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    RefuseTag(tag, mark);
    YamlNode node = Leaf(YamlNode::Kind::kScalar, mark);
    node.text = value;
    Count({0, value.size()}, node.line);
    node.is_quoted = tag == "!";
    Finish(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{InvalidArgument("line {}: an alias (`*name`) inside the value that it names", Line(mark))};
    Count(SizeOf(found->second), Line(mark));
    Finish(found->second, 0);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    RefuseTag(tag, mark);
    Open(YamlNode::Kind::kSequence, mark, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    RefuseTag(tag, mark);
    Open(YamlNode::Kind::kMap, mark, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::optional<YamlEntry> open_entry;  // a map's key that waits for its value
  };

  static int Line(const YAML::Mark& mark) { return mark.line + 1; }

  static void RefuseTag(const std::string& tag, const YAML::Mark& mark) {
    // "?" is a plain value, "!" a quoted one, "" a plain map or list; all else is a type that the user asked for.
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refused{
          InvalidArgument("line {}: type tags such as `{}` are not accepted; write the plain value", Line(mark), CutUtf8(tag, 100))};
    }
  }

  struct Size {
    size_t nodes = 0;
    size_t text_bytes = 0;

    void operator+=(const Size& other) {
      nodes += other.nodes;
      text_bytes += other.text_bytes;
    }
  };

  static Size SizeOf(const YamlNode& node) {
    Size size{1, node.text.size()};
    for (const YamlNode& item : node.items) size += SizeOf(item);
    for (const YamlEntry& entry : node.entries) {
      size += SizeOf(entry.value);
      size.text_bytes += entry.key.size();
    }
    return size;
  }

  void Count(const Size& size, int line) {
    size_ += size;
    if (size_.nodes > kMaxNodes)
      throw Refused{InvalidArgument("line {}: more than {} values, aliases counted as what they stand for", line, kMaxNodes)};
    if (size_.text_bytes > kMaxTextBytes)
      throw Refused{InvalidArgument("line {}: more than {} bytes of text, aliases counted as what they stand for", line, kMaxTextBytes)};
  }

  YamlNode Leaf(YamlNode::Kind kind, const YAML::Mark& mark) {
    Count({1, 0}, Line(mark));
    YamlNode node;
    node.kind = kind;
    node.line = Line(mark);
    return node;
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (frames_.size() >= kMaxDepth) throw Refused{InvalidArgument("line {}: nested more than {} levels deep", Line(mark), kMaxDepth)};
    YamlNode node = Leaf(kind, mark);
    // A block starts where its first key stands; the line that people look for is that of the key it belongs to.
    if (!frames_.empty() && frames_.back().open_entry) node.line = frames_.back().open_entry->line;
    frames_.push_back({.node = std::move(node), .anchor = anchor, .open_entry = std::nullopt});
  }

  void Close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    Finish(std::move(frame.node), frame.anchor);
  }

  void Finish(YamlNode node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& parent = frames_.back();
    if (parent.node.kind == YamlNode::Kind::kSequence) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.open_entry) {
      parent.open_entry->value = std::move(node);
      parent.node.entries.push_back(std::move(*parent.open_entry));
      parent.open_entry.reset();
    } else {
      OpenEntry(parent, std::move(node));
    }
  }

  void OpenEntry(Frame& map, YamlNode key) {
    if (key.kind != YamlNode::Kind::kScalar || key.text.empty()) {
      throw Refused{InvalidArgument("line {}: {} in place of a key", key.line,
                                    key.kind == YamlNode::Kind::kScalar ? "empty text" : KindName(key.kind))};
    }
    if (key.text.size() > kMaxKeyBytes) throw Refused{InvalidArgument("line {}: a key of more than {} bytes", key.line, kMaxKeyBytes)};
    for (const YamlEntry& entry : map.node.entries) {
      if (entry.key == key.text) {
        throw Refused{InvalidArgument("{} (line {}): given twice; first on line {}", PathOf(key.text), key.line, entry.line)};
      }
    }
    map.open_entry = YamlEntry{.key = std::move(key.text), .line = key.line, .value = {}};
  }

  // "input-groups[0].inputs[1].topic"
  std::string PathOf(std::string_view key) const {
    std::string path;
    for (const Frame& frame : frames_) {
      if (frame.node.kind == YamlNode::Kind::kSequence) {
        path += fmt::format("[{}]", frame.node.items.size());
      } else if (frame.open_entry) {
        path += fmt::format("{}{}", path.empty() ? "" : ".", frame.open_entry->key);
      }
    }
    return fmt::format("{}{}{}", path, path.empty() ? "" : ".", key);
  }

  YamlNode root_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  Size size_;
};

absl::Status CheckText(std::string_view text) {
  if (text.size() > kMaxBytes) return InvalidArgument("{} bytes of YAML; the limit is {}", text.size(), kMaxBytes);
  int line = 1;
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    if (length == 0) return InvalidArgument("line {}: not UTF-8", line);
    // The library takes zero bytes for a sign of UTF-16.
    if (text[0] == '\0') return InvalidArgument("line {}: a zero byte", line);
    // YAML has none of these, the library takes them, and no error that quotes them could be read.
    const auto byte = static_cast<unsigned char>(text[0]);
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) {
      return InvalidArgument("line {}: the control character 0x{:02x}; write it as an escape in double quotes", line, byte);
    }
    if (text[0] == '\n') ++line;
    text.remove_prefix(length);
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view KindName(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return "a plain value";
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
  }
  return "";
}

absl::StatusOr<YamlNode> ParseYaml(std::string_view text) {
  FS_RETURN_IF_ERROR(CheckText(text));
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder)) return YamlNode{};
    TreeBuilder second;
    if (parser.HandleNextDocument(second)) return InvalidArgument("more than one document (`---`); write one");
    return std::move(builder).Take();
  } catch (const Refused& refused) {
    return refused.status;
  } catch (const YAML::Exception& error) {
    // It quotes single bytes of the text, not characters.
    return InvalidArgument("line {}, column {}: {}", error.mark.line + 1, error.mark.column + 1, ToUtf8(error.msg));
  } catch (const std::exception& error) {
    return InvalidArgument("not YAML: {}", error.what());
  }
}

}  // namespace fs::config
