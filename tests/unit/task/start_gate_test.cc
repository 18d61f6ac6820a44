// How many functions load at a time, and that none waits for one that does not end.
#include "task/start_gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace fs::task {
namespace {

TEST(StartGate, LetsSoManyInTogether) {
  StartGate gate(2, absl::Hours(1));
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        const StartGate::Turn turn(gate);
        const int now = ++inside;
        int known = most.load();
        while (known < now && !most.compare_exchange_weak(known, now)) {
        }
        std::this_thread::yield();
        --inside;
      }
    });
  }
  threads.clear();
  EXPECT_LE(most.load(), 2);
}

TEST(StartGate, WaitsForNobodyWhoDoesNotEnd) {
  StartGate gate(1, absl::Milliseconds(1));
  const StartGate::Turn endless(gate);
  const StartGate::Turn next(gate);
}

}  // namespace
}  // namespace fs::task
