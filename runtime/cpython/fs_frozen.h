/* The frozen standard library, fs_api, fs_runtime and the modules of runtime/cpython/overlay, as freeze.py lays them out.
 * The guest sets PyImport_FrozenModules to this table before Py_InitializeFromConfig, and afterwards, while the snapshot
 * is made, calls _fs_boot.prepare(). */
#ifndef FS_FROZEN_H_
#define FS_FROZEN_H_

#include <Python.h>

extern const struct _frozen fs_frozen_modules[];

#endif /* FS_FROZEN_H_ */
