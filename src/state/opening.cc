#include "state/opening.h"

#include <rocksdb/file_system.h>

#include <string>
#include <string_view>
#include <utility>

namespace fs::state {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr std::string_view kOptions = "OPTIONS-";
constexpr std::string_view kIdentity = "IDENTITY";

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The first manifest and the CURRENT that names it are those of a database that is being made, and are replaced before it is open. The
// identity is written under number 0.
bool IsProvisional(std::string_view name) {
  return name == "MANIFEST-000001" || name == "000001.dbtmp" || name == "000000.dbtmp" || name.starts_with(kOptions);
}

class UnsyncedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
};

class Directory final : public rocksdb::FSDirectoryWrapper {
 public:
  using FSDirectoryWrapper::FSDirectoryWrapper;
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context, const rocksdb::DirFsyncOptions& why) override {
    const std::string_view name = BaseName(why.renamed_new_name);
    if (why.reason == rocksdb::DirFsyncOptions::kFileRenamed && (name == kIdentity || name.starts_with(kOptions))) return IOStatus::OK();
    return FSDirectoryWrapper::FsyncWithDirOptions(options, context, why);
  }
};

class OpeningFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  OpeningFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "function_stream.Opening"; }

  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options, std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* context) override {
    IOStatus status = FileSystemWrapper::NewWritableFile(path, options, file, context);
    if (status.ok() && IsProvisional(BaseName(path))) *file = std::make_unique<UnsyncedFile>(std::move(*file));
    return status;
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions& options, std::unique_ptr<rocksdb::FSDirectory>* directory,
                        IODebugContext* context) override {
    IOStatus status = FileSystemWrapper::NewDirectory(path, options, directory, context);
    if (status.ok()) *directory = std::make_unique<Directory>(std::move(*directory));
    return status;
  }
};

}  // namespace

std::unique_ptr<rocksdb::Env> MakeOpeningEnv() { return rocksdb::NewCompositeEnv(std::make_shared<OpeningFileSystem>()); }

}  // namespace fs::state
