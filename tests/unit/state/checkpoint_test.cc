#include <rocksdb/db.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "state_fixture.h"
#include "stored_state.pb.h"
#include "support/child_process.h"

namespace fs::state {
namespace {

class CheckpointTest : public StateTest {};
INSTANTIATE_TEST_SUITE_P(Storage, CheckpointTest, testing::Bool(), [](const auto& param) { return param.param ? "Memory" : "Disk"; });

class DiskStateTest : public StateTest {};

TEST_P(CheckpointTest, AFreshStateHasNone) {
  EXPECT_FALSE(state_->last().has_value());
  EXPECT_FALSE(state_->prepared().has_value());
  EXPECT_EQ(state_->CommitPrepared().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(state_->RollbackPrepared().code(), absl::StatusCode::kFailedPrecondition);
  Reopen();
  EXPECT_FALSE(state_->last().has_value());
}

TEST_P(CheckpointTest, EverythingInItComesBack) {
  const std::optional<std::string> bytes[] = {std::nullopt, "", std::string("\0a", 2), std::string("\0a", 2), "b", std::nullopt};
  uint64_t sequence = 0;
  for (const auto& function_bytes : bytes) {
    ++sequence;
    ASSERT_TRUE(state_->Commit({"run\xff", sequence, "positions" + std::to_string(sequence), function_bytes}).ok());
    for (int round = 0; round < 2; ++round) {
      ASSERT_TRUE(state_->last().has_value());
      EXPECT_EQ(state_->last()->run_id, "run\xff");
      EXPECT_EQ(state_->last()->sequence, sequence);
      EXPECT_EQ(state_->last()->positions, "positions" + std::to_string(sequence));
      EXPECT_EQ(state_->last()->function_bytes, function_bytes);
      Reopen();
    }
  }
}

TEST_P(CheckpointTest, WhatIsNotCommittedIsGoneAfterReopening) {
  ASSERT_TRUE(store().Put("k", "1").ok());
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  ASSERT_TRUE(store().Put("k", "2").ok());
  ASSERT_TRUE(store("other").Put("k", "2").ok());
  Reopen();
  EXPECT_EQ(Read(store("third"), "k"), "(absent)");
  EXPECT_EQ(Read(store("other"), "k"), "(absent)");
  EXPECT_EQ(Read(store(), "k"), "1");
}

TEST_P(CheckpointTest, PreparedIsFoundAgainAndDecidedEitherWay) {
  for (const bool is_committed : {true, false}) {
    const std::string before = is_committed ? "(absent)" : "new";
    ASSERT_TRUE(store().Put("k", is_committed ? "new" : "newest").ok());
    ASSERT_TRUE(store(is_committed ? "made with it" : "given up").Put("k", "x").ok());
    ASSERT_TRUE(state_->Prepare({"run", 5, "p5", "bytes"}).ok());
    EXPECT_EQ(Read(store(), "k"), is_committed ? "new" : "newest");
    EXPECT_EQ(store().Put("k", "too early").code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(state_->Commit(At(6)).code(), absl::StatusCode::kFailedPrecondition);
    state_->RollbackToMark();
    state_->DiscardPending();
    for (int crash = 0; crash < 3; ++crash) {
      Reopen();
      ASSERT_TRUE(state_->prepared().has_value());
      EXPECT_EQ(state_->prepared()->run_id, "run");
      EXPECT_EQ(state_->prepared()->sequence, 5u);
      EXPECT_EQ(state_->prepared()->positions, "p5");
      EXPECT_EQ(state_->prepared()->function_bytes, "bytes");
      EXPECT_EQ(state_->last().has_value(), !is_committed);
      EXPECT_EQ(state_->GetOrCreateStore("unknown before the decision").status().code(), absl::StatusCode::kFailedPrecondition);
      if (!is_committed) {
        EXPECT_EQ(Read(store(), "k"), before);
      }
    }
    ASSERT_TRUE((is_committed ? state_->CommitPrepared() : state_->RollbackPrepared()).ok());
    for (int round = 0; round < 2; ++round) {
      EXPECT_FALSE(state_->prepared().has_value());
      EXPECT_EQ(Read(store(), "k"), "new");
      EXPECT_EQ(Read(store("made with it"), "k"), "x");
      EXPECT_EQ(Read(store("given up"), "k"), "(absent)");
      ASSERT_TRUE(state_->last().has_value());
      EXPECT_EQ(state_->last()->sequence, 5u);
      EXPECT_EQ(state_->last()->function_bytes, "bytes");
      Reopen();
    }
  }
}

TEST_P(CheckpointTest, AfterARollbackTheSameSequenceCanBePreparedAgain) {
  ASSERT_TRUE(store().Put("k", "first try").ok());
  ASSERT_TRUE(state_->Prepare(At(1)).ok());
  ASSERT_TRUE(state_->RollbackPrepared().ok());
  EXPECT_EQ(Read(store(), "k"), "(absent)");
  ASSERT_TRUE(store().Put("k", "second try").ok());
  ASSERT_TRUE(state_->Prepare(At(1)).ok());
  Reopen();
  ASSERT_TRUE(state_->CommitPrepared().ok());
  EXPECT_EQ(Read(store(), "k"), "second try");
}

TEST_P(CheckpointTest, DestroyLeavesAFreshState) {
  ASSERT_TRUE(store().Put("k", "v").ok());
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  state_.reset();
  ASSERT_TRUE(FunctionState::Destroy(*environment_, folder_.path() / "state").ok());
  ASSERT_TRUE(FunctionState::Destroy(*environment_, folder_.path() / "state").ok());
  ASSERT_TRUE(FunctionState::Destroy(*environment_, folder_.path() / "never was").ok());
  Reopen();
  EXPECT_FALSE(state_->last().has_value());
  EXPECT_EQ(Read(store(), "k"), "(absent)");
}

TEST_P(CheckpointTest, ASecondOpenInThisProcessIsRefused) {
  EXPECT_EQ(FunctionState::Open(*environment_, folder_.path() / "state").status().code(), absl::StatusCode::kFailedPrecondition);
}

// ---- Crashes: a child process does the steps and kills itself.

constexpr char kChild[] = "StateChild.DISABLED_TakesTheSteps";

TEST(StateChild, DISABLED_TakesTheSteps) {
  const std::filesystem::path folder = ChildProcess::folder();
  const auto environment = StateEnvironment::Create({}).value();
  const auto state = FunctionState::Open(*environment, folder / "state").value();
  uint64_t sequence = 0;
  for (const char step : ChildProcess::steps()) {
    KvStore& store = **state->GetOrCreateStore("store");
    const Checkpoint checkpoint{"run", sequence + 1, "p", std::nullopt};
    switch (step) {
      case 'w':
        ASSERT_TRUE(store.Put("k", std::to_string(sequence + 1)).ok());
        ASSERT_TRUE(store.Merge(ComplexKey{"", "", "", "list"}, "x").ok());
        break;
      case 'c':
        ASSERT_TRUE(state->Commit(checkpoint).ok());
        ++sequence;
        break;
      case 'p':
        ASSERT_TRUE(state->Prepare(checkpoint).ok());
        break;
      case 'C':
        ASSERT_TRUE(state->CommitPrepared().ok());
        ++sequence;
        break;
      case 'R':
        ASSERT_TRUE(state->RollbackPrepared().ok());
        break;
      case 'h':
        std::ofstream(folder / "holding") << "yes";
        pause();
        break;
      default:
        FAIL() << step;
    }
  }
  kill(getpid(), SIGKILL);
}

TEST_F(DiskStateTest, AKilledProcessLeavesTheStateBeforeOrAfterACheckpointOrPrepared) {
  const struct {
    const char* steps;  // w write, c commit, p prepare, C commit prepared, R roll back prepared; then SIGKILL
    uint64_t last;
    uint64_t prepared;
  } cases[] = {
      {"w", 0, 0},    {"wc", 1, 0},     {"wcw", 1, 0},   {"wcwc", 2, 0},  {"wp", 0, 1},     {"wpC", 1, 0},           {"wpR", 0, 0},
      {"wcwp", 1, 2}, {"wpCwpC", 2, 0}, {"wpCwp", 1, 2}, {"wpRwp", 0, 1}, {"wpRwpC", 1, 0}, {"wpCcccwpCwpRw", 5, 0},
  };
  int number = 0;
  for (const auto& [steps, last, prepared] : cases) {
    SCOPED_TRACE(steps);
    const std::filesystem::path folder = folder_.path() / std::to_string(number++);
    const int status = ChildProcess(kChild, folder, steps).Wait();
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    auto opened = FunctionState::Open(*environment_, folder / "state");
    ASSERT_TRUE(opened.ok()) << opened.status();
    state_ = std::move(*opened);
    // What follows a prepare is not synced on its own: it may be found undecided again, but here only the process died.
    EXPECT_EQ(state_->last() ? state_->last()->sequence : 0, last);
    EXPECT_EQ(state_->prepared() ? state_->prepared()->sequence : 0, prepared);
    if (prepared != 0) {
      ASSERT_TRUE(state_->CommitPrepared().ok());
    }
    const uint64_t now = prepared != 0 ? prepared : last;
    if (now != 5) {
      EXPECT_EQ(Read(store(), "k"), now == 0 ? "(absent)" : std::to_string(now));
      EXPECT_EQ(Read(store(), ComplexKey{"", "", "", "list"}), now == 0 ? "(absent)" : std::string(now, 'x'));
    }
  }
}

TEST_F(DiskStateTest, ADatabaseHeldByAnotherProcessIsRefusedByName) {
  const std::filesystem::path folder = folder_.path() / "held";
  ChildProcess child(kChild, folder, "wch");
  ASSERT_TRUE(ChildProcess::WaitForFile(folder / "holding"));
  const absl::Status refused = FunctionState::Open(*environment_, folder / "state").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(refused).find((folder / "state").native()), std::string_view::npos) << refused;
  EXPECT_NE(Message(refused).find("another process"), std::string_view::npos) << refused;
}

// ---- Folders that cannot be used.

TEST_F(DiskStateTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder_.path() / "file") << "not a folder";
  const absl::Status refused = FunctionState::Open(*environment_, folder_.path() / "file" / "state").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInternal);
  EXPECT_NE(Message(refused).find((folder_.path() / "file" / "state").native()), std::string_view::npos) << refused;
}

TEST_F(DiskStateTest, DamageIsFoundAndNamed) {
  const struct {
    const char* extension_or_name;
    bool is_removed;
  } cases[] = {{"MANIFEST", false}, {"MANIFEST", true}, {"CURRENT", false}, {".sst", true}, {".sst", false}, {".blob", true}};
  int number = 0;
  for (const auto& [name, is_removed] : cases) {
    SCOPED_TRACE(name);
    const std::filesystem::path folder = folder_.path() / std::to_string(number++);
    state_ = FunctionState::Open(*environment_, folder).value();
    ASSERT_TRUE(store().Put("k", std::string(1000, 'v')).ok());
    ASSERT_TRUE(state_->Commit(At(1)).ok());
    state_.reset();
    if (name[0] == '.') {
      rocksdb::Options options;
      options.enable_blob_files = true;
      rocksdb::DB* database = nullptr;
      // Opening without write-ahead log replay into files of its own would keep everything in the log.
      options.avoid_flush_during_recovery = false;
      options.merge_operator = nullptr;
      ASSERT_TRUE(rocksdb::DB::Open(options, folder.native(), &database).ok());
      ASSERT_TRUE(database->Flush(rocksdb::FlushOptions()).ok());
      delete database;
    }
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      if (file.path().filename().native().find(name) == std::string::npos) continue;
      if (is_removed) {
        std::filesystem::remove(file.path());
      } else {
        const auto size = std::filesystem::file_size(file.path());
        std::ofstream(file.path(), std::ios::trunc) << std::string(size, '#');
      }
    }
    const absl::Status refused = FunctionState::Open(*environment_, folder).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
    EXPECT_NE(Message(refused).find(folder.native()), std::string_view::npos) << refused;
  }
}

