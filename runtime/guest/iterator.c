/* Iterators of the host: entries come in chunks, many per call.
 *
 * A chunk is read into a shared scratch buffer; what an iterator has not handed out yet it keeps in a copy of its own,
 * just large enough, because many may be open at once.
 */
#include <stdlib.h>
#include <string.h>

#include "guest.h"

PyTypeObject* fs_iterator_type;

static char scratch[64 << 10];

/* The entries of one call, either in `scratch` or malloc'ed. */
struct chunk {
  char* data;
  size_t size;
  bool is_owned;
};

/* 1: a chunk; 0: the end; -1: an exception. */
static int fetch(int32_t handle, struct chunk* chunk) {
  *chunk = (struct chunk){scratch, 0, false};
  size_t capacity = sizeof scratch;
  for (;;) {
    const int64_t answer = fs_import_iter_next(handle, chunk->data, (uint32_t)capacity);
    if (answer < 0) {
      fs_kv_raise(answer);
      break;
    }
    if ((answer & FS_ITER_GROW) == 0) {
      if (answer > (int64_t)capacity) {
        PyErr_SetString(PyExc_SystemError, "the host wrote past the iterator's buffer");
        break;
      }
      chunk->size = (size_t)answer;
      if (answer > 0) return 1;
      if (chunk->is_owned) free(chunk->data);
      return 0;
    }
    const int64_t needed = answer & ~FS_ITER_GROW;
    if (needed <= (int64_t)capacity || needed > INT32_MAX) {
      PyErr_NoMemory();
      break;
    }
    if (chunk->is_owned) free(chunk->data);
    capacity = (size_t)needed;
    *chunk = (struct chunk){malloc(capacity), 0, true};
    if (chunk->data == NULL) {
      PyErr_NoMemory();
      return -1;
    }
  }
  if (chunk->is_owned) free(chunk->data);
  return -1;
}

struct entry {
  const char* key;
  uint32_t key_len;
  int32_t value_len;
};

/* Reads the entry at *at and moves behind it. */
static int next_entry(const char* data, size_t size, size_t* at, struct entry* entry) {
  if (size - *at >= 8) {
    memcpy(&entry->key_len, data + *at, 4);
    memcpy(&entry->value_len, data + *at + 4, 4);
    const size_t left = size - *at - 8;
    const size_t value_size = entry->value_len < 0 ? 0 : (size_t)entry->value_len;
    if (entry->key_len <= left && value_size <= left - entry->key_len) {
      entry->key = data + *at + 8;
      *at += 8 + entry->key_len + value_size;
      return 0;
    }
  }
  PyErr_SetString(PyExc_SystemError, "the host sent a malformed iterator chunk");
  return -1;
}

static int append_keys(PyObject* keys, const struct chunk* chunk) {
  size_t at = 0;
  while (at < chunk->size) {
    struct entry entry;
    if (next_entry(chunk->data, chunk->size, &at, &entry) < 0) return -1;
    PyObject* key = PyBytes_FromStringAndSize(entry.key, (Py_ssize_t)entry.key_len);
    const int status = key != NULL ? PyList_Append(keys, key) : -1;
    Py_XDECREF(key);
    if (status < 0) return -1;
  }
  return 0;
}

PyObject* fs_iterator_keys(int32_t handle) {
  PyObject* keys = PyList_New(0);
  int status = keys != NULL ? 1 : -1;
  while (status > 0) {
    struct chunk chunk;
    status = fetch(handle, &chunk);
    if (status > 0) {
      if (append_keys(keys, &chunk) < 0) status = -1;
      if (chunk.is_owned) free(chunk.data);
    }
  }
  fs_import_iter_close(handle);
  if (status < 0) Py_CLEAR(keys);
  return keys;
}

/* ---- KvIterator ---- */

struct iterator {
  PyObject_HEAD int32_t handle; /* -1: at its end or closed */
  char* data;                   /* malloc'ed; entries from `at` to `size` are still to be handed out */
  size_t size;
  size_t at;
};

PyObject* fs_iterator_new(int32_t handle) {
  struct iterator* iterator = PyObject_New(struct iterator, fs_iterator_type);
  if (iterator == NULL) {
    fs_import_iter_close(handle);
    return NULL;
  }
  iterator->handle = handle;
  iterator->data = NULL;
  iterator->size = 0;
  iterator->at = 0;
  return (PyObject*)iterator;
}

