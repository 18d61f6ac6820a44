/* Documents out: exact built-in types, straight into the buffer. */
#include "json.h"

static int write_value(PyObject* object, const struct json_style* style, int depth);

static inline int write_byte(char byte) {
  if (json_reserve(1) < 0) return -1;
  json_buffer.data[json_buffer.size++] = byte;
  return 0;
}

static inline int write_word(const char* word, size_t size) {
  if (json_reserve(size) < 0) return -1;
  memcpy(json_buffer.data + json_buffer.size, word, size);
  json_buffer.size += size;
  return 0;
}

/* A separator is copied as eight bytes, whatever its size. */
static inline int write_separator(const char separator[8], unsigned size) {
  if (json_reserve(8) < 0) return -1;
  memcpy(json_buffer.data + json_buffer.size, separator, 8);
  json_buffer.size += size;
  return 0;
}

/* A constant's text, or NULL. */
static const char* constant(PyObject* object) {
  if (object == Py_None) return "null";
  if (object == Py_True) return "true";
  if (object == Py_False) return "false";
  return NULL;
}

/* A key that is no str: a number or a constant, in quotes. */
static int write_odd_key(PyObject* key, const struct json_style* style) {
  if (write_byte('"') < 0) return -1;
  int status = -1;
  if (PyLong_CheckExact(key)) {
    status = json_write_int(key);
  } else if (PyFloat_CheckExact(key)) {
    status = json_write_float(PyFloat_AS_DOUBLE(key), style->allows_nan);
  } else {
    const char* const text = constant(key);
    if (text != NULL) status = write_word(text, strlen(text));
  }
  return status == 0 ? write_byte('"') : -1;
}

static int write_member(PyObject* key, PyObject* value, bool is_first, const struct json_style* style, int depth) {
  if (!is_first && write_separator(style->item_separator, style->item_separator_size) < 0) return -1;
  const int status = JSON_LIKELY(PyUnicode_CheckExact(key)) ? json_write_string(key, style->is_ascii) : write_odd_key(key, style);
  if (status < 0 || write_separator(style->key_separator, style->key_separator_size) < 0) return -1;
  return write_value(value, style, depth);
}

static int write_sorted_members(PyObject* dict, const struct json_style* style, int depth) {
  PyObject* keys = PyDict_Keys(dict);
  if (keys == NULL) return -1;
  int status = 0;
  const Py_ssize_t count = PyList_GET_SIZE(keys);
  /* With other keys, comparing would be somebody's code, or an error. */
  for (Py_ssize_t i = 0; status == 0 && i < count; i++) {
    if (!PyUnicode_CheckExact(PyList_GET_ITEM(keys, i))) status = -1;
  }
  if (status == 0) status = PyList_Sort(keys);
  for (Py_ssize_t i = 0; status == 0 && i < count; i++) {
    PyObject* const key = PyList_GET_ITEM(keys, i);
    PyObject* const value = PyDict_GetItemWithError(dict, key);
    status = value != NULL ? write_member(key, value, i == 0, style, depth) : -1;
  }
  Py_DECREF(keys);
  return status;
}

static int write_dict(PyObject* dict, const struct json_style* style, int depth) {
  if (write_byte('{') < 0) return -1;
  if (style->sorts_keys) {
    if (write_sorted_members(dict, style, depth) < 0) return -1;
  } else {
    Py_ssize_t position = 0;
    PyObject *key, *value;
    bool is_first = true;
    while (PyDict_Next(dict, &position, &key, &value)) {
      if (write_member(key, value, is_first, style, depth) < 0) return -1;
      is_first = false;
    }
  }
  return write_byte('}');
}

static int write_items(PyObject* const* items, Py_ssize_t count, const struct json_style* style, int depth) {
  if (write_byte('[') < 0) return -1;
  for (Py_ssize_t i = 0; i < count; i++) {
    if (i > 0 && write_separator(style->item_separator, style->item_separator_size) < 0) return -1;
    if (write_value(items[i], style, depth) < 0) return -1;
  }
  return write_byte(']');
}

static int write_value(PyObject* object, const struct json_style* style, int depth) {
  PyTypeObject* const type = Py_TYPE(object);
  if (type == &PyUnicode_Type) return json_write_string(object, style->is_ascii);
  if (type == &PyLong_Type) return json_write_int(object);
  if (type == &PyFloat_Type) return json_write_float(PyFloat_AS_DOUBLE(object), style->allows_nan);
  const char* const text = constant(object);
  if (text != NULL) return write_word(text, strlen(text));
  if (depth >= JSON_MAX_DEPTH) return -1;
  if (type == &PyDict_Type) return write_dict(object, style, depth + 1);
  if (type == &PyList_Type) return write_items(((PyListObject*)object)->ob_item, PyList_GET_SIZE(object), style, depth + 1);
  if (type == &PyTuple_Type) return write_items(((PyTupleObject*)object)->ob_item, PyTuple_GET_SIZE(object), style, depth + 1);
  return -1;
}

PyObject* json_write(PyObject* object, const struct json_style* style) {
  json_buffer.size = 0;
  PyObject* text = NULL;
  if (JSON_LIKELY(write_value(object, style, 0) == 0)) {
    text = style->is_ascii ? json_ascii(json_buffer.data, json_buffer.size)
                           : PyUnicode_DecodeUTF8(json_buffer.data, (Py_ssize_t)json_buffer.size, NULL);
  }
  json_buffer_trim();
  return text;
}
