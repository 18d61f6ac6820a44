// The lines of one file, as a Source. On the instance's thread.
#ifndef FUNCTION_STREAM_CONNECTOR_FILE_FILE_SOURCE_H_
#define FUNCTION_STREAM_CONNECTOR_FILE_FILE_SOURCE_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "connector/connector.h"
#include "connector/file/confined_file.h"
#include "connector/file/file_watcher.h"

namespace fs::connector::file {

class FileSource final : public Source {
 public:
  FileSource(std::shared_ptr<FileWatcher> watcher, std::filesystem::path folder, std::filesystem::path below, std::string topic,
             std::shared_ptr<Waker> waker)
      : watcher_(std::move(watcher)),
        folder_(std::move(folder)),
        below_(std::move(below)),
        topic_(std::move(topic)),
        waker_(std::move(waker)),
        watch_(watcher_->NewNumber()) {}
  ~FileSource() override { watcher_->Cancel(watch_); }

  absl::Status Start(const Positions& positions, SourceListener& listener) override;
  absl::Status Poll(size_t max_records, size_t max_bytes, std::vector<Record>& out) override;
  bool HasMore() const override { return has_more_; }
  void Committed(const Positions&, const Marker&) override {}
  Positions EndOffsets() const override;
  std::string_view topic() const override { return topic_; }

 private:
  // Reads on until the buffer holds a whole line, max_bytes or the file's end.
  absl::Status Fill(size_t max_bytes);
  // At the end of what there is: is it still the file at the path, and is it whole?
  absl::Status CheckEnd();

  const std::shared_ptr<FileWatcher> watcher_;
  const std::filesystem::path folder_;
  const std::filesystem::path below_;
  const std::string topic_;
  const std::shared_ptr<Waker> waker_;
  const uint64_t watch_;

  Descriptor file_;
  std::string buffer_;         // what is read and not yet forgotten; records point into it
  size_t taken_ = 0;           // of the buffer: lines already told
  size_t searched_ = 0;        // of the buffer: up to here there is no line's end after taken_
  int64_t buffer_offset_ = 0;  // of the buffer's first byte in the file
  bool is_at_end_ = false;
  bool has_more_ = true;
};

}  // namespace fs::connector::file

#endif  // FUNCTION_STREAM_CONNECTOR_FILE_FILE_SOURCE_H_
