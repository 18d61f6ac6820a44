#include "connector/kafka/kafka_connector.h"

#include <utility>
#include <vector>

#include "connector/kafka/graveyard.h"
#include "connector/kafka/producer.h"
#include "connector/kafka/properties.h"
#include "connector/kafka/source.h"

namespace fs::connector::kafka {
namespace {

class KafkaSession final : public Session {
 public:
  KafkaSession(InstanceContext context, std::shared_ptr<Graveyard> graveyard)
      : context_(std::move(context)), graveyard_(std::move(graveyard)) {}

  absl::StatusOr<std::unique_ptr<Source>> OpenSource(size_t input_index, const config::Endpoint& input) override {
    FS_ASSIGN_OR_RETURN(InputSettings settings, ReadInput(input));
    FS_ASSIGN_OR_RETURN_CONTEXT(std::unique_ptr<Source> source, KafkaSource::Open(std::move(settings), context_, input_index, graveyard_),
                                input.path);
    return source;
  }

  absl::StatusOr<std::unique_ptr<Sink>> OpenSink(const config::Endpoint& output) override {
    FS_ASSIGN_OR_RETURN(OutputSettings settings, ReadOutput(output));
    FS_ASSIGN_OR_RETURN_CONTEXT(std::shared_ptr<Producer> producer, ProducerFor(std::move(settings.client)), output.path);
    FS_ASSIGN_OR_RETURN_CONTEXT(rd_kafka_topic_t * topic, producer->OpenTopic(settings.topic), output.path);
    return std::make_unique<KafkaSink>(std::move(producer), topic, settings.partition);
  }

  Decider* decider() override { return nullptr; }

 private:
  absl::StatusOr<std::shared_ptr<Producer>> ProducerFor(ClientSettings settings) {
    for (const std::shared_ptr<Producer>& producer : producers_) {
      if (producer->settings() == settings) return producer;
    }
    FS_ASSIGN_OR_RETURN(std::shared_ptr<Producer> producer, Producer::Open(std::move(settings), context_, graveyard_));
    return producers_.emplace_back(std::move(producer));
  }

  const InstanceContext context_;
  const std::shared_ptr<Graveyard> graveyard_;
  std::vector<std::shared_ptr<Producer>> producers_;
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

  Guarantee guarantee() const override { return Guarantee::kAtLeastOnce; }

  absl::StatusOr<std::unique_ptr<Session>> OpenSession(const InstanceContext& context) override {
    return std::make_unique<KafkaSession>(context, graveyard_);
  }

  // Positions live in the function's state; what the group was told stays, as after any consumer.
  absl::Status ForgetFunction(std::string_view, std::span<const config::Endpoint>, std::span<const config::Endpoint>) override {
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
