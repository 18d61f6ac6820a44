/* fs_process: the hot loop. One call carries many messages; nothing is allocated per message, mostly not even its bytes object. */
#include <string.h>

#include "guest.h"

/* Checks that a record lies within what is left; its payloads then lie within the record. */
static bool is_sound(const struct fs_record* record, size_t left) {
  if (left < sizeof *record || record->size > left || record->size % 8 != 0) return false;
  const uint64_t key_size = record->key_len < 0 ? 0 : (uint64_t)record->key_len;
  return sizeof *record + (uint64_t)record->value_len + key_size + record->headers_len <= record->size;
}

struct target {
  vectorcallfunc call;
  PyObject* callable;
  PyObject* arguments[5]; /* a free slot (PY_VECTORCALL_ARGUMENTS_OFFSET), then self if bound, context, source, data */
  PyObject** data;
  size_t count;
};

/* A bound method is called as its function with self in front, which saves a step at each message. */
static void aim(struct target* target, PyObject* method, PyObject* source) {
  size_t at = 1;
  target->callable = method;
  target->arguments[0] = NULL;
  if (PyMethod_Check(method)) {
    target->callable = PyMethod_GET_FUNCTION(method);
    target->arguments[at++] = PyMethod_GET_SELF(method);
  }
  target->arguments[at++] = fs_guest.context;
  target->arguments[at++] = source;
  target->data = &target->arguments[at];
  target->count = at;
  target->call = PyVectorcall_Function(target->callable);
  if (target->call == NULL) target->call = PyObject_Vectorcall;
}

/* The bytes object of the message before, where nobody kept it: most messages of a stream fit in it. */
enum { SPARE_MIN = 2, SPARE_MAX = 512 };
static PyObject* spare;
static uint32_t spare_capacity;

static PyObject* make_data(const char* value, uint32_t size) {
  if (size < SPARE_MIN || size > SPARE_MAX) return PyBytes_FromStringAndSize(value, (Py_ssize_t)size);
  if (spare == NULL || Py_REFCNT(spare) != 1 || size > spare_capacity) {
    Py_XDECREF(spare);
    spare_capacity = (size + 31) / 32 * 32;
    spare = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)spare_capacity);
    if (spare == NULL) return NULL;
  }
  char* const bytes = PyBytes_AS_STRING(spare);
  memcpy(bytes, value, size);
  bytes[size] = 0;
  Py_SET_SIZE(spare, (Py_ssize_t)size);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  ((PyBytesObject*)spare)->ob_shash = -1;
#pragma GCC diagnostic pop
  return Py_NewRef(spare);
}

/* Calls process() for one message: 0, or -1 with an exception set, or swallowed by user code. */
static int process_one(struct target* target, const struct fs_record* record) {
  PyObject* data = make_data((const char*)(record + 1), record->value_len);
  if (data == NULL) return -1;
  fs_guest.record = record;
  *target->data = data;
  PyObject* returned = target->call(target->callable, target->arguments + 1, target->count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
  Py_DECREF(data);
  fs_guest.record = NULL;
  if (fs_guest.message != NULL) Py_CLEAR(fs_guest.message);
  if (returned == NULL) return -1;
  Py_DECREF(returned);
  return 0;
}

FS_EXPORT(fs_process) int32_t fs_process(uint32_t source_id, uint32_t count, uint32_t len) {
  if (!fs_guest.is_booted) return FS_FATAL;
  fs_call_begin();
  if (fs_guest.instance == NULL) return fs_report_fatal("fs_process: no function is loaded");
  if (count > 0 && fs_input() == NULL) return fs_report_fatal("fs_process: no input was written");
  PyThreadState* thread = PyThreadState_Get();
  PyObject* method = PyObject_GetAttrString(fs_guest.instance, "process");
  PyObject* source = method != NULL ? PyLong_FromUnsignedLong(source_id) : NULL;
  if (source == NULL) {
    Py_XDECREF(method);
    return fs_report("process");
  }
  struct target target;
  aim(&target, method, source);
  const char* at = fs_input();
  const char* end = at + len;
  struct fs_output_mark mark = fs_output_mark();
  uint32_t done = 0;
  int32_t status = FS_OK;
  while (done < count && mark.size < FS_OUTPUT_SOFT_LIMIT) {
    const struct fs_record* record = (const struct fs_record*)at;
    if (!is_sound(record, (size_t)(end - at))) {
      status = FS_FATAL;
      break;
    }
    fs_guest.shared.processed = done;
    /* The slot of the armed exception is empty once it was raised, also where user code caught it. */
    if (process_one(&target, record) < 0 || thread->async_exc == NULL) {
      status = FS_USER_ERROR;
      break;
    }
    mark = fs_output_mark();
    at += record->size;
    done++;
  }
  fs_guest.shared.processed = done;
  fs_output_cut(mark);
  Py_DECREF(source);
  Py_DECREF(method);
  if (status == FS_OK) return fs_call_end(FS_OK);
  if (status == FS_FATAL) return fs_report_fatal("fs_process: a record does not fit the input");
  fs_flush_streams();
  return fs_report("process");
}
