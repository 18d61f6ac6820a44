/* Strings in. Mostly ASCII without escapes: one scan, one copy. */
#include "json.h"

PyObject* json_ascii(const char* text, size_t size) {
  if (size <= 1) return PyUnicode_FromStringAndSize(text, (Py_ssize_t)size);
  PyObject* string = PyUnicode_New((Py_ssize_t)size, 127);
  if (JSON_LIKELY(string != NULL)) memcpy(PyUnicode_1BYTE_DATA(string), text, size);
  return string;
}

/* The first quote, backslash or control character at or behind `at`. Clears *is_ascii where another byte came before it. */
static inline const char* find_special(const char* at, const char* end, bool* is_ascii) {
  uint64_t seen = 0;
  while (JSON_LIKELY(end - at >= 8)) {
    const uint64_t word = json_load8(at);
    const uint64_t marks = json_mark_special(word);
    if (marks != 0) {
      const int distance = json_first_mark(marks);
      /* Of this word, the bytes in front of the special one. */
      seen |= word & ((1ull << (8 * distance)) - 1);
      if (JSON_UNLIKELY((seen & JSON_HIGH_BITS) != 0)) *is_ascii = false;
      return at + distance;
    }
    seen |= word;
    at += 8;
  }
  for (; at < end; at++) {
    const unsigned char byte = (unsigned char)*at;
    if (byte == '"' || byte == '\\' || byte < 0x20) break;
    seen |= byte;
  }
  if (JSON_UNLIKELY((seen & JSON_HIGH_BITS) != 0)) *is_ascii = false;
  return at;
}

static int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

/* Four hexadecimal digits, or -1; stops at the NUL of the text's end. */
static int32_t read_hex(const char* at) {
  int32_t value = 0;
  for (int i = 0; i < 4; i++) {
    const int digit = hex_digit(at[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/* Appends a character above ASCII in UTF-8; there is room. */
static void append_utf8(uint32_t character) {
  char* out = json_buffer.data + json_buffer.size;
  if (character < 0x800) {
    out[0] = (char)(0xC0 | character >> 6);
    out[1] = (char)(0x80 | (character & 0x3F));
    json_buffer.size += 2;
  } else if (character < 0x10000) {
    out[0] = (char)(0xE0 | character >> 12);
    out[1] = (char)(0x80 | (character >> 6 & 0x3F));
    out[2] = (char)(0x80 | (character & 0x3F));
    json_buffer.size += 3;
  } else {
    out[0] = (char)(0xF0 | character >> 18);
    out[1] = (char)(0x80 | (character >> 12 & 0x3F));
    out[2] = (char)(0x80 | (character >> 6 & 0x3F));
    out[3] = (char)(0x80 | (character & 0x3F));
    json_buffer.size += 4;
  }
}

/* \uXXXX at the u, or two of them for one character. Half a pair is declined: UTF-8 has no such character. */
static const char* read_unicode_escape(const char* at, bool* is_ascii) {
  int32_t character = read_hex(at + 1);
  if (character < 0) return NULL;
  at += 5;
  if (character < 0x80) {
    json_buffer.data[json_buffer.size++] = (char)character;
    return at;
  }
  if (character >= 0xD800 && character < 0xE000) {
    if (character >= 0xDC00 || at[0] != '\\' || at[1] != 'u') return NULL;
    const int32_t low = read_hex(at + 2);
    if (low < 0xDC00 || low >= 0xE000) return NULL;
    character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
    at += 6;
  }
  append_utf8((uint32_t)character);
  *is_ascii = false;
  return at;
}

/* An escape at the character behind the backslash: appended, and what follows it; NULL to decline. */
static const char* read_escape(const char* at, bool* is_ascii) {
  char character;
  switch (*at) {
    case '"':
    case '\\':
    case '/':
      character = *at;
      break;
    case 'b':
      character = '\b';
      break;
    case 'f':
      character = '\f';
      break;
    case 'n':
      character = '\n';
      break;
    case 'r':
      character = '\r';
      break;
    case 't':
      character = '\t';
      break;
    case 'u':
      return read_unicode_escape(at, is_ascii);
    default:
      return NULL;
  }
  json_buffer.data[json_buffer.size++] = character;
  return at + 1;
}

/* A string with escapes, from its first: `at` is there, `begin` at the string's first byte. */
static PyObject* read_escaped(struct json_reader* reader, const char* begin, const char* at, bool is_ascii) {
  json_buffer.size = 0;
  for (;;) {
    const size_t size = (size_t)(at - begin);
    if (json_reserve(size + 8) < 0) return NULL;
    memcpy(json_buffer.data + json_buffer.size, begin, size);
    json_buffer.size += size;
    if (at >= reader->end) return NULL;
    if (*at == '"') break;
    if (*at != '\\') return NULL;
    begin = read_escape(at + 1, &is_ascii);
    if (begin == NULL) return NULL;
    at = find_special(begin, reader->end, &is_ascii);
  }
  reader->at = at + 1;
  return is_ascii ? json_ascii(json_buffer.data, json_buffer.size)
                  : PyUnicode_DecodeUTF8(json_buffer.data, (Py_ssize_t)json_buffer.size, NULL);
}

PyObject* json_read_string(struct json_reader* reader) {
  const char* const begin = reader->at;
  bool is_ascii = true;
  const char* const at = find_special(begin, reader->end, &is_ascii);
  if (JSON_UNLIKELY(*at != '"')) return read_escaped(reader, begin, at, is_ascii);
  reader->at = at + 1;
  if (JSON_LIKELY(is_ascii)) return json_ascii(begin, (size_t)(at - begin));
  return PyUnicode_DecodeUTF8(begin, at - begin, NULL);
}

PyObject* json_read_key(struct json_reader* reader) {
  const char* const begin = reader->at;
  bool is_ascii = true;
  const char* const at = find_special(begin, reader->end, &is_ascii);
  if (JSON_LIKELY(*at == '"')) {
    reader->at = at + 1;
    return json_find_key(begin, (size_t)(at - begin), reader->end, is_ascii);
  }
  PyObject* key = read_escaped(reader, begin, at, is_ascii);
  if (key != NULL) PyUnicode_InternInPlace(&key);
  return key;
}
