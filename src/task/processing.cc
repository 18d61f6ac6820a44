// The Instance's hot path: batches through the guest, and what a message that fails leads to.
#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "base/steady_clock.h"
#include "task/instance.h"

namespace fs::task {
namespace {

MessageError ErrorOf(const sandbox::UserError& error) { return {error.type, error.message, error.traceback}; }

}  // namespace

absl::StatusOr<size_t> Instance::ProcessBatch(size_t input, std::span<const Record> records) {
  size_t done = 0;
  while (done < records.size() && !stopping()) {
    if (done > 0 && pending_bytes() > kMaxPendingBytes) FS_RETURN_IF_ERROR(TakeCheckpoint());
    const std::span<const Record> rest = records.subspan(done);
    const size_t together = spec_.errors->Together(input, rest);
    bool is_done = true;
    if (together == 0) {
      FS_ASSIGN_OR_RETURN(is_done, ProcessSuspect(input, rest.front()));
      if (is_done) ++done;
    } else {
      FS_ASSIGN_OR_RETURN(Step step, ProcessTogether(input, rest.first(together)));
      done += step.done;
      if (step.error) {
        const Record& failed = records[done];
        const ErrorPolicy::Verdict verdict = spec_.errors->Failed({input, failed.partition, failed.offset}, *std::move(step.error));
        FS_ASSIGN_OR_RETURN(is_done, HandleFailure(input, failed, verdict));
        if (is_done) ++done;
      }
    }
    if (!is_done) break;
  }
  return done;
}

absl::StatusOr<Instance::Step> Instance::ProcessTogether(size_t input, std::span<const Record> records) {
  has_marked_ = false;
  const absl::Time started = SteadyNow();
  absl::StatusOr<sandbox::BatchResult> processed = guest_->Process(inputs_[input].source_id, static_cast<uint32_t>(input), records);
  if (!processed.ok()) return HandleEnd(input, records, processed.status());
  const sandbox::BatchResult& result = *processed;
  const double seconds = absl::ToDoubleSeconds(SteadyNow() - started) / static_cast<double>(std::max<size_t>(result.processed, 1));
  seconds_per_message_ = seconds_per_message_ == 0 ? seconds : 0.7 * seconds_per_message_ + 0.3 * seconds;

  spec_.counters->message_seconds.Observe(seconds, result.processed);

  Step step = {result.processed, std::nullopt};
  if (result.error) {
    step.error = ErrorOf(*result.error);
    spec_.counters->exceptions.fetch_add(1, std::memory_order_relaxed);
  }
  // Of a message on its own what it emitted can be given back; in a batch nobody knows whose it is.
  if (records.size() == 1 && !step.error) {
    FS_ASSIGN_OR_RETURN(step.error, FindRefused());
    if (step.error) step.done = 0;
  }
  if (step.error && has_marked_ && marked_message_ == step.done) state_->RollbackToMark();
  if (step.done == 0) {
    if (step.error) return step;
    return Internal("the guest processed nothing of a batch of {}", records.size());
  }

  const std::span<const Record> done = records.first(step.done);
  const uint64_t bytes = Advance(input, done);
  const absl::Status written = WriteEmitted();
  if (absl::IsInvalidArgument(written) && records.size() > 1) {
    spec_.errors->OneByOne(input, done);
    return WithContext(written, fmt::format("emitted by one of {} message(s) from {} on; going on from the last checkpoint to find which",
                                            done.size(), PlaceOf(input, done.front())));
  }
  FS_RETURN_IF_ERROR(written);
  spec_.counters->processed.fetch_add(done.size(), std::memory_order_relaxed);
  Count(spec_.counters->inputs[input], done.size(), bytes);
  return step;
}

absl::StatusOr<bool> Instance::ProcessSuspect(size_t input, const Record& record) {
  const MessageId id = {input, record.partition, record.offset};
  ErrorPolicy::Verdict verdict = spec_.errors->Next(id);
  // It may end the instance again: then it holds back nothing but itself.
  if (verdict.is_dangerous && is_dirty()) FS_RETURN_IF_ERROR(TakeCheckpoint());
  if (verdict.action == ErrorPolicy::Action::kTry) {
    if (verdict.attempts > 0) spec_.counters->retried.fetch_add(1, std::memory_order_relaxed);
    FS_ASSIGN_OR_RETURN(Step step, ProcessTogether(input, {&record, 1}));
    if (!step.error) {
      if (verdict.attempts > 0) Waiting("");
      spec_.errors->Done(id);
      return true;
    }
    verdict = spec_.errors->Failed(id, *std::move(step.error));
  }
  return HandleFailure(input, record, verdict);
}

absl::StatusOr<bool> Instance::HandleFailure(size_t input, const Record& record, const ErrorPolicy::Verdict& verdict) {
  const absl::Time now = SteadyNow();
  const std::string place = PlaceOf(input, record);
  switch (verdict.action) {
    case ErrorPolicy::Action::kTry: {
      const std::string what = fmt::format("{}: {} failed, the next in {}", place, spec_.errors->AttemptText(verdict.attempts),
                                           absl::FormatDuration(verdict.wait));
      spec_.failure_log->Write(*spec_.log, now, 30, what, verdict.error);
      backlogs_[input].Wait(now + verdict.wait, fmt::format("{}: {}", what, Headline(verdict.error)));
      Waiting(backlogs_[input].reason());
      return false;
    }
    case ErrorPolicy::Action::kFail:
      if (is_dirty()) FS_RETURN_IF_ERROR(TakeCheckpoint());
      return Aborted("process() failed at {}{}: {}: {}\n{}", place,
                     verdict.attempts > 1 ? fmt::format(" ({} attempts)", verdict.attempts) : std::string(), verdict.error.type,
                     verdict.error.message, verdict.error.traceback);
    case ErrorPolicy::Action::kDeadLetter:
      FS_RETURN_IF_ERROR(WriteDeadLetter(input, record, verdict));
      ++dead_lettered_;
      break;
    case ErrorPolicy::Action::kSkip:
      ++skipped_;
      break;
  }
  spec_.failure_log->Write(
      *spec_.log, now, 40,
      fmt::format("{}: {} after {} attempt(s)", place,
                  verdict.action == ErrorPolicy::Action::kSkip
                      ? std::string("skipped")
                      : fmt::format("dead-lettered to {}", config_.outputs[*config_.on_error.dead_letter_channel].path),
                  verdict.attempts),
      verdict.error);
  Advance(input, {&record, 1});
  // To find the next one that an output refuses, as little as possible should have to be done again.
  if (verdict.error.type == kRefusedError) checkpoint_due_ = now;
  spec_.errors->Done({input, record.partition, record.offset});
  Waiting("");
  return true;
}

absl::Status Instance::HandleEnd(size_t input, std::span<const Record> records, const absl::Status& end) {
  const size_t index = std::min(guest_->processed_before_end(), records.size() - 1);
  const Record& record = records[index];
  absl::Status status = WithContext(end, PlaceOf(input, record));
  if (!guest_->is_dead() || absl::IsCancelled(end) || stopping()) return status;
  if (guest_->ended_by() == Limit::kBatchTimeout && records.size() > 1) {
    spec_.errors->OneByOne(input, records);
    return WithContext(end, fmt::format("one of {} message(s) from {} on; going on from the last checkpoint, one at a time", records.size(),
                                        PlaceOf(input, records.front())));
  }
  const ErrorPolicy::Verdict verdict = spec_.errors->Ended({input, record.partition, record.offset}, ErrorOfEnd(end, guest_->ended_by()));
  // What came before is committed: there is nothing that another instance could add.
  if (verdict.action == ErrorPolicy::Action::kFail && index == 0 && !has_progress_) {
    static_cast<void>(spec_.errors->TakeRestart());
    return absl::AbortedError(status.message());
  }
  return status;
}

absl::StatusOr<std::optional<MessageError>> Instance::FindRefused() {
  std::optional<MessageError> refused;
  FS_RETURN_IF_ERROR(guest_->ForEachEmitted([&](const sandbox::Emitted& emitted) {
    if (emitted.is_watermark) return true;
    const absl::Status status = sinks_[emitted.channel]->Check(emitted.record);
    if (!status.ok()) {
      refused = MessageError{std::string(kRefusedError), fmt::format("{}: {}", config_.outputs[emitted.channel].path, Message(status)), ""};
    }
    return status.ok();
  }));
  return refused;
}

absl::Status Instance::WriteDeadLetter(size_t input, const Record& record, const ErrorPolicy::Verdict& verdict) {
  const uint32_t channel = *config_.on_error.dead_letter_channel;
  const FailedMessage failed = {config_.name, inputs_[input].source_id, inputs_[input].topic, record, verdict.attempts, verdict.error};
  const std::string headers = DeadLetterHeaders(failed, absl::Now());
  const OutputRecord letter = {record.value, record.key, headers, record.timestamp_ms};
  const absl::Status checked = sinks_[channel]->Check(letter);
  if (checked.ok()) return WriteStamped(channel, letter);
  if (is_dirty()) FS_RETURN_IF_ERROR(TakeCheckpoint());
  return Aborted("{}: its dead letter cannot be written: {}: {}; it failed because of {}\n{}", PlaceOf(input, record),
                 config_.outputs[channel].path, Message(checked), Headline(verdict.error), verdict.error.traceback);
}

std::string Instance::PlaceOf(size_t input, const Record& record) const {
  return fmt::format("{} partition {} offset {}", inputs_[input].topic, record.partition, record.offset);
}

uint64_t Instance::Advance(size_t input, std::span<const Record> records) {
  if (records.empty()) return 0;
  uint64_t bytes = 0;
  connector::Positions& positions = positions_[input];
  // Records of a partition come in runs: one look-up for each run.
  for (size_t i = 0; i < records.size(); ++i) {
    bytes += records[i].value.size();
    if (i + 1 == records.size() || records[i + 1].partition != records[i].partition)
      positions[records[i].partition] = records[i].offset + 1;
  }
  event_time_->Observe(input, records, SteadyNow());
  if (event_time_->is_carried()) stamps_->Begin();
  has_progress_ = true;
  return bytes;
}

}  // namespace fs::task
