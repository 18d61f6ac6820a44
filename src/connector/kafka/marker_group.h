// The consumer group in which a function keeps its marker: its own, so that nobody else's commits are mistaken for it.
//
// Each transaction of the function commits the marker there as the metadata of an offset, whose number is the checkpoint's. MarkerGroup is
// used on the instance's thread; the free functions on any.
#ifndef FUNCTION_STREAM_CONNECTOR_KAFKA_MARKER_GROUP_H_
#define FUNCTION_STREAM_CONNECTOR_KAFKA_MARKER_GROUP_H_

#include <absl/time/time.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "connector/connector.h"
#include "connector/kafka/client.h"
#include "connector/kafka/properties.h"
#include "connector/kafka/transaction_errors.h"

namespace fs::connector::kafka {

// The group, and the transactional.id too. `function_id` is never used twice, so neither is this.
[[nodiscard]] std::string PrivateName(std::string_view function_id, uint32_t instance_index);

// A partition under which the group keeps the marker.
using MarkerPlace = std::pair<std::string, int32_t>;

class MarkerGroup final : private ClientHandler {
 public:
  // The brokers are those of `settings`, an output's.
  MarkerGroup(ClientSettings settings, TransactionNames names, const InstanceContext& context, std::shared_ptr<Graveyard> graveyard);

  // Begins to connect, so that Read need not wait for that. Nothing to do where it did.
  [[nodiscard]] absl::Status Connect();
  // The last marker that was committed; nullopt: none. The places may hold markers of two runs when one could not be written since a
  // restore: one of `superseded` is told only where there is no other. kDeadlineExceeded: no answer yet, call again. kFailedPrecondition:
  // not allowed, or the places hold markers of different runs otherwise.
  [[nodiscard]] absl::StatusOr<std::optional<Marker>> Read(std::span<const std::string> superseded, absl::Time deadline);

  // What a transaction commits.
  [[nodiscard]] static RdKafkaPartitions Offsets(const Marker& marker, const std::vector<MarkerPlace>& places);

 private:
  void OnError(rd_kafka_resp_err_t error, std::string_view reason) noexcept override;
  void Ask();
  // nullopt: to be asked again.
  [[nodiscard]] std::optional<absl::StatusOr<std::optional<Marker>>> ReadAnswer(rd_kafka_event_t& event,
                                                                                std::span<const std::string> superseded);

  const ClientSettings settings_;
  const TransactionNames names_;
  const InstanceContext context_;
  const std::shared_ptr<Graveyard> graveyard_;
  // From Connect until Read has its answer. A consumer: librdkafka 2.12.1 crashes when a producer asks and the group's coordinator has
  // just moved or is loading (rd_kafka_handle_OffsetFetch takes for granted that the client has a group).
  std::unique_ptr<Client> client_;
  rd_kafka_queue_t* answers_ = nullptr;
  bool is_under_way_ = false;
  std::string trouble_;  // why the last question had no answer
};

// Deletes the groups on a thread of the graveyard, with a client of its own: tries for a while, and says in the log when it could not.
void DeleteMarkerGroups(const ClientSettings& settings, std::vector<std::string> groups, Graveyard& graveyard);

}  // namespace fs::connector::kafka

#endif  // FUNCTION_STREAM_CONNECTOR_KAFKA_MARKER_GROUP_H_
