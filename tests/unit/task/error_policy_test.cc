#include "task/error_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fs::task {
namespace {

using Action = ErrorPolicy::Action;

config::OnError Config(config::ErrorPolicy policy, uint32_t retries) {
  config::OnError config;
  config.policy = policy;
  config.retries = retries;
  config.backoff = absl::Milliseconds(100);
  config.backoff_max = absl::Milliseconds(350);
  return config;
}

MessageError Error(std::string_view type = "ValueError") { return {std::string(type), "no such luck", ""}; }

std::vector<Record> Records(int32_t partition, int64_t first, int64_t last) {
  std::vector<Record> records;
  for (int64_t offset = first; offset <= last; ++offset) {
    Record& record = records.emplace_back();
    record.partition = partition;
    record.offset = offset;
  }
  return records;
}

TEST(ErrorPolicy, RetriesComeBeforeWhatThePolicySays) {
  const std::pair<config::ErrorPolicy, Action> cases[] = {{config::ErrorPolicy::kFail, Action::kFail},
                                                          {config::ErrorPolicy::kSkip, Action::kSkip},
                                                          {config::ErrorPolicy::kDeadLetter, Action::kDeadLetter}};
  for (const auto& [policy, action] : cases) {
    const config::OnError config = Config(policy, 2);
    ErrorPolicy errors(config);
    const MessageId message = {0, 3, 7};
    EXPECT_EQ(errors.Failed(message, Error()).action, Action::kTry);
    EXPECT_EQ(errors.Failed(message, Error()).action, Action::kTry);
    EXPECT_EQ(errors.Failed({0, 3, 8}, Error()).action, Action::kTry) << "another message has its own count";
    const ErrorPolicy::Verdict verdict = errors.Failed(message, Error());
    EXPECT_EQ(verdict.action, action);
    EXPECT_EQ(verdict.attempts, 3);
    EXPECT_EQ(verdict.error.message, "no such luck");
    EXPECT_EQ(errors.AttemptText(2), "attempt 2 of 3");
  }
}

TEST(ErrorPolicy, PausesDoubleUpToTheLongest) {
  const config::OnError config = Config(config::ErrorPolicy::kRetry, 0);
  ErrorPolicy errors(config);
  for (const int expected_ms : {100, 200, 350, 350}) {
    const ErrorPolicy::Verdict verdict = errors.Failed({0, 0, 0}, Error());
    EXPECT_EQ(verdict.action, Action::kTry);
    EXPECT_EQ(verdict.wait, absl::Milliseconds(expected_ms));
  }
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(errors.Failed({0, 0, 0}, Error()).wait, absl::Milliseconds(350));
}

TEST(ErrorPolicy, AMessageThatFailedGoesAloneUntilItIsDone) {
  const config::OnError config = Config(config::ErrorPolicy::kSkip, 5);
  ErrorPolicy errors(config);
  const std::vector<Record> records = Records(1, 10, 19);
  EXPECT_EQ(errors.Together(0, records), 10);
  static_cast<void>(errors.Failed({0, 1, 14}, Error()));
  EXPECT_EQ(errors.Together(0, records), 4);
  EXPECT_EQ(errors.Together(0, std::span(records).subspan(4)), 0);
  EXPECT_EQ(errors.Together(1, records), 10) << "of another input";
  EXPECT_EQ(errors.Together(0, Records(2, 10, 19)), 10) << "of another partition";
  errors.Done({0, 1, 14});
  EXPECT_EQ(errors.Together(0, records), 10);
  EXPECT_EQ(errors.Next({0, 1, 14}).attempts, 0);
}

TEST(ErrorPolicy, OneThatEndedAnInstanceIsKnownUntilItIsCommitted) {
  const config::OnError config = Config(config::ErrorPolicy::kSkip, 0);
  ErrorPolicy errors(config);
  const MessageId message = {0, 0, 5};
  static_cast<void>(errors.Ended(message, Error(kTimeoutError)));
  EXPECT_EQ(errors.TakeRestart(), absl::ZeroDuration());
  EXPECT_EQ(errors.TakeRestart(), std::nullopt) << "one restart for one end";
  EXPECT_EQ(errors.Next(message).action, Action::kSkip);
  EXPECT_TRUE(errors.Next(message).is_dangerous);
  errors.Done(message);
  EXPECT_EQ(errors.Next(message).action, Action::kSkip) << "it was not committed: the next instance skips it without trying";
  const connector::Positions at_it = {{0, 5}}, past_it = {{0, 6}};
  errors.Committed(std::vector{at_it});
  EXPECT_EQ(errors.Next(message).action, Action::kSkip);
  errors.Committed(std::vector{past_it});
  EXPECT_EQ(errors.Next(message).action, Action::kTry);
}

TEST(ErrorPolicy, OutOfMemoryCountsFromTheSecondTimeOn) {
  const config::OnError config = Config(config::ErrorPolicy::kDeadLetter, 0);
  ErrorPolicy errors(config);
  const MessageId message = {0, 0, 5};
  EXPECT_EQ(errors.Ended(message, Error(kMemoryError)).action, Action::kTry);
  EXPECT_EQ(errors.TakeRestart(), std::nullopt) << "left to the policy for restarts";
  EXPECT_EQ(errors.Together(0, Records(0, 0, 9)), 5) << "tried alone";
  EXPECT_EQ(errors.Ended(message, Error(kMemoryError)).action, Action::kDeadLetter);
  EXPECT_TRUE(errors.TakeRestart().has_value());
}

TEST(ErrorPolicy, ABatchWithARefusedEmitGoesOneByOneUntilItIsCommitted) {
  const config::OnError config = Config(config::ErrorPolicy::kSkip, 0);
  ErrorPolicy errors(config);
  std::vector<Record> batch = Records(0, 10, 12);
  for (const Record& record : Records(1, 70, 71)) batch.push_back(record);
  errors.OneByOne(2, batch);
  EXPECT_EQ(errors.TakeRestart(), absl::ZeroDuration());
  EXPECT_EQ(errors.Together(2, Records(0, 8, 20)), 2);
  for (int64_t offset = 10; offset <= 12; ++offset) EXPECT_EQ(errors.Together(2, Records(0, offset, 20)), 0);
  EXPECT_EQ(errors.Together(2, Records(0, 13, 20)), 8);
  EXPECT_EQ(errors.Together(2, Records(1, 71, 80)), 0);
  EXPECT_EQ(errors.Together(0, Records(0, 10, 12)), 3) << "of another input";
  EXPECT_EQ(errors.Next({2, 0, 10}).action, Action::kTry);
  errors.Committed(std::vector<connector::Positions>{{}, {}, {{0, 13}, {1, 71}}});
  EXPECT_EQ(errors.Together(2, Records(0, 10, 12)), 3);
  EXPECT_EQ(errors.Together(2, Records(1, 71, 71)), 0);
}

TEST(ErrorPolicy, TheErrorOfAnEndIsNamedByItsKind) {
  EXPECT_EQ(ErrorOfEnd(DeadlineExceeded("too long; it was at\nTraceback\n  here"), Limit::kProcessTimeout).type, kTimeoutError);
  EXPECT_EQ(ErrorOfEnd(DeadlineExceeded("too long; it was at\nTraceback\n  here"), Limit::kProcessTimeout).message, "too long; it was at");
  EXPECT_EQ(ErrorOfEnd(DeadlineExceeded("too long; it was at\nTraceback\n  here"), Limit::kProcessTimeout).traceback, "Traceback\n  here");
  EXPECT_EQ(ErrorOfEnd(ResourceExhausted("memory"), Limit::kMemory).type, kMemoryError);
  EXPECT_EQ(ErrorOfEnd(ResourceExhausted("output"), Limit::kOutput).type, kOutputError);
  EXPECT_EQ(ErrorOfEnd(Internal("trap"), std::nullopt).type, kCrashError);
  EXPECT_EQ(ErrorOfEnd(Internal("trap"), std::nullopt).traceback, "");
}

}  // namespace
}  // namespace fs::task
