/* Strings out: ASCII eight bytes at a time, everything else character by character. */
#include "json.h"

/* Room is made for so many characters at once, so that a long string does not ask for several times its size. */
enum { CHUNK = 1024, ESCAPED_MAX = 12, SLACK = 16 };

static const char hex_digits[] = "0123456789abcdef";

static inline char* put_unicode_escape(char* out, uint32_t unit) {
  out[0] = '\\';
  out[1] = 'u';
  out[2] = hex_digits[unit >> 12 & 15];
  out[3] = hex_digits[unit >> 8 & 15];
  out[4] = hex_digits[unit >> 4 & 15];
  out[5] = hex_digits[unit & 15];
  return out + 6;
}

/* A character that is escaped, at most ESCAPED_MAX bytes. */
static char* put_escaped(char* out, uint32_t character) {
  char letter;
  switch (character) {
    case '"':
    case '\\':
      letter = (char)character;
      break;
    case '\b':
      letter = 'b';
      break;
    case '\f':
      letter = 'f';
      break;
    case '\n':
      letter = 'n';
      break;
    case '\r':
      letter = 'r';
      break;
    case '\t':
      letter = 't';
      break;
    default:
      if (character < 0x10000) return put_unicode_escape(out, character);
      character -= 0x10000;
      out = put_unicode_escape(out, 0xD800 | character >> 10);
      return put_unicode_escape(out, 0xDC00 | (character & 0x3FF));
  }
  out[0] = '\\';
  out[1] = letter;
  return out + 2;
}

static inline bool is_plain(uint32_t character, bool is_ascii) {
  return character >= ' ' && character != '"' && character != '\\' && (is_ascii ? character < 0x7F : character < 0x80);
}

static int write_ascii(const char* at, size_t size, bool is_ascii) {
  const char* const end = at + size;
  while (at < end) {
    const char* const stop = end - at > CHUNK ? at + CHUNK : end;
    if (json_reserve((size_t)(stop - at) * 6 + SLACK) < 0) return -1;
    char* out = json_buffer.data + json_buffer.size;
    while (at < stop) {
      if (stop - at >= 8) {
        const uint64_t word = json_load8(at);
        uint64_t marks = json_mark_special(word);
        if (is_ascii) marks |= json_mark_byte(word, 0x7F);
        memcpy(out, &word, 8);
        const int plain = JSON_LIKELY(marks == 0) ? 8 : json_first_mark(marks);
        at += plain;
        out += plain;
        if (JSON_UNLIKELY(plain < 8)) out = put_escaped(out, (unsigned char)*at++);
      } else {
        const unsigned char character = (unsigned char)*at++;
        if (JSON_LIKELY(is_plain(character, is_ascii))) {
          *out++ = (char)character;
        } else {
          out = put_escaped(out, character);
        }
      }
    }
    json_buffer.size = (size_t)(out - json_buffer.data);
  }
  return 0;
}

/* A character above ASCII as itself; NULL for half a surrogate pair, which UTF-8 does not have. */
static char* put_utf8(char* out, uint32_t character) {
  if (character < 0x800) {
    *out++ = (char)(0xC0 | character >> 6);
  } else {
    if (character < 0x10000) {
      if (character >= 0xD800 && character < 0xE000) return NULL;
      *out++ = (char)(0xE0 | character >> 12);
    } else {
      *out++ = (char)(0xF0 | character >> 18);
      *out++ = (char)(0x80 | (character >> 12 & 0x3F));
    }
    *out++ = (char)(0x80 | (character >> 6 & 0x3F));
  }
  *out++ = (char)(0x80 | (character & 0x3F));
  return out;
}

static int write_characters(PyObject* string, bool is_ascii) {
  const Py_ssize_t size = PyUnicode_GET_LENGTH(string);
  const int kind = PyUnicode_KIND(string);
  const void* const data = PyUnicode_DATA(string);
  for (Py_ssize_t i = 0; i < size;) {
    const Py_ssize_t stop = size - i > CHUNK ? i + CHUNK : size;
    if (json_reserve((size_t)(stop - i) * ESCAPED_MAX) < 0) return -1;
    char* out = json_buffer.data + json_buffer.size;
    for (; i < stop; i++) {
      const uint32_t character = PyUnicode_READ(kind, data, i);
      if (is_plain(character, is_ascii)) {
        *out++ = (char)character;
      } else if (is_ascii || character < 0x80) {
        out = put_escaped(out, character);
      } else if ((out = put_utf8(out, character)) == NULL) {
        return -1;
      }
    }
    json_buffer.size = (size_t)(out - json_buffer.data);
  }
  return 0;
}

static inline int write_quote(void) {
  if (json_reserve(1) < 0) return -1;
  json_buffer.data[json_buffer.size++] = '"';
  return 0;
}

int json_write_string(PyObject* string, bool is_ascii) {
  if (write_quote() < 0) return -1;
  const bool is_easy = PyUnicode_IS_COMPACT_ASCII(string);
  const int status = JSON_LIKELY(is_easy) ? write_ascii((const char*)PyUnicode_DATA(string), (size_t)PyUnicode_GET_LENGTH(string), is_ascii)
                                          : write_characters(string, is_ascii);
  return status == 0 ? write_quote() : -1;
}
