/* The guest's inner interface: one instance's state, and what its files offer each other.
 *
 * One interpreter, one thread, one function per instance, so the state is one global. Functions follow CPython's
 * convention: NULL or -1 with an exception set. Nothing here is called after a status FS_FATAL.
 */
#ifndef FS_GUEST_GUEST_H_
#define FS_GUEST_GUEST_H_

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "imports.h"

struct fs_guest {
  struct fs_shared shared;

  /* What boot.c found in fs_api and fs_runtime. */
  PyObject* function_timeout;
  PyObject* bad_package;
  PyObject* complex_key;
  PyObject* kv_not_found_error;
  PyObject* kv_io_error;
  PyObject* kv_other_error;
  PyObject* default_heartbeat; /* FSProcessorDriver.check_heartbeat */
  PyObject* runtime;           /* the module fs_runtime */
  bool is_booted;

  /* What load.c made of the load image. */
  PyObject* context;
  PyObject* instance; /* of the user's class; NULL until loaded */
  PyObject* config;   /* dict[str, str] */
  PyObject* logger;
  PyObject* topics; /* tuple[str, ...] */
  uint32_t channel_count;
  bool was_load_called;

  /* The call in hand. */
  const struct fs_record* record; /* the message in process(); NULL elsewhere */
  PyObject* message;              /* ctx.message of that record, once asked for */
  PyObject* result;               /* bytes object behind shared.result_ptr */
};
extern struct fs_guest fs_guest;

/* ---- boot.c: the interpreter and the modules every instance needs ---- */
int fs_boot(void);

/* ---- call.c: what every exported call begins and ends with ---- */
void fs_call_begin(void);
/* Publishes the output and the result; returns its argument. */
int32_t fs_call_end(int32_t status);
/* True once the time limit's exception was raised in this call, even where user code caught it. */
bool fs_was_interrupted(void);
/* Sends what user code printed without ending the line. */
void fs_flush_streams(void);
/* Stores a hook's answer; steals `bytes`. */
void fs_set_result(PyObject* bytes);
char* fs_input(void);
/* Gives back the memory kept for reporting that there is none. */
void fs_release_reserve(void);

/* ---- report.c: the exception that is set becomes a status and an error report ---- */
int32_t fs_report(const char* hook_name);
int32_t fs_report_fatal(const char* what);

/* ---- output.c: what the call in hand emitted ---- */
struct fs_output_mark {
  size_t size;
  uint32_t count;
};
void fs_output_clear(void);
struct fs_output_mark fs_output_mark(void);
void fs_output_cut(struct fs_output_mark mark);
size_t fs_output_size(void);
const char* fs_output_data(void);
void fs_output_publish(void);
/* Room for one structure and its payloads, `size` bytes padded to a multiple of 8 with zeros; NULL: MemoryError. */
char* fs_output_add(size_t size);

/* ---- arguments.c: bytes and keyword arguments from Python ---- */
struct fs_view {
  const char* data;
  uint32_t size;
  Py_buffer buffer; /* buffer.obj is NULL where nothing has to be released */
};
/* bytes or anything bytes-like; TypeError otherwise, naming `method` and `what`. */
int fs_view_open_slow(struct fs_view* view, PyObject* object, const char* method, const char* what);
static inline int fs_view_open(struct fs_view* view, PyObject* object, const char* method, const char* what) {
  if (PyBytes_CheckExact(object) && PyBytes_GET_SIZE(object) <= INT32_MAX) {
    view->data = PyBytes_AS_STRING(object);
    view->size = (uint32_t)PyBytes_GET_SIZE(object);
    view->buffer.obj = NULL;
    return 0;
  }
  return fs_view_open_slow(view, object, method, what);
}
static inline void fs_view_close(struct fs_view* view) {
  if (view->buffer.obj != NULL) PyBuffer_Release(&view->buffer);
}

struct fs_signature {
  const char* method;
  const char* const* names; /* of all parameters, in order */
  int required;             /* the first so many have no default */
  int positional;           /* the first so many may be given by position */
  int count;
};
/* Spreads a vectorcall's arguments over `values`, one for each parameter, NULL where none was given. */
int fs_unpack_slow(const struct fs_signature* signature, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, PyObject** values);
static inline int fs_unpack(const struct fs_signature* signature, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames,
                            PyObject** values) {
  if (kwnames == NULL && nargs == signature->count && nargs <= signature->positional) {
    for (Py_ssize_t i = 0; i < nargs; i++) values[i] = args[i];
    return 0;
  }
  return fs_unpack_slow(signature, args, nargs, kwnames, values);
}

/* ---- the types ---- */
extern PyTypeObject* fs_context_type;
extern PyTypeObject* fs_message_type;
extern PyTypeObject* fs_store_type;
extern PyTypeObject* fs_iterator_type;
int fs_context_ready(PyObject* module);
int fs_message_ready(PyObject* module);
int fs_store_ready(PyObject* module);
int fs_iterator_ready(PyObject* module);

PyObject* fs_context_new(void);
PyObject* fs_message_new(const struct fs_record* record);
/* The store of that name, opened at the host; the same object each time. */
PyObject* fs_store_open(PyObject* name);
PyObject* fs_iterator_new(int32_t handle);
/* All keys of an iterator, which it closes. */
PyObject* fs_iterator_keys(int32_t handle);

/* ---- kv.c ---- */
/* Raises the error of a negative result of a host call; returns NULL. */
PyObject* fs_kv_raise(int64_t code);

/* ---- headers.c ---- */
struct fs_headers {
  char* data; /* malloc'ed; NULL where there are none */
  size_t size;
};
int fs_headers_encode(PyObject* object, struct fs_headers* headers);
/* list[tuple[str, bytes | None]] */
PyObject* fs_headers_decode(const char* data, size_t size);

/* ---- immortal.c ---- */
/* The objects of a list, and all that they lead to. */
int fs_make_immortal(PyObject* list);

/* ---- module.c: the module _fs_guest ---- */
PyObject* PyInit__fs_guest(void);

/* ---- load.c, hooks.c, batch.c: the exports that run user code ---- */
int32_t fs_load(uint32_t len);
int32_t fs_hook(uint32_t hook, uint32_t source_id, int64_t number, uint32_t len);
int32_t fs_process(uint32_t source_id, uint32_t count, uint32_t len);
uint32_t fs_reserve(uint32_t len);

#endif /* FS_GUEST_GUEST_H_ */
