#include "connector/file/file_connector.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "base/steady_clock.h"
#include "support/temporary_folder.h"

namespace fs::connector::file {
namespace {

using std::string_literals::operator""s;
using Strings = std::vector<std::string>;

class NoListener final : public SourceListener {
 public:
  absl::StatusOr<Positions> OnAssigned(std::span<const connector::GroupPosition>) override { return Positions{}; }
  void OnRevoked(std::span<const int32_t>) override {}
  void OnLost(std::span<const int32_t>) override {}
};

class FileConnectorTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(base_);
    connector_ = std::make_unique<FileConnector>(base_);
    session_ = connector_->OpenSession({"f", "f-1", 0, 1, waker_}).value();
  }
  static config::Endpoint Endpoint(std::string path, std::string key = "path") {
    config::Endpoint endpoint;
    endpoint.type = "file";
    endpoint.path = "outputs[0]";
    endpoint.line = 3;
    endpoint.properties.push_back({std::move(key), std::move(path), false, false, 4});
    return endpoint;
  }
  std::unique_ptr<Source> Input(const std::string& path) { return session_->OpenSource(0, Endpoint(path)).value(); }
  std::unique_ptr<Sink> Output(const std::string& path) { return session_->OpenSink(Endpoint(path)).value(); }
  void WriteFile(const std::string& name, std::string_view text) {
    std::ofstream(base_ / name, std::ios::binary | std::ios::trunc) << text;
  }
  void AppendFile(const std::string& name, std::string_view text) { std::ofstream(base_ / name, std::ios::binary | std::ios::app) << text; }
  std::string ReadFile(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(base_ / name, std::ios::binary).rdbuf();
    return text.str();
  }
  Strings Poll(Source& source, size_t max_records = 1000, size_t max_bytes = 1 << 20) {
    std::vector<Record> records;
    status_ = source.Poll(max_records, max_bytes, records);
    Strings values;
    for (const Record& record : records) {
      values.emplace_back(record.value);
      next_ = record.offset + 1;
    }
    return values;
  }

  TemporaryFolder folder_;
  std::filesystem::path base_ = folder_.path() / "files";
  std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  std::unique_ptr<FileConnector> connector_;
  std::unique_ptr<Session> session_;
  NoListener listener_;
  absl::Status status_;
  int64_t next_ = 0;
  const absl::Time soon_ = SteadyNow() + absl::Minutes(1);
};

TEST_F(FileConnectorTest, PathsAreKeptBelowTheFolder) {
  const struct {
    std::string path;
    bool is_good;
  } cases[] = {
      {"a", true},
      {"a/b/c.txt", true},
      {"./a", true},
      {"a//b", true},
      {(base_ / "x").native(), true},
      {"..", false},
      {"../a", false},
      {"a/../../b", false},
      {"a/../b", false},
      {"/etc/passwd", false},
      {"", false},
      {".", false},
      {"a/", false},
      {"/", false},
      {"a\0b"s, false},
      {(base_ / "../y").native(), false},
      {base_.native() + "x/y", false},
      {std::string(5000, 'a'), false},
  };
  for (const auto& [path, is_good] : cases) {
    const absl::Status status = connector_->ValidateOutput(Endpoint(path));
    EXPECT_EQ(status.ok(), is_good) << path << ": " << status;
    if (!is_good) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_TRUE(Message(status).starts_with("outputs[0].path (line 4): ")) << status;
    }
  }
  EXPECT_NE(Message(connector_->ValidateOutput(Endpoint("x", "pth"))).find("did you mean `path`"), std::string_view::npos);
}

TEST_F(FileConnectorTest, LinksAndWhatIsNoFileAreRefused) {
  std::filesystem::create_directories(folder_.path() / "outside");
  std::ofstream(folder_.path() / "outside" / "secret") << "secret\n";
  std::filesystem::create_directory(base_ / "folder");
  std::filesystem::create_symlink(folder_.path() / "outside" / "secret", base_ / "link");
  std::filesystem::create_symlink(folder_.path() / "outside", base_ / "linked");
  ASSERT_EQ(mkfifo((base_ / "pipe").c_str(), 0600), 0);
  for (const char* path : {"link", "linked/secret", "folder", "pipe", "pipe/x"}) {
    EXPECT_EQ(Input(path)->Start({}, listener_).code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(Output(path)->Start(std::nullopt).code(), absl::StatusCode::kInvalidArgument) << path;
  }
  EXPECT_EQ(Output("linked/new")->Start(std::nullopt).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "outside" / "new"));
  const absl::Status missing = Input("missing/file")->Start({}, listener_);
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Message(missing).find((base_ / "missing/file").native()), std::string_view::npos) << missing;
}

