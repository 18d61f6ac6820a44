// In which order an instance asks its inputs: the input selector of the configuration.
//
// Owned by an Instance, used on its thread. An input is one source; a group is what shares a source_id. Per turn the instance takes one
// batch from the first input, in the order given here, that has records:
//
//   round-robin     begins after the input that was served last: every input with records gets its turn
//   group-parallel  the same over groups, and round-robin within the group: a group with many inputs gets no more than one with few
//   sequential      begins with the input served last and goes on in order: an input is drained before the next one's turn
//   priority        always begins with the first input: later ones wait as long as earlier ones have records
#ifndef FUNCTION_STREAM_TASK_INPUTS_H_
#define FUNCTION_STREAM_TASK_INPUTS_H_

#include <cstddef>
#include <span>
#include <vector>

#include "config/function_config.h"

namespace fs::task {

class InputOrder {
 public:
  // group_sizes: number of inputs of each group; inputs are numbered through.
  InputOrder(config::InputSelector selector, const std::vector<size_t>& group_sizes);

  // Input numbers in the order of asking. Holds until the next call of Served.
  [[nodiscard]] std::span<const size_t> order() const { return order_; }
  // An input that has records but must wait for them (a retry) holds back those after it: what sequential and priority promise.
  [[nodiscard]] bool is_strict() const {
    return selector_ == config::InputSelector::kSequential || selector_ == config::InputSelector::kPriority;
  }
  // This input gave records.
  void Served(size_t input);

 private:
  void Rebuild();

  config::InputSelector selector_;
  std::vector<std::vector<size_t>> groups_;  // inputs of each group, next one first
  std::vector<size_t> group_of_;
  size_t next_group_ = 0;
  size_t current_ = 0;
  std::vector<size_t> order_;
};

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_INPUTS_H_