static void drop(struct iterator* iterator) {
  if (iterator->handle >= 0) fs_import_iter_close(iterator->handle);
  iterator->handle = -1;
  free(iterator->data);
  iterator->data = NULL;
  iterator->size = 0;
  iterator->at = 0;
}

/* 1: an entry is at hand; 0: the end; -1: an exception. */
static int advance(struct iterator* iterator) {
  if (iterator->at < iterator->size) return 1;
  if (iterator->handle < 0) return 0;
  struct chunk chunk;
  const int status = fetch(iterator->handle, &chunk);
  if (status < 0) return -1;
  free(iterator->data);
  iterator->data = NULL;
  iterator->size = 0;
  iterator->at = 0;
  if (status == 0) {
    drop(iterator);
    return 0;
  }
  if (!chunk.is_owned) {
    char* copy = malloc(chunk.size);
    if (copy == NULL) {
      drop(iterator);
      PyErr_NoMemory();
      return -1;
    }
    memcpy(copy, chunk.data, chunk.size);
    chunk.data = copy;
  }
  iterator->data = chunk.data;
  iterator->size = chunk.size;
  return 1;
}

/* A new (user_key, value), or NULL at the end, without an exception then. */
static PyObject* iterator_iternext(PyObject* self) {
  struct iterator* iterator = (struct iterator*)self;
  struct entry entry;
  if (advance(iterator) <= 0) return NULL;
  if (next_entry(iterator->data, iterator->size, &iterator->at, &entry) < 0) return NULL;
  PyObject* key = PyBytes_FromStringAndSize(entry.key, (Py_ssize_t)entry.key_len);
  PyObject* value = key == NULL           ? NULL
                    : entry.value_len < 0 ? Py_NewRef(Py_None)
                                          : PyBytes_FromStringAndSize(entry.key + entry.key_len, (Py_ssize_t)entry.value_len);
  PyObject* pair = value != NULL ? PyTuple_Pack(2, key, value) : NULL;
  Py_XDECREF(key);
  Py_XDECREF(value);
  return pair;
}

static PyObject* iterator_next(PyObject* self, PyObject* Py_UNUSED(ignored)) {
  PyObject* pair = iterator_iternext(self);
  if (pair != NULL || PyErr_Occurred()) return pair;
  Py_RETURN_NONE;
}

static PyObject* iterator_has_next(PyObject* self, PyObject* Py_UNUSED(ignored)) {
  const int status = advance((struct iterator*)self);
  return status < 0 ? NULL : PyBool_FromLong(status);
}

static PyObject* iterator_close(PyObject* self, PyObject* Py_UNUSED(ignored)) {
  drop((struct iterator*)self);
  Py_RETURN_NONE;
}

static PyObject* iterator_enter(PyObject* self, PyObject* Py_UNUSED(ignored)) { return Py_NewRef(self); }

static PyObject* iterator_exit(PyObject* self, PyObject* const* Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs)) {
  drop((struct iterator*)self);
  Py_RETURN_NONE;
}

static void iterator_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  drop((struct iterator*)self);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyMethodDef iterator_methods[] = {
    {"has_next", iterator_has_next, METH_NOARGS, "has_next($self)\n--\n\nSee fs_api.KvIterator.has_next."},
    {"next", iterator_next, METH_NOARGS, "next($self)\n--\n\nSee fs_api.KvIterator.next."},
    {"close", iterator_close, METH_NOARGS, "close($self)\n--\n\nSee fs_api.KvIterator.close."},
    {"__enter__", iterator_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))iterator_exit, METH_FASTCALL, NULL},
    {0},
};

static PyType_Slot iterator_slots[] = {
    {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iterator_iternext},
    {Py_tp_methods, iterator_methods},
    {Py_tp_doc, "Entries in byte order of their user keys; see fs_api.KvIterator."},
    {0, NULL},
};
static PyType_Spec iterator_spec = {
    .name = "_fs_guest.KvIterator",
    .basicsize = sizeof(struct iterator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = iterator_slots,
};

int fs_iterator_ready(PyObject* module) {
  fs_iterator_type = (PyTypeObject*)PyType_FromSpec(&iterator_spec);
  return fs_iterator_type != NULL ? PyModule_AddType(module, fs_iterator_type) : -1;
}
