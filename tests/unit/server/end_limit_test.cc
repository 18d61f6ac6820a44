// The process ends in time, whatever does not.
#include "server/end_limit.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace fs::server {
namespace {

TEST(EndLimitDeathTest, EndsTheProcessOfAnEndThatHangs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const EndLimit limit(absl::Milliseconds(50));
        absl::SleepFor(absl::InfiniteDuration());
      },
      ::testing::ExitedWithCode(0), "not all functions have ended after 50ms");
}

TEST(EndLimitDeathTest, LeavesAnEndInTimeAlone) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        {
          const EndLimit limit(absl::Milliseconds(50));
        }
        absl::SleepFor(absl::Milliseconds(200));
        _exit(7);
      },
      ::testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace fs::server
