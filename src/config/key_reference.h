// Every key that the two configurations know, as the parsers' own tables have it: what docs/configuration.md is checked against.
#ifndef FUNCTION_STREAM_CONFIG_KEY_REFERENCE_H_
#define FUNCTION_STREAM_CONFIG_KEY_REFERENCE_H_

#include <vector>

#include "config/key_table.h"

namespace fs::config {

[[nodiscard]] std::vector<KeyDescription> FunctionKeys();
[[nodiscard]] std::vector<KeyDescription> ServerKeys();

}  // namespace fs::config

#endif  // FUNCTION_STREAM_CONFIG_KEY_REFERENCE_H_
