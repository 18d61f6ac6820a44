#include "connector/file/file_connector.h"

#include "connector/empty_source.h"
#include "connector/file/confined_file.h"
#include "connector/file/file_sink.h"
#include "connector/file/file_source.h"

namespace fs::connector::file {
namespace {

constexpr std::string_view kKeys[] = {"path"};

class FileSession final : public Session {
 public:
  FileSession(std::filesystem::path base_dir, std::shared_ptr<FileWatcher> watcher, const InstanceContext& context)
      : base_dir_(std::move(base_dir)), watcher_(std::move(watcher)), context_(context) {}

  absl::StatusOr<std::unique_ptr<Source>> OpenSource(size_t, const config::Endpoint& input) override {
    FS_ASSIGN_OR_RETURN(std::filesystem::path below, Below(input));
    FS_ASSIGN_OR_RETURN(std::string topic, input.RequireString("path"));
    if (!context_.IsOurs(0)) return std::make_unique<EmptySource>(std::move(topic));
    return std::make_unique<FileSource>(watcher_, base_dir_, std::move(below), std::move(topic), context_.waker);
  }
  absl::StatusOr<std::unique_ptr<Sink>> OpenSink(const config::Endpoint& output) override {
    FS_ASSIGN_OR_RETURN(std::filesystem::path below, Below(output));
    return std::make_unique<FileSink>(base_dir_, std::move(below));
  }
  Decider* decider() override { return nullptr; }

 private:
  absl::StatusOr<std::filesystem::path> Below(const config::Endpoint& endpoint) const {
    FS_ASSIGN_OR_RETURN(const std::string path, endpoint.RequireString("path"));
    return PathBelow(base_dir_, path);
  }

  const std::filesystem::path base_dir_;
  const std::shared_ptr<FileWatcher> watcher_;
  const InstanceContext context_;
};

}  // namespace

absl::Status FileConnector::Validate(const config::Endpoint& endpoint) const {
  FS_RETURN_IF_ERROR(endpoint.RequireOnly(kKeys));
  FS_ASSIGN_OR_RETURN(const std::string path, endpoint.RequireString("path"));
  if (const auto below = PathBelow(base_dir_, path); !below.ok()) return endpoint.ErrorAt("path", Message(below.status()));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Session>> FileConnector::OpenSession(const InstanceContext& context) {
  return std::make_unique<FileSession>(base_dir_, watcher_, context);
}

}  // namespace fs::connector::file
