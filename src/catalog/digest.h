// SHA-256 as packages carry it. Pure, any thread.
#ifndef FUNCTION_STREAM_CATALOG_DIGEST_H_
#define FUNCTION_STREAM_CATALOG_DIGEST_H_

#include <string>
#include <string_view>

namespace fs::catalog {

// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string Sha256Hex(std::string_view bytes);
[[nodiscard]] bool IsSha256Hex(std::string_view text);

}  // namespace fs::catalog

#endif  // FUNCTION_STREAM_CATALOG_DIGEST_H_
