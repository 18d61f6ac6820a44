// Functions and packages as the catalog stores them (catalog.proto). Pure functions, any thread.
#ifndef FUNCTION_STREAM_CATALOG_RECORDS_H_
#define FUNCTION_STREAM_CATALOG_RECORDS_H_

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "catalog/catalog.h"

namespace fs::catalog {

[[nodiscard]] std::string EncodeFunction(const Function& function);
// kResourceExhausted: more than one record can hold (2 GiB).
[[nodiscard]] absl::StatusOr<std::string> EncodePackage(const Package& package);

// kDataLoss: not such a record. kFailedPrecondition: written by a newer server, or of a configuration that this server does not take.
[[nodiscard]] absl::StatusOr<Function> DecodeFunction(std::string_view name, std::string_view bytes);
[[nodiscard]] absl::StatusOr<std::shared_ptr<const Package>> DecodePackage(std::string_view bytes);

}  // namespace fs::catalog

#endif  // FUNCTION_STREAM_CATALOG_RECORDS_H_
