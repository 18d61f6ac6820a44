// Tells a write-ahead log whose end a power failure cut short from one that is damaged further back.
//
// RocksDB's kPointInTimeRecovery, with which the log is opened, stops at the first place that it cannot read and drops all that follows,
// without a word. That is right for the end: a write that was cut short was confirmed to nobody. It is wrong anywhere else. The log syncs
// each write before the next begins, so a whole record behind an unreadable place proves that what was there had been confirmed.
//
// What cannot be told: damage to the last write of all, which looks like one that was cut short.
#ifndef FUNCTION_STREAM_CONNECTOR_EMBEDDED_WAL_CHECK_H_
#define FUNCTION_STREAM_CONNECTOR_EMBEDDED_WAL_CHECK_H_

#include <filesystem>

#include "base/status.h"

namespace fs::connector::embedded {

// Looks at the write-ahead logs of a database that nobody has open. OK: nothing that was confirmed is missing. kDataLoss: damaged, with
// file, place and what to do. kInternal: they cannot be read.
[[nodiscard]] absl::Status CheckWriteAheadLogs(const std::filesystem::path& folder);

}  // namespace fs::connector::embedded

#endif  // FUNCTION_STREAM_CONNECTOR_EMBEDDED_WAL_CHECK_H_
