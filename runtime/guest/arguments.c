/* Arguments from Python: bytes-like values as pointer and length, keyword arguments by name.
 *
 * The common cases (exact bytes, all by position) are inline in guest.h; here is everything else, and the errors.
 */
#include <string.h>

#include "guest.h"

int fs_view_open_slow(struct fs_view* view, PyObject* object, const char* method, const char* what) {
  view->buffer.obj = NULL;
  if (PyUnicode_Check(object)) {
    PyErr_Format(PyExc_TypeError, "%s(): %s must be bytes, not str: encode it first, for example with .encode()", method, what);
    return -1;
  }
  if (!PyObject_CheckBuffer(object)) {
    PyErr_Format(PyExc_TypeError, "%s(): %s must be bytes, not %.200s", method, what, Py_TYPE(object)->tp_name);
    return -1;
  }
  if (PyObject_GetBuffer(object, &view->buffer, PyBUF_SIMPLE) < 0) {
    view->buffer.obj = NULL;
    return -1;
  }
  if (view->buffer.len > INT32_MAX) {
    PyErr_Format(PyExc_ValueError, "%s(): %s has %zd bytes; the limit is %d", method, what, view->buffer.len, INT32_MAX);
    PyBuffer_Release(&view->buffer);
    view->buffer.obj = NULL;
    return -1;
  }
  view->data = view->buffer.buf != NULL ? view->buffer.buf : "";
  view->size = (uint32_t)view->buffer.len;
  return 0;
}

static int find_parameter(const struct fs_signature* signature, PyObject* name) {
  for (int i = 0; i < signature->count; i++) {
    if (PyUnicode_CompareWithASCIIString(name, signature->names[i]) == 0) return i;
  }
  return -1;
}

int fs_unpack_slow(const struct fs_signature* signature, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, PyObject** values) {
  if (nargs > signature->positional) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %d positional arguments (%zd given)", signature->method, signature->positional,
                 nargs);
    return -1;
  }
  for (int i = 0; i < signature->count; i++) values[i] = i < nargs ? args[i] : NULL;
  const Py_ssize_t keywords = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < keywords; i++) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, i);
    const int parameter = find_parameter(signature, name);
    if (parameter < 0) {
      PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", signature->method, name);
      return -1;
    }
    if (values[parameter] != NULL) {
      PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", signature->method, name);
      return -1;
    }
    values[parameter] = args[nargs + i];
  }
  for (int i = 0; i < signature->required; i++) {
    if (values[i] == NULL) {
      PyErr_Format(PyExc_TypeError, "%s() missing required argument: '%s'", signature->method, signature->names[i]);
      return -1;
    }
  }
  return 0;
}
