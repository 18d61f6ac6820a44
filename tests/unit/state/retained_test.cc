// Retained checkpoints on disk: made whole, refused when a byte is wrong, and restored so that a crash leaves one state or the other.
#include "state/retained.h"

#include <absl/time/clock.h>
#include <signal.h>

#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "state/files.h"
#include "state_fixture.h"
#include "stored_state.pb.h"
#include "support/child_process.h"
#include "support/retain.h"

namespace fs::state {
namespace {

using function_stream::state::StoredIndex;
using function_stream::state::StoredRetained;

std::vector<std::string> NamesIn(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().native());
  }
  return names;
}

class RetainedTest : public StateTest {
 protected:
  void SetUp() override {
    StateTest::SetUp();
    retained_ = std::make_unique<RetainedCheckpoints>(*environment_, folder(), std::vector{folder_.path() / "state"});
  }
  [[nodiscard]] std::filesystem::path folder() const { return folder_.path() / "retained"; }

  void CommitValue(uint64_t sequence, const std::string& run = "a") {
    ASSERT_TRUE(store().Put("k", std::to_string(sequence)).ok());
    ASSERT_TRUE(store().Put("large", std::string(2000, 'v')).ok());  // in a file of its own kind
    ASSERT_TRUE(state_->Commit({run, sequence, "p" + std::to_string(sequence), "bytes" + std::to_string(sequence)}).ok());
  }
  uint64_t Make(RetainReason reason = RetainReason::kRequested) {
    const auto made = Retain(*retained_, {state_.get()}, reason);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->id : 0;
  }
  absl::Status Restore(uint64_t id, const std::string& run = "b") {
    state_.reset();
    const absl::Status status = retained_->Restore(id, std::vector{run});
    Reopen();
    return status;
  }
  [[nodiscard]] std::vector<uint64_t> Ids() const {
    std::vector<uint64_t> ids;
    for (const RetainedCheckpoint& checkpoint : retained_->List()) ids.push_back(checkpoint.id);
    return ids;
  }
  // Removal is left to another thread.
  void ExpectNothingElseIn(const std::filesystem::path& where, const std::set<std::string>& expected) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    std::set<std::string> found;
    do {
      const auto names = NamesIn(where);
      found = {names.begin(), names.end()};
      std::this_thread::yield();
    } while (found != expected && absl::Now() < deadline);
    EXPECT_EQ(found, expected);
  }

  std::unique_ptr<RetainedCheckpoints> retained_;
};

TEST_F(RetainedTest, ARestoredStateIsThatOfThenAsANewRun) {
  CommitValue(7);
  const uint64_t id = Make();
  CommitValue(8);
  ASSERT_TRUE(store("later").Put("x", "y").ok());
  CommitValue(9);
  ASSERT_TRUE(Restore(id).ok());
  ASSERT_TRUE(state_->last().has_value());
  EXPECT_EQ(state_->last()->run_id, "b");
  EXPECT_EQ(state_->last()->sequence, 7u);
  EXPECT_EQ(state_->last()->positions, "p7");
  EXPECT_EQ(state_->last()->function_bytes, "bytes7");
  EXPECT_EQ(state_->last()->supersedes, std::vector<std::string>{"a"});
  EXPECT_EQ(Read(store(), "k"), "7");
  EXPECT_EQ(Read(store("later"), "x"), "(absent)");

  CommitValue(8, "b");
  Reopen();
  EXPECT_TRUE(state_->last()->supersedes.empty());
  // What was restored from is as good as before.
  ASSERT_TRUE(Restore(id, "c").ok());
  EXPECT_EQ(Read(store(), "k"), "7");
  EXPECT_EQ(state_->last()->supersedes, (std::vector<std::string>{"a", "b"}));
}

TEST_F(RetainedTest, EachHoldsTheStateOfItsTimeWhateverIsCompactedSince) {
  std::vector<uint64_t> ids;
  for (uint64_t sequence = 1; sequence <= 12; ++sequence) {
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(store().Put("key" + std::to_string(i), std::to_string(sequence)).ok());
    CommitValue(sequence);
    ids.push_back(Make());
  }
  for (const size_t index : {5U, 0U, 11U, 3U}) {
    ASSERT_TRUE(Restore(ids[index], "run" + std::to_string(index)).ok());
    for (int i = 0; i < 500; i += 99) EXPECT_EQ(Read(store(), "key" + std::to_string(i)), std::to_string(index + 1));
  }
}

