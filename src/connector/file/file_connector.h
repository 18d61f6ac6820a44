// Files as inputs and outputs: lines in, lines out, below one folder of the server.
//
// Input: the lines of `path`, without their ends (LF or CR LF), as they are appended; a last line is read when its LF has come. The
// position is the byte at which the next line begins, a record's offset that of its LF. Output: each value and LF, appended to `path`;
// keys, headers and timestamps are not kept, and a value that holds a LF is refused (kInvalidArgument), since it would come back as two. A
// file has one writer at a time. Recovery cuts an output back to where the last checkpoint left it, so a function that writes files counts
// exactly once.
//
// Keys: path (required), relative to the folder or absolute below it. confined_file.h says what keeps inside of it.
#ifndef FUNCTION_STREAM_CONNECTOR_FILE_FILE_CONNECTOR_H_
#define FUNCTION_STREAM_CONNECTOR_FILE_FILE_CONNECTOR_H_

#include <filesystem>
#include <memory>

#include "connector/connector.h"
#include "connector/file/file_watcher.h"

namespace fs::connector::file {

class FileConnector final : public Connector {
 public:
  explicit FileConnector(std::filesystem::path base_dir) : base_dir_(std::move(base_dir)) {}

  absl::Status ValidateInput(const config::Endpoint& input) const override { return Validate(input); }
  absl::Status ValidateOutput(const config::Endpoint& output) const override { return Validate(output); }
  absl::StatusOr<std::string> DeciderOf(const config::Endpoint&) const override { return std::string(); }
  absl::StatusOr<std::unique_ptr<Session>> OpenSession(const InstanceContext& context) override;
  absl::StatusOr<uint32_t> CountPartitions(const config::Endpoint&, absl::Time) const override { return 1; }
  bool TakesManyWriters() const override { return false; }
  absl::Status ForgetFunction(std::string_view, uint32_t, std::span<const config::Endpoint>, std::span<const config::Endpoint>) override {
    return absl::OkStatus();
  }

 private:
  absl::Status Validate(const config::Endpoint& endpoint) const;

  const std::filesystem::path base_dir_;
  const std::shared_ptr<FileWatcher> watcher_ = std::make_shared<FileWatcher>();
};

}  // namespace fs::connector::file

#endif  // FUNCTION_STREAM_CONNECTOR_FILE_FILE_CONNECTOR_H_
