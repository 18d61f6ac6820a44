/* Numbers in: up to 18 digits by hand, the rest by CPython (int) and yyjson (float). */
#include "json.h"

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum { EXACT_POWERS = 22, EXACT_DIGITS = 15, WORD_DIGITS = 18, EXPONENT_LIMIT = 100000 };

static inline unsigned digit_at(const char* at) { return (unsigned)(unsigned char)*at - '0'; }

static PyObject* read_long_int(const char* begin, const char* end) {
  char few[64];
  const size_t size = (size_t)(end - begin);
  char* text = size < sizeof few ? few : PyMem_Malloc(size + 1);
  if (text == NULL) return NULL;
  memcpy(text, begin, size);
  text[size] = 0;
  PyObject* number = PyLong_FromString(text, NULL, 10);
  if (text != few) PyMem_Free(text);
  return number;
}

/* digits * 10^exponent, where both are exact as doubles: one rounding, hence the nearest double. */
static PyObject* scale(uint64_t digits, int exponent, bool is_negative) {
  double value = (double)digits;
  if (exponent < 0) {
    value /= powers_of_ten[-exponent];
  } else {
    value *= powers_of_ten[exponent];
  }
  return PyFloat_FromDouble(is_negative ? -value : value);
}

static PyObject* read_long_float(const char* begin, const char* end) {
  double value;
  if (json_decimal_to_double(begin, end, &value) == 0) return PyFloat_FromDouble(value);
  char* stopped;
  value = PyOS_string_to_double(begin, &stopped, NULL);
  return stopped == end ? PyFloat_FromDouble(value) : NULL;
}

PyObject* json_read_number(struct json_reader* reader) {
  const char* const begin = reader->at;
  const char* at = begin;
  const bool is_negative = *at == '-';
  if (is_negative) at++;
  if (digit_at(at) > 9) return NULL;

  const char* const first = at;
  uint64_t digits = 0; /* wrong beyond 19 digits, and then not used */
  if (*at == '0') {
    at++;
  } else {
    do digits = digits * 10 + digit_at(at++);
    while (digit_at(at) <= 9);
  }
  Py_ssize_t count = at - first;

  bool is_float = false;
  int exponent = 0;
  Py_ssize_t places = 0;
  if (*at == '.' && digit_at(at + 1) <= 9) {
    is_float = true;
    const char* const point = at++;
    do digits = digits * 10 + digit_at(at++);
    while (digit_at(at) <= 9);
    places = at - point - 1;
    count += places;
  }
  if (*at == 'e' || *at == 'E') {
    const char* digit = at + 1;
    const bool is_small = *digit == '-';
    if (is_small || *digit == '+') digit++;
    if (digit_at(digit) <= 9) {
      is_float = true;
      do {
        if (exponent < EXPONENT_LIMIT) exponent = exponent * 10 + (int)digit_at(digit);
        digit++;
      } while (digit_at(digit) <= 9);
      if (is_small) exponent = -exponent;
      at = digit;
    }
  }
  reader->at = at;
  if (!is_float) {
    if (JSON_UNLIKELY(count > WORD_DIGITS)) return read_long_int(begin, at);
    return PyLong_FromLongLong(is_negative ? -(long long)digits : (long long)digits);
  }
  if (JSON_LIKELY(count <= EXACT_DIGITS)) {
    exponent -= (int)places;
    if (JSON_LIKELY(exponent >= -EXACT_POWERS && exponent <= EXACT_POWERS)) return scale(digits, exponent, is_negative);
  }
  return read_long_float(begin, at);
}
