// Lets go of a dropped function's partitions: its marker goes from its groups' offsets, which stay, so that whoever is given them next, a
// new function of the same name for instance, goes on there with an empty state.
//
// Any thread.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_RELEASE_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_RELEASE_H_

#include <string>
#include <vector>

#include "connector/kafka/graveyard.h"
#include "connector/kafka/properties.h"

namespace fs::connector::kafka {

// Best effort, on a thread of the graveyard's; waits for its end a second at most. What could not be released keeps the marker, and the
// reason is logged.
void ReleasePartitions(std::vector<InputSettings> inputs, std::string function_id, Graveyard& graveyard);

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_RELEASE_H_