TEST_F(FileConnectorTest, LinesComeWithoutTheirEnds) {
  WriteFile("in", "one\r\ntwo\n\n\r\nfour \r \nlast without end");
  const auto source = Input("in");
  ASSERT_TRUE(source->Start({}, listener_).ok());
  EXPECT_EQ(Poll(*source), (Strings{"one", "two", "", "", "four \r "}));
  EXPECT_EQ(next_, static_cast<int64_t>("one\r\ntwo\n\n\r\nfour \r \n"s.size()));
  EXPECT_EQ(Poll(*source), Strings{});
  EXPECT_FALSE(source->HasMore());
  AppendFile("in", " any more\nnext\n");
  EXPECT_EQ(Poll(*source), (Strings{"last without end any more", "next"}));
}

TEST_F(FileConnectorTest, AnyPositionIsResumed) {
  std::string text;
  Strings all;
  for (int i = 0; i < 2000; ++i) {
    all.push_back(std::to_string(i) + std::string(static_cast<size_t>(i % 700), 'x'));
    text += all.back() + "\n";
  }
  all.push_back(std::string(3 << 20, 'y'));
  text += all.back() + "\n";
  WriteFile("in", text);
  for (const size_t max_records : {size_t{1}, size_t{7}, size_t{1000}}) {
    auto source = Input("in");
    ASSERT_TRUE(source->Start({}, listener_).ok());
    Strings got;
    while (true) {
      const Strings values = Poll(*source, max_records, 10000);
      ASSERT_TRUE(status_.ok()) << status_;
      got.insert(got.end(), values.begin(), values.end());
      if (values.empty()) break;
      if (got.size() % 5 == 0) {
        source = Input("in");
        ASSERT_TRUE(source->Start({{0, next_}}, listener_).ok());
      }
    }
    EXPECT_EQ(got.size(), all.size());
    EXPECT_TRUE(got == all);
  }
}

TEST_F(FileConnectorTest, AGrowingFileWakesItsReader) {
  WriteFile("in", "");
  const auto source = Input("in");
  ASSERT_TRUE(source->Start({}, listener_).ok());
  EXPECT_EQ(Poll(*source), Strings{});
  EXPECT_FALSE(source->HasMore());
  AppendFile("in", "x\n");
  waker_->WaitUntil(soon_);
  EXPECT_LT(SteadyNow(), soon_);
  EXPECT_EQ(Poll(*source), Strings{"x"});
}

TEST_F(FileConnectorTest, AFileThatIsNotTheSameIsAClearError) {
  const auto started = [&](int64_t position) {
    auto source = Input("in");
    status_ = source->Start({{0, position}}, listener_);
    return source;
  };
  WriteFile("in", "one\ntwo\n");
  started(3);
  EXPECT_EQ(status_.code(), absl::StatusCode::kFailedPrecondition) << "not a line's beginning";
  started(100);
  EXPECT_EQ(status_.code(), absl::StatusCode::kFailedPrecondition) << "past the end";

  auto source = started(4);
  EXPECT_EQ(Poll(*source), Strings{"two"});
  WriteFile("in", "one\n");
  EXPECT_EQ(Poll(*source), Strings{});
  EXPECT_EQ(status_.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(status_).find("cut short to 4 bytes"), std::string_view::npos) << status_;

  source = started(0);
  EXPECT_EQ(Poll(*source), Strings{"one"});
  WriteFile("new", "one\nother\n");
  std::filesystem::rename(base_ / "new", base_ / "in");
  EXPECT_EQ(Poll(*source), Strings{});
  EXPECT_NE(Message(status_).find("replaced"), std::string_view::npos) << status_;

  source = started(0);
  std::filesystem::remove(base_ / "in");
  EXPECT_EQ(Poll(*source), (Strings{"one", "other"}));
  EXPECT_EQ(Poll(*source), Strings{});
  EXPECT_TRUE(status_.ok()) << status_;
}