TEST_F(RetainedTest, ItNeedsACommittedAndDecidedState) {
  EXPECT_EQ(Retain(*retained_, {state_.get()}).status().code(), absl::StatusCode::kUnavailable);
  CommitValue(1);
  ASSERT_TRUE(store().Put("k", "2").ok());
  ASSERT_TRUE(state_->Prepare(At(2)).ok());
  EXPECT_EQ(Retain(*retained_, {state_.get()}).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(state_->CommitPrepared().ok());
  ASSERT_TRUE(store().Put("k", "not committed").ok());
  ASSERT_TRUE(Restore(Make()).ok());
  EXPECT_EQ(Read(store(), "k"), "2");
}

TEST_F(RetainedTest, AStateThatIsDamagedOrUndecidedCanBeRestoredAway) {
  CommitValue(1);
  const uint64_t id = Make();
  ASSERT_TRUE(store().Put("k", "2").ok());
  ASSERT_TRUE(state_->Prepare(At(2)).ok());
  ASSERT_TRUE(Restore(id).ok());
  EXPECT_FALSE(state_->prepared().has_value());
  EXPECT_EQ(Read(store(), "k"), "1");

  state_.reset();
  std::ofstream(folder_.path() / "state" / "CURRENT", std::ios::trunc) << "MANIFEST-nonsense\n";
  ASSERT_TRUE(Restore(id, "c").ok());
  EXPECT_EQ(Read(store(), "k"), "1");
  state_.reset();
  std::filesystem::remove_all(folder_.path() / "state");
  ASSERT_TRUE(Restore(id, "d").ok());
  EXPECT_EQ(Read(store(), "k"), "1");
  EXPECT_EQ(state_->last()->supersedes, (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(RetainedTest, EveryFileIsVerifiedBeforeTheStateIsTouched) {
  CommitValue(1);
  const uint64_t id = Make();
  CommitValue(2);
  const std::filesystem::path whole = folder_.path() / "whole";
  const std::filesystem::path checkpoint = folder() / std::to_string(id);
  std::filesystem::copy(checkpoint, whole, std::filesystem::copy_options::recursive);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(whole)) {
    if (entry.is_regular_file()) files.push_back(std::filesystem::relative(entry.path(), whole));
  }
  EXPECT_GE(files.size(), 4u);
  for (const auto& file : files) {
    for (const std::string damage : {"flip", "cut", "grow", "remove"}) {
      SCOPED_TRACE(file.native() + " " + damage);
      std::filesystem::remove_all(checkpoint);
      std::filesystem::copy(whole, checkpoint, std::filesystem::copy_options::recursive);
      const uintmax_t size = std::filesystem::file_size(checkpoint / file);
      if (damage != "grow" && damage != "remove" && size == 0) continue;
      if (damage == "flip") {
        std::fstream out(checkpoint / file, std::ios::in | std::ios::out | std::ios::binary);
        out.seekg(static_cast<std::streamoff>(size / 2));
        const char byte = static_cast<char>(~out.get());
        out.seekp(static_cast<std::streamoff>(size / 2));
        out.put(byte);
      } else if (damage == "remove") {
        std::filesystem::remove(checkpoint / file);
      } else {
        std::filesystem::resize_file(checkpoint / file, damage == "cut" ? size - 1 : size + 1);
      }
      const absl::Status refused = Restore(id);
      EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound) << refused;
      EXPECT_NE(Message(refused).find(file.filename().native()), std::string_view::npos) << refused;
      EXPECT_NE(Message(refused).find("checkpoint 1: "), std::string_view::npos) << refused;
      EXPECT_EQ(Read(store(), "k"), "2");
      EXPECT_EQ(state_->last()->run_id, "a");
    }
  }
  ExpectNothingElseIn(folder(), {"1", "index"});
}

TEST_F(RetainedTest, OneOfALaterFormatIsRefusedByItsVersion) {
  CommitValue(1);
  const uint64_t id = Make();
  const std::filesystem::path description = folder() / std::to_string(id) / "description";
  StoredRetained stored;
  ASSERT_TRUE(stored.ParseFromString(*ReadChecked(description)));
  stored.set_format(2);
  stored.set_written_by("9.1.0");
  ASSERT_TRUE(WriteChecked(description, stored.SerializeAsString()).ok());
  const absl::Status refused = Restore(id);
  EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Message(refused).find("9.1.0, format 2"), std::string_view::npos) << refused;
  EXPECT_NE(retained_->List()[0].problem.find("9.1.0"), std::string::npos);
}

TEST_F(RetainedTest, AnIndexOfALaterFormatIsRefusedAndLeft) {
  CommitValue(1);
  const uint64_t id = Make();
  StoredIndex stored;
  ASSERT_TRUE(stored.ParseFromString(*ReadChecked(folder() / "index")));
  stored.set_format(2);
  const std::string later = stored.SerializeAsString();
  ASSERT_TRUE(WriteChecked(folder() / "index", later).ok());
  const absl::Status refused = Restore(id);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(refused).find((folder() / "index").native() + ": written by a newer server (format 2)"), std::string_view::npos)
      << refused;
  EXPECT_EQ(*ReadChecked(folder() / "index"), later);
}

