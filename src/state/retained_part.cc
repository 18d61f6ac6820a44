#include "state/retained_part.h"

#include <absl/time/clock.h>

#include <system_error>
#include <utility>

#include "state/files.h"

namespace fs::state {
namespace {

using function_stream::state::StoredFile;
using function_stream::state::StoredRetained;

constexpr uint32_t kFormat = 1;
constexpr char kDescription[] = "description";
constexpr char kDatabase[] = "database";

}  // namespace

absl::StatusOr<StoredRetained> WritePart(FunctionState& state, StoredRetained about, const std::filesystem::path& folder) {
  FS_RETURN_IF_ERROR(MakeFolder(folder));
  FS_ASSIGN_OR_RETURN(const auto known, state.CopyTo(folder / kDatabase));
  about.set_format(kFormat);
  about.set_written_by(FS_VERSION);
  about.set_created_ms(absl::ToUnixMillis(absl::Now()));
  about.set_run_id(state.last()->run_id);
  about.set_sequence(state.last()->sequence);
  about.set_positions(state.last()->positions);
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder / kDatabase, error), end; !error && entry != end; entry.increment(error)) {
    StoredFile& file = *about.add_files();
    file.set_name(entry->path().filename().native());
    file.set_bytes(entry->file_size(error));
    if (error) break;
    if (const auto found = known.find(file.name()); found != known.end()) {
      file.set_crc32c(found->second);
    } else {
      FS_ASSIGN_OR_RETURN(const uint32_t checksum, ChecksumOfFile(entry->path()));
      file.set_crc32c(checksum);
    }
  }
  if (error) return Internal("{}: cannot be read: {}", (folder / kDatabase).native(), error.message());
  FS_RETURN_IF_ERROR(WriteChecked(folder / kDescription, about.SerializeAsString()));
  return about;
}

// What later formats hold is not guessed.
absl::StatusOr<StoredRetained> ReadPart(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder / kDescription, error)) return DataLoss("incomplete: it has no {}", kDescription);
  FS_ASSIGN_OR_RETURN(const std::string bytes, ReadChecked(folder / kDescription));
  StoredRetained stored;
  if (!stored.ParseFromString(bytes)) return DataLoss("damaged: its {} cannot be read", kDescription);
  if (stored.format() != kFormat) {
    return DataLoss("written by another version of the server ({}, format {}); this one reads format {}", stored.written_by(),
                    stored.format(), kFormat);
  }
  for (const StoredFile& file : stored.files()) {
    // Names lead nowhere else.
    if (std::filesystem::path(file.name()).filename() != file.name()) return DataLoss("damaged: a file of the name {}", file.name());
    const uintmax_t size = std::filesystem::file_size(folder / kDatabase / file.name(), error);
    if (error) return DataLoss("incomplete: {}/{} is missing: {}", kDatabase, file.name(), error.message());
    if (size != file.bytes()) return DataLoss("damaged: {}/{} has {} bytes, not {}", kDatabase, file.name(), size, file.bytes());
  }
  return stored;
}

absl::Status VerifyPart(const std::filesystem::path& folder, const StoredRetained& stored) {
  for (const StoredFile& file : stored.files()) {
    FS_ASSIGN_OR_RETURN(const uint32_t checksum, ChecksumOfFile(folder / kDatabase / file.name()));
    if (checksum != file.crc32c()) return DataLoss("damaged: the checksum of {}/{} does not match", kDatabase, file.name());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FunctionState>> OpenCopy(StateEnvironment& environment, const std::filesystem::path& folder,
                                                        const StoredRetained& stored, const std::filesystem::path& staged) {
  FS_RETURN_IF_ERROR(MakeFolder(staged));
  for (const StoredFile& file : stored.files()) {
    const std::filesystem::path from = folder / kDatabase / file.name();
    // Tables and blob files never change; the others may be written to.
    const bool never_changes = file.name().ends_with(".sst") || file.name().ends_with(".blob");
    FS_RETURN_IF_ERROR(never_changes ? Link(from, staged / file.name()) : Copy(from, staged / file.name()));
  }
  absl::StatusOr<std::unique_ptr<FunctionState>> state = FunctionState::Open(environment, staged);
  if (!state.ok()) return DataLoss("it cannot be opened: {}", Message(state.status()));
  const auto& last = (*state)->last();
  const bool is_described = last && last->run_id == stored.run_id() && last->sequence == stored.sequence();
  if (!is_described || (*state)->prepared()) return DataLoss("damaged: it is not the one that is described");
  return state;
}

}  // namespace fs::state
