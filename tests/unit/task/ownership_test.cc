// The rule by which a function takes the partitions that a consumer group gives it.
#include "task/ownership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fs::task {
namespace {

using connector::GroupPosition;
using connector::Marker;
using connector::Positions;
using testing::HasSubstr;

Marker Of(const std::string& owner, bool keeps_state) {
  return {.run_id = "ab", .sequence = 3, .keeps_state = keeps_state, .owner = owner};
}

absl::StatusOr<Resumption> Take(bool keeps_state, const Positions& state, const GroupPosition& given) {
  return Resume({"mine", keeps_state, &state, "orders", "team"}, std::vector{given});
}

TEST(Ownership, PartitionsThatMayGoOnResumeWhereTheirWorkLeftOff) {
  const auto expect = [](std::string_view name, bool keeps_state, const Positions& state, const GroupPosition& given,
                         const Positions& expected, bool is_warned = false) {
    const auto taken = Take(keeps_state, state, given);
    ASSERT_TRUE(taken.ok()) << name << ": " << taken.status();
    EXPECT_EQ(taken->positions, expected) << name;
    EXPECT_EQ(!taken->warnings.empty(), is_warned) << name;
  };
  expect("own marker, own position", true, {{1, 50}}, {1, 40, Of("mine", true)}, {{1, 50}});
  expect("own marker, restored to an earlier checkpoint", true, {{1, 50}}, {1, 90, Of("mine", true)}, {{1, 50}});
  expect("own marker, no state to lose", false, {}, {1, 40, Of("mine", false)}, {{1, 40}});
  expect("moved away and back without state", false, {{1, 50}}, {1, 90, Of("theirs", false)}, {{1, 90}});
  expect("came from another server without state", false, {{0, 7}}, {1, 90, Of("theirs", false)}, {{1, 90}});
  expect("no marker, fresh state", true, {}, {1, 90, std::nullopt}, {{1, 90}});
  expect("nothing known at all", true, {}, {1, std::nullopt, std::nullopt}, {});
  expect("the group forgot the offset", true, {{1, 50}}, {1, std::nullopt, std::nullopt}, {{1, 50}});
  expect("no marker, same position", true, {{1, 50}}, {1, 50, std::nullopt}, {{1, 50}});
  expect("reset by an administrator", true, {{1, 50}}, {1, 0, std::nullopt}, {{1, 50}}, true);
  const auto warned = Take(true, {{1, 50}}, {1, 0, std::nullopt});
  EXPECT_THAT(warned->warnings.at(0), testing::AllOf(HasSubstr("group's offset is 0"), HasSubstr("goes on at 50"), HasSubstr("orders")));
}

TEST(Ownership, APartitionWhoseStateIsElsewhereIsRefusedByName) {
  for (const auto& [ours, theirs] : {std::pair(true, true), std::pair(true, false), std::pair(false, true)}) {
    for (const Positions& state : {Positions{}, Positions{{1, 50}}}) {
      const auto taken = Take(ours, state, {1, 90, Of("counter-77", theirs)});
      ASSERT_EQ(taken.status().code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(std::string(Message(taken.status())),
                  testing::AllOf(HasSubstr("partition 1 of topic orders (group team)"), HasSubstr("counter-77"), HasSubstr("one server"),
                                 HasSubstr("group_id"), HasSubstr("drop")));
    }
  }
}

TEST(Ownership, StateThatWasKeptAndIsGoneIsNotBegunAnewInSilence) {
  const auto taken = Take(false, {}, {1, 90, Of("mine", true)});
  ASSERT_EQ(taken.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(taken.status())), testing::AllOf(HasSubstr("offset 90"), HasSubstr("Restore")));
}

TEST(Ownership, APartitionThatTheRestoredCheckpointHadNotReadBegins) {
  // The group's offset is of a run that the restore has undone.
  const Positions state = {{0, 64}};
  const std::vector<std::string> superseded = {"cd", "ab"};
  const Ownership self = {"mine", true, &state, "orders", "team", superseded};
  const auto taken = Resume(self, std::vector<GroupPosition>{{0, 90, Of("mine", true)}, {1, 90, Of("mine", true)}});
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->positions, state);
}

TEST(Ownership, OneRefusedPartitionRefusesTheAssignment) {
  const Positions state = {{0, 5}};
  const std::vector<GroupPosition> given = {{0, 5, Of("mine", true)}, {1, 90, Of("theirs", true)}};
  EXPECT_FALSE(Resume({"mine", true, &state, "orders", "team"}, given).ok());
}

}  // namespace
}  // namespace fs::task
