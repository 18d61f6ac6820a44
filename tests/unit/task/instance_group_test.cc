#include "task/instance_group.h"

#include <gtest/gtest.h>

namespace fs::task {
namespace {

Description Instance(Status status, uint64_t processed, double seconds) {
  Description one;
  one.status = status;
  one.processed = processed;
  one.inputs = {{0, "in", processed, 10 * processed}};
  observe::Histogram histogram(observe::MessageSeconds());
  histogram.Observe(seconds, processed);
  one.message_seconds = one.rates.of = histogram.Snapshot();
  one.checkpoint_seconds = observe::Histogram(observe::CheckpointSeconds()).Snapshot();
  one.rates.processed_per_second = static_cast<double>(processed);
  return one;
}

TEST(MergeInstances, OneIsToldAsItIs) {
  Description one = Instance(Status::kRestarting, 3, 1e-3);
  one.reason = "restart 1 of at most 10";
  one.last_error = "Traceback";
  one.last_error_ms = 5;
  const Description all = Merge({one});
  EXPECT_EQ(all.reason, one.reason);
  EXPECT_EQ(all.last_error, "Traceback");
  ASSERT_EQ(all.instances.size(), 1u);
  EXPECT_EQ(all.instances[0].processed, 3u);
}

TEST(MergeInstances, CountsAddUpAndPercentilesAreOfAll) {
  std::vector<Description> instances = {Instance(Status::kRunning, 90, 1e-4), Instance(Status::kRunning, 10, 1.0)};
  instances[0].positions = {{0, 0, "in", 0, 5, 9, 0}, {0, 0, "in", 2, 5, 5, 0}, {1, 1, "b", 0, 1, 1, 0}};
  instances[1].positions = {{0, 0, "in", 1, 5, 6, 1}};
  instances[0].watermark_ms = 500;
  instances[1].watermark_ms = 400;
  instances[0].checkpoint = {7, 1000, 0.1, 1};
  instances[1].checkpoint = {3, 2000, 0.2, 2};
  const Description all = Merge(std::move(instances));
  EXPECT_EQ(all.processed, 100u);
  EXPECT_EQ(all.inputs[0].messages, 100u);
  EXPECT_EQ(all.inputs[0].bytes, 1000u);
  EXPECT_DOUBLE_EQ(all.rates.processed_per_second, 100);
  EXPECT_LT(*all.rates.p50_seconds, 1e-3);
  EXPECT_GT(*all.rates.p95_seconds, 0.1);
  EXPECT_EQ(all.message_seconds.total(), 100u);
  EXPECT_EQ(all.watermark_ms, 400);
  EXPECT_EQ(all.checkpoint.id, 3u);
  std::vector<int32_t> partitions;
  for (const InputPosition& position : all.positions) partitions.push_back(position.partition);
  EXPECT_EQ(partitions, (std::vector<int32_t>{0, 1, 2, 0}));
  EXPECT_EQ(all.instances[1].watermark_ms, 400);
}

TEST(MergeInstances, TheWorstStatusIsTheFunctionsWithTheReasonOfTheInstanceThatHasIt) {
  const struct {
    std::vector<Status> statuses;
    Status expected;
    std::string reason;
  } cases[] = {
      {{Status::kRunning, Status::kFailed, Status::kStopped}, Status::kFailed, "instance 1: reason 1"},
      {{Status::kRunning, Status::kRunning, Status::kRestarting}, Status::kRestarting, "instance 2: reason 2"},
      {{Status::kStopped, Status::kRunning, Status::kStopped}, Status::kRunning, "instance 1: reason 1"},
      {{Status::kStopped, Status::kStopped, Status::kStopped}, Status::kStopped, "instance 0: reason 0"},
      {{Status::kCreated, Status::kCreated, Status::kCreated}, Status::kCreated, "instance 0: reason 0"},
  };
  for (const auto& [statuses, expected, reason] : cases) {
    std::vector<Description> instances;
    for (size_t i = 0; i < statuses.size(); ++i) {
      instances.push_back(Instance(statuses[i], 1, 1));
      instances[i].reason = fmt::format("reason {}", i);
      instances[i].last_error = fmt::format("error {}", i);
      instances[i].last_error_ms = i == 1 ? 9 : 5;
    }
    const Description all = Merge(std::move(instances));
    EXPECT_EQ(all.status, expected);
    EXPECT_EQ(all.reason, reason);
    EXPECT_EQ(all.last_error, "instance 1: error 1");
    EXPECT_EQ(all.last_error_ms, 9);
  }
}

}  // namespace
}  // namespace fs::task
