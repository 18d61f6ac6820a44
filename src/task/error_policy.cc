#include "task/error_policy.h"

#include <algorithm>
#include <utility>

namespace fs::task {

MessageError ErrorOfEnd(const absl::Status& status, std::optional<Limit> limit) {
  MessageError error;
  if (limit == Limit::kProcessTimeout || limit == Limit::kBatchTimeout) {
    error.type = kTimeoutError;
  } else if (limit == Limit::kMemory) {
    error.type = kMemoryError;
  } else {
    error.type = limit == Limit::kOutput ? kOutputError : kCrashError;
  }
  const std::string_view text = Message(status);
  const size_t line_end = std::min(text.find('\n'), text.size());
  error.message = text.substr(0, line_end);
  if (line_end < text.size()) error.traceback = text.substr(line_end + 1);
  return error;
}

void ErrorPolicy::Reset() {
  suspects_.clear();
  one_by_one_.clear();
  restart_.reset();
}

size_t ErrorPolicy::Together(size_t input, std::span<const Record> records) const {
  if (suspects_.empty() && one_by_one_.empty()) [[likely]]
    return records.size();
  const auto suspect = std::find_if(records.begin(), records.end(), [&](const Record& record) { return IsSuspect(input, record); });
  return static_cast<size_t>(suspect - records.begin());
}

bool ErrorPolicy::IsSuspect(size_t input, const Record& record) const {
  if (suspects_.contains({input, record.partition, record.offset})) return true;
  return std::any_of(one_by_one_.begin(), one_by_one_.end(), [&](const Range& range) {
    return range.input == input && range.partition == record.partition && range.first <= record.offset && record.offset <= range.last;
  });
}

ErrorPolicy::Verdict ErrorPolicy::Next(const MessageId& message) const {
  const auto known = suspects_.find(message);
  return known == suspects_.end() ? Verdict() : Judge(known->second);
}

ErrorPolicy::Verdict ErrorPolicy::Judge(const Suspect& suspect) const {
  Verdict verdict;
  verdict.attempts = suspect.attempts;
  verdict.is_dangerous = suspect.has_ended;
  verdict.error = suspect.error;
  if (config_.policy == config::ErrorPolicy::kRetry || suspect.attempts <= config_.retries) {
    // Doubled for each attempt after the first; past 2^30 every pause has long reached its maximum.
    const uint32_t doublings = std::clamp<uint32_t>(suspect.attempts, 1, 31) - 1;
    verdict.wait = std::min(config_.backoff * (int64_t{1} << doublings), config_.backoff_max);
    return verdict;
  }
  switch (config_.policy) {
    case config::ErrorPolicy::kSkip:
      verdict.action = Action::kSkip;
      break;
    case config::ErrorPolicy::kDeadLetter:
      verdict.action = Action::kDeadLetter;
      break;
    default:
      verdict.action = Action::kFail;
  }
  return verdict;
}

ErrorPolicy::Verdict ErrorPolicy::Failed(const MessageId& message, MessageError error) {
  Suspect& suspect = suspects_[message];
  ++suspect.attempts;
  suspect.error = std::move(error);
  return Judge(suspect);
}

ErrorPolicy::Verdict ErrorPolicy::Ended(const MessageId& message, MessageError error) {
  const auto [known, is_new] = suspects_.try_emplace(message);
  Suspect& suspect = known->second;
  const bool is_certain = error.type != kMemoryError || suspect.has_ended;
  suspect.has_ended = true;
  suspect.error = std::move(error);
  if (is_certain) ++suspect.attempts;
  Verdict verdict = Judge(suspect);
  if (is_certain) restart_ = verdict.action == Action::kTry ? verdict.wait : absl::ZeroDuration();
  return verdict;
}

void ErrorPolicy::OneByOne(size_t input, std::span<const Record> records) {
  for (const Record& record : records) {
    const auto range = std::find_if(one_by_one_.begin(), one_by_one_.end(), [&](const Range& known) {
      return known.input == input && known.partition == record.partition && known.last <= record.offset;
    });
    if (range == one_by_one_.end()) {
      one_by_one_.push_back({input, record.partition, record.offset, record.offset});
    } else {
      range->last = record.offset;
    }
  }
  restart_ = absl::ZeroDuration();
}

void ErrorPolicy::Done(const MessageId& message) {
  // One that ended an instance is remembered until it is committed: should this instance end before, the next one knows it.
  const auto known = suspects_.find(message);
  if (known != suspects_.end() && !known->second.has_ended) suspects_.erase(known);
}

void ErrorPolicy::Committed(std::span<const connector::Positions> positions) {
  if (suspects_.empty() && one_by_one_.empty()) return;
  const auto is_past = [&](size_t input, int32_t partition, int64_t offset) {
    if (input >= positions.size()) return false;
    const auto position = positions[input].find(partition);
    return position != positions[input].end() && offset < position->second;
  };
  std::erase_if(suspects_, [&](const auto& known) { return is_past(known.first.input, known.first.partition, known.first.offset); });
  std::erase_if(one_by_one_, [&](const Range& range) { return is_past(range.input, range.partition, range.last); });
}

std::optional<absl::Duration> ErrorPolicy::TakeRestart() { return std::exchange(restart_, std::nullopt); }

std::string ErrorPolicy::AttemptText(uint32_t attempt) const {
  if (config_.policy == config::ErrorPolicy::kRetry) return fmt::format("attempt {}", attempt);
  return fmt::format("attempt {} of {}", attempt, uint64_t{config_.retries} + 1);
}

}  // namespace fs::task
