/* The two hard conversions, from yyjson (MIT; third_party/yyjson): doubles to their shortest decimal, and back.
 *
 * The first is an inner function of yyjson, so its source is included. What is not used the linker drops.
 */
#include <yyjson.c>

#include "json.h"

int json_shortest_decimal(double value, uint64_t* digits, int* exponent) {
  const u64 bits = f64_to_raw(value);
  const u64 fraction = bits & F64_SIG_MASK;
  const u32 raw_exponent = (u32)((bits & F64_EXP_MASK) >> F64_SIG_BITS);
  if (raw_exponent == 0 || raw_exponent == 2047) return -1;
  u64 significand;
  i32 power;
  f64_bin_to_dec(fraction, raw_exponent, fraction | ((u64)1 << F64_SIG_BITS), (i32)raw_exponent - F64_EXP_BIAS - F64_SIG_BITS, &significand,
                 &power);
  *digits = significand;
  *exponent = power;
  return 0;
}

int json_decimal_to_double(const char* text, const char* end, double* value) {
  yyjson_val read;
  if (yyjson_read_number(text, &read, 0, NULL, NULL) != end || !unsafe_yyjson_is_real(&read)) return -1;
  *value = unsafe_yyjson_get_real(&read);
  return 0;
}