TEST_F(FileConnectorTest, AnOutputIsCutBackToTheMark) {
  std::string mark;
  {
    const auto sink = Output("deep/down/out");
    ASSERT_TRUE(sink->Start(std::nullopt).ok());
    EXPECT_EQ(sink->Mark(), "0");
    ASSERT_TRUE(sink->Write({"one", "key", {}, 0}).ok());
    ASSERT_TRUE(sink->Write({"", {}, {}, 0}).ok());
    ASSERT_TRUE(sink->Flush(soon_).ok());
    mark = sink->Mark();
    EXPECT_EQ(ReadFile("deep/down/out"), "one\n\n");
    EXPECT_EQ(mark, "5");
    ASSERT_TRUE(sink->Write({"not in the checkpoint", {}, {}, 0}).ok());
    ASSERT_TRUE(sink->Flush(soon_).ok());
  }
  {
    const auto sink = Output("deep/down/out");
    ASSERT_TRUE(sink->Start(mark).ok());
    EXPECT_EQ(ReadFile("deep/down/out"), "one\n\n");
    ASSERT_TRUE(sink->Write({"two", {}, {}, 0}).ok());
    EXPECT_EQ(sink->Mark(), "9");
    ASSERT_TRUE(sink->Flush(soon_).ok());
    EXPECT_EQ(ReadFile("deep/down/out"), "one\n\ntwo\n");
  }
  WriteFile("deep/down/out", "one\n");
  EXPECT_EQ(Output("deep/down/out")->Start(mark).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Output("deep/down/out")->Start("12x").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadFile("deep/down/out"), "one\n");
}

TEST_F(FileConnectorTest, AFreshFunctionAppendsToWholeLinesOnly) {
  WriteFile("out", "there before\n");
  {
    const auto sink = Output("out");
    ASSERT_TRUE(sink->Start(std::nullopt).ok());
    ASSERT_TRUE(sink->Write({"new", {}, {}, 0}).ok());
    ASSERT_TRUE(sink->Flush(soon_).ok());
  }
  EXPECT_EQ(ReadFile("out"), "there before\nnew\n");
  WriteFile("out", "half a line");
  EXPECT_EQ(Output("out")->Start(std::nullopt).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FileConnectorTest, AValueWithALineEndIsRefusedAndNothingOfItWritten) {
  const auto sink = Output("out");
  ASSERT_TRUE(sink->Start(std::nullopt).ok());
  ASSERT_TRUE(sink->Write({"good", {}, {}, 0}).ok());
  const absl::Status refused = sink->Write({"two\nlines", {}, {}, 0});
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(Message(refused).find("at byte 3"), std::string_view::npos) << refused;
  ASSERT_TRUE(sink->Flush(soon_).ok());
  EXPECT_EQ(ReadFile("out"), "good\n");
}

TEST_F(FileConnectorTest, AFileHasOneWriter) {
  auto first = Output("out");
  ASSERT_TRUE(first->Start(std::nullopt).ok());
  const auto second = Output("out");
  EXPECT_EQ(second->Start(std::nullopt).code(), absl::StatusCode::kFailedPrecondition);
  first.reset();
  EXPECT_TRUE(second->Start(std::nullopt).ok());
}

TEST_F(FileConnectorTest, ADiskThatTakesNoMoreIsAClearError) {
  const auto sink = Output("out");
  ASSERT_TRUE(sink->Start(std::nullopt).ok());
  struct rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const struct rlimit small = {1000, before.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  ASSERT_TRUE(sink->Write({std::string(2000, 'x'), {}, {}, 0}).ok());
  EXPECT_EQ(sink->Flush(soon_).code(), absl::StatusCode::kResourceExhausted);
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_TRUE(sink->Flush(soon_).ok());
  EXPECT_EQ(ReadFile("out"), std::string(2000, 'x') + "\n");
}

}  // namespace
}  // namespace fs::connector::file
