// Retained checkpoints of states that one thread has open, made in one go.
#ifndef FUNCTION_STREAM_TESTS_SUPPORT_RETAIN_H_
#define FUNCTION_STREAM_TESTS_SUPPORT_RETAIN_H_

#include <vector>

#include "state/retained.h"

namespace fs::state {

// `states` by instance.
inline absl::StatusOr<RetainedCheckpoint> Retain(RetainedCheckpoints& retained, const std::vector<FunctionState*>& states,
                                                 RetainReason reason = RetainReason::kRequested) {
  FS_ASSIGN_OR_RETURN(const RetainedCheckpoints::Making making, retained.Begin(reason));
  absl::Status status;
  for (uint32_t i = 0; i < states.size() && status.ok(); ++i) status = retained.MakePart(making, i, *states[i]);
  auto made = status.ok() ? retained.Complete(making) : absl::StatusOr<RetainedCheckpoint>(status);
  if (!made.ok()) retained.Abandon(making);
  return made;
}

}  // namespace fs::state

#endif  // FUNCTION_STREAM_TESTS_SUPPORT_RETAIN_H_
