/* The keys met lately, by their text in the document, so that a key is decoded and interned once.
 *
 * A direct-mapped table. Texts of up to 32 bytes are compared as four words, the outer two of which cover up to 16 bytes.
 * Escapes never get here: the text is what stands between the quotes of a key without any.
 */
#include "json.h"

enum { KEY_SLOTS = 256, KEY_MAX = 32 };

struct slot {
  uint64_t first, last;   /* the outer words: overlapping, or both the whole text padded with zeros */
  uint64_t second, third; /* the inner words of a text of more than 16 bytes */
  PyObject* key;
  size_t size;
};
static struct slot slots[KEY_SLOTS];

static PyObject* make_key(const char* text, size_t size, bool is_ascii) {
  PyObject* key = is_ascii ? json_ascii(text, size) : PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, NULL);
  if (key != NULL) PyUnicode_InternInPlace(&key);
  return key;
}

/* Fewer than eight bytes, of which `end` may cut the word. */
static uint64_t load_short(const char* text, size_t size, const char* end) {
  if (JSON_LIKELY(end - text >= 8)) return json_load8(text) & ((1ull << (8 * size)) - 1);
  uint64_t word = 0;
  memcpy(&word, text, size);
  return word;
}

PyObject* json_find_key(const char* text, size_t size, const char* end, bool is_ascii) {
  if (JSON_UNLIKELY(size == 0 || size > KEY_MAX)) return make_key(text, size, is_ascii);
  uint64_t first, last, second = 0, third = 0;
  if (size < 8) {
    first = last = load_short(text, size, end);
  } else {
    first = json_load8(text);
    last = json_load8(text + size - 8);
    if (size > 16) {
      second = json_load8(text + 8);
      third = json_load8(text + size - 16);
    }
  }
  const uint64_t mixed = (first ^ (last + second + size) * 0x9E3779B97F4A7C15ull) * 0xD6E8FEB86659FD93ull;
  struct slot* slot = &slots[mixed >> 56];
  if (JSON_LIKELY(slot->first == first && slot->last == last && slot->size == size && slot->second == second && slot->third == third)) {
    return Py_NewRef(slot->key);
  }
  PyObject* key = make_key(text, size, is_ascii);
  if (key == NULL) return NULL;
  Py_XSETREF(slot->key, Py_NewRef(key));
  slot->first = first;
  slot->last = last;
  slot->second = second;
  slot->third = third;
  slot->size = size;
  return key;
}
