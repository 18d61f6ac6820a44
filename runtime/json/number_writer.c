/* Numbers out, as int.__repr__ and float.__repr__ write them. */
#include <math.h>

#include "internals.h"

static const char digit_pairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

enum { WORD_DIGITS = 20, FLOAT_MAX = 64 };

/* Puts a number's decimal digits; returns what follows them. */
static char* put_digits(char* out, uint64_t number) {
  char text[WORD_DIGITS];
  char* const end = text + sizeof text;
  char* at = end;
  while (number > UINT32_MAX) {
    const uint64_t quotient = number / 10000;
    const uint32_t rest = (uint32_t)(number - quotient * 10000);
    number = quotient;
    at -= 4;
    memcpy(at, digit_pairs + 2 * (rest / 100), 2);
    memcpy(at + 2, digit_pairs + 2 * (rest % 100), 2);
  }
  uint32_t word = (uint32_t)number;
  while (word >= 100) {
    const uint32_t quotient = word / 100;
    at -= 2;
    memcpy(at, digit_pairs + 2 * (word - quotient * 100), 2);
    word = quotient;
  }
  if (word >= 10) {
    at -= 2;
    memcpy(at, digit_pairs + 2 * word, 2);
  } else {
    *--at = (char)('0' + word);
  }
  const size_t size = (size_t)(end - at);
  memcpy(out, at, size);
  return out + size;
}

static void end_at(const char* out) { json_buffer.size = (size_t)(out - json_buffer.data); }

static int write_huge_int(PyObject* number) {
  PyObject* text = PyLong_Type.tp_repr(number);
  if (text == NULL) return -1;
  const size_t size = (size_t)PyUnicode_GET_LENGTH(text);
  const int status = json_reserve(size);
  if (status == 0) {
    memcpy(json_buffer.data + json_buffer.size, PyUnicode_DATA(text), size);
    json_buffer.size += size;
  }
  Py_DECREF(text);
  return status;
}

int json_write_int(PyObject* number) {
  const PyLongObject* const value = (const PyLongObject*)number;
  uint64_t magnitude;
  bool is_negative;
  if (JSON_LIKELY(_PyLong_IsCompact(value))) {
    const Py_ssize_t compact = _PyLong_CompactValue(value);
    is_negative = compact < 0;
    magnitude = (uint64_t)(is_negative ? -compact : compact);
  } else if (JSON_LIKELY(_PyLong_DigitCount(value) == 2)) {
    is_negative = _PyLong_IsNegative(value);
    magnitude = (uint64_t)value->long_value.ob_digit[1] << PyLong_SHIFT | value->long_value.ob_digit[0];
  } else {
    return write_huge_int(number);
  }
  if (json_reserve(WORD_DIGITS + 1) < 0) return -1;
  char* out = json_buffer.data + json_buffer.size;
  if (is_negative) *out++ = '-';
  end_at(put_digits(out, magnitude));
  return 0;
}

static int write_text(const char* text) {
  const size_t size = strlen(text);
  if (json_reserve(size) < 0) return -1;
  memcpy(json_buffer.data + json_buffer.size, text, size);
  json_buffer.size += size;
  return 0;
}

/* The common case: up to six places. A decimal of at most 15 digits that reads back as the number is its shortest. */
static char* put_short_decimal(char* out, double size) {
  static const uint32_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
  if (!(size >= 1e-3 && size < 1e9)) return NULL;
  uint64_t scaled = (uint64_t)(size * 1e6 + 0.5);
  if ((double)scaled / 1e6 != size) return NULL;
  int places = 6;
  while (places > 1 && scaled % 10 == 0) {
    scaled /= 10;
    places--;
  }
  const uint64_t whole = scaled / powers[places];
  uint32_t rest = (uint32_t)(scaled - whole * powers[places]);
  out = put_digits(out, whole);
  *out++ = '.';
  for (int i = places - 1; i >= 0; i--, rest /= 10) out[i] = (char)('0' + rest % 10);
  return out + places;
}

/* digits * 10^exponent without an exponent, as float.__repr__ writes 1e-4 up to 1e16; NULL for the rest. */
static char* put_decimal(char* out, uint64_t digits, int exponent) {
  char text[WORD_DIGITS];
  while (digits % 10 == 0) {
    digits /= 10;
    exponent++;
  }
  const int count = (int)(put_digits(text, digits) - text);
  const int point = count + exponent; /* so many of them stand in front of the point */
  if (point <= -4 || point > 16) return NULL;
  if (point <= 0) {
    *out++ = '0';
    *out++ = '.';
    for (int i = point; i < 0; i++) *out++ = '0';
    memcpy(out, text, (size_t)count);
    return out + count;
  }
  const int whole = count < point ? count : point;
  memcpy(out, text, (size_t)whole);
  out += whole;
  for (int i = count; i < point; i++) *out++ = '0';
  *out++ = '.';
  if (count <= point) {
    *out++ = '0';
    return out;
  }
  memcpy(out, text + point, (size_t)(count - point));
  return out + (count - point);
}

int json_write_float(double number, bool allows_nan) {
  if (JSON_UNLIKELY(!isfinite(number))) {
    if (!allows_nan) return -1;
    return write_text(isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
  }
  if (json_reserve(FLOAT_MAX) < 0) return -1;
  const double size = fabs(number);
  char* out = json_buffer.data + json_buffer.size;
  if (signbit(number)) *out++ = '-';
  char* end = put_short_decimal(out, size);
  if (end == NULL) {
    uint64_t digits;
    int exponent;
    if (json_shortest_decimal(size, &digits, &exponent) == 0) end = put_decimal(out, digits, exponent);
  }
  if (JSON_LIKELY(end != NULL)) {
    end_at(end);
    return 0;
  }
  char* text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
  if (text == NULL) return -1;
  const int status = write_text(text);
  PyMem_Free(text);
  return status;
}
