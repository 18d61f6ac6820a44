#include "base/status.h"

#include <gtest/gtest.h>

#include "base/steady_clock.h"
#include "base/thread.h"
#include "base/waker.h"

namespace fs {
namespace {

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return InvalidArgument("{} is odd", number);
  return number / 2;
}

absl::StatusOr<int> Quarter(int number) {
  FS_ASSIGN_OR_RETURN_CONTEXT(const int half, Half(number), "quarter");
  FS_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

TEST(Status, ContextIsAddedInFrontAndTheCodeIsKept) {
  const auto result = Quarter(7);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(result.status()), "quarter: 7 is odd");
  EXPECT_EQ(Message(Quarter(6).status()), "3 is odd");
  EXPECT_EQ(*Quarter(8), 2);
}

TEST(Thread, HasItsNameAndJoinsOnDestruction) {
  std::string name;
  {
    auto thread = Thread::Start("fn:a-very-long-function-name", [&] {
      char buffer[16];
      pthread_getname_np(pthread_self(), buffer, sizeof(buffer));
      name = buffer;
    });
    ASSERT_TRUE(thread.ok());
  }
  EXPECT_EQ(name, "fn:a-very-long-");
}

TEST(Waker, AWakeBeforeTheWaitIsNotLost) {
  Waker waker;
  waker.Wake();
  waker.WaitUntil(absl::InfiniteFuture());
  const absl::Time deadline = SteadyNow() + absl::Milliseconds(20);
  waker.WaitUntil(deadline);
  EXPECT_GE(SteadyNow(), deadline);
}

}  // namespace
}  // namespace fs
