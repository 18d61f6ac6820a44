#include "task/inputs.h"

#include <algorithm>
#include <utility>

namespace fs::task {

InputOrder::InputOrder(config::InputSelector selector, const std::vector<size_t>& group_sizes) : selector_(selector) {
  size_t input = 0;
  for (const size_t size : group_sizes) {
    auto& group = groups_.emplace_back();
    for (size_t i = 0; i < size; ++i) {
      group_of_.push_back(groups_.size() - 1);
      group.push_back(input++);
    }
  }
  Rebuild();
}

void InputOrder::Served(size_t input) {
  switch (selector_) {
    case config::InputSelector::kPriority:
      return;
    case config::InputSelector::kRoundRobin:
      current_ = (input + 1) % group_of_.size();
      break;
    case config::InputSelector::kSequential:
      if (current_ == input) return;
      current_ = input;
      break;
    case config::InputSelector::kGroupParallel: {
      auto& group = groups_[group_of_[input]];
      const auto served = std::find(group.begin(), group.end(), input);
      std::rotate(group.begin(), served + 1, group.end());
      next_group_ = (group_of_[input] + 1) % groups_.size();
      break;
    }
  }
  Rebuild();
}

void InputOrder::Rebuild() {
  order_.clear();
  if (selector_ == config::InputSelector::kGroupParallel) {
    for (size_t i = 0; i < groups_.size(); ++i) {
      const auto& group = groups_[(next_group_ + i) % groups_.size()];
      order_.insert(order_.end(), group.begin(), group.end());
    }
    return;
  }
  for (size_t i = 0; i < group_of_.size(); ++i) order_.push_back((current_ + i) % group_of_.size());
}

}  // namespace fs::task
