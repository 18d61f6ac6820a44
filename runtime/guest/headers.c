/* Message headers: Python's list of (name, value) to the ABI's bytes, and back.
 *
 * Names are UTF-8; bytes of a received name that are not come as surrogates (surrogateescape) and go out as they came.
 */
#include <stdlib.h>
#include <string.h>

#include "guest.h"

static int append(struct fs_headers* headers, size_t* capacity, const void* data, size_t size) {
  if (size > INT32_MAX - headers->size) {
    PyErr_NoMemory();
    return -1;
  }
  const size_t needed = headers->size + size;
  if (needed > *capacity) {
    size_t grown = *capacity != 0 ? *capacity : 128;
    while (grown < needed) grown *= 2;
    char* moved = realloc(headers->data, grown);
    if (moved == NULL) {
      PyErr_NoMemory();
      return -1;
    }
    headers->data = moved;
    *capacity = grown;
  }
  if (size != 0) memcpy(headers->data + headers->size, data, size);
  headers->size = needed;
  return 0;
}

static int append_header(struct fs_headers* headers, size_t* capacity, PyObject* name, PyObject* value) {
  if (!PyUnicode_Check(name)) {
    PyErr_Format(PyExc_TypeError, "emit(): a header's name must be str, not %.200s", Py_TYPE(name)->tp_name);
    return -1;
  }
  PyObject* encoded = PyUnicode_AsEncodedString(name, "utf-8", "surrogateescape");
  if (encoded == NULL) return -1;
  struct fs_view view = {0};
  int32_t value_len = -1;
  int status = -1;
  if (value != Py_None) {
    if (fs_view_open(&view, value, "emit", "a header's value") < 0) goto done;
    value_len = (int32_t)view.size;
  }
  const uint32_t name_len = (uint32_t)PyBytes_GET_SIZE(encoded);
  if (append(headers, capacity, &name_len, sizeof name_len) < 0) goto done;
  if (append(headers, capacity, &value_len, sizeof value_len) < 0) goto done;
  if (append(headers, capacity, PyBytes_AS_STRING(encoded), name_len) < 0) goto done;
  status = append(headers, capacity, view.data, view.size);
done:
  fs_view_close(&view);
  Py_DECREF(encoded);
  return status;
}

int fs_headers_encode(PyObject* object, struct fs_headers* headers) {
  *headers = (struct fs_headers){0};
  size_t capacity = 0;
  PyObject* items;
  if (PyUnicode_Check(object) || PyBytes_Check(object)) {
    items = NULL;
    PyErr_SetNone(PyExc_TypeError);
  } else if (PyMapping_Check(object) && PyObject_HasAttrString(object, "items")) {
    items = PyMapping_Items(object);
  } else {
    items = PySequence_Tuple(object);
  }
  if (items == NULL) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Format(PyExc_TypeError, "emit(): headers must be a dict or a list of (str, bytes or None), not %.200s",
                   Py_TYPE(object)->tp_name);
    }
    return -1;
  }
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject* item = PySequence_Fast_GET_ITEM(items, i);
    PyObject* name = NULL;
    PyObject* value = NULL;
    if ((PyTuple_Check(item) || PyList_Check(item)) && PySequence_Fast_GET_SIZE(item) == 2) {
      name = PySequence_Fast_GET_ITEM(item, 0);
      value = PySequence_Fast_GET_ITEM(item, 1);
    }
    if (name == NULL) {
      PyErr_Format(PyExc_TypeError, "emit(): headers[%zd] must be a pair (str, bytes or None), not %.200s", i, Py_TYPE(item)->tp_name);
      break;
    }
    Py_INCREF(name);
    Py_INCREF(value);
    const int status = append_header(headers, &capacity, name, value);
    Py_DECREF(name);
    Py_DECREF(value);
    if (status < 0) break;
  }
  Py_DECREF(items);
  if (PyErr_Occurred()) {
    free(headers->data);
    *headers = (struct fs_headers){0};
    return -1;
  }
  return 0;
}

PyObject* fs_headers_decode(const char* data, size_t size) {
  PyObject* list = PyList_New(0);
  if (list == NULL) return NULL;
  size_t at = 0;
  while (at < size) {
    uint32_t name_len;
    int32_t value_len;
    if (size - at < 8) goto malformed;
    memcpy(&name_len, data + at, 4);
    memcpy(&value_len, data + at + 4, 4);
    at += 8;
    const size_t value_size = value_len < 0 ? 0 : (size_t)value_len;
    if (name_len > size - at || value_size > size - at - name_len) goto malformed;
    PyObject* name = PyUnicode_DecodeUTF8(data + at, (Py_ssize_t)name_len, "surrogateescape");
    at += name_len;
    PyObject* value = NULL;
    if (name != NULL) {
      value = value_len < 0 ? Py_NewRef(Py_None) : PyBytes_FromStringAndSize(data + at, (Py_ssize_t)value_size);
    }
    at += value_size;
    PyObject* pair = value != NULL ? PyTuple_Pack(2, name, value) : NULL;
    Py_XDECREF(name);
    Py_XDECREF(value);
    const int status = pair != NULL ? PyList_Append(list, pair) : -1;
    Py_XDECREF(pair);
    if (status < 0) {
      Py_DECREF(list);
      return NULL;
    }
  }
  return list;
malformed:
  Py_DECREF(list);
  PyErr_SetString(PyExc_SystemError, "the host sent malformed headers");
  return NULL;
}
