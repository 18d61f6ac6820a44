/* The exception that is set becomes a status and, in the result, an error report (runtime/abi/fs_abi.h).
 *
 * fs_runtime.report does the describing. Where even that fails (no memory, a hostile __str__), the report holds the type's
 * name and why there is no more.
 */
#include <string.h>

#include "guest.h"

static PyObject* bare_report(const char* type, const char* message) {
  const char* parts[3] = {type, message, ""};
  size_t size = 0;
  for (int i = 0; i < 3; i++) size += 4 + strlen(parts[i]);
  PyObject* bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
  if (bytes == NULL) {
    PyErr_Clear();
    return NULL;
  }
  char* at = PyBytes_AS_STRING(bytes);
  for (int i = 0; i < 3; i++) {
    const uint32_t len = (uint32_t)strlen(parts[i]);
    memcpy(at, &len, 4);
    memcpy(at + 4, parts[i], len);
    at += 4 + len;
  }
  return bytes;
}

static PyObject* describe(PyObject* exception, const char* hook_name) {
  PyObject* bytes = NULL;
  if (fs_guest.runtime != NULL) {
    PyObject* name = PyUnicode_FromString(hook_name);
    PyObject* instance = fs_guest.instance != NULL ? fs_guest.instance : Py_None;
    PyObject* method = name != NULL ? PyUnicode_InternFromString("describe") : NULL;
    if (method != NULL) {
      bytes = PyObject_CallMethodObjArgs(fs_guest.runtime, method, exception, instance, name, NULL);
    }
    Py_XDECREF(method);
    Py_XDECREF(name);
    if (bytes != NULL && !PyBytes_Check(bytes)) Py_CLEAR(bytes);
  }
  if (bytes == NULL) {
    PyErr_Clear();
    bytes = bare_report(Py_TYPE(exception)->tp_name, "(the error could not be described)");
  }
  return bytes;
}

int32_t fs_report(const char* hook_name) {
  int32_t status = FS_USER_ERROR;
  PyObject* exception = PyErr_GetRaisedException();
  if (exception == NULL) {
    /* Interrupted, but user code swallowed the exception. */
    exception = PyObject_CallNoArgs(fs_guest.function_timeout);
    if (exception == NULL) exception = PyErr_GetRaisedException();
    status = FS_INTERRUPTED;
  } else if (PyErr_GivenExceptionMatches(exception, PyExc_MemoryError)) {
    status = FS_NO_MEMORY;
    fs_release_reserve();
  } else if (fs_guest.bad_package != NULL && PyErr_GivenExceptionMatches(exception, fs_guest.bad_package)) {
    status = FS_BAD_PACKAGE;
  }
  if (fs_was_interrupted()) status = FS_INTERRUPTED;
  fs_set_result(describe(exception, hook_name));
  if (fs_was_interrupted()) status = FS_INTERRUPTED;
  Py_DECREF(exception);
  /* Dropping frames runs user finalizers; what they raise goes to the log by sys.unraisablehook, never here. */
  PyErr_Clear();
  return fs_call_end(status);
}

int32_t fs_report_fatal(const char* what) {
  fs_set_result(bare_report("SystemError", what));
  return fs_call_end(FS_FATAL);
}
