/* Context: what user code sends, and the way to its state, configuration and log.
 *
 * emit() writes straight into the output buffer, after every argument has been checked: an error leaves nothing behind.
 */
#include <stdlib.h>
#include <string.h>

#include "guest.h"

PyTypeObject* fs_context_type;

PyObject* fs_context_new(void) { return (PyObject*)PyObject_New(PyObject, fs_context_type); }

static int check_channel(PyObject* object, const char* method, uint32_t* channel) {
  *channel = 0;
  if (object != NULL) {
    if (!PyLong_Check(object)) {
      PyErr_Format(PyExc_TypeError, "%s(): channel must be int, not %.200s", method, Py_TYPE(object)->tp_name);
      return -1;
    }
    int overflow;
    const long value = PyLong_AsLongAndOverflow(object, &overflow);
    if (overflow == 0 && value >= 0 && (unsigned long)value < fs_guest.channel_count) {
      *channel = (uint32_t)value;
      return 0;
    }
  } else if (fs_guest.channel_count > 0) {
    return 0;
  }
  PyObject* given = object != NULL ? Py_NewRef(object) : PyLong_FromLong(0);
  if (given == NULL) return -1;
  if (fs_guest.channel_count == 0) {
    PyErr_Format(PyExc_IndexError, "%s(): channel %S: the function has no outputs", method, given);
  } else if (fs_guest.channel_count == 1) {
    PyErr_Format(PyExc_IndexError, "%s(): channel %S: the function has 1 output (0)", method, given);
  } else {
    PyErr_Format(PyExc_IndexError, "%s(): channel %S: the function has %u outputs (0 to %u)", method, given,
                 (unsigned)fs_guest.channel_count, (unsigned)fs_guest.channel_count - 1);
  }
  Py_DECREF(given);
  return -1;
}

/* Milliseconds from an int; FS_NO_TIMESTAMP is not among them. */
static int check_milliseconds(PyObject* object, const char* method, const char* what, int64_t least, int64_t* out) {
  if (!PyLong_Check(object)) {
    PyErr_Format(PyExc_TypeError, "%s(): %s must be int (milliseconds since the epoch), not %.200s", method, what,
                 Py_TYPE(object)->tp_name);
    return -1;
  }
  int overflow;
  const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow != 0 || value < least) {
    PyErr_Format(PyExc_ValueError, "%s(): %s %S is out of range (milliseconds since the epoch, at least %lld)", method, what, object,
                 (long long)least);
    return -1;
  }
  *out = value;
  return 0;
}

static int add_record(uint32_t channel, const struct fs_view* data, const struct fs_view* key, const struct fs_headers* headers,
                      int64_t timestamp_ms) {
  const size_t key_size = key != NULL ? key->size : 0;
  /* Each is at most INT32_MAX; 64 bits keep the sum from wrapping on wasm32. */
  const uint64_t size = (uint64_t)sizeof(struct fs_emitted) + data->size + key_size + headers->size;
  if (size > INT32_MAX) {
    PyErr_NoMemory();
    return -1;
  }
  char* at = fs_output_add((size_t)size);
  if (at == NULL) return -1;
  const struct fs_emitted emitted = {
      .size = (uint32_t)((size + 7) & ~(uint64_t)7),
      .channel = channel,
      .value_len = data->size,
      .key_len = key != NULL ? (int32_t)key->size : -1,
      .headers_len = (uint32_t)headers->size,
      .kind = FS_EMIT_RECORD,
      .timestamp_ms = timestamp_ms == FS_NO_TIMESTAMP && fs_guest.record != NULL ? fs_guest.record->timestamp_ms : timestamp_ms,
  };
  memcpy(at, &emitted, sizeof emitted);
  at += sizeof emitted;
  memcpy(at, data->data, data->size);
  at += data->size;
  if (key_size != 0) memcpy(at, key->data, key_size);
  if (headers->size != 0) memcpy(at + key_size, headers->data, headers->size);
  return 0;
}

static const char* const emit_names[] = {"data", "channel", "key", "headers", "timestamp"};
static const struct fs_signature emit_signature = {"emit", emit_names, 1, 2, 5};

static PyObject* context_emit(PyObject* Py_UNUSED(self), PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* values[5];
  static const struct fs_headers no_headers = {0};
  if (kwnames == NULL && (nargs == 1 || nargs == 2)) {
    uint32_t channel;
    struct fs_view data;
    if (check_channel(nargs == 2 ? args[1] : NULL, "emit", &channel) < 0) return NULL;
    if (fs_view_open(&data, args[0], "emit", "data") < 0) return NULL;
    const int status = add_record(channel, &data, NULL, &no_headers, FS_NO_TIMESTAMP);
    fs_view_close(&data);
    if (status < 0) return NULL;
    Py_RETURN_NONE;
  }
  if (fs_unpack(&emit_signature, args, nargs, kwnames, values) < 0) return NULL;
  uint32_t channel;
  if (check_channel(values[1], "emit", &channel) < 0) return NULL;
  int64_t timestamp_ms = FS_NO_TIMESTAMP;
  if (values[4] != NULL && values[4] != Py_None && check_milliseconds(values[4], "emit", "timestamp", 0, &timestamp_ms) < 0) {
    return NULL;
  }
  const bool has_key = values[2] != NULL && values[2] != Py_None;
  const bool has_headers = values[3] != NULL && values[3] != Py_None;
  PyObject* result = NULL;
  struct fs_view data;
  struct fs_view key = {0};
  struct fs_headers headers = {0};
  if (fs_view_open(&data, values[0], "emit", "data") < 0) return NULL;
  if (has_key && fs_view_open(&key, values[2], "emit", "key") < 0) goto done;
  if (has_headers && fs_headers_encode(values[3], &headers) < 0) goto done;
  if (add_record(channel, &data, has_key ? &key : NULL, &headers, timestamp_ms) == 0) result = Py_NewRef(Py_None);
done:
  free(headers.data);
  fs_view_close(&key);
  fs_view_close(&data);
  return result;
}

