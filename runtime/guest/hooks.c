/* fs_hook: one call of one of the user's hooks other than process(). A new hook is a row in the table and a case below. */
#include "guest.h"

static const char* const hook_names[] = {
    [FS_HOOK_INIT] = "init",
    [FS_HOOK_WATERMARK] = "process_watermark",
    [FS_HOOK_TAKE_CHECKPOINT] = "take_checkpoint",
    [FS_HOOK_RESTORE_CHECKPOINT] = "restore_checkpoint",
    [FS_HOOK_CHECK_HEARTBEAT] = "check_heartbeat",
    [FS_HOOK_CLOSE] = "close",
    [FS_HOOK_CUSTOM] = "custom",
};

/* Calls the hook; a new reference to what it returned. */
static PyObject* call(uint32_t hook, uint32_t source_id, int64_t number, uint32_t len) {
  PyObject* method = PyObject_GetAttrString(fs_guest.instance, hook_names[hook]);
  if (method == NULL) return NULL;
  PyObject* context = fs_guest.context;
  const char* input = fs_input() != NULL ? fs_input() : "";
  PyObject* result = NULL;
  switch (hook) {
    case FS_HOOK_INIT: {
      PyObject* config = PyDict_Copy(fs_guest.config);
      if (config != NULL) result = PyObject_CallFunctionObjArgs(method, context, config, NULL);
      Py_XDECREF(config);
      break;
    }
    case FS_HOOK_WATERMARK:
      result = PyObject_CallFunction(method, "OIL", context, (unsigned int)source_id, (long long)number);
      break;
    case FS_HOOK_TAKE_CHECKPOINT:
      result = PyObject_CallFunction(method, "OL", context, (long long)number);
      break;
    case FS_HOOK_RESTORE_CHECKPOINT:
      result = PyObject_CallFunction(method, "OLy#", context, (long long)number, input, (Py_ssize_t)len);
      break;
    case FS_HOOK_CHECK_HEARTBEAT:
    case FS_HOOK_CLOSE:
      result = PyObject_CallOneArg(method, context);
      break;
    case FS_HOOK_CUSTOM:
      result = PyObject_CallFunction(method, "y#", input, (Py_ssize_t)len);
      break;
    default:
      PyErr_BadInternalCall();
  }
  Py_DECREF(method);
  return result;
}

/* The hook's answer as the result's bytes; steals nothing. */
static int keep_bytes(PyObject* returned, const char* hook_name, const char* expected) {
  if (PyUnicode_Check(returned) || !PyObject_CheckBuffer(returned)) {
    PyErr_Format(PyExc_TypeError, "%s() must return %s, not %.200s%s", hook_name, expected, Py_TYPE(returned)->tp_name,
                 PyUnicode_Check(returned) ? ": encode it first" : "");
    return -1;
  }
  PyObject* bytes = PyBytes_CheckExact(returned) ? Py_NewRef(returned) : PyBytes_FromObject(returned);
  if (bytes == NULL) return -1;
  fs_set_result(bytes);
  return 0;
}

/* Whether check_heartbeat has anything to say: fs_api's own has not, and idle instances are not woken for it. */
static int keep_heartbeat(void) {
  PyObject* method = PyObject_GetAttrString(fs_guest.instance, hook_names[FS_HOOK_CHECK_HEARTBEAT]);
  if (method == NULL) PyErr_Clear();
  const bool is_default = method != NULL && PyMethod_Check(method) && PyMethod_GET_FUNCTION(method) == fs_guest.default_heartbeat;
  Py_XDECREF(method);
  fs_set_result(PyBytes_FromStringAndSize(is_default ? "\0" : "\1", 1));
  return fs_guest.result != NULL ? 0 : -1;
}

static int keep_answer(uint32_t hook, PyObject* returned) {
  switch (hook) {
    case FS_HOOK_INIT:
      return keep_heartbeat();
    case FS_HOOK_TAKE_CHECKPOINT:
      return returned == Py_None ? 0 : keep_bytes(returned, hook_names[hook], "bytes or None");
    case FS_HOOK_CUSTOM:
      return keep_bytes(returned, hook_names[hook], "bytes");
    case FS_HOOK_CHECK_HEARTBEAT: {
      const int is_well = PyObject_IsTrue(returned);
      if (is_well < 0) return -1;
      fs_set_result(PyBytes_FromStringAndSize(is_well ? "\1" : "\0", 1));
      return fs_guest.result != NULL ? 0 : -1;
    }
    default:
      return 0;
  }
}

FS_EXPORT(fs_hook) int32_t fs_hook(uint32_t hook, uint32_t source_id, int64_t number, uint32_t len) {
  if (!fs_guest.is_booted) return FS_FATAL;
  fs_call_begin();
  if (fs_guest.instance == NULL) return fs_report_fatal("fs_hook: no function is loaded");
  if (hook < FS_HOOK_INIT || hook > FS_HOOK_CUSTOM) return fs_report_fatal("fs_hook: unknown hook");
  if (len > 0 && fs_input() == NULL) return fs_report_fatal("fs_hook: no input was written");
  PyObject* returned = call(hook, source_id, number, len);
  int status = returned != NULL ? keep_answer(hook, returned) : -1;
  Py_XDECREF(returned);
  if (status == 0 && fs_was_interrupted()) status = -1;
  if (status < 0 || hook == FS_HOOK_INIT || hook == FS_HOOK_CLOSE) fs_flush_streams();
  if (status == 0) return fs_call_end(FS_OK);
  fs_output_clear();
  return fs_report(hook_names[hook]);
}