TEST_F(RetainedTest, ADescriptionOfAnotherCheckpointIsRefused) {
  CommitValue(1);
  Make();
  CommitValue(2);
  Make();
  std::filesystem::remove(folder() / "1" / "description");
  std::filesystem::copy_file(folder() / "2" / "description", folder() / "1" / "description");
  EXPECT_EQ(Restore(1).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Read(store(), "k"), "2");
}

TEST_F(RetainedTest, NumbersAreNeverGivenTwice) {
  CommitValue(1);
  EXPECT_EQ(Make(), 1u);
  EXPECT_EQ(Make(), 2u);
  ASSERT_TRUE(retained_->Delete(2).ok());
  EXPECT_EQ(retained_->Delete(2).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Make(), 3u);
  // Even without the index, no present one is met.
  std::filesystem::remove(folder() / "index");
  EXPECT_EQ(Make(), 4u);
  std::ofstream(folder() / "index", std::ios::trunc) << "damaged";
  EXPECT_EQ(Make(), 5u);
  EXPECT_EQ(Ids(), (std::vector<uint64_t>{1, 3, 4, 5}));
  ASSERT_TRUE(Restore(1).ok());
  EXPECT_EQ(state_->last()->supersedes, std::vector<std::string>{"a"});
}

TEST_F(RetainedTest, PruningLeavesTheNewestAndWhatWasAskedFor) {
  CommitValue(1);
  const uint64_t requested = Make();
  for (int i = 0; i < 4; ++i) Make(RetainReason::kPeriodic);
  const absl::Time now = absl::Now();
  retained_->Prune(10, absl::Hours(1), now);
  EXPECT_EQ(Ids(), (std::vector<uint64_t>{requested, 2, 3, 4, 5}));
  retained_->Prune(3, absl::Hours(1), now);
  EXPECT_EQ(Ids(), (std::vector<uint64_t>{requested, 3, 4, 5}));
  retained_->Prune(3, absl::Hours(1), now + absl::Hours(2));
  EXPECT_EQ(Ids(), (std::vector<uint64_t>{requested, 5}));
  ExpectNothingElseIn(folder(), {"1", "5", "index"});
}

TEST_F(RetainedTest, OneThatCannotBeMadeLeavesNothing) {
  CommitValue(1);
  EXPECT_EQ(Make(), 1u);
  // A folder in its place cannot be renamed over once something is in it.
  std::filesystem::create_directories(folder() / "index.new" / "in the way");
  EXPECT_FALSE(Retain(*retained_, {state_.get()}).ok());
  std::filesystem::remove_all(folder() / "index.new");
  EXPECT_EQ(Ids(), std::vector<uint64_t>{1});
  ExpectNothingElseIn(folder(), {"1", "index"});
  CommitValue(2);
  EXPECT_EQ(Read(store(), "k"), "2");
  EXPECT_EQ(Make(), 2u);
}

