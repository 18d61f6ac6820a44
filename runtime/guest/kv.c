/* KvStore: named, ordered, durable state, kept by the host. A call here is one call of the host.
 *
 * Every argument is checked before the host is called, so that a TypeError leaves the store as it was. Values that fit
 * the scratch buffer cost one call and one copy; larger ones a second call, straight into the new bytes object.
 */
#include <string.h>

#include "guest.h"

PyTypeObject* fs_store_type;

struct store {
  PyObject_HEAD int32_t handle;
  PyObject* name;
};

static char scratch[64 << 10];
static PyObject* stores;    /* dict: name -> KvStore */
static PyObject* last_name; /* borrowed from `stores`: the name asked for last, and its store */
static PyObject* last_store;

PyObject* fs_kv_raise(int64_t code) {
  char text[4096];
  int32_t size = fs_import_last_error(text, sizeof text);
  if (size < 0) size = 0;
  if ((size_t)size > sizeof text) size = sizeof text;
  PyObject* type = fs_guest.kv_other_error;
  if (code == FS_KV_IO) type = fs_guest.kv_io_error;
  if (code == FS_KV_ABSENT) type = fs_guest.kv_not_found_error;
  PyObject* message =
      size > 0 ? PyUnicode_DecodeUTF8(text, size, "replace") : PyUnicode_FromFormat("the host answered %lld", (long long)code);
  if (message != NULL) PyErr_SetObject(type, message);
  Py_XDECREF(message);
  return NULL;
}

static PyObject* none_or_raise(int64_t code) {
  if (code < 0) return fs_kv_raise(code);
  Py_RETURN_NONE;
}

static int32_t handle_of(PyObject* self) { return ((struct store*)self)->handle; }

PyObject* fs_store_open(PyObject* name) {
  if (name == last_name) return Py_NewRef(last_store);
  if (!PyUnicode_Check(name)) {
    PyErr_Format(PyExc_TypeError, "getOrCreateKVStore(): name must be str, not %.200s", Py_TYPE(name)->tp_name);
    return NULL;
  }
  if (stores == NULL && (stores = PyDict_New()) == NULL) return NULL;
  PyObject* found = PyDict_GetItemWithError(stores, name);
  if (found == NULL) {
    if (PyErr_Occurred()) return NULL;
    Py_ssize_t size;
    const char* utf8 = PyUnicode_AsUTF8AndSize(name, &size);
    if (utf8 == NULL) return NULL;
    const int32_t handle = fs_import_kv_open(utf8, (uint32_t)size);
    if (handle < 0) return fs_kv_raise(handle);
    struct store* store = PyObject_New(struct store, fs_store_type);
    if (store == NULL) return NULL;
    store->handle = handle;
    store->name = Py_NewRef(name);
    const int status = PyDict_SetItem(stores, name, (PyObject*)store);
    Py_DECREF(store);
    if (status < 0) return NULL;
    last_name = name;
    last_store = (PyObject*)store;
    return Py_NewRef(last_store);
  }
  /* The store holds on to the name it was made with; only that object may be compared by address. */
  if (((struct store*)found)->name == name) {
    last_name = name;
    last_store = found;
  }
  return Py_NewRef(found);
}

/* One of the two ways to a value: by plain key where `parts` is NULL, else by complex key. */
static int64_t read_value(int32_t handle, const struct fs_view* key, const struct fs_parts* parts, char* out, uint32_t cap) {
  return parts != NULL ? fs_import_ck_get(handle, parts, out, cap) : fs_import_kv_get(handle, key->data, key->size, out, cap);
}

static PyObject* get_value(int32_t handle, const struct fs_view* key, const struct fs_parts* parts) {
  int64_t size = read_value(handle, key, parts, scratch, sizeof scratch);
  if (size == FS_KV_ABSENT) Py_RETURN_NONE;
  if (size < 0) return fs_kv_raise(size);
  if (size <= (int64_t)sizeof scratch) return PyBytes_FromStringAndSize(scratch, (Py_ssize_t)size);
  if (size > INT32_MAX) {
    PyErr_Format(fs_guest.kv_other_error, "the value has %lld bytes, more than fits in memory", (long long)size);
    return NULL;
  }
  PyObject* value = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
  if (value == NULL) return NULL;
  const int64_t again = read_value(handle, key, parts, PyBytes_AS_STRING(value), (uint32_t)size);
  if (again == size) return value;
  Py_DECREF(value);
  if (again < 0) return fs_kv_raise(again);
  PyErr_SetString(fs_guest.kv_other_error, "the value changed while it was read");
  return NULL;
}

/* ---- plain keys ---- */

static const char* const key_names[] = {"key", "value"};
static const struct fs_signature put_state_signature = {"put_state", key_names, 2, 2, 2};
static const struct fs_signature get_state_signature = {"get_state", key_names, 1, 1, 1};
static const struct fs_signature delete_state_signature = {"delete_state", key_names, 1, 1, 1};

