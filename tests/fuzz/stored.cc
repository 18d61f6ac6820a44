// What the server reads back from its own disk, damaged in any way: it says so, and never crashes or believes it.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "catalog/records.h"
#include "connector/embedded/log_keys.h"
#include "connector/embedded/record_block.h"
#include "connector/marker.h"
#include "fuzz/fuzz.h"
#include "task/checkpoint.h"
#include "task/event_time.h"

namespace fs {
namespace {

using fuzz::Require;

constexpr std::initializer_list<absl::StatusCode> kDamaged = {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition};

void CheckBlock(std::string_view bytes) {
  auto reader = connector::embedded::BlockReader::Open(bytes, 10);
  fuzz::CheckRefusal(reader.status(), kDamaged);
  if (!reader.ok()) return;
  for (uint32_t given = 0;; ++given) {
    const auto record = reader->Next();
    fuzz::CheckRefusal(record.status(), kDamaged);
    if (!record.ok()) return;
    if (!record->has_value()) {
      Require(given == reader->count(), "{} records of {}", given, reader->count());
      return;
    }
    Require((*record)->offset == 10 + int64_t{given}, "an offset out of order");
    for (const std::string_view part : {(*record)->value, (*record)->key.value_or(""), (*record)->headers}) {
      Require(part.empty() || (part.data() >= bytes.data() && part.data() + part.size() <= bytes.data() + bytes.size()),
              "a view out of it");
    }
  }
}

// A progress, and the event time in it, restored into a function of one source and one output.
void CheckProgress(std::string_view bytes) {
  const auto progress = task::DecodeProgress(bytes);
  fuzz::CheckRefusal(progress.status(), kDamaged);
  const std::string_view event_time = progress.ok() ? std::string_view(progress->event_time) : bytes;
  task::EventTime restored(config::Watermark(), {0}, 1, /*is_used=*/true, absl::UnixEpoch());
  const absl::Status status = restored.Restore(event_time, absl::UnixEpoch());
  fuzz::CheckRefusal(status, kDamaged);
  if (status.ok()) {
    for (int i = 0; i < 3; ++i) {
      const auto next = restored.Next();
      if (!next) break;
      Require(next->source_id == 0, "a source that is none");
      restored.SetTold(next->source_id, next->watermark);
    }
    (void)restored.ForOutput(0);
    (void)restored.Save();
  }
  if (!progress.ok()) return;
  const auto again = task::DecodeProgress(task::EncodeProgress(*progress, {}));
  Require(again.ok() && again->inputs == progress->inputs && again->sink_marks == progress->sink_marks && again->taken == progress->taken,
          "a progress does not come back");
}

void CheckCatalog(std::string_view bytes) {
  fuzz::CheckRefusal(catalog::DecodeFunction("f", bytes).status(), kDamaged);
  fuzz::CheckRefusal(catalog::DecodePackage(bytes).status(), kDamaged);
}

void CheckMarker(std::string_view bytes) {
  const auto marker = connector::DecodeMarker(bytes);
  if (!marker) return;
  const auto again = connector::DecodeMarker(connector::EncodeMarker(*marker));
  Require(again && *again == *marker && again->owner == marker->owner && again->keeps_state == marker->keeps_state,
          "a marker does not come back");
}

void CheckKeys(std::string_view bytes) {
  using namespace connector::embedded;
  if (const auto offset = DecodeOffset(bytes)) Require(EncodeOffset(*offset) == bytes, "an offset does not come back");
}

}  // namespace
}  // namespace fs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fs;
  if (size == 0) return 0;
  const std::unique_ptr<char[]> exactly(new char[size - 1]);
  std::memcpy(exactly.get(), data + 1, size - 1);
  const std::string_view bytes(exactly.get(), size - 1);
  switch (data[0] % 5) {
    case 0:
      CheckBlock(bytes);
      break;
    case 1:
      CheckProgress(bytes);
      break;
    case 2:
      CheckCatalog(bytes);
      break;
    case 3:
      CheckMarker(bytes);
      break;
    default:
      CheckKeys(bytes);
  }
  return 0;
}
