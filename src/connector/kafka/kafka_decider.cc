#include "connector/kafka/kafka_decider.h"

#include <absl/time/clock.h>

#include <algorithm>

#include "base/failpoint.h"
#include "base/steady_clock.h"

namespace fs::connector::kafka {
namespace {

// Brokers allow 15 minutes by default (transaction.max.timeout.ms), and readers wait for what is open.
constexpr absl::Duration kLongestInterval = absl::Minutes(5);
constexpr absl::Duration kLongestTransaction = absl::Minutes(15);
constexpr absl::Duration kMargin = absl::Seconds(10);
// Offsets that the group's coordinator does not take within this time end the transaction: it is not resumed.
constexpr int kSendOffsetsTimeoutMs = 5000;
constexpr absl::Duration kPause = absl::Milliseconds(10);
// A topic that is to appear by itself (auto.create.topics.enable) does so within this time.
constexpr absl::Duration kLookPause = absl::Milliseconds(50);
// How often a second place is looked for while there is only one.
constexpr absl::Duration kLookInterval = absl::Minutes(1);

using RdKafkaMetadata = std::unique_ptr<const rd_kafka_metadata_t, Destroy<rd_kafka_metadata_destroy>>;

int LeftMs(absl::Time deadline) {
  return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(deadline - SteadyNow()), 0, 60'000));
}

std::string PlaceText(const MarkerPlace& place) { return fmt::format("topic {} partition {}", place.first, place.second); }

}  // namespace

int64_t KafkaDecider::TransactionTimeoutMs(const InstanceContext& context) {
  const absl::Duration needed = std::min(context.checkpoint_interval, kLongestInterval) + context.batch_timeout + kMargin;
  return std::max(kShortestTransactionMs, absl::ToInt64Milliseconds(std::min(needed, kLongestTransaction)));
}

absl::Duration KafkaDecider::longest_interval() const { return kLongestInterval; }

KafkaDecider::KafkaDecider(std::shared_ptr<Producer> producer, std::unique_ptr<MarkerGroup> marker_group, MarkerPlace output,
                           std::vector<Input> inputs)
    : producer_(std::move(producer)), marker_group_(std::move(marker_group)), inputs_(std::move(inputs)) {
  if (!inputs_.empty()) {
    const InputSettings& input = inputs_[0].source->settings();
    candidates_.push_back({{input.topic, input.partition.value_or(0)}});
  }
  if (candidates_.empty() || candidates_[0].place != output) candidates_.push_back({std::move(output)});
}

// ---- Recovery

void KafkaDecider::Begin() {
  // librdkafka looks for the coordinator at once and then, where no broker was connected yet, every half second: the earlier the better.
  // What is wrong with either is told by Recover.
  static_cast<void>(RdKafkaError(rd_kafka_init_transactions(producer_->client().get(), 0)));
  static_cast<void>(marker_group_->Connect());
}

absl::StatusOr<std::optional<Marker>> KafkaDecider::Recover(std::span<const std::string> superseded, absl::Time deadline) {
  FS_RETURN_IF_ERROR(marker_group_->Connect());
  FS_RETURN_IF_ERROR(InitTransactions(deadline));
  auto marker = marker_group_->Read(superseded, deadline);
  if (!marker.ok() && absl::IsDeadlineExceeded(marker.status())) return NotYet(Message(marker.status()));
  return marker;
}

absl::Status KafkaDecider::InitTransactions(absl::Time deadline) {
  while (!is_initialised_) {
    const RdKafkaError error(rd_kafka_init_transactions(producer_->client().get(), LeftMs(deadline)));
    FS_RETURN_IF_ERROR(producer_->Serve());
    if (error == nullptr) {
      is_initialised_ = true;
      return absl::OkStatus();
    }
    if (rd_kafka_error_is_retriable(error.get()) == 0) return Error(*error);
    if (SteadyNow() >= deadline) {
      return NotYet(fmt::format("Kafka at {} does not begin transactions", producer_->client().cluster()));
    }
    absl::SleepFor(kPause);
  }
  return absl::OkStatus();
}

// ---- The commit

absl::Status KafkaDecider::Commit(const Marker& marker, std::span<const Positions> positions, absl::Time deadline) {
  if (!is_initialised_) return FailedPrecondition("transaction {}: commits before it has recovered", producer_->transaction().id);
  if (!is_committing_) {
    FS_RETURN_IF_ERROR(producer_->Serve());
    FS_RETURN_IF_ERROR(FindPlaces(deadline));
    FS_RETURN_IF_ERROR(AwaitBroker(deadline));
    FS_RETURN_IF_ERROR(producer_->BeginTransaction());
    FS_RETURN_IF_ERROR(SendOffsets(marker, positions));
    FailPoint("offsets-sent");
    is_committing_ = true;
    producer_->LeaveTransaction();
  }
  return CommitTransaction(deadline);
}

// Sending offsets cannot be called again: without a broker its time would go by, and the transaction with it.
absl::Status KafkaDecider::AwaitBroker(absl::Time deadline) {
  while (!producer_->client().HasBroker()) {
    if (SteadyNow() >= deadline) {
      FS_RETURN_IF_ERROR(producer_->Serve());
      return NotYet(fmt::format("Kafka at {} cannot be reached", producer_->client().cluster()));
    }
    absl::SleepFor(kPause);
  }
  return absl::OkStatus();
}

absl::Status KafkaDecider::FindPlaces(absl::Time deadline) {
  if (!Any(Presence::kUnknown) && !Any(Presence::kMissing)) return absl::OkStatus();
  const auto is_found = [this] { return !Any(Presence::kUnknown) && Any(Presence::kThere); };
  if (is_found() && SteadyNow() - looked_for_ < kLookInterval) return absl::OkStatus();
  looked_for_ = SteadyNow();
  while (true) {
    for (Candidate& candidate : candidates_) {
      if (candidate.presence != Presence::kThere) FS_RETURN_IF_ERROR(LookFor(candidate, deadline));
    }
    if (is_found()) return absl::OkStatus();
    if (SteadyNow() >= deadline) break;
    absl::SleepFor(kLookPause);
  }
  for (const Candidate& candidate : candidates_) {
    if (candidate.presence == Presence::kUnknown)
      return NotYet(fmt::format("Kafka at {} does not tell of {}", producer_->client().cluster(), PlaceText(candidate.place)));
  }
  return DeadlineExceeded("{} does not exist on Kafka at {}, and the function's checkpoint has no other place: create it",
                          PlaceText(candidates_.back().place), producer_->client().cluster());
}

bool KafkaDecider::Any(Presence presence) const {
  return std::any_of(candidates_.begin(), candidates_.end(),
                     [presence](const Candidate& candidate) { return candidate.presence == presence; });
}

absl::Status KafkaDecider::LookFor(Candidate& candidate, absl::Time deadline) {
  // Asking with the handle also creates the topic, where the brokers do that.
  if (candidate.topic == nullptr) {
    FS_ASSIGN_OR_RETURN(candidate.topic, producer_->OpenTopic(candidate.place.first));
  }
  const rd_kafka_metadata_t* found = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(producer_->client().get(), 0, candidate.topic, &found, std::max(LeftMs(deadline), 1));
  const RdKafkaMetadata metadata(found);
  FS_RETURN_IF_ERROR(producer_->Serve());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR || metadata->topic_cnt == 0) return absl::OkStatus();
  const rd_kafka_metadata_topic_t& topic = metadata->topics[0];
  if (topic.err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
    return WithContext(TransactionError(topic.err, "", producer_->transaction()), PlaceText(candidate.place));
  }
  if (topic.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    candidate.presence = candidate.place.second < topic.partition_cnt ? Presence::kThere : Presence::kMissing;
  } else if (topic.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || topic.err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
    candidate.presence = Presence::kMissing;
  }
  return absl::OkStatus();
}

