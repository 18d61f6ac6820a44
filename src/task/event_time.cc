#include "task/event_time.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "positions.pb.h"
#include "task/watermark_stamp.h"

namespace fs::task {
namespace {

// Anyone who writes to a topic can invent writers.
constexpr size_t kMaxWriters = 1024;
// Something quiet that cannot be asked (its broker is away) is looked at again after this.
constexpr absl::Duration kLookAgain = absl::Seconds(1);

}  // namespace

EventTime::EventTime(const config::Watermark& config, const std::vector<uint32_t>& source_of_input, size_t channels, bool is_used,
                     absl::Time now)
    : config_(config),
      behind_ms_(absl::ToInt64Milliseconds(config.max_out_of_orderness) + 1),
      is_used_(is_used),
      json_field_(config.field),
      emitted_(channels, kNone),
      outputs_(channels, kNone) {
  uint32_t sources = 0;
  for (const uint32_t source_id : source_of_input) {
    inputs_.push_back({.source_id = source_id, .since = now, .quiet_at = now, .partitions = {}});
    sources = std::max(sources, source_id + 1);
  }
  told_.assign(sources, kNone);
}

void EventTime::Minimum::Add(int64_t watermark, bool is_active) {
  of_all = std::max(of_all, watermark);
  if (!is_active) return;
  of_active = has_active ? std::min(of_active, watermark) : watermark;
  has_active = true;
}

void EventTime::SetPartitions(size_t input, std::span<const int32_t> partitions, absl::Time now) {
  Input& of = inputs_[input];
  if (partitions.empty()) of.since = absl::InfinitePast();
  for (const int32_t partition : partitions) {
    if (!of.partitions.contains(partition)) Assigned(input, partition, now);
  }
}

void EventTime::Forget(size_t input, std::span<const int32_t> partitions) {
  for (const int32_t partition : partitions) inputs_[input].partitions.erase(partition);
}

int64_t EventTime::TimeOf(const Record& record) {
  switch (config_.source) {
    case config::WatermarkSource::kTimestamp:
      return record.timestamp_ms;
    case config::WatermarkSource::kJson:
      return json_field_.NumberIn(record.value).value_or(kNone);
    case config::WatermarkSource::kFunction:
      break;
  }
  return kNone;
}

void EventTime::Observe(size_t input, std::span<const Record> records, absl::Time now) {
  Input& from = inputs_[input];
  Partition* partition = nullptr;
  for (size_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    const bool is_stamped = !record.headers.empty() && record.headers.find(kWatermarkHeader) != std::string_view::npos;
    if (!is_used_ && !is_stamped) continue;
    if (partition == nullptr || records[i - 1].partition != record.partition) {
      partition = &from.partitions[record.partition];
      partition->active_at = now;
    }
    if (is_stamped) TakeStamp(from, *partition, record.headers, now);
    if (partition->is_carried) continue;
    const int64_t time = TimeOf(record);
    if (time != kNone && time > std::numeric_limits<int64_t>::min() + behind_ms_) {
      partition->made = std::max(partition->made, time - behind_ms_);
    }
  }
}

void EventTime::TakeStamp(Input& input, Partition& partition, std::string_view headers, absl::Time now) {
  const std::optional<WatermarkStamp> stamp = FindStamp(headers);
  if (!stamp) return;
  is_used_ = is_carried_ = partition.is_carried = true;
  auto writer = partition.writers.find(stamp->writer);
  if (writer == partition.writers.end()) {
    // Of writers that are gone, nothing has to be kept: their partition's watermark does not go back without them.
    std::erase_if(partition.writers, [&](const auto& one) { return !IsActive(input, one.second.active_at); });
    if (partition.writers.size() == kMaxWriters) return;
    writer = partition.writers.emplace(std::string(stamp->writer), Writer{}).first;
  }
  writer->second.active_at = now;
  if (stamp->watermark) writer->second.watermark = std::max(writer->second.watermark, *stamp->watermark);
}

EventTime::Minimum EventTime::OfPartition(const Input& input, const Partition& partition) const {
  Minimum minimum;
  if (!partition.is_carried) {
    minimum.Add(partition.made, IsActive(input, partition.active_at));
    return minimum;
  }
  for (const auto& [name, writer] : partition.writers) minimum.Add(writer.watermark, IsActive(input, writer.active_at));
  return minimum;
}

EventTime::Minimum EventTime::OfSource(uint32_t source_id) const {
  Minimum minimum;
  for (const Input& input : inputs_) {
    if (input.source_id != source_id) continue;
    if (input.partitions.empty()) minimum.Add(kNone, IsActive(input, input.since));
    for (const auto& [number, partition] : input.partitions) {
      const Minimum of_partition = OfPartition(input, partition);
      minimum.Add(of_partition.value(), of_partition.has_active);
    }
  }
  return minimum;
}

std::optional<EventTime::Advance> EventTime::Next() const {
  if (!is_used_) return std::nullopt;
  for (uint32_t source_id = 0; source_id < told_.size(); ++source_id) {
    const int64_t watermark = OfSource(source_id).value();
    if (watermark > told_[source_id]) return Advance{source_id, watermark};
  }
  return std::nullopt;
}

absl::Time EventTime::due(absl::Time now) const {
  if (!is_used_) return absl::InfiniteFuture();
  int64_t newest = kNone;
  for (uint32_t source_id = 0; source_id < told_.size(); ++source_id) newest = std::max(newest, OfSource(source_id).of_all);
  absl::Time due = absl::InfiniteFuture();
  const auto consider = [&](const Input& input, int64_t watermark, absl::Time active_at) {
    if (watermark < newest && IsActive(input, active_at)) due = std::min(due, active_at + config_.idle_timeout);
  };
  for (const Input& input : inputs_) {
    if (input.partitions.empty()) consider(input, kNone, input.since);
    for (const auto& [number, partition] : input.partitions) {
      if (!partition.is_carried) consider(input, partition.made, partition.active_at);
      for (const auto& [name, writer] : partition.writers) consider(input, writer.watermark, writer.active_at);
    }
  }
  return due > now ? due : now + kLookAgain;
}

void EventTime::Emitted(size_t channel, int64_t watermark) { emitted_[channel] = std::max(emitted_[channel], watermark); }

int64_t EventTime::ForOutput(size_t channel) {
  int64_t allowed = emitted_[channel];
  if (config_.source != config::WatermarkSource::kFunction || is_carried_) {
    Minimum sources;
    for (uint32_t source_id = 0; source_id < told_.size(); ++source_id) sources.Add(told_[source_id], OfSource(source_id).has_active);
    allowed = std::min(allowed, sources.value());
  }
  outputs_[channel] = std::max(outputs_[channel], allowed);
  return outputs_[channel];
}

std::string EventTime::Save() const {
  if (!is_used_) return {};
  function_stream::stored::StoredEventTime stored;
  stored.set_is_carried(is_carried_);
  for (const Input& input : inputs_) {
    auto& to = *stored.add_inputs();
    for (const auto& [number, partition] : input.partitions) {
      auto& one = (*to.mutable_partitions())[number];
      one.set_made(partition.made);
      one.set_is_carried(partition.is_carried);
      for (const auto& [name, writer] : partition.writers) (*one.mutable_writers())[name] = writer.watermark;
    }
  }
  for (const int64_t watermark : told_) stored.add_told(watermark);
  for (const int64_t watermark : emitted_) stored.add_emitted(watermark);
  for (const int64_t watermark : outputs_) stored.add_outputs(watermark);
  return stored.SerializeAsString();
}

absl::Status EventTime::Restore(std::string_view saved, absl::Time now) {
  if (saved.empty()) return absl::OkStatus();
  function_stream::stored::StoredEventTime stored;
  if (!stored.ParseFromArray(saved.data(), static_cast<int>(saved.size()))) {
    return DataLoss("the checkpoint's watermarks cannot be read");
  }
  is_carried_ = stored.is_carried();
  is_used_ = is_used_ || is_carried_;
  for (size_t i = 0; i < inputs_.size() && i < static_cast<size_t>(stored.inputs_size()); ++i) {
    for (const auto& [number, from] : stored.inputs(static_cast<int>(i)).partitions()) {
      Partition& partition = inputs_[i].partitions[number];
      partition.made = from.made();
      partition.is_carried = from.is_carried();
      partition.active_at = now;
      for (const auto& [name, watermark] : from.writers()) partition.writers[name] = {watermark, now};
    }
  }
  const auto copy = [](const auto& from, std::vector<int64_t>& to) {
    std::copy_n(from.begin(), std::min<size_t>(from.size(), to.size()), to.begin());
  };
  copy(stored.told(), told_);
  copy(stored.emitted(), emitted_);
  copy(stored.outputs(), outputs_);
  return absl::OkStatus();
}

}  // namespace fs::task
