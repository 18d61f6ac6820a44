/* JSON in C behind json.loads, json.dumps and json.dump: the inner interface.
 *
 * What is here reads and writes the plain case only: exact built-in types, valid UTF-8, moderate depth. Anything else is
 * "declined": NULL or -1, and the caller has the standard library do the whole call, with its own answer or error. So
 * nothing here reports an error, and what a declining function leaves as an exception is dropped by module.c.
 *
 * No Python code runs in between (no hooks, no subclasses, and CPython collects garbage between bytecodes only): static
 * buffers are safe, and no container changes while it is walked.
 */
#ifndef FS_JSON_JSON_H_
#define FS_JSON_JSON_H_

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define JSON_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define JSON_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Deeper documents are declined; each level costs a little of the machine's stack. */
enum { JSON_MAX_DEPTH = 150 };

/* ---- eight bytes at a time: each byte of a kind has its high bit set, of which the lowest is exact ---- */
#define JSON_BYTES(byte) (0x0101010101010101ull * (byte))
#define JSON_HIGH_BITS JSON_BYTES(0x80)
static inline uint64_t json_load8(const char* at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return word;
}
static inline uint64_t json_mark_byte(uint64_t word, unsigned char byte) {
  const uint64_t difference = word ^ JSON_BYTES(byte);
  return (difference - JSON_BYTES(1)) & ~difference & JSON_HIGH_BITS;
}
/* Bytes that cannot stand for themselves in a string: the quote, the backslash, and control characters. */
static inline uint64_t json_mark_special(uint64_t word) {
  return json_mark_byte(word, '"') | json_mark_byte(word, '\\') | ((word - JSON_BYTES(0x20)) & ~word & JSON_HIGH_BITS);
}
static inline int json_first_mark(uint64_t marks) { return __builtin_ctzll(marks) >> 3; }

/* ---- buffer.c: bytes on their way out, or a string being unescaped ---- */
struct json_buffer {
  char* data;
  size_t size;
  size_t capacity;
};
extern struct json_buffer json_buffer;
int json_buffer_grow(size_t more);
static inline int json_reserve(size_t more) {
  return JSON_LIKELY(json_buffer.capacity - json_buffer.size >= more) ? 0 : json_buffer_grow(more);
}
/* Gives a large buffer back. */
void json_buffer_trim(void);

/* ---- reader.c ---- */
struct json_reader {
  const char* at;
  const char* end; /* *end is a NUL */
};
/* The value of a whole document. `text` is ASCII or UTF-8, with a NUL at text[size]. */
PyObject* json_read(const char* text, size_t size);

/* ---- string_reader.c: at the byte behind the opening quote, and then behind the closing one ---- */
PyObject* json_read_string(struct json_reader* reader);
/* The same for a key: equal keys are mostly the same, interned object. */
PyObject* json_read_key(struct json_reader* reader);
PyObject* json_ascii(const char* text, size_t size);

/* ---- keys.c: the keys met lately, by their text in the document ---- */
PyObject* json_find_key(const char* text, size_t size, const char* end, bool is_ascii);

/* ---- dicts.c ---- */
/* A dict of so many pairs of key and value, all of which it takes, also where it fails. */
PyObject* json_make_dict(PyObject* const* items, size_t count);

/* ---- number_reader.c ---- */
PyObject* json_read_number(struct json_reader* reader);

/* ---- writer.c ---- */
struct json_style {
  char item_separator[8]; /* written whole; the size says how much of it counts */
  char key_separator[8];
  unsigned item_separator_size;
  unsigned key_separator_size;
  bool is_ascii;   /* ensure_ascii */
  bool sorts_keys; /* sort_keys */
  bool allows_nan; /* allow_nan */
};
/* The document as str. */
PyObject* json_write(PyObject* object, const struct json_style* style);

/* ---- string_writer.c, number_writer.c: append to the buffer ---- */
int json_write_string(PyObject* string, bool is_ascii);
int json_write_int(PyObject* number);
int json_write_float(double number, bool allows_nan);

/* ---- yyjson_numbers.c ---- */
/* value = digits * 10^exponent, the shortest that reads back; -1 where value is 0, subnormal or no number. */
int json_shortest_decimal(double value, uint64_t* digits, int* exponent);
/* Reads a real number that ends at `end`. */
int json_decimal_to_double(const char* text, const char* end, double* value);

/* ---- untouched.c: has anybody replaced what the standard library's way would use? ---- */
enum json_way { JSON_LOADS, JSON_DUMPS, JSON_DUMP, JSON_WAYS };
/* Remembers the modules json, json.encoder and what else the three functions use. */
int json_remember(PyObject* json, PyObject* encoder);
bool json_is_untouched(enum json_way which);

/* ---- module.c: the built-in module _fs_json ---- */
PyObject* PyInit__fs_json(void);

#endif /* FS_JSON_JSON_H_ */