TEST_F(RetainedTest, RecoverEndsARestoreAtEveryStepOfTheSwap) {
  CommitValue(1);
  const uint64_t id = Make();
  CommitValue(2);
  state_.reset();
  const std::filesystem::path state = folder_.path() / "state";
  const std::filesystem::path old_state = folder_.path() / "old";
  const std::filesystem::path new_state = folder_.path() / "new";
  std::filesystem::copy(state, old_state, std::filesystem::copy_options::recursive);
  ASSERT_TRUE(retained_->Restore(id, std::vector<std::string>{"b"}).ok());
  std::filesystem::copy(state, new_state, std::filesystem::copy_options::recursive);

  const struct {
    const char* restored;  // where a crash left the new state, and the old one
    const char* old;
    const char* expected;
  } cases[] = {
      {"restored.making", "state", "2"}, {"restored", "state", "1"}, {"restored", "state.replaced", "1"}, {"state", "state.replaced", "1"}};
  for (const auto& [restored, old, expected] : cases) {
    SCOPED_TRACE(std::string(restored) + " " + old);
    const auto place = [&](const std::string& name) { return name == "state" ? state : folder() / name; };
    std::filesystem::remove_all(state);
    std::filesystem::copy(new_state, place(restored), std::filesystem::copy_options::recursive);
    std::filesystem::copy(old_state, place(old), std::filesystem::copy_options::recursive);
    ASSERT_TRUE(retained_->Recover().ok());
    Reopen();
    EXPECT_EQ(Read(store(), "k"), expected);
    EXPECT_EQ(state_->last()->run_id, std::string(expected) == "2" ? "a" : "b");
    state_.reset();
    ExpectNothingElseIn(folder(), {"1", "2", "index"});
  }
}

constexpr char kRestoringChild[] = "RetainedChild.DISABLED_RestoresInTurn";

TEST(RetainedChild, DISABLED_RestoresInTurn) {
  const std::filesystem::path folder = ChildProcess::folder();
  const auto environment = StateEnvironment::Create({}).value();
  RetainedCheckpoints retained(*environment, folder / "retained", {folder / "state"});
  ASSERT_TRUE(retained.Recover().ok());
  std::ofstream(folder / "begun") << "yes";
  std::random_device entropy;
  for (uint64_t round = ChildProcess::steps().size();; ++round)
    ASSERT_TRUE(retained.Restore(1 + round % 2, std::vector{std::to_string(entropy())}).ok());
}

TEST_F(RetainedTest, KilledAtAnyMomentOfARestoreTheStateIsOneOfTheTwo) {
  CommitValue(1);
  Make();
  CommitValue(2);
  Make();
  state_.reset();
  std::mt19937 random(4);
  std::set<std::string> seen;
  for (int kill = 0; kill < 25; ++kill) {
    std::filesystem::remove(folder_.path() / "begun");
    ChildProcess child(kRestoringChild, folder_.path(), kill % 2 == 0 ? "" : "2");
    ASSERT_TRUE(ChildProcess::WaitForFile(folder_.path() / "begun"));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 400'000));
    child.Kill();
    ASSERT_TRUE(retained_->Recover().ok());
    ASSERT_TRUE(std::filesystem::exists(folder_.path() / "state"));
    Reopen();
    const std::string value = Read(store(), "k");
    ASSERT_TRUE(value == "1" || value == "2") << value;
    EXPECT_EQ(state_->last()->positions, "p" + value);
    EXPECT_EQ(state_->last()->function_bytes, "bytes" + value);
    seen.insert(value);
    state_.reset();
    for (const RetainedCheckpoint& checkpoint : retained_->List()) EXPECT_EQ(checkpoint.problem, "");
  }
  EXPECT_EQ(seen.size(), 2u);
}

TEST(RetainedInMemory, IsRefusedWithTheReason) {
  StateEnvironment::Options options;
  options.in_memory = true;
  const auto environment = StateEnvironment::Create(options).value();
  const TemporaryFolder folder;
  RetainedCheckpoints retained(*environment, folder.path() / "retained", {folder.path() / "state"});
  const auto state = FunctionState::Open(*environment, folder.path() / "state").value();
  ASSERT_TRUE(state->Commit({"run", 1, "p", std::nullopt}).ok());
  EXPECT_FALSE(retained.is_supported());
  for (const absl::Status& refused : {Retain(retained, {state.get()}).status(), retained.Restore(1, std::vector<std::string>{"b"})}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kUnimplemented);
    EXPECT_NE(Message(refused).find("storage_type: memory"), std::string_view::npos);
  }
  EXPECT_TRUE(retained.Recover().ok());
  EXPECT_TRUE(retained.List().empty());
  EXPECT_EQ(retained.Delete(1).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fs::state
