#include "task/ownership.h"

#include <algorithm>

namespace fs::task {
namespace {

std::string Place(const Ownership& self, int32_t partition) {
  return fmt::format("partition {} of topic {} (group {})", partition, self.topic, self.group);
}

absl::Status IsElsewhere(const Ownership& self, const connector::GroupPosition& given) {
  const connector::Marker& marker = *given.marker;
  const bool is_theirs = marker.keeps_state;
  return FailedPrecondition(
      "{}: was last read by function {}, and {}, so it cannot go on here. Run the function on one server only; or give each copy a "
      "group_id or an "
      "explicit partition of its own; or drop that function where it runs, or reset the group's offset of this partition, to start here "
      "with {}",
      Place(self, given.partition), marker.owner.empty() ? fmt::format("run {}", marker.run_id) : marker.owner,
      is_theirs ? "its state for this partition is on its own server" : "this function keeps state, which has nothing of that partition",
      is_theirs ? "an empty state" : "what this function's state holds");
}

absl::Status IsLost(const Ownership& self, const connector::GroupPosition& given) {
  return FailedPrecondition(
      "{}: this function has read it up to offset {} and kept state, but that state is not here any more. Restore the server's data folder "
      "or a "
      "retained checkpoint; or drop the function and create it anew to go on with an empty state",
      Place(self, given.partition), given.committed.value_or(0));
}

}  // namespace

absl::StatusOr<Resumption> Resume(const Ownership& self, std::span<const connector::GroupPosition> partitions) {
  Resumption resumption;
  for (const connector::GroupPosition& given : partitions) {
    const auto known = self.positions->find(given.partition);
    const bool is_known = known != self.positions->end();
    bool is_ours = is_known;
    if (given.marker) {
      is_ours = given.marker->owner == self.owner;
      if (!is_ours && (given.marker->keeps_state || self.keeps_state)) return IsElsewhere(self, given);
      if (is_ours && !is_known) {
        if (std::find(self.superseded.begin(), self.superseded.end(), given.marker->run_id) != self.superseded.end()) continue;
        if (given.marker->keeps_state) return IsLost(self, given);
        is_ours = false;
      }
    } else if (is_known && given.committed && *given.committed != known->second) {
      resumption.warnings.push_back(fmt::format(
          "{}: the group's offset is {}, and it was not this function that set it; the function goes on at {}, where its state is, and "
          "sets the "
          "group's offset right. To read other records again, start the function from a retained checkpoint, or drop it and create it anew",
          Place(self, given.partition), *given.committed, known->second));
    }
    if (is_ours) {
      resumption.positions.insert(*known);
    } else if (given.committed) {
      resumption.positions.emplace(given.partition, *given.committed);
    }
  }
  return resumption;
}

}  // namespace fs::task
