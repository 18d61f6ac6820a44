// Makes guests small while they rest: gives back the pages of a guest's memory that are as they were in the snapshot.
//
// A guest's memory is the snapshot's file, mapped privately. Pages that it has only read count as the process's own memory all the same,
// and some that it has written are again what they were. Both come back from the file when they are touched. Which pages those are, the
// kernel tells (/proc/self/pagemap), and a guest that never ran shows what they were. Any thread; a guest's memory is its own thread's.
#ifndef FUNCTION_STREAM_SANDBOX_SNAPSHOT_PAGES_H_
#define FUNCTION_STREAM_SANDBOX_SNAPSHOT_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fs::sandbox {

class SnapshotPages {
 public:
  // `pristine` is the memory of a guest that is kept and never called again.
  SnapshotPages(const uint8_t* pristine, size_t bytes);
  SnapshotPages(const SnapshotPages&) = delete;
  SnapshotPages& operator=(const SnapshotPages&) = delete;
  ~SnapshotPages();

  // Not while the guest is in a call. `memory` has at least as many bytes. Does nothing where the kernel does not tell.
  void GiveBack(uint8_t* memory) const;

 private:
  // The pages' entries from `first` on; false where they cannot be read.
  [[nodiscard]] bool Read(const uint8_t* memory, size_t first, uint64_t* entries, size_t count) const;

  const uint8_t* pristine_;
  const size_t page_bytes_;
  size_t pages_ = 0;
  int pagemap_ = -1;
  std::vector<bool> is_comparable_;  // by page: the pristine guest has not written it
};

}  // namespace fs::sandbox

#endif  // FUNCTION_STREAM_SANDBOX_SNAPSHOT_PAGES_H_
