/* A native host of the guest: the imports over Python dicts, and the exports as a Python module, _fs_native.
 *
 * For tests and for measuring what the sandbox costs: the same guest, the same calls, without WebAssembly. One process is
 * one instance, as one wasm instance is.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "../guest.h"

struct iterator {
  PyObject* entries; /* list of (key, value or None); NULL once closed */
  Py_ssize_t at;
};

static PyObject* names;     /* dict: store name -> handle */
static PyObject* plain;     /* list of dict: key -> value */
static PyObject* complex;   /* list of dict: (4 parts) -> value */
static PyObject* log_lines; /* list of (level, text) */
static struct iterator iterators[4096];
static int iterator_count;
static char error_text[256];
static int32_t failure_to_come; /* the next state call answers this */

static int64_t fail(int64_t code, const char* text) {
  snprintf(error_text, sizeof error_text, "%s", text);
  PyErr_Clear();
  return code;
}

static bool is_failing(int64_t* code) {
  *code = failure_to_come;
  failure_to_come = 0;
  return *code != 0;
}

static PyObject* dict_of(PyObject* list, int32_t store) {
  return store >= 0 && store < PyList_GET_SIZE(list) ? PyList_GET_ITEM(list, store) : NULL;
}

static PyObject* plain_key(const void* key, uint32_t len) { return PyBytes_FromStringAndSize(key, len); }

static PyObject* complex_key(const struct fs_parts* parts) {
  PyObject* key = PyTuple_New(FS_PARTS);
  for (int i = 0; key != NULL && i < FS_PARTS; i++) {
    PyObject* part = PyBytes_FromStringAndSize(parts->part[i].data, parts->part[i].size);
    if (part == NULL) {
      Py_CLEAR(key);
    } else {
      PyTuple_SET_ITEM(key, i, part);
    }
  }
  return key;
}

/* Each takes over `key`. */
static int64_t get(PyObject* dict, PyObject* key, void* out, uint32_t cap) {
  int64_t code;
  if (is_failing(&code)) {
    Py_XDECREF(key);
    return code;
  }
  if (dict == NULL || key == NULL) {
    Py_XDECREF(key);
    return fail(FS_KV_OTHER, "no such store");
  }
  PyObject* value = PyDict_GetItemWithError(dict, key);
  Py_DECREF(key);
  if (value == NULL) return FS_KV_ABSENT;
  const Py_ssize_t size = PyBytes_GET_SIZE(value);
  if (size <= (Py_ssize_t)cap) memcpy(out, PyBytes_AS_STRING(value), (size_t)size);
  return size;
}

static int32_t set(PyObject* dict, PyObject* key, PyObject* value) {
  int64_t code;
  int status = -1;
  if (!is_failing(&code)) {
    if (dict != NULL && key != NULL && value != NULL) status = PyDict_SetItem(dict, key, value);
    code = status == 0 ? 0 : fail(FS_KV_OTHER, "no such store");
  }
  Py_XDECREF(key);
  Py_XDECREF(value);
  return (int32_t)code;
}

static int32_t delete(PyObject* dict, PyObject* key) {
  int64_t code;
  if (!is_failing(&code)) {
    code = dict != NULL && key != NULL ? 0 : fail(FS_KV_OTHER, "no such store");
    if (code == 0 && PyDict_DelItem(dict, key) < 0) PyErr_Clear();
  }
  Py_XDECREF(key);
  return (int32_t)code;
}

/* Sorts and keeps the entries, which it takes over. */
static int32_t open_iterator(PyObject* entries) {
  if (entries == NULL || PyList_Sort(entries) < 0) {
    Py_XDECREF(entries);
    return (int32_t)fail(FS_KV_OTHER, "no such store");
  }
  int handle = 0;
  while (handle < iterator_count && iterators[handle].entries != NULL) handle++;
  if (handle == 4096) {
    Py_DECREF(entries);
    return (int32_t)fail(FS_KV_OTHER, "too many open iterators (the limit is 4096)");
  }
  if (handle == iterator_count) iterator_count++;
  iterators[handle] = (struct iterator){entries, 0};
  return handle;
}

static int compare(PyObject* a, const void* data, uint32_t size) {
  const size_t a_size = (size_t)PyBytes_GET_SIZE(a);
  const size_t common = a_size < size ? a_size : size;
  const int order = memcmp(PyBytes_AS_STRING(a), data, common);
  return order != 0 ? order : (a_size > size) - (a_size < size);
}

static bool is_under(PyObject* key, const struct fs_parts* parts) {
  for (int i = 0; i < FS_USER_KEY; i++) {
    if (compare(PyTuple_GET_ITEM(key, i), parts->part[i].data, parts->part[i].size) != 0) return false;
  }
  return true;
}

