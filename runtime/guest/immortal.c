/* Makes what the snapshot holds immortal, so that using it writes no reference counts.
 *
 * Instances share the snapshot's memory until they write to it, page by page. Without this, every module, function and
 * constant that an instance so much as looks at would cost it a page of its own (README.md has the figures).
 */
#include <stdlib.h>

#include "guest.h"

struct pending {
  PyObject** objects;
  size_t count;
  size_t capacity;
};

/* A visitproc: what is not immortal yet becomes so, and is looked into later. */
static int mark(PyObject* object, void* argument) {
  struct pending* pending = argument;
  if (object == NULL || _Py_IsImmortal(object)) return 0;
  if (pending->count == pending->capacity) {
    const size_t capacity = pending->capacity != 0 ? 2 * pending->capacity : 4096;
    PyObject** objects = realloc(pending->objects, capacity * sizeof *objects);
    if (objects == NULL) return -1;
    pending->objects = objects;
    pending->capacity = capacity;
  }
  object->ob_refcnt = _Py_IMMORTAL_REFCNT;
  pending->objects[pending->count++] = object;
  return 0;
}

/* Code objects are not the garbage collector's, so it has no way to what they hold. */
static int mark_code(PyCodeObject* code, struct pending* pending) {
  PyObject* const parts[] = {
      code->co_consts, code->co_names,    code->co_exceptiontable, code->co_localsplusnames, code->co_localspluskinds,
      code->co_name,   code->co_qualname, code->co_filename,       code->co_linetable,
  };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (mark(parts[i], pending) < 0) return -1;
  }
  return 0;
}

static int look_into(PyObject* object, struct pending* pending) {
  if (PyCode_Check(object)) return mark_code((PyCodeObject*)object, pending);
  if (mark((PyObject*)Py_TYPE(object), pending) < 0) return -1;
  traverseproc traverse = Py_TYPE(object)->tp_traverse;
  return traverse != NULL && PyType_IS_GC(Py_TYPE(object)) ? traverse(object, mark, pending) : 0;
}

int fs_make_immortal(PyObject* list) {
  struct pending pending = {NULL, 0, 0};
  int status = 0;
  for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(list); i++) {
    status = mark(PyList_GET_ITEM(list, i), &pending);
    while (status == 0 && pending.count > 0) status = look_into(pending.objects[--pending.count], &pending);
  }
  free(pending.objects);
  if (status < 0) PyErr_NoMemory();
  return status;
}
