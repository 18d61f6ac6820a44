// An input of which this instance has nothing to read: its one partition is another instance's.
//
// Owned by an Instance, used on its thread. Reaches nothing outside.
#ifndef FUNCTION_STREAM_CONNECTOR_EMPTY_SOURCE_H_
#define FUNCTION_STREAM_CONNECTOR_EMPTY_SOURCE_H_

#include <string>
#include <utility>
#include <vector>

#include "connector/connector.h"

namespace fs::connector {

class EmptySource final : public Source {
 public:
  explicit EmptySource(std::string topic) : topic_(std::move(topic)) {}

  absl::Status Start(const Positions&, SourceListener& listener) override {
    listener.OnPartitions({});
    return absl::OkStatus();
  }
  absl::Status Poll(size_t, size_t, std::vector<Record>&) override { return absl::OkStatus(); }
  [[nodiscard]] bool HasMore() const override { return false; }
  void Committed(const Positions&, const Marker&) override {}
  // Known, so that nobody asks again: there is no such partition to be behind in.
  [[nodiscard]] Positions EndOffsets() const override { return {{-1, 0}}; }
  [[nodiscard]] std::string_view topic() const override { return topic_; }

 private:
  const std::string topic_;
};

}  // namespace fs::connector

#endif  // FUNCTION_STREAM_CONNECTOR_EMPTY_SOURCE_H_
