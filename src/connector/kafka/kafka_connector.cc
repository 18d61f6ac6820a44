#include "connector/kafka/kafka_connector.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "connector/empty_source.h"
#include "connector/kafka/graveyard.h"
#include "connector/kafka/kafka_decider.h"
#include "connector/kafka/marker_group.h"
#include "connector/kafka/partition_count.h"
#include "connector/kafka/producer.h"
#include "connector/kafka/properties.h"
#include "connector/kafka/release.h"
#include "connector/kafka/source.h"

namespace fs::connector::kafka {
namespace {

class KafkaSession final : public Session {
 public:
  KafkaSession(InstanceContext context, std::shared_ptr<Graveyard> graveyard)
      : context_(std::move(context)), graveyard_(std::move(graveyard)) {}

  absl::StatusOr<std::unique_ptr<Source>> OpenSource(size_t input_index, const config::Endpoint& input) override {
    FS_ASSIGN_OR_RETURN(InputSettings settings, ReadInput(input));
    if (settings.partition && !context_.IsOurs(*settings.partition)) return std::make_unique<EmptySource>(settings.topic);
    FS_ASSIGN_OR_RETURN_CONTEXT(std::unique_ptr<KafkaSource> source,
                                KafkaSource::Open(std::move(settings), context_, input_index, graveyard_), input.path);
    inputs_.push_back({input_index, source.get()});
    return source;
  }

  absl::StatusOr<std::unique_ptr<Sink>> OpenSink(const config::Endpoint& output) override {
    FS_ASSIGN_OR_RETURN(OutputSettings settings, ReadOutput(output));
    if (!first_output_) first_output_ = MarkerPlace(settings.topic, settings.partition.value_or(0));
    FS_ASSIGN_OR_RETURN_CONTEXT(std::shared_ptr<Producer> producer, ProducerFor(std::move(settings.client)), output.path);
    FS_ASSIGN_OR_RETURN_CONTEXT(rd_kafka_topic_t * topic, producer->OpenTopic(settings.topic), output.path);
    return std::make_unique<KafkaSink>(std::move(producer), topic, settings.partition);
  }

  Decider* decider() override {
    if (!context_.exactly_once || producers_.empty()) return nullptr;
    if (decider_ == nullptr) {
      const std::shared_ptr<Producer>& producer = producers_.front();
      std::vector<KafkaDecider::Input> same_cluster;
      for (const KafkaDecider::Input& input : inputs_) {
        if (input.source->settings().client.bootstrap_servers != producer->settings().bootstrap_servers) continue;
        same_cluster.push_back(input);
        input.source->CommitWithDecider();
      }
      auto marker_group = std::make_unique<MarkerGroup>(producer->settings(), producer->transaction(), context_, graveyard_);
      decider_ = std::make_unique<KafkaDecider>(producer, std::move(marker_group), *first_output_, std::move(same_cluster));
      decider_->Begin();
    }
    return decider_.get();
  }

 private:
  // With transactions there is one (DeciderOf).
  absl::StatusOr<std::shared_ptr<Producer>> ProducerFor(ClientSettings settings) {
    for (const std::shared_ptr<Producer>& producer : producers_) {
      if (producer->settings() == settings) return producer;
    }
    if (!context_.exactly_once) {
      FS_ASSIGN_OR_RETURN(std::shared_ptr<Producer> producer, Producer::Open(std::move(settings), context_, graveyard_));
      return producers_.emplace_back(std::move(producer));
    }
    if (!producers_.empty()) return InvalidArgument("exactly once with two sets of client settings");
    TransactionNames names = {PrivateName(context_.function_id, context_.instance_index), settings.bootstrap_servers,
                              KafkaDecider::TransactionTimeoutMs(context_)};
    FS_ASSIGN_OR_RETURN(std::shared_ptr<Producer> producer,
                        Producer::OpenTransactional(std::move(settings), context_, std::move(names), graveyard_));
    return producers_.emplace_back(std::move(producer));
  }

  const InstanceContext context_;
  const std::shared_ptr<Graveyard> graveyard_;
  std::vector<KafkaDecider::Input> inputs_;
  std::optional<MarkerPlace> first_output_;
  std::vector<std::shared_ptr<Producer>> producers_;
  std::unique_ptr<KafkaDecider> decider_;
};

class KafkaConnector final : public Connector {
 public:
  absl::Status ValidateInput(const config::Endpoint& input) const override {
    FS_ASSIGN_OR_RETURN(const InputSettings settings, ReadInput(input));
    if (const absl::Status status = TryConsumer(settings); !status.ok()) return At(input, status);
    return absl::OkStatus();
  }

  absl::Status ValidateOutput(const config::Endpoint& output) const override {
    FS_ASSIGN_OR_RETURN(const OutputSettings settings, ReadOutput(output));
    if (const absl::Status status = TryProducer(settings); !status.ok()) return At(output, status);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> DeciderOf(const config::Endpoint& output) const override {
    FS_ASSIGN_OR_RETURN(const OutputSettings settings, ReadOutput(output));
    if (const absl::Status status = TryTransactions(settings); !status.ok()) return At(output, status);
    std::string decider = fmt::format("Kafka at {}", settings.client.bootstrap_servers);
    for (const auto& [name, value] : settings.client.properties) decider += fmt::format(", {}={}", name, value);
    return decider;
  }

  absl::StatusOr<std::unique_ptr<Session>> OpenSession(const InstanceContext& context) override {
    return std::make_unique<KafkaSession>(context, graveyard_);
  }

  absl::StatusOr<uint32_t> CountPartitions(const config::Endpoint& input, absl::Time deadline) const override {
    FS_ASSIGN_OR_RETURN(const InputSettings settings, ReadInput(input));
    if (settings.partition) return 1;
    auto count = kafka::CountPartitions(settings, deadline);
    if (!count.ok()) return At(input, count.status());
    return count;
  }

  bool TakesManyWriters() const override { return true; }

  absl::Status ForgetFunction(std::string_view function_id, uint32_t instance_count, std::span<const config::Endpoint> inputs,
                              std::span<const config::Endpoint> outputs) override {
    std::vector<InputSettings> read;
    for (const config::Endpoint& input : inputs) {
      if (absl::StatusOr<InputSettings> settings = ReadInput(input); settings.ok()) read.push_back(*std::move(settings));
    }
    ReleasePartitions(std::move(read), std::string(function_id), *graveyard_);
    std::vector<ClientSettings> done;
    for (const config::Endpoint& output : outputs) {
      const absl::StatusOr<OutputSettings> settings = ReadOutput(output);
      if (!settings.ok() || std::find(done.begin(), done.end(), settings->client) != done.end()) continue;
      std::vector<std::string> groups;
      for (uint32_t i = 0; i < instance_count; ++i) groups.push_back(PrivateName(function_id, i));
      DeleteMarkerGroups(settings->client, std::move(groups), *graveyard_);
      done.push_back(settings->client);
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status At(const config::Endpoint& endpoint, const absl::Status& status) {
    return WithContext(status, fmt::format("{} (line {})", endpoint.path, endpoint.line));
  }

  const std::shared_ptr<Graveyard> graveyard_ = std::make_shared<Graveyard>();
};

}  // namespace

std::shared_ptr<Connector> MakeKafkaConnector() { return std::make_shared<KafkaConnector>(); }

}  // namespace fs::connector::kafka
