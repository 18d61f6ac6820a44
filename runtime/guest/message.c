/* ctx.message: key, headers and provenance of the message in hand.
 *
 * Made only when asked for, as a copy of everything but the value, so it stays true for as long as user code keeps it.
 * Its attributes are decoded at each access.
 */
#include <stddef.h>
#include <string.h>

#include "guest.h"

PyTypeObject* fs_message_type;

struct message {
  PyObject_VAR_HEAD int64_t timestamp_ms;
  int64_t offset;
  int32_t partition;
  int32_t key_len;
  uint32_t headers_len;
  PyObject* topic;
  char payload[]; /* key, then headers */
};

PyObject* fs_message_new(const struct fs_record* record) {
  const size_t key_size = record->key_len < 0 ? 0 : (size_t)record->key_len;
  const size_t size = key_size + record->headers_len;
  struct message* message = PyObject_NewVar(struct message, fs_message_type, (Py_ssize_t)size);
  if (message == NULL) return NULL;
  message->timestamp_ms = record->timestamp_ms;
  message->offset = record->offset;
  message->partition = record->partition;
  message->key_len = record->key_len;
  message->headers_len = record->headers_len;
  const Py_ssize_t topics = PyTuple_GET_SIZE(fs_guest.topics);
  message->topic =
      (Py_ssize_t)record->topic < topics ? Py_NewRef(PyTuple_GET_ITEM(fs_guest.topics, record->topic)) : PyUnicode_FromString("");
  memcpy(message->payload, (const char*)(record + 1) + record->value_len, size);
  return (PyObject*)message;
}

static void message_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Py_XDECREF(((struct message*)self)->topic);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyObject* message_key(PyObject* self, void* Py_UNUSED(closure)) {
  const struct message* message = (struct message*)self;
  if (message->key_len < 0) Py_RETURN_NONE;
  return PyBytes_FromStringAndSize(message->payload, message->key_len);
}

static PyObject* message_headers(PyObject* self, void* Py_UNUSED(closure)) {
  const struct message* message = (struct message*)self;
  const size_t key_size = message->key_len < 0 ? 0 : (size_t)message->key_len;
  return fs_headers_decode(message->payload + key_size, message->headers_len);
}

static PyObject* message_timestamp(PyObject* self, void* Py_UNUSED(closure)) {
  const struct message* message = (struct message*)self;
  if (message->timestamp_ms == FS_NO_TIMESTAMP) Py_RETURN_NONE;
  return PyLong_FromLongLong(message->timestamp_ms);
}

static PyObject* message_topic(PyObject* self, void* Py_UNUSED(closure)) {
  const struct message* message = (struct message*)self;
  if (message->topic == NULL) return PyErr_NoMemory();
  return Py_NewRef(message->topic);
}

static PyObject* message_partition(PyObject* self, void* Py_UNUSED(closure)) { return PyLong_FromLong(((struct message*)self)->partition); }

static PyObject* message_offset(PyObject* self, void* Py_UNUSED(closure)) { return PyLong_FromLongLong(((struct message*)self)->offset); }

static PyObject* message_repr(PyObject* self) {
  const struct message* message = (struct message*)self;
  PyObject* key = message_key(self, NULL);
  if (key == NULL) return NULL;
  PyObject* repr = PyUnicode_FromFormat("Message(topic=%R, partition=%d, offset=%lld, key=%R)", message->topic, (int)message->partition,
                                        (long long)message->offset, key);
  Py_DECREF(key);
  return repr;
}

static PyGetSetDef message_attributes[] = {
    {"key", message_key, NULL, "bytes, or None where the message has no key", NULL},
    {"headers", message_headers, NULL, "list of (name, bytes or None), in the order received", NULL},
    {"timestamp", message_timestamp, NULL, "milliseconds since the epoch, or None", NULL},
    {"topic", message_topic, NULL, "the topic it came from", NULL},
    {"partition", message_partition, NULL, "the partition it came from", NULL},
    {"offset", message_offset, NULL, "its offset in that partition", NULL},
    {0},
};

static PyType_Slot message_slots[] = {
    {Py_tp_dealloc, message_dealloc},
    {Py_tp_repr, message_repr},
    {Py_tp_getset, message_attributes},
    {Py_tp_doc, "The message in hand; see fs_api.Message."},
    {0, NULL},
};
static PyType_Spec message_spec = {
    .name = "_fs_guest.Message",
    .basicsize = offsetof(struct message, payload),
    .itemsize = 1,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = message_slots,
};

int fs_message_ready(PyObject* module) {
  fs_message_type = (PyTypeObject*)PyType_FromSpec(&message_spec);
  return fs_message_type != NULL ? PyModule_AddType(module, fs_message_type) : -1;
}
