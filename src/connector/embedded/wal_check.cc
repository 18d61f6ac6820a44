#include "connector/embedded/wal_check.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace fs::connector::embedded {
namespace {

// ---- RocksDB's format of a log: blocks of 32 KiB; in each, pieces of records: masked CRC-32C (u32), length (u16), kind (u8), bytes. The
// CRC is of kind and bytes. A place at a block's end that is too short for a piece's head holds zeros. Kinds of recycled logs are left out:
// the server recycles none.

constexpr size_t kBlock = 32 << 10;
constexpr size_t kHead = 7;
enum Kind : uint8_t { kWhole = 1, kFirst = 2, kMiddle = 3, kLast = 4 };
// A record begins with the number of its first change (u64) and how many there are (u32).
constexpr size_t kNumbers = 12;

using CrcTables = std::array<std::array<uint32_t, 256>, 8>;

constexpr CrcTables MakeCrcTables() {
  CrcTables tables = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
    tables[0][byte] = crc;
  }
  for (size_t table = 1; table < tables.size(); ++table) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[table - 1][byte];
      tables[table][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
constexpr CrcTables kCrcTables = MakeCrcTables();

// Eight bytes at a time: a log of 32 MiB must not hold a start up.
uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  while (bytes.size() >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    word ^= crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kCrcTables[7 - i][(word >> (8 * i)) & 0xff];
    bytes.remove_prefix(8);
  }
  for (const char byte : bytes) crc = (crc >> 8) ^ kCrcTables[0][(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

template <class Number>
Number NumberAt(const char* at) {
  Number number = 0;
  std::memcpy(&number, at, sizeof(Number));
  return number;
}

struct Piece {
  Kind kind = kWhole;
  std::string_view bytes;
};

// The piece that begins there, where all of it is right.
std::optional<Piece> PieceAt(std::string_view log, size_t at) {
  const size_t block_end = std::min(log.size(), (at / kBlock + 1) * kBlock);
  if (at + kHead > block_end) return std::nullopt;
  const char* const head = log.data() + at;
  const auto kind = static_cast<uint8_t>(head[6]);
  const size_t length = NumberAt<uint16_t>(head + 4);
  if (kind < kWhole || kind > kLast || at + kHead + length > block_end) return std::nullopt;
  const uint32_t unmasked = NumberAt<uint32_t>(head) - 0xa282ead8;
  if (Crc32c(log.substr(at + 6, 1 + length)) != ((unmasked >> 17) | (unmasked << 15))) return std::nullopt;
  return Piece{static_cast<Kind>(kind), log.substr(at + kHead, length)};
}

// ---- Following the records through the logs.

struct Place {
  std::filesystem::path file;
  size_t at = 0;
};

class Reader {
 public:
  absl::Status Read(const std::filesystem::path& file, std::string_view log) {
    bool is_aligned = true;  // the last piece was right, so the next begins where it ended
    for (size_t at = 0; at < log.size();) {
      if (kBlock - at % kBlock < kHead) {
        at = (at / kBlock + 1) * kBlock;
        continue;
      }
      const std::optional<Piece> piece = PieceAt(log, at);
      if (!piece) {
        if (is_aligned) Broken({file, at});
        is_aligned = false;
        // Where the next one begins is not known. Nothing but zeros may be between: then there is none.
        ++at;
        continue;
      }
      is_aligned = true;
      FS_RETURN_IF_ERROR(Take({file, at}, *piece));
      at += kHead + piece->bytes.size();
    }
    // A record does not go on in another file.
    if (in_record_) Broken(record_);
    return absl::OkStatus();
  }

 private:
  void Broken(Place place) {
    if (!broken_) broken_ = std::move(place);
    in_record_ = false;
  }

  absl::Status Take(const Place& place, const Piece& piece) {
    const bool begins = piece.kind == kWhole || piece.kind == kFirst;
    if (begins && in_record_) Broken(record_);
    if (!begins && !in_record_) {
      // What is left of a record that was cut short; or its beginning is gone.
      Broken(place);
      return absl::OkStatus();
    }
    if (begins) {
      record_ = place;
      in_record_ = true;
      numbers_.clear();
    }
    numbers_.append(piece.bytes.substr(0, kNumbers - std::min(kNumbers, numbers_.size())));
    if (piece.kind == kFirst || piece.kind == kMiddle) return absl::OkStatus();
    in_record_ = false;
    if (numbers_.size() < kNumbers) {
      Broken(record_);
      return absl::OkStatus();
    }
    const auto first = NumberAt<uint64_t>(numbers_.data());
    const auto count = NumberAt<uint32_t>(numbers_.data() + 8);
    // A log that was given up after a failed write goes on in the next file, with the number that the failed one would have had.
    if (broken_ && broken_->file != record_.file && first == next_) broken_.reset();
    // What is numbered below was there before: it stands inside of a value.
    if (broken_ && first >= next_) return Damaged();
    if (!broken_) next_ = first + count;
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status Damaged() const {
    const bool is_one_file = broken_->file == record_.file;
    const std::string folder = record_.file.parent_path().native();
    return DataLoss(
        "{}: damaged at byte {}. It is no write that a power failure cut short, for what was written after it is whole ({} byte {}), and "
        "to "
        "open the log would lose that without a word. Restore {} from a backup{}; or move it away to begin with an empty log",
        broken_->file.native(), broken_->at, is_one_file ? "from" : fmt::format("{} from", record_.file.filename().native()), record_.at,
        folder,
        is_one_file
            ? fmt::format("; or give up what was written from there on, with `truncate -s {} {}`", broken_->at, broken_->file.native())
            : "");
  }

  std::optional<Place> broken_;  // the first place that cannot be read
  uint64_t next_ = 0;            // the number that the record after the last whole one has
  Place record_;                 // the one in hand
  bool in_record_ = false;
  std::string numbers_;
};

}  // namespace

absl::Status CheckWriteAheadLogs(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::pair<uint64_t, std::filesystem::path>> files;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string stem = entry->path().stem().native();
    const bool is_number = !stem.empty() && stem.size() < 20 && stem.find_first_not_of("0123456789") == std::string::npos;
    if (is_number && entry->path().extension() == ".log") files.emplace_back(std::stoull(stem), entry->path());
  }
  if (error) return Internal("{}: {}", folder.native(), error.message());
  std::sort(files.begin(), files.end());
  Reader reader;
  for (const auto& [number, file] : files) {
    std::string log(std::filesystem::file_size(file, error), '\0');
    if (error) return Internal("{}: {}", file.native(), error.message());
    if (!std::ifstream(file, std::ios::binary).read(log.data(), static_cast<std::streamsize>(log.size()))) {
      return Internal("{}: cannot be read", file.native());
    }
    FS_RETURN_IF_ERROR(reader.Read(file, log));
  }
  return absl::OkStatus();
}

}  // namespace fs::connector::embedded