static PyObject* store_put_state(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* values[2];
  struct fs_view key, value;
  if (fs_unpack(&put_state_signature, args, nargs, kwnames, values) < 0) return NULL;
  if (fs_view_open(&key, values[0], "put_state", "key") < 0) return NULL;
  if (fs_view_open(&value, values[1], "put_state", "value") < 0) {
    fs_view_close(&key);
    return NULL;
  }
  const int32_t code = fs_import_kv_put(handle_of(self), key.data, key.size, value.data, value.size);
  fs_view_close(&value);
  fs_view_close(&key);
  return none_or_raise(code);
}

static PyObject* store_get_state(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* object;
  struct fs_view key;
  if (fs_unpack(&get_state_signature, args, nargs, kwnames, &object) < 0) return NULL;
  if (fs_view_open(&key, object, "get_state", "key") < 0) return NULL;
  PyObject* value = get_value(handle_of(self), &key, NULL);
  fs_view_close(&key);
  return value;
}

static PyObject* store_delete_state(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* object;
  struct fs_view key;
  if (fs_unpack(&delete_state_signature, args, nargs, kwnames, &object) < 0) return NULL;
  if (fs_view_open(&key, object, "delete_state", "key") < 0) return NULL;
  const int32_t code = fs_import_kv_delete(handle_of(self), key.data, key.size);
  fs_view_close(&key);
  return none_or_raise(code);
}

static const char* const range_names[] = {"start_inclusive", "end_exclusive"};
static const struct fs_signature list_states_signature = {"list_states", range_names, 2, 2, 2};

static PyObject* store_list_states(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* values[2];
  struct fs_view start, end;
  if (fs_unpack(&list_states_signature, args, nargs, kwnames, values) < 0) return NULL;
  if (fs_view_open(&start, values[0], "list_states", "start_inclusive") < 0) return NULL;
  if (fs_view_open(&end, values[1], "list_states", "end_exclusive") < 0) {
    fs_view_close(&start);
    return NULL;
  }
  const int32_t iterator = fs_import_kv_list(handle_of(self), start.data, start.size, end.data, end.size);
  fs_view_close(&end);
  fs_view_close(&start);
  return iterator < 0 ? fs_kv_raise(iterator) : fs_iterator_keys(iterator);
}

/* ---- complex keys ---- */

static const char* const part_names[] = {"key_group", "key", "namespace", "user_key"};

/* A ComplexKey's parts; borrowed from it. */
static int parts_of(PyObject* object, const char* method, struct fs_parts* parts) {
  const int is_key = PyObject_IsInstance(object, fs_guest.complex_key);
  if (is_key < 0) return -1;
  if (is_key == 0 || !PyTuple_Check(object) || PyTuple_GET_SIZE(object) != FS_PARTS) {
    PyErr_Format(PyExc_TypeError, "%s(): key must be a ComplexKey, not %.200s", method, Py_TYPE(object)->tp_name);
    return -1;
  }
  for (int i = 0; i < FS_PARTS; i++) {
    PyObject* part = PyTuple_GET_ITEM(object, i);
    if (!PyBytes_Check(part) || PyBytes_GET_SIZE(part) > INT32_MAX) {
      PyErr_Format(PyExc_TypeError, "%s(): key.%s must be bytes, not %.200s", method, part_names[i], Py_TYPE(part)->tp_name);
      return -1;
    }
    parts->part[i].data = PyBytes_AS_STRING(part);
    parts->part[i].size = (uint32_t)PyBytes_GET_SIZE(part);
  }
  return 0;
}

static const struct fs_signature put_signature = {"put", key_names, 2, 2, 2};
static const struct fs_signature merge_signature = {"merge", key_names, 2, 2, 2};
static const struct fs_signature get_signature = {"get", key_names, 1, 1, 1};
static const struct fs_signature delete_signature = {"delete", key_names, 1, 1, 1};
static const struct fs_signature delete_prefix_signature = {"delete_prefix", key_names, 1, 1, 1};

typedef int32_t (*write_import)(int32_t store, const struct fs_parts* key, const void* value, uint32_t value_len);

static PyObject* write_complex(PyObject* self, const struct fs_signature* signature, write_import import, PyObject* const* args,
                               Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* values[2];
  struct fs_parts parts;
  struct fs_view value;
  if (fs_unpack(signature, args, nargs, kwnames, values) < 0) return NULL;
  if (parts_of(values[0], signature->method, &parts) < 0) return NULL;
  if (fs_view_open(&value, values[1], signature->method, "value") < 0) return NULL;
  const int32_t code = import(handle_of(self), &parts, value.data, value.size);
  fs_view_close(&value);
  return none_or_raise(code);
}

static PyObject* store_put(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return write_complex(self, &put_signature, fs_import_ck_put, args, nargs, kwnames);
}

static PyObject* store_merge(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return write_complex(self, &merge_signature, fs_import_ck_merge, args, nargs, kwnames);
}