static int append(PyObject* entries, PyObject* key, PyObject* value) {
  PyObject* entry = PyTuple_Pack(2, key, value);
  const int status = entry != NULL ? PyList_Append(entries, entry) : -1;
  Py_XDECREF(entry);
  return status;
}

int32_t fs_import_kv_open(const void* name, uint32_t name_len) {
  int64_t code;
  if (is_failing(&code)) return (int32_t)code;
  if (name_len == 0) return (int32_t)fail(FS_KV_OTHER, "a store's name cannot be empty");
  PyObject* key = PyBytes_FromStringAndSize(name, name_len);
  PyObject* found = PyDict_GetItemWithError(names, key);
  if (found == NULL) {
    found = PyLong_FromSsize_t(PyDict_GET_SIZE(names));
    PyDict_SetItem(names, key, found);
    Py_DECREF(found);
    PyObject* dict = PyDict_New();
    PyList_Append(plain, dict);
    Py_DECREF(dict);
    dict = PyDict_New();
    PyList_Append(complex, dict);
    Py_DECREF(dict);
  }
  Py_DECREF(key);
  return (int32_t)PyLong_AsLong(found);
}

int64_t fs_import_kv_get(int32_t store, const void* key, uint32_t key_len, void* out, uint32_t cap) {
  return get(dict_of(plain, store), plain_key(key, key_len), out, cap);
}

int32_t fs_import_kv_put(int32_t store, const void* key, uint32_t key_len, const void* value, uint32_t value_len) {
  return set(dict_of(plain, store), plain_key(key, key_len), PyBytes_FromStringAndSize(value, value_len));
}

int32_t fs_import_kv_delete(int32_t store, const void* key, uint32_t key_len) {
  return delete (dict_of(plain, store), plain_key(key, key_len));
}

int32_t fs_import_kv_list(int32_t store, const void* start, uint32_t start_len, const void* end, uint32_t end_len) {
  int64_t code;
  if (is_failing(&code)) return (int32_t)code;
  PyObject* dict = dict_of(plain, store);
  PyObject* entries = dict != NULL ? PyList_New(0) : NULL;
  PyObject *key, *value;
  Py_ssize_t at = 0;
  while (entries != NULL && PyDict_Next(dict, &at, &key, &value)) {
    if (compare(key, start, start_len) >= 0 && compare(key, end, end_len) < 0 && append(entries, key, Py_None) < 0) {
      Py_CLEAR(entries);
    }
  }
  return open_iterator(entries);
}

int64_t fs_import_ck_get(int32_t store, const struct fs_parts* key, void* out, uint32_t cap) {
  return get(dict_of(complex, store), complex_key(key), out, cap);
}

int32_t fs_import_ck_put(int32_t store, const struct fs_parts* key, const void* value, uint32_t value_len) {
  return set(dict_of(complex, store), complex_key(key), PyBytes_FromStringAndSize(value, value_len));
}

int32_t fs_import_ck_delete(int32_t store, const struct fs_parts* key) { return delete (dict_of(complex, store), complex_key(key)); }

int32_t fs_import_ck_merge(int32_t store, const struct fs_parts* key, const void* value, uint32_t value_len) {
  PyObject* dict = dict_of(complex, store);
  PyObject* name = complex_key(key);
  PyObject* merged = dict != NULL && name != NULL ? PyDict_GetItemWithError(dict, name) : NULL;
  PyObject* added = PyBytes_FromStringAndSize(value, value_len);
  if (merged == NULL || added == NULL) return set(dict, name, added);
  Py_INCREF(merged);
  PyBytes_ConcatAndDel(&merged, added);
  return set(dict, name, merged);
}

int32_t fs_import_ck_delete_prefix(int32_t store, const struct fs_parts* parts) {
  int64_t code;
  if (is_failing(&code)) return (int32_t)code;
  PyObject* dict = dict_of(complex, store);
  PyObject* keys = dict != NULL ? PyDict_Keys(dict) : NULL;
  if (keys == NULL) return (int32_t)fail(FS_KV_OTHER, "no such store");
  const struct fs_part* prefix = &parts->part[FS_USER_KEY];
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++) {
    PyObject* key = PyList_GET_ITEM(keys, i);
    PyObject* user_key = PyTuple_GET_ITEM(key, FS_USER_KEY);
    if (is_under(key, parts) && PyBytes_GET_SIZE(user_key) >= (Py_ssize_t)prefix->size &&
        memcmp(PyBytes_AS_STRING(user_key), prefix->data, prefix->size) == 0) {
      PyDict_DelItem(dict, key);
    }
  }
  Py_DECREF(keys);
  return 0;
}