absl::Status KafkaDecider::SendOffsets(const Marker& marker, std::span<const Positions> positions) {
  std::vector<MarkerPlace> places;
  for (const Candidate& candidate : candidates_) {
    if (candidate.presence == Presence::kThere) places.push_back(candidate.place);
  }
  const RdKafkaGroupMetadata own_group(rd_kafka_consumer_group_metadata_new(producer_->transaction().id.c_str()));
  FS_RETURN_IF_ERROR(Send(*MarkerGroup::Offsets(marker, places), *own_group));
  for (const Input& input : inputs_) {
    if (!input.source->IsCommittedByDecider() || input.index >= positions.size()) continue;
    FS_ASSIGN_OR_RETURN(const std::optional<GroupOffsets> of_group, input.source->OffsetsToCommit(positions[input.index], marker));
    if (of_group) FS_RETURN_IF_ERROR(Send(*of_group->offsets, *of_group->metadata));
  }
  return absl::OkStatus();
}

absl::Status KafkaDecider::Send(const rd_kafka_topic_partition_list_t& offsets, const rd_kafka_consumer_group_metadata_t& group) {
  const absl::Time deadline = SteadyNow() + absl::Milliseconds(kSendOffsetsTimeoutMs);
  while (true) {
    const RdKafkaError error(
        rd_kafka_send_offsets_to_transaction(producer_->client().get(), &offsets, &group, std::max(LeftMs(deadline), 1)));
    if (error == nullptr) return absl::OkStatus();
    if (rd_kafka_error_is_retriable(error.get()) == 0 || SteadyNow() >= deadline) return Error(*error);
    absl::SleepFor(kPause);
  }
}

