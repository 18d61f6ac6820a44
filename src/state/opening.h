// The file system under the states' databases: as the machine's, without the waits for the disk that making a database has too many of.
//
// RocksDB makes a database in two steps, and writes what the first one made anew in the second; and it writes its options to files that
// nobody reads. None of these is waited for. What a commit relies on is: the manifest, CURRENT and the folder that a database is open with
// are durable when the opening returns, the write-ahead log when a write does. Any thread.
#ifndef FUNCTION_STREAM_STATE_OPENING_H_
#define FUNCTION_STREAM_STATE_OPENING_H_

#include <rocksdb/env.h>

#include <memory>

namespace fs::state {

// Forwards to Env::Default(), whose threads it shares. Must outlive its databases.
[[nodiscard]] std::unique_ptr<rocksdb::Env> MakeOpeningEnv();

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_OPENING_H_
