#include "task/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fs::task {
namespace {

using config::InputSelector;
using testing::ElementsAre;

std::vector<size_t> Order(const InputOrder& order) { return {order.order().begin(), order.order().end()}; }

// Serves `turns` batches when all inputs always have records, and returns whose they were.
std::vector<size_t> ServeAll(InputOrder order, int turns) {
  std::vector<size_t> served;
  for (int i = 0; i < turns; ++i) {
    served.push_back(order.order().front());
    order.Served(served.back());
  }
  return served;
}

TEST(InputOrder, RoundRobinGivesEveryInputItsTurn) {
  EXPECT_THAT(ServeAll(InputOrder(InputSelector::kRoundRobin, {2, 1}), 6), ElementsAre(0, 1, 2, 0, 1, 2));
}

TEST(InputOrder, RoundRobinGoesOnAfterTheInputThatHadRecords) {
  InputOrder order(InputSelector::kRoundRobin, {3});
  order.Served(1);
  EXPECT_THAT(Order(order), ElementsAre(2, 0, 1));
}

TEST(InputOrder, PriorityAlwaysBeginsWithTheFirst) {
  EXPECT_THAT(ServeAll(InputOrder(InputSelector::kPriority, {1, 2}), 4), ElementsAre(0, 0, 0, 0));
  InputOrder order(InputSelector::kPriority, {1, 2});
  order.Served(2);
  EXPECT_THAT(Order(order), ElementsAre(0, 1, 2));
}

TEST(InputOrder, SequentialDrainsAnInputBeforeTheNext) {
  EXPECT_THAT(ServeAll(InputOrder(InputSelector::kSequential, {2, 1}), 3), ElementsAre(0, 0, 0));
  InputOrder order(InputSelector::kSequential, {2, 1});
  order.Served(1);
  EXPECT_THAT(Order(order), ElementsAre(1, 2, 0));
}

TEST(InputOrder, GroupParallelIsFairToGroupsAndWithinThem) {
  // A group of three inputs gets no more turns than a group of one.
  EXPECT_THAT(ServeAll(InputOrder(InputSelector::kGroupParallel, {3, 1}), 6), ElementsAre(0, 3, 1, 3, 2, 3));
}

}  // namespace
}  // namespace fs::task
