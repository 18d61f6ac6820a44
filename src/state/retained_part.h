// One instance's part of a retained checkpoint: a copy of its database, and the description that vouches for each byte of it.
//
//   <folder>/description, <folder>/database/
//
// Any thread. An error in what is read says what is wrong with the part, without its number.
#ifndef FUNCTION_STREAM_STATE_RETAINED_PART_H_
#define FUNCTION_STREAM_STATE_RETAINED_PART_H_

#include <filesystem>
#include <memory>

#include "base/status.h"
#include "state/function_state.h"
#include "stored_state.pb.h"

namespace fs::state {

// Copies what `state` committed last into `folder`, which need not exist, and describes it. `about` says of which checkpoint and instance.
[[nodiscard]] absl::StatusOr<::function_stream::state::StoredRetained> WritePart(FunctionState& state,
                                                                                 ::function_stream::state::StoredRetained about,
                                                                                 const std::filesystem::path& folder);

// Looks at names and sizes, not at contents. kDataLoss.
[[nodiscard]] absl::StatusOr<::function_stream::state::StoredRetained> ReadPart(const std::filesystem::path& folder);

// Reads every byte. kDataLoss.
[[nodiscard]] absl::Status VerifyPart(const std::filesystem::path& folder, const ::function_stream::state::StoredRetained& stored);

// A state of its own in `staged`, as the part has it. kDataLoss: it is not what is described.
[[nodiscard]] absl::StatusOr<std::unique_ptr<FunctionState>> OpenCopy(StateEnvironment& environment, const std::filesystem::path& folder,
                                                                      const ::function_stream::state::StoredRetained& stored,
                                                                      const std::filesystem::path& staged);

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_RETAINED_PART_H_
