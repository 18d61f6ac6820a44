// Names a checkpoint outside of the state: where the decider keeps it, and beside the positions that a consumer group is told.
//
// Value type. Any thread.
#ifndef FUNCTION_STREAM_CONNECTOR_MARKER_H_
#define FUNCTION_STREAM_CONNECTOR_MARKER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fs::connector {

struct Marker {
  std::string run_id;  // lower-case hexadecimal
  uint64_t sequence = 0;
  // The run holds something that stays with its server (stores, take_checkpoint's bytes): its partitions must not go on elsewhere.
  bool keeps_state = true;
  // The function's id, where the marker says whose a consumer group's partition is. Unlike the run it outlives a restore.
  std::string owner = {};

  // The same checkpoint.
  bool operator==(const Marker& other) const { return run_id == other.run_id && sequence == other.sequence; }
};

// As text, for commit metadata: "function-stream/1 RUN SEQUENCE state", or "... stateless", and after it the owner where there is one.
[[nodiscard]] std::string EncodeMarker(const Marker& marker);
// nullopt: not a marker of ours, or of a later format.
[[nodiscard]] std::optional<Marker> DecodeMarker(std::string_view text);

}  // namespace fs::connector

#endif  // FUNCTION_STREAM_CONNECTOR_MARKER_H_
