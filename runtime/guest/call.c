/* What every exported call begins and ends with: buffers, results, and the armed interrupt.
 *
 * The interrupt: an asynchronous exception (fs_api.FunctionTimeout) waits in the thread state all the time, and the host
 * decides when the interpreter looks at it by setting FS_INTERRUPT_BIT in the eval_breaker word. So a call that is not
 * interrupted pays nothing. When it was raised, the slot is empty: that is how a call knows, even where user code caught it.
 */
#include <stdlib.h>

#include "guest.h"

struct fs_guest fs_guest = {.shared = {.abi_version = FS_ABI_VERSION}};

enum { FS_INPUT_STEP = 64 << 10, FS_INPUT_KEEP = 16 << 20, FS_RESERVE = 256 << 10 };

static char* input;
static size_t input_capacity;
/* Given back when memory runs out, so that the error can still be reported. */
static void* reserve;

FS_EXPORT(fs_abi_version) uint32_t fs_abi_version(void) { return FS_ABI_VERSION; }

FS_EXPORT(fs_shared_address) uint32_t fs_shared_address(void) { return FS_ADDRESS(&fs_guest.shared); }

FS_EXPORT(fs_reserve) uint32_t fs_reserve(uint32_t len) {
  const bool is_wasteful = input_capacity > FS_INPUT_KEEP && len < input_capacity / 8;
  if (len > input_capacity || input == NULL || is_wasteful) {
    free(input);
    input_capacity = 0;
    input = NULL;
    if (len > UINT32_MAX - FS_INPUT_STEP) return 0;
    const size_t capacity = ((size_t)len + FS_INPUT_STEP) / FS_INPUT_STEP * FS_INPUT_STEP;
    input = malloc(capacity);
    if (input == NULL) return 0;
    input_capacity = capacity;
  }
  return FS_ADDRESS(input);
}

char* fs_input(void) { return input; }

void fs_set_result(PyObject* bytes) { Py_XSETREF(fs_guest.result, bytes); }

void fs_call_begin(void) {
  fs_output_clear();
  Py_CLEAR(fs_guest.result);
  fs_guest.shared.processed = 0;
  if (reserve == NULL) reserve = malloc(FS_RESERVE);
  PyThreadState* thread = PyThreadState_Get();
  /* A bit that came too late for the last call must not stop this one. */
  __atomic_fetch_and(&thread->eval_breaker, ~(uintptr_t)FS_INTERRUPT_BIT, __ATOMIC_RELAXED);
  if (thread->async_exc == NULL) thread->async_exc = Py_XNewRef(fs_guest.function_timeout);
}

int32_t fs_call_end(int32_t status) {
  fs_guest.record = NULL;
  Py_CLEAR(fs_guest.message);
  fs_output_publish();
  fs_guest.shared.result_ptr = 0;
  fs_guest.shared.result_len = 0;
  if (fs_guest.result != NULL) {
    fs_guest.shared.result_ptr = FS_ADDRESS(PyBytes_AS_STRING(fs_guest.result));
    fs_guest.shared.result_len = (uint32_t)PyBytes_GET_SIZE(fs_guest.result);
  }
  return status;
}

bool fs_was_interrupted(void) { return PyThreadState_Get()->async_exc == NULL; }

void fs_release_reserve(void) {
  free(reserve);
  reserve = NULL;
}

void fs_flush_streams(void) {
  PyObject* raised = PyErr_GetRaisedException();
  static const char* const names[] = {"stdout", "stderr"};
  for (int i = 0; i < 2; i++) {
    PyObject* stream = PySys_GetObject(names[i]);
    if (stream == NULL || stream == Py_None) continue;
    Py_INCREF(stream);
    PyObject* done = PyObject_CallMethod(stream, "flush", NULL);
    if (done == NULL) PyErr_Clear();
    Py_XDECREF(done);
    Py_DECREF(stream);
  }
  PyErr_SetRaisedException(raised);
}