TEST_F(DiskStateTest, WhatFollowsADamagedReadIsNeverCommitted) {
  // The caller may take the error of a read for one of its own and go on (Python: except KvError); the state does not.
  for (const auto& [extension, value_bytes] : {std::pair(".sst", 400), std::pair(".blob", 1000)}) {
    SCOPED_TRACE(extension);
    const std::filesystem::path folder = folder_.path() / (extension + 1);
    state_ = FunctionState::Open(*environment_, folder).value();
    std::mt19937 random(1);
    std::string value(static_cast<size_t>(value_bytes), ' ');
    for (int i = 0; i < 2000; ++i) {
      for (char& c : value) c = static_cast<char>(random());
      ASSERT_TRUE(store().Put(std::to_string(i), value).ok());
    }
    ASSERT_TRUE(state_->Commit(At(1)).ok());
    state_.reset();
    // Opening writes files of what the log holds.
    state_ = FunctionState::Open(*environment_, folder).value();
    int damaged = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      if (file.path().extension() != extension) continue;
      std::fstream(file.path(), std::ios::in | std::ios::out).seekp(static_cast<std::streamoff>(file.file_size() / 2))
          << std::string(64, '#');
      ++damaged;
    }
    ASSERT_GT(damaged, 0);
    int failed = 0;
    for (int i = 0; i < 2000; ++i) failed += store().Get(std::to_string(i)).ok() ? 0 : 1;
    ASSERT_GT(failed, 0);
    ASSERT_LT(failed, 100);
    ASSERT_TRUE(store().Put("a", "b").ok());
    EXPECT_EQ(state_->Commit(At(2)).code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(state_->Prepare(At(2)).code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(state_->last()->sequence, 1U);
  }
}

TEST_F(DiskStateTest, ValuesInTablesAndInBlobFilesAreOneState) {
  // A database in which all values stand in tables, as they once did, is read as it is, and gets blob files as it is written to.
  const std::string before(2000, 'b');
  const std::string after(2000, 'a');
  const auto has_blobs = [&] {
    for (const auto& file : std::filesystem::directory_iterator(folder_.path() / "state"))
      if (file.path().extension() == ".blob") return true;
    return false;
  };
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(store().Put(std::to_string(i), before).ok());
  ASSERT_TRUE(state_->Commit(At(1)).ok());
  state_.reset();
  {
    rocksdb::Options options;
    options.compression = rocksdb::kLZ4Compression;
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, (folder_.path() / "state").native(), &opened).ok());
    const std::unique_ptr<rocksdb::DB> database(opened);
    ASSERT_TRUE(database->Flush(rocksdb::FlushOptions()).ok());
  }
  ASSERT_FALSE(has_blobs());
  Reopen();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Read(store(), std::to_string(i)), before);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(store().Put(std::to_string(i), after).ok());
  ASSERT_TRUE(state_->Commit(At(2)).ok());
  Reopen();
  ASSERT_TRUE(has_blobs());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Read(store(), std::to_string(i)), i < 50 ? after : before);
}