static PyObject* store_get(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* object;
  struct fs_parts parts;
  if (fs_unpack(&get_signature, args, nargs, kwnames, &object) < 0) return NULL;
  if (parts_of(object, "get", &parts) < 0) return NULL;
  return get_value(handle_of(self), NULL, &parts);
}

static PyObject* store_delete(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* object;
  struct fs_parts parts;
  if (fs_unpack(&delete_signature, args, nargs, kwnames, &object) < 0) return NULL;
  if (parts_of(object, "delete", &parts) < 0) return NULL;
  return none_or_raise(fs_import_ck_delete(handle_of(self), &parts));
}

static PyObject* store_delete_prefix(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* object;
  struct fs_parts parts;
  if (fs_unpack(&delete_prefix_signature, args, nargs, kwnames, &object) < 0) return NULL;
  if (parts_of(object, "delete_prefix", &parts) < 0) return NULL;
  return none_or_raise(fs_import_ck_delete_prefix(handle_of(self), &parts));
}

static const char* const list_names[] = {"key_group", "key", "namespace", "start_inclusive", "end_exclusive"};
static const struct fs_signature list_complex_signature = {"list_complex", list_names, 5, 5, 5};
static const struct fs_signature scan_complex_signature = {"scan_complex", list_names, 3, 3, 3};

static void close_views(struct fs_view* views, int count) {
  for (int i = 0; i < count; i++) fs_view_close(&views[i]);
}

/* Opens the parameters of list_complex or scan_complex; the first three are the parts. */
static int open_range(const struct fs_signature* signature, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames,
                      struct fs_view* views, struct fs_parts* parts) {
  PyObject* values[5];
  if (fs_unpack(signature, args, nargs, kwnames, values) < 0) return -1;
  for (int i = 0; i < signature->count; i++) {
    if (fs_view_open(&views[i], values[i], signature->method, list_names[i]) < 0) {
      close_views(views, i);
      return -1;
    }
  }
  for (int i = 0; i < FS_USER_KEY; i++) parts->part[i] = (struct fs_part){views[i].data, views[i].size};
  parts->part[FS_USER_KEY] = (struct fs_part){"", 0};
  return 0;
}

static PyObject* store_list_complex(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  struct fs_view views[5];
  struct fs_parts parts;
  if (open_range(&list_complex_signature, args, nargs, kwnames, views, &parts) < 0) return NULL;
  const int32_t iterator = fs_import_ck_list(handle_of(self), &parts, views[3].data, views[3].size, views[4].data, views[4].size);
  close_views(views, 5);
  return iterator < 0 ? fs_kv_raise(iterator) : fs_iterator_keys(iterator);
}

static PyObject* store_scan_complex(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  struct fs_view views[3];
  struct fs_parts parts;
  if (open_range(&scan_complex_signature, args, nargs, kwnames, views, &parts) < 0) return NULL;
  const int32_t iterator = fs_import_ck_scan(handle_of(self), &parts);
  close_views(views, 3);
  return iterator < 0 ? fs_kv_raise(iterator) : fs_iterator_new(iterator);
}

/* ---- the type ---- */

static void store_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Py_DECREF(((struct store*)self)->name);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyObject* store_repr(PyObject* self) { return PyUnicode_FromFormat("KvStore(%R)", ((struct store*)self)->name); }

static PyObject* store_name(PyObject* self, void* Py_UNUSED(closure)) { return Py_NewRef(((struct store*)self)->name); }

#define METHOD(name, parameters)                                                      \
  {#name, (PyCFunction)(void (*)(void))(store_##name), METH_FASTCALL | METH_KEYWORDS, \
   #name "($self, " parameters ")\n--\n\nSee fs_api.KvStore." #name "."}

static PyMethodDef store_methods[] = {
    METHOD(put_state, "key, value"),
    METHOD(get_state, "key"),
    METHOD(delete_state, "key"),
    METHOD(list_states, "start_inclusive, end_exclusive"),
    METHOD(put, "key, value"),
    METHOD(get, "key"),
    METHOD(delete, "key"),
    METHOD(merge, "key, value"),
    METHOD(delete_prefix, "key"),
    METHOD(list_complex, "key_group, key, namespace, start_inclusive, end_exclusive"),
    METHOD(scan_complex, "key_group, key, namespace"),
    {0},
};

static PyGetSetDef store_attributes[] = {
    {"name", store_name, NULL, "the name it was opened by", NULL},
    {0},
};

static PyType_Slot store_slots[] = {
    {Py_tp_dealloc, store_dealloc},
    {Py_tp_repr, store_repr},
    {Py_tp_methods, store_methods},
    {Py_tp_getset, store_attributes},
    {Py_tp_doc, "Named state of the function; see fs_api.KvStore."},
    {0, NULL},
};
static PyType_Spec store_spec = {
    .name = "_fs_guest.KvStore",
    .basicsize = sizeof(struct store),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = store_slots,
};

int fs_store_ready(PyObject* module) {
  fs_store_type = (PyTypeObject*)PyType_FromSpec(&store_spec);
  return fs_store_type != NULL ? PyModule_AddType(module, fs_store_type) : -1;
}