static const char* const emit_watermark_names[] = {"watermark", "channel"};
static const struct fs_signature emit_watermark_signature = {"emit_watermark", emit_watermark_names, 1, 2, 2};

static PyObject* context_emit_watermark(PyObject* Py_UNUSED(self), PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* values[2];
  uint32_t channel;
  int64_t watermark;
  if (fs_unpack(&emit_watermark_signature, args, nargs, kwnames, values) < 0) return NULL;
  if (check_milliseconds(values[0], "emit_watermark", "watermark", INT64_MIN + 1, &watermark) < 0) return NULL;
  if (check_channel(values[1], "emit_watermark", &channel) < 0) return NULL;
  char* at = fs_output_add(sizeof(struct fs_emitted));
  if (at == NULL) return NULL;
  const struct fs_emitted emitted = {
      .size = sizeof emitted,
      .channel = channel,
      .key_len = -1,
      .kind = FS_EMIT_WATERMARK,
      .timestamp_ms = watermark,
  };
  memcpy(at, &emitted, sizeof emitted);
  Py_RETURN_NONE;
}

static const char* const open_names[] = {"name"};
static const struct fs_signature open_signature = {"getOrCreateKVStore", open_names, 1, 1, 1};

static PyObject* context_open_store(PyObject* Py_UNUSED(self), PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* name;
  if (fs_unpack(&open_signature, args, nargs, kwnames, &name) < 0) return NULL;
  return fs_store_open(name);
}

static PyObject* context_config(PyObject* Py_UNUSED(self), PyObject* Py_UNUSED(ignored)) { return PyDict_Copy(fs_guest.config); }

static PyObject* context_message(PyObject* Py_UNUSED(self), void* Py_UNUSED(closure)) {
  if (fs_guest.record == NULL) {
    PyErr_SetString(PyExc_RuntimeError, "ctx.message: no message is in hand; it can be read inside process() only");
    return NULL;
  }
  if (fs_guest.message == NULL) fs_guest.message = fs_message_new(fs_guest.record);
  return Py_XNewRef(fs_guest.message);
}

static PyObject* context_logger(PyObject* Py_UNUSED(self), void* Py_UNUSED(closure)) { return Py_NewRef(fs_guest.logger); }

static PyObject* context_channel_count(PyObject* Py_UNUSED(self), void* Py_UNUSED(closure)) {
  return PyLong_FromUnsignedLong(fs_guest.channel_count);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef context_methods[] = {
    {"emit", FAST(context_emit), METH_FASTCALL | METH_KEYWORDS,
     "emit($self, data, channel=0, *, key=None, headers=None, timestamp=None)\n--\n\nSee fs_api.Context.emit."},
    {"emit_watermark", FAST(context_emit_watermark), METH_FASTCALL | METH_KEYWORDS,
     "emit_watermark($self, watermark, channel=0)\n--\n\nSee fs_api.Context.emit_watermark."},
    {"getOrCreateKVStore", FAST(context_open_store), METH_FASTCALL | METH_KEYWORDS,
     "getOrCreateKVStore($self, name)\n--\n\nSee fs_api.Context.getOrCreateKVStore."},
    {"get_or_create_kv_store", FAST(context_open_store), METH_FASTCALL | METH_KEYWORDS,
     "get_or_create_kv_store($self, name)\n--\n\nSee fs_api.Context.getOrCreateKVStore."},
    {"getConfig", context_config, METH_NOARGS, "getConfig($self)\n--\n\nSee fs_api.Context.getConfig."},
    {"get_config", context_config, METH_NOARGS, "get_config($self)\n--\n\nSee fs_api.Context.getConfig."},
    {0},
};

static PyGetSetDef context_attributes[] = {
    {"message", context_message, NULL, "the message in hand, inside process()", NULL},
    {"logger", context_logger, NULL, "logging.Logger of the function's own log", NULL},
    {"channel_count", context_channel_count, NULL, "number of outputs", NULL},
    {0},
};

static PyType_Slot context_slots[] = {
    {Py_tp_methods, context_methods},
    {Py_tp_getset, context_attributes},
    {Py_tp_doc, "The function's surroundings; see fs_api.Context."},
    {0, NULL},
};
static PyType_Spec context_spec = {
    .name = "_fs_guest.Context",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = context_slots,
};

int fs_context_ready(PyObject* module) {
  fs_context_type = (PyTypeObject*)PyType_FromSpec(&context_spec);
  return fs_context_type != NULL ? PyModule_AddType(module, fs_context_type) : -1;
}
