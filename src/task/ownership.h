// Whose the partitions are that a consumer group gives to an instance, and where it resumes them.
//
// A partition may go on wherever the state is that its records went into. Who committed last stands beside the group's offset, as a marker.
// A function that keeps no state has nothing that could stay behind: its partitions go wherever the group sends them, provided that the
// group's offset is as exact as its outputs. One that keeps state goes on in that state only, or it is refused: never a guess.
//
//   the last marker is           our state has the partition   our state has it not
//   this function's              our position                  group's offset; refused where state was kept, for it is lost
//   the same, of a run that a    our position                  the reset policy: at the checkpoint that was restored it was not read yet
//   restore has replaced
//   another function's           group's offset where both keep no state, else refused
//   none                         our position, with a warning  group's offset; none: the reset policy
//                                where the group's differs
//
// Pure functions, any thread.
#ifndef FUNCTION_STREAM_TASK_OWNERSHIP_H_
#define FUNCTION_STREAM_TASK_OWNERSHIP_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "connector/connector.h"

namespace fs::task {

// The side of the function that is given partitions.
struct Ownership {
  std::string_view owner;                 // as its markers say
  bool keeps_state = true;                // see connector::Marker
  const connector::Positions* positions;  // of the input, from the function's state
  std::string_view topic, group;
  std::span<const std::string> superseded = {};  // runs that restores have replaced
};

struct Resumption {
  connector::Positions positions;     // those that are in neither place start by the reset policy
  std::vector<std::string> warnings;  // for people
};

// kFailedPrecondition: a partition's state is not here; the message says which, whose it is, and what to do.
[[nodiscard]] absl::StatusOr<Resumption> Resume(const Ownership& self, std::span<const connector::GroupPosition> partitions);

}  // namespace fs::task

#endif  // FUNCTION_STREAM_TASK_OWNERSHIP_H_
