// Who may run is decided by places and by memory, and both come back when a function ends.
#include "task/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace fs::task {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMb = uint64_t{1} << 20;

TEST(Admission, APlaceIsHeldUntilItIsLeft) {
  Admission admission(2, 0);
  std::optional<Admission::Place> first = *admission.Enter(kMb);
  Admission::Place second = *admission.Enter(4096 * kMb);
  const absl::Status refused = admission.Enter(kMb).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("2 functions run, which is the limit (limits.running_functions)"));
  EXPECT_EQ(admission.limits().first.refused, 1u);
  first.reset();
  second = *admission.Enter(kMb);
  EXPECT_EQ(admission.limits().first.used, 1);
  second.Leave();
  second.Leave();
  EXPECT_EQ(admission.limits().first.used, 0);
}

TEST(Admission, MemoryIsWhatTheyMayUseTogether) {
  Admission admission(100, 300 * kMb);
  const Admission::Place first = *admission.Enter(256 * kMb);
  const absl::Status refused = admission.Enter(45 * kMb).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(
      std::string(Message(refused)),
      HasSubstr(
          "limits.memory_mb of the function is 45, those that run have 256 together, and limits.total_memory_mb of the server is 300"));
  EXPECT_TRUE(admission.Enter(44 * kMb).ok());
  EXPECT_EQ(admission.limits().second.used, 256);
  EXPECT_EQ(admission.limits().second.allowed, 300);
  EXPECT_EQ(admission.limits().second.refused, 1u);
}

}  // namespace
}  // namespace fs::task