TEST_F(DiskStateTest, ANewerFormatIsRefused) {
  state_.reset();
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* database = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, (folder_.path() / "state").native(), &database).ok());
  function_stream::state::StoredFormat format;
  format.set_version(2);
  format.set_written_by("9.1.0");
  ASSERT_TRUE(database->Put(rocksdb::WriteOptions(), rocksdb::Slice("\0\0\0\0f", 5), format.SerializeAsString()).ok());
  delete database;
  const absl::Status refused = FunctionState::Open(*environment_, folder_.path() / "state").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(refused).find("9.1.0"), std::string_view::npos) << refused;
}

TEST_F(DiskStateTest, ManyStatesShareOneEnvironment) {
  std::vector<std::unique_ptr<FunctionState>> states;
  for (int i = 0; i < 20; ++i) {
    auto opened = FunctionState::Open(*environment_, folder_.path() / std::to_string(i));
    ASSERT_TRUE(opened.ok()) << opened.status();
    states.push_back(std::move(*opened));
    ASSERT_TRUE(states.back()->GetOrCreateStore("s").value()->Put("k", std::to_string(i)).ok());
    ASSERT_TRUE(states.back()->Commit(At(1)).ok());
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Read(**states[static_cast<size_t>(i)]->GetOrCreateStore("s"), "k"), std::to_string(i));
}

}  // namespace
}  // namespace fs::state
