/* The module _fs_guest: the C types, and the way of Python's logging to the host. */
#include "guest.h"

static PyObject* guest_log(PyObject* Py_UNUSED(module), PyObject* const* args, Py_ssize_t nargs) {
  if (nargs != 2 || !PyUnicode_Check(args[1])) {
    PyErr_SetString(PyExc_TypeError, "log(level: int, text: str)");
    return NULL;
  }
  const long level = PyLong_AsLong(args[0]);
  if (level == -1 && PyErr_Occurred()) return NULL;
  PyObject* text = PyUnicode_AsEncodedString(args[1], "utf-8", "backslashreplace");
  if (text == NULL) return NULL;
  fs_import_log((int32_t)level, PyBytes_AS_STRING(text), (uint32_t)PyBytes_GET_SIZE(text));
  Py_DECREF(text);
  Py_RETURN_NONE;
}

static PyObject* guest_make_immortal(PyObject* Py_UNUSED(module), PyObject* list) {
  if (!PyList_CheckExact(list)) {
    PyErr_SetString(PyExc_TypeError, "make_immortal(objects: list)");
    return NULL;
  }
  if (fs_make_immortal(list) < 0) return NULL;
  Py_RETURN_NONE;
}

static PyMethodDef guest_functions[] = {
    {"log", (PyCFunction)(void (*)(void))guest_log, METH_FASTCALL, "log($module, level, text)\n--\n\n"},
    {"make_immortal", guest_make_immortal, METH_O, "make_immortal($module, objects)\n--\n\n"},
    {0},
};

static struct PyModuleDef guest_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fs_guest",
    .m_size = -1,
    .m_methods = guest_functions,
};

PyObject* PyInit__fs_guest(void) {
  PyObject* module = PyModule_Create(&guest_module);
  if (module == NULL) return NULL;
  if (fs_context_ready(module) < 0 || fs_message_ready(module) < 0 || fs_store_ready(module) < 0 || fs_iterator_ready(module) < 0) {
    Py_DECREF(module);
    return NULL;
  }
  return module;
}
