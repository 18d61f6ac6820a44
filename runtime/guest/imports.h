/* What the host gives the guest (runtime/abi/fs_abi.h, "Imports"), with C types instead of 32-bit addresses.
 *
 * On wasm32 a pointer is an address of the ABI, so these declarations are the ABI itself. A native build links the same
 * names from native/host.c with pointers of its own width; that is the only difference between the two builds.
 */
#ifndef FS_GUEST_IMPORTS_H_
#define FS_GUEST_IMPORTS_H_

#include <stdint.h>

#include "fs_abi.h"

#ifdef __wasm__
#define FS_IMPORT(name) __attribute__((import_module("fs"), import_name(#name)))
#define FS_EXPORT(name) __attribute__((export_name(#name)))
#else
#define FS_IMPORT(name)
#define FS_EXPORT(name) __attribute__((visibility("default")))
#endif

/* The ABI's form of a pointer. In a native build the low half only: nothing there reads it. */
#define FS_ADDRESS(pointer) ((uint32_t)(uintptr_t)(pointer))

/* struct fs_complex_key with pointers: key_group, key, namespace, user_key. */
struct fs_part {
  const void* data;
  uint32_t size;
};
enum { FS_KEY_GROUP, FS_KEY, FS_NAMESPACE, FS_USER_KEY, FS_PARTS };
struct fs_parts {
  struct fs_part part[FS_PARTS];
};
#ifdef __wasm__
_Static_assert(sizeof(struct fs_parts) == sizeof(struct fs_complex_key), "the parts are the ABI's structure");
#endif

extern int32_t fs_import_kv_open(const void* name, uint32_t name_len) FS_IMPORT(kv_open);
extern int64_t fs_import_kv_get(int32_t store, const void* key, uint32_t key_len, void* out, uint32_t cap) FS_IMPORT(kv_get);
extern int32_t fs_import_kv_put(int32_t store, const void* key, uint32_t key_len, const void* value, uint32_t value_len) FS_IMPORT(kv_put);
extern int32_t fs_import_kv_delete(int32_t store, const void* key, uint32_t key_len) FS_IMPORT(kv_delete);
extern int32_t fs_import_kv_list(int32_t store, const void* start, uint32_t start_len, const void* end, uint32_t end_len)
    FS_IMPORT(kv_list);

extern int64_t fs_import_ck_get(int32_t store, const struct fs_parts* key, void* out, uint32_t cap) FS_IMPORT(ck_get);
extern int32_t fs_import_ck_put(int32_t store, const struct fs_parts* key, const void* value, uint32_t value_len) FS_IMPORT(ck_put);
extern int32_t fs_import_ck_delete(int32_t store, const struct fs_parts* key) FS_IMPORT(ck_delete);
extern int32_t fs_import_ck_merge(int32_t store, const struct fs_parts* key, const void* value, uint32_t value_len) FS_IMPORT(ck_merge);
extern int32_t fs_import_ck_delete_prefix(int32_t store, const struct fs_parts* key) FS_IMPORT(ck_delete_prefix);
extern int32_t fs_import_ck_list(int32_t store, const struct fs_parts* key, const void* start, uint32_t start_len, const void* end,
                                 uint32_t end_len) FS_IMPORT(ck_list);
extern int32_t fs_import_ck_scan(int32_t store, const struct fs_parts* key) FS_IMPORT(ck_scan);

extern int64_t fs_import_iter_next(int32_t iterator, void* out, uint32_t cap) FS_IMPORT(iter_next);
extern void fs_import_iter_close(int32_t iterator) FS_IMPORT(iter_close);

extern void fs_import_log(int32_t level, const void* text, uint32_t len) FS_IMPORT(log);
extern int32_t fs_import_last_error(void* out, uint32_t cap) FS_IMPORT(last_error);

#endif /* FS_GUEST_IMPORTS_H_ */