static int32_t list_complex(int32_t store, const struct fs_parts* parts, const struct fs_part* range) {
  int64_t code;
  if (is_failing(&code)) return (int32_t)code;
  PyObject* dict = dict_of(complex, store);
  PyObject* entries = dict != NULL ? PyList_New(0) : NULL;
  PyObject *key, *value;
  Py_ssize_t at = 0;
  while (entries != NULL && PyDict_Next(dict, &at, &key, &value)) {
    PyObject* user_key = PyTuple_GET_ITEM(key, FS_USER_KEY);
    if (!is_under(key, parts)) continue;
    if (range != NULL && (compare(user_key, range[0].data, range[0].size) < 0 || compare(user_key, range[1].data, range[1].size) >= 0)) {
      continue;
    }
    if (append(entries, user_key, range != NULL ? Py_None : value) < 0) Py_CLEAR(entries);
  }
  return open_iterator(entries);
}

int32_t fs_import_ck_list(int32_t store, const struct fs_parts* key, const void* start, uint32_t start_len, const void* end,
                          uint32_t end_len) {
  const struct fs_part range[2] = {{start, start_len}, {end, end_len}};
  return list_complex(store, key, range);
}

int32_t fs_import_ck_scan(int32_t store, const struct fs_parts* key) { return list_complex(store, key, NULL); }

int64_t fs_import_iter_next(int32_t handle, void* out, uint32_t cap) {
  int64_t code;
  if (is_failing(&code)) return code;
  if (handle < 0 || handle >= iterator_count || iterators[handle].entries == NULL) {
    return fail(FS_KV_OTHER, "no such iterator");
  }
  struct iterator* iterator = &iterators[handle];
  char* to = out;
  uint64_t used = 0;
  while (iterator->at < PyList_GET_SIZE(iterator->entries)) {
    PyObject* entry = PyList_GET_ITEM(iterator->entries, iterator->at);
    PyObject* key = PyTuple_GET_ITEM(entry, 0);
    PyObject* value = PyTuple_GET_ITEM(entry, 1);
    const uint32_t key_len = (uint32_t)PyBytes_GET_SIZE(key);
    const int32_t value_len = value == Py_None ? -1 : (int32_t)PyBytes_GET_SIZE(value);
    const uint32_t value_size = value_len < 0 ? 0 : (uint32_t)value_len;
    const uint64_t size = 8 + (uint64_t)key_len + value_size;
    if (used + size > cap) return used > 0 ? (int64_t)used : FS_ITER_GROW | (int64_t)size;
    memcpy(to + used, &key_len, 4);
    memcpy(to + used + 4, &value_len, 4);
    memcpy(to + used + 8, PyBytes_AS_STRING(key), key_len);
    if (value_size != 0) memcpy(to + used + 8 + key_len, PyBytes_AS_STRING(value), value_size);
    used += size;
    iterator->at++;
  }
  return (int64_t)used;
}

void fs_import_iter_close(int32_t handle) {
  if (handle >= 0 && handle < iterator_count) Py_CLEAR(iterators[handle].entries);
}

void fs_import_log(int32_t level, const void* text, uint32_t len) {
  PyObject* line = Py_BuildValue("is#", (int)level, text, (Py_ssize_t)len);
  if (line == NULL || PyList_Append(log_lines, line) < 0) PyErr_Clear();
  Py_XDECREF(line);
}

int32_t fs_import_last_error(void* out, uint32_t cap) {
  const size_t size = strlen(error_text);
  memcpy(out, error_text, size < cap ? size : cap);
  return (int32_t)(size < cap ? size : cap);
}

/* ---- the module ---- */

static bool is_interrupt_due;
static uintptr_t* interrupt_word;

