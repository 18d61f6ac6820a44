// One file that lines are appended to, as a Sink. On the instance's thread.
#ifndef FUNCTION_STREAM_CONNECTOR_FILE_FILE_SINK_H_
#define FUNCTION_STREAM_CONNECTOR_FILE_FILE_SINK_H_

#include <filesystem>
#include <string>

#include "connector/connector.h"
#include "connector/file/confined_file.h"

namespace fs::connector::file {

class FileSink final : public Sink {
 public:
  FileSink(std::filesystem::path folder, std::filesystem::path below) : folder_(std::move(folder)), below_(std::move(below)) {}

  // kFailedPrecondition: another function writes the file, it is shorter than the mark, or its last line has no end.
  absl::Status Start(std::optional<std::string_view> mark) override;
  // The file's length, decimal.
  std::string Mark() const override { return std::to_string(length_ + static_cast<int64_t>(pending_.size())); }
  absl::Status Check(const OutputRecord& record) const override;
  absl::Status Write(const OutputRecord& record) override;
  absl::Status Flush(absl::Time deadline) override;

 private:
  absl::Status WritePending();
  [[nodiscard]] std::string name() const { return (folder_ / below_).native(); }

  const std::filesystem::path folder_;
  const std::filesystem::path below_;
  Descriptor file_;
  int64_t length_ = 0;  // of what is written to the file
  std::string pending_;
  bool is_synced_ = true;
};

}  // namespace fs::connector::file

#endif  // FUNCTION_STREAM_CONNECTOR_FILE_FILE_SINK_H_
