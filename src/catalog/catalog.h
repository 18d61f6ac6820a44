// Which functions exist: their configuration, package and wanted status, kept across restarts.
//
// One per server, thread-safe. Each change is one synced write. Format: one RocksDB, two keys per function (its record and its
// package: catalog.proto), each with a format version, and the server's id; a newer format is refused at Open.
#ifndef FUNCTION_STREAM_CATALOG_CATALOG_H_
#define FUNCTION_STREAM_CATALOG_CATALOG_H_

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "catalog/package.h"
#include "config/function_config.h"

namespace fs::catalog {

enum class WantedStatus { kRunning, kStopped };

struct Function {
  std::string name;
  std::string config_yaml;        // as the user sent it
  config::FunctionConfig config;  // parsed from it
  std::shared_ptr<const Package> package;
  WantedStatus wanted = WantedStatus::kRunning;
  uint32_t instance_count = 1;  // what `parallelism` came to when it was created
  std::string state_id;  // names its state folder: new for each creation, so that a dropped function's leftovers never meet its successor
};

class Catalog {
 public:
  // kInternal naming the path; kFailedPrecondition: newer format, or another server holds it; kDataLoss.
  static absl::StatusOr<std::unique_ptr<Catalog>> Open(const std::filesystem::path& path, bool in_memory);
  virtual ~Catalog() = default;

  // Takes the name until Put or Release. kAlreadyExists when it is registered or reserved.
  [[nodiscard]] virtual absl::Status Reserve(std::string_view name) = 0;
  virtual void Release(std::string_view name) = 0;
  [[nodiscard]] virtual absl::Status Put(std::shared_ptr<const Function> function) = 0;
  [[nodiscard]] virtual absl::Status SetWanted(std::string_view name, WantedStatus wanted) = 0;
  [[nodiscard]] virtual absl::Status Remove(std::string_view name) = 0;
  // kNotFound.
  [[nodiscard]] virtual absl::StatusOr<std::shared_ptr<const Function>> Get(std::string_view name) const = 0;
  [[nodiscard]] virtual std::vector<std::shared_ptr<const Function>> List() const = 0;  // by name
  // Of the server whose catalog this is: random, 16 hexadecimal digits, made with the catalog.
  [[nodiscard]] virtual const std::string& server_id() const = 0;
};

}  // namespace fs::catalog

#endif  // FUNCTION_STREAM_CATALOG_CATALOG_H_
