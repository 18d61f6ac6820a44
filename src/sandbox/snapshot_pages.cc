#include "sandbox/snapshot_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace fs::sandbox {
namespace {

// Documentation/admin-guide/mm/pagemap.rst of the kernel.
constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kSwapped = uint64_t{1} << 62;
constexpr uint64_t kOfFile = uint64_t{1} << 61;

constexpr size_t kPagesARead = 512;

bool IsWritten(uint64_t entry) { return (entry & kSwapped) != 0 || ((entry & kPresent) != 0 && (entry & kOfFile) == 0); }
bool IsOnlyRead(uint64_t entry) { return (entry & kSwapped) == 0 && (entry & kPresent) != 0 && (entry & kOfFile) != 0; }

}  // namespace

SnapshotPages::SnapshotPages(const uint8_t* pristine, size_t bytes)
    : pristine_(pristine), page_bytes_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
  pagemap_ = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap_ < 0) return;
  std::vector<uint64_t> entries(bytes / page_bytes_);
  if (!Read(pristine, 0, entries.data(), entries.size())) return;
  pages_ = entries.size();
  is_comparable_.resize(pages_);
  std::transform(entries.begin(), entries.end(), is_comparable_.begin(), [](uint64_t entry) { return !IsWritten(entry); });
}

SnapshotPages::~SnapshotPages() {
  if (pagemap_ >= 0) close(pagemap_);
}

bool SnapshotPages::Read(const uint8_t* memory, size_t first, uint64_t* entries, size_t count) const {
  const size_t bytes = count * sizeof(uint64_t);
  const size_t page = reinterpret_cast<uintptr_t>(memory) / page_bytes_ + first;
  return pread(pagemap_, entries, bytes, static_cast<off_t>(page * sizeof(uint64_t))) == static_cast<ssize_t>(bytes);
}

void SnapshotPages::GiveBack(uint8_t* memory) const {
  std::array<uint64_t, kPagesARead> entries;
  // A run reaches over pages that are not there, so that there are few.
  size_t begin = 0;
  size_t end = 0;
  const auto give_back = [&] {
    if (begin < end) madvise(memory + begin * page_bytes_, (end - begin) * page_bytes_, MADV_DONTNEED);
    begin = end = 0;
  };
  for (size_t first = 0; first < pages_; first += kPagesARead) {
    const size_t count = std::min(kPagesARead, pages_ - first);
    if (!Read(memory, first, entries.data(), count)) break;
    for (size_t i = 0; i < count; ++i) {
      const size_t page = first + i;
      const size_t offset = page * page_bytes_;
      const bool is_same =
          IsWritten(entries[i]) && is_comparable_[page] && std::memcmp(memory + offset, pristine_ + offset, page_bytes_) == 0;
      if (is_same || IsOnlyRead(entries[i])) {
        if (begin == end) begin = page;
        end = page + 1;
      } else if (IsWritten(entries[i])) {
        give_back();
      }
    }
  }
  give_back();
}

}  // namespace fs::sandbox