absl::Status KafkaDecider::CommitTransaction(absl::Time deadline) {
  while (true) {
    const RdKafkaError error(rd_kafka_commit_transaction(producer_->client().get(), LeftMs(deadline)));
    if (error == nullptr) {
      is_committing_ = false;
      producer_->TransactionEnded();
      return absl::OkStatus();
    }
    if (rd_kafka_error_is_retriable(error.get()) == 0) {
      absl::Status failed = Error(*error);
      // A permission is missing, or not all records arrived: the end was refused. Anything else may be the answer to a second request whose
      // first was heard.
      if (absl::IsFailedPrecondition(failed) || rd_kafka_error_code(error.get()) == RD_KAFKA_RESP_ERR__INCONSISTENT) return failed;
      return Unavailable("{}", Message(failed));
    }
    if (SteadyNow() >= deadline) {
      static_cast<void>(producer_->Serve());
      return NotYet(fmt::format("Kafka at {} does not confirm a transaction", producer_->client().cluster()));
    }
    absl::SleepFor(kPause);
  }
}

absl::Status KafkaDecider::Error(const rd_kafka_error_t& error) {
  // The producer's own failure tells more: the record that was not delivered, or the fatal error's first reason.
  FS_RETURN_IF_ERROR(producer_->Serve());
  rd_kafka_resp_err_t code = rd_kafka_error_code(&error);
  char text[512] = "";
  if (const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(producer_->client().get(), text, sizeof(text));
      fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
    code = fatal;
  } else {
    fmt::format_to_n(text, sizeof(text) - 1, "{}", rd_kafka_error_string(&error));
  }
  return WithContext(TransactionError(code, text, producer_->transaction()),
                     fmt::format("transactions on Kafka at {}", producer_->client().cluster()));
}

absl::Status KafkaDecider::NotYet(std::string_view what) const {
  return DeadlineExceeded("{}{}", what, producer_->trouble().empty() ? std::string() : fmt::format(": {}", producer_->trouble()));
}

}  // namespace fs::connector::kafka
