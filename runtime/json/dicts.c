/* Dicts of values that have just been read.
 *
 * Documents of one kind have the same keys in the same order. Once such a row of keys was met twice, a dict of theirs is
 * kept as a template: the next one is a copy of it, made by copying memory, into which the values are written.
 */
#include "internals.h"

enum { TEMPLATE_SLOTS = 64, TEMPLATE_MIN = 2, TEMPLATE_MAX = 40, KEY_MAX = 64, SMALL = 5 };

struct slot {
  PyObject* template; /* NULL where there is none yet */
  uint32_t mark;      /* of the row of keys met last */
};
static struct slot slots[TEMPLATE_SLOTS];

/* Keys that are met again are the same objects (keys.c), so their addresses tell one row from another. */
static uint32_t mark_of(PyObject* const* items, size_t count) {
  const uint32_t first = (uint32_t)((uintptr_t)items[0] >> 3);
  const uint32_t middle = (uint32_t)((uintptr_t)items[count & ~(size_t)1] >> 3);
  const uint32_t last = (uint32_t)((uintptr_t)items[2 * count - 2] >> 3);
  return (first * 31 + middle * 17 + last * 7 + (uint32_t)count) * 0x9E3779B1u;
}

static PyDictUnicodeEntry* entries_of(PyObject* dict) { return DK_UNICODE_ENTRIES(((PyDictObject*)dict)->ma_keys); }

static bool has_keys(PyObject* template, PyObject* const* items, size_t count) {
  if ((size_t)PyDict_GET_SIZE(template) != count) return false;
  const PyDictUnicodeEntry* const entries = entries_of(template);
  for (size_t i = 0; i < count; i++) {
    if (entries[i].me_key != items[2 * i]) return false;
  }
  return true;
}

/* Whether the entries are the items in order, none missing and nothing else: then values can be put by position. */
static bool is_regular(PyObject* dict, size_t count) {
  const PyDictObject* const object = (const PyDictObject*)dict;
  return (size_t)object->ma_used == count && object->ma_values == NULL && DK_IS_UNICODE(object->ma_keys) &&
         (size_t)object->ma_keys->dk_nentries == count;
}

/* Long keys are not worth keeping alive. */
static PyObject* make_template(PyObject* const* items, size_t count) {
  PyObject* template = PyDict_New();
  for (size_t i = 0; template != NULL && i < count; i++) {
    PyObject* const key = items[2 * i];
    if (PyUnicode_GET_LENGTH(key) > KEY_MAX || PyDict_SetItem(template, key, Py_None) < 0) Py_CLEAR(template);
  }
  if (template != NULL && !is_regular(template, count)) Py_CLEAR(template);
  PyErr_Clear();
  return template;
}

static PyObject* fill(PyObject* template, PyObject* const* items, size_t count) {
  PyObject* const dict = PyDict_Copy(template);
  if (dict == NULL) return NULL;
  PyDictUnicodeEntry* const entries = entries_of(dict);
  bool has_containers = false;
  for (size_t i = 0; i < count; i++) {
    PyObject* const value = items[2 * i + 1];
    entries[i].me_value = value; /* None was there, which nobody counts */
    Py_DECREF(items[2 * i]);
    has_containers |= PyDict_CheckExact(value) || PyList_CheckExact(value);
  }
  /* As any dict, it is the garbage collector's once it holds what is. */
  if (has_containers) PyObject_GC_Track(dict);
  return dict;
}

static PyObject* insert_all(PyObject* const* items, size_t count) {
  if (count > SMALL) { /* than fit a new dict: make one to measure */
    PyObject* const dict = _PyDict_FromItems(items, 2, items + 1, 2, (Py_ssize_t)count);
    for (size_t i = 0; i < 2 * count; i++) Py_DECREF(items[i]);
    return dict;
  }
  PyObject* dict = PyDict_New();
  for (size_t i = 0; i < 2 * count; i += 2) {
    if (JSON_UNLIKELY(dict == NULL)) {
      Py_DECREF(items[i]);
      Py_DECREF(items[i + 1]);
    } else if (_PyDict_SetItem_Take2((PyDictObject*)dict, items[i], items[i + 1]) < 0) {
      Py_CLEAR(dict);
    }
  }
  return dict;
}

PyObject* json_make_dict(PyObject* const* items, size_t count) {
  if (count < TEMPLATE_MIN || count > TEMPLATE_MAX) return insert_all(items, count);
  const uint32_t mark = mark_of(items, count);
  struct slot* const slot = &slots[mark >> 26];
  if (JSON_LIKELY(slot->template != NULL && has_keys(slot->template, items, count))) {
    PyObject* const dict = fill(slot->template, items, count);
    return dict != NULL ? dict : insert_all(items, count);
  }
  if (slot->mark == mark) {
    Py_XSETREF(slot->template, make_template(items, count));
  } else {
    slot->mark = mark;
  }
  return insert_all(items, count);
}
