/* CPython's inner interface, for the two files that need it: dicts made to measure, and the digits of an int. */
#ifndef FS_JSON_INTERNALS_H_
#define FS_JSON_INTERNALS_H_

#define Py_BUILD_CORE 1
#include "json.h"

/* Its own headers use what they call deprecated. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <internal/pycore_dict.h>
#include <internal/pycore_long.h>
#pragma GCC diagnostic pop

#endif /* FS_JSON_INTERNALS_H_ */
