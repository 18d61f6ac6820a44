/* The interpreter, booted once: in the snapshot where there is one (wizer.initialize), else at the first fs_load.
 *
 * Everything an instance does not have to do itself happens here: modules imported, types made, garbage collected and
 * frozen. What must differ between instances (hash seed, random numbers) is load.c's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"

#ifdef __wasm__

#include "fs_frozen.h"
#include "fs_hash.h"
#include "json.h"

extern void __wasm_call_ctors(void);

/* Imports the shared part of the standard library and adapts it to the sandbox (runtime/cpython/overlay). */
static int prepare_library(void) {
  PyObject* module = PyImport_ImportModule("_fs_boot");
  PyObject* done = module != NULL ? PyObject_CallMethod(module, "prepare", NULL) : NULL;
  Py_XDECREF(module);
  Py_XDECREF(done);
  if (done == NULL) PyErr_Print();
  return done != NULL ? 0 : -1;
}

static int start_interpreter(void) {
  PyImport_FrozenModules = fs_frozen_modules;
  if (PyImport_AppendInittab("_fs_guest", PyInit__fs_guest) < 0 || PyImport_AppendInittab("_fs_json", PyInit__fs_json) < 0) return -1;
  PyPreConfig preconfig;
  PyPreConfig_InitIsolatedConfig(&preconfig);
  preconfig.utf8_mode = 1;
  PyStatus status = Py_PreInitialize(&preconfig);
  if (PyStatus_Exception(status)) goto failed;
  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  config.install_signal_handlers = 0;
  config.use_hash_seed = 1;
  config.hash_seed = 0;
  config.write_bytecode = 0;
  config.site_import = 0;
  config.pathconfig_warnings = 0;
  config.module_search_paths_set = 1; /* and empty: everything is frozen */
  status = PyConfig_SetString(&config, &config.home, L"/");
  if (!PyStatus_Exception(status)) status = PyConfig_SetString(&config, &config.program_name, L"python");
  if (!PyStatus_Exception(status)) status = PyConfig_SetString(&config, &config.stdio_encoding, L"utf-8");
  if (!PyStatus_Exception(status)) status = PyConfig_SetString(&config, &config.stdio_errors, L"backslashreplace");
  if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  if (!PyStatus_Exception(status)) return prepare_library();
failed:
  fprintf(stderr, "python: %s: %s\n", status.func != NULL ? status.func : "start", status.err_msg);
  return -1;
}

#else

static int start_interpreter(void) { return 0; }

#endif

static int find(const char* module_name, const char* name, PyObject** out) {
  PyObject* module = PyImport_ImportModule(module_name);
  if (module == NULL) return -1;
  *out = PyObject_GetAttrString(module, name);
  Py_DECREF(module);
  return *out != NULL ? 0 : -1;
}

static int import_runtime(void) {
  fs_guest.runtime = PyImport_ImportModule("fs_runtime");
  if (fs_guest.runtime == NULL) return -1;
  if (find("fs_api", "FunctionTimeout", &fs_guest.function_timeout) < 0) return -1;
  if (find("fs_api", "ComplexKey", &fs_guest.complex_key) < 0) return -1;
  if (find("fs_api", "KvNotFoundError", &fs_guest.kv_not_found_error) < 0) return -1;
  if (find("fs_api", "KvIOError", &fs_guest.kv_io_error) < 0) return -1;
  if (find("fs_api", "KvOtherError", &fs_guest.kv_other_error) < 0) return -1;
  if (find("fs_runtime", "BadPackage", &fs_guest.bad_package) < 0) return -1;
  PyObject* driver = NULL;
  if (find("fs_api", "FSProcessorDriver", &driver) < 0) return -1;
  fs_guest.default_heartbeat = PyObject_GetAttrString(driver, "check_heartbeat");
  Py_DECREF(driver);
  if (fs_guest.default_heartbeat == NULL) return -1;
  fs_guest.context = fs_context_new();
  if (fs_guest.context == NULL) return -1;
  PyObject* done = PyObject_CallMethod(fs_guest.runtime, "boot", NULL);
  if (done == NULL) return -1;
  Py_DECREF(done);
  return 0;
}

int fs_boot(void) {
  if (fs_guest.is_booted) return 0;
  if (start_interpreter() < 0) return -1;
  if (import_runtime() < 0) {
#ifdef __wasm__
    PyErr_Print();
#endif
    return -1;
  }
  /* Known before the first call, so that a host can interrupt the loading too. */
  fs_guest.shared.interrupt_ptr = FS_ADDRESS(&PyThreadState_Get()->eval_breaker);
  fs_guest.is_booted = true;
  return 0;
}

#ifdef __wasm__

FS_EXPORT(wizer.initialize) void fs_wizer_initialize(void) {
  __wasm_call_ctors();
  if (fs_boot() < 0) abort();
  fs_hash_seal();
}

#endif