static int write_input(const Py_buffer* bytes) {
  if (is_interrupt_due) __atomic_fetch_or(interrupt_word, FS_INTERRUPT_BIT, __ATOMIC_SEQ_CST);
  is_interrupt_due = false;
  fs_reserve((uint32_t)bytes->len);
  if (fs_input() == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  memcpy(fs_input(), bytes->buf, (size_t)bytes->len);
  return 0;
}

static PyObject* native_boot(PyObject* Py_UNUSED(module), PyObject* Py_UNUSED(ignored)) {
  if (fs_boot() < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject* native_load(PyObject* Py_UNUSED(module), PyObject* args) {
  Py_buffer image;
  if (!PyArg_ParseTuple(args, "y*:load", &image)) return NULL;
  if (fs_boot() < 0) return NULL;
  PyObject* status = NULL;
  if (write_input(&image) == 0) status = PyLong_FromLong(fs_load((uint32_t)image.len));
  PyBuffer_Release(&image);
  return status;
}

static PyObject* native_hook(PyObject* Py_UNUSED(module), PyObject* args) {
  unsigned int hook, source_id;
  long long number;
  Py_buffer input;
  if (!PyArg_ParseTuple(args, "IILy*:hook", &hook, &source_id, &number, &input)) return NULL;
  PyObject* status = NULL;
  if (write_input(&input) == 0) status = PyLong_FromLong(fs_hook(hook, source_id, number, (uint32_t)input.len));
  PyBuffer_Release(&input);
  return status;
}

static PyObject* native_process(PyObject* Py_UNUSED(module), PyObject* args) {
  unsigned int source_id, count;
  Py_buffer input;
  if (!PyArg_ParseTuple(args, "IIy*:process", &source_id, &count, &input)) return NULL;
  PyObject* status = NULL;
  if (write_input(&input) == 0) status = PyLong_FromLong(fs_process(source_id, count, (uint32_t)input.len));
  PyBuffer_Release(&input);
  return status;
}

static PyObject* native_shared(PyObject* Py_UNUSED(module), PyObject* Py_UNUSED(ignored)) {
  const struct fs_shared* shared = &fs_guest.shared;
  PyObject* result = fs_guest.result != NULL ? fs_guest.result : Py_None;
  return Py_BuildValue("{s:I,s:I,s:y#,s:O}", "processed", shared->processed, "out_count", shared->out_count, "out",
                       fs_output_data() != NULL ? fs_output_data() : "", (Py_ssize_t)shared->out_len, "result", result);
}

static PyObject* native_fail_next(PyObject* Py_UNUSED(module), PyObject* args) {
  const char* text;
  int code;
  if (!PyArg_ParseTuple(args, "is:fail_next", &code, &text)) return NULL;
  fail(code, text);
  failure_to_come = code;
  Py_RETURN_NONE;
}

static void* interrupt(void* argument) {
  const long delay_ms = (long)(intptr_t)argument;
  const struct timespec delay = {delay_ms / 1000, delay_ms % 1000 * 1000000};
  nanosleep(&delay, NULL);
  __atomic_fetch_or(interrupt_word, FS_INTERRUPT_BIT, __ATOMIC_SEQ_CST);
  return NULL;
}

static PyObject* native_interrupt_after(PyObject* Py_UNUSED(module), PyObject* args) {
  int delay_ms;
  if (!PyArg_ParseTuple(args, "i:interrupt_after", &delay_ms)) return NULL;
  interrupt_word = &PyThreadState_Get()->eval_breaker;
  /* Between calls no Python runs in the sandbox, here it does: so the bit waits for the next call. */
  is_interrupt_due = delay_ms == 0;
  if (is_interrupt_due) Py_RETURN_NONE;
  pthread_t thread;
  if (pthread_create(&thread, NULL, interrupt, (void*)(intptr_t)delay_ms) != 0) {
    PyErr_SetString(PyExc_OSError, "cannot start a thread");
    return NULL;
  }
  pthread_detach(thread);
  Py_RETURN_NONE;
}

static PyMethodDef native_functions[] = {
    {"boot", native_boot, METH_NOARGS, "boot(): what the snapshot holds in the sandbox"},
    {"load", native_load, METH_VARARGS, "load(image) -> status"},
    {"hook", native_hook, METH_VARARGS, "hook(hook, source_id, number, input) -> status"},
    {"process", native_process, METH_VARARGS, "process(source_id, count, records) -> status"},
    {"shared", native_shared, METH_NOARGS, "shared() -> dict of processed, out, out_count, result"},
    {"fail_next", native_fail_next, METH_VARARGS, "fail_next(code, text): the next state call fails"},
    {"interrupt_after", native_interrupt_after, METH_VARARGS, "interrupt_after(delay_ms); 0: as if before the next call"},
    {0},
};
static struct PyModuleDef native_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fs_native",
    .m_size = -1,
    .m_methods = native_functions,
};

PyMODINIT_FUNC PyInit__fs_native(void) {
  PyObject* module = PyModule_Create(&native_module);
  if (module == NULL) return NULL;
  names = PyDict_New();
  plain = PyList_New(0);
  complex = PyList_New(0);
  log_lines = PyList_New(0);
  PyObject* guest = PyInit__fs_guest();
  if (guest == NULL || PyDict_SetItemString(PyImport_GetModuleDict(), "_fs_guest", guest) < 0 ||
      PyModule_AddObjectRef(module, "log_lines", log_lines) < 0 || PyModule_AddObjectRef(module, "names", names) < 0 ||
      PyModule_AddObjectRef(module, "plain", plain) < 0 || PyModule_AddObjectRef(module, "complex", complex) < 0) {
    return NULL;
  }
  Py_DECREF(guest);
  return module;
}
