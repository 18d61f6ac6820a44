/* The wall between the server and the guest, as C: version, exports, imports and the bytes that cross.
 *
 * Shared by the guest (compiled for wasm32) and the host (C++); nothing else may describe it. All integers are
 * little-endian; every address and length is a 32-bit offset into the guest's linear memory. The host trusts nothing
 * it reads here: each address and length is checked against the memory's size before use.
 *
 * Threads: one host thread at a time is inside a guest. The single exception is the interrupt word (fs_shared), into
 * which a host watchdog may OR a bit at any time.
 *
 * Version: FS_ABI_VERSION changes with every incompatible edit; the host refuses a guest of another version at load.
 * A new hook is a row in fs_hook, one in the guest's dispatch, one in the task.
 */
#ifndef FS_ABI_H_
#define FS_ABI_H_

#include <stdint.h>

#define FS_ABI_VERSION 1u

/* ---- Exports of the guest -------------------------------------------------------------------------------------------
 *
 *   memory                                  the linear memory
 *   fs_abi_version() -> u32                 FS_ABI_VERSION of the guest
 *   fs_shared_address() -> u32              address of its struct fs_shared, constant for the life of the instance
 *   fs_reserve(len) -> u32                  address of the guest's input buffer, now of at least len bytes (8-aligned);
 *                                           0: no memory. Contents and address hold until the next fs_reserve.
 *   fs_load(len) -> status                  the input buffer holds a load image (below): seed hash and PRNG, install
 *                                           the package, import the entry module, find the class, make the instance.
 *                                           Does not call init.
 *   fs_hook(hook, source_id, number, len)   calls one hook of enum fs_hook; `number` is an i64: the watermark in ms or
 *     -> status                             the checkpoint id; the first len bytes of the input buffer are its bytes
 *   fs_process(source_id, count, len)       the input buffer holds `count` fs_record structures, len bytes in all: calls
 *     -> status                             process() for each, in order, until the end, an exception, or a full output
 *                                           buffer (FS_OUTPUT_SOFT_LIMIT). fs_shared.processed says how many were done.
 *
 * A status is one of enum fs_status. What a call emitted stands in fs_shared.out_*, until the next call of any export but
 * fs_reserve. What a hook returned, or the error report, stands in fs_shared.result_*, until the same moment.
 */

enum fs_status {
  FS_OK = 0,
  FS_USER_ERROR = 1,  /* user code raised: result holds an error report. The instance stays usable. */
  FS_BAD_PACKAGE = 2, /* entry module or class missing or unfit: result holds an error report */
  FS_NO_MEMORY = 3,   /* MemoryError escaped: result holds an error report if there was room, else is empty */
  FS_INTERRUPTED = 4, /* stopped by the interrupt word: result holds an error report with where it was */
  FS_FATAL = 5,       /* the guest cannot go on: drop the instance */
};

enum fs_hook {
  FS_HOOK_INIT = 1,               /* config came with the load image */
  FS_HOOK_WATERMARK = 2,          /* source_id, number = watermark in ms since the epoch */
  FS_HOOK_TAKE_CHECKPOINT = 3,    /* number = checkpoint id; result: the bytes. result_ptr 0 = None, never an empty bytes */
  FS_HOOK_RESTORE_CHECKPOINT = 4, /* number = checkpoint id, input = the bytes */
  FS_HOOK_CHECK_HEARTBEAT = 5,    /* result: one byte, 0 or 1 */
  FS_HOOK_CLOSE = 6,
  FS_HOOK_CUSTOM = 7, /* input = payload; result: the answer */
};

/* Kept by the guest at a fixed place, read by the host straight from memory. */
struct fs_shared {
  uint32_t abi_version;
  uint32_t processed; /* in fs_process: messages completed = index of the message in hand. The host reads it at each
                         state write to know where one message's writes end (per-message rollback). */
  uint32_t out_ptr;   /* fs_emitted structures, out_len bytes, out_count of them */
  uint32_t out_len;
  uint32_t out_count;
  uint32_t result_ptr; /* bytes of a hook's answer, or an error report */
  uint32_t result_len;
  uint32_t interrupt_ptr; /* address of the interpreter's eval_breaker word; OR FS_INTERRUPT_BIT into it to raise
                             fs_api's FunctionTimeout in the user's code at its next call or backward jump */
};
#define FS_INTERRUPT_BIT 8u

/* fs_process returns early, with processed < count, once the output buffer holds this many bytes. */
#define FS_OUTPUT_SOFT_LIMIT (4u << 20)

/* ---- Input: records -------------------------------------------------------------------------------------------------
 * fs_record, then value, key, headers, then zeros up to a multiple of 8. */
struct fs_record {
  uint32_t size; /* of all of this record, padding included */
  uint32_t value_len;
  int32_t key_len;      /* -1: no key */
  uint32_t headers_len; /* encoded as below */
  int64_t timestamp_ms; /* since the epoch; FS_NO_TIMESTAMP: none */
  int64_t offset;
  int32_t partition;
  uint32_t topic; /* index into the load image's topics */
};
#define FS_NO_TIMESTAMP INT64_MIN

/* Headers: for each, u32 name length, i32 value length (-1: null), name (UTF-8), value. No padding. */

/* ---- Output: what was emitted ---------------------------------------------------------------------------------------
 * fs_emitted, then value, key, headers, then zeros up to a multiple of 8. A message whose process() raised has left none. */
struct fs_emitted {
  uint32_t size;      /* of all of this record, padding included */
  uint32_t channel;   /* checked by the guest against the load image's channel count, and by the host again */
  uint32_t value_len; /* 0 for a watermark */
  int32_t key_len;    /* -1: no key */
  uint32_t headers_len;
  uint32_t kind;        /* enum fs_emit_kind */
  int64_t timestamp_ms; /* where emit was given none, that of the message in hand; FS_NO_TIMESTAMP: the
                           time of writing; for a watermark, the watermark */
};
enum fs_emit_kind { FS_EMIT_RECORD = 0, FS_EMIT_WATERMARK = 1 };

/* ---- Load image -----------------------------------------------------------------------------------------------------
 * A sequence of strings, each u32 length then bytes, without padding, in this order:
 *   format "1"; function name; entry module (empty: the one module whose source defines the class at top level, found
 *   without running any); class name (empty: init_config's class_name, else the only FSProcessorDriver defined in the entry
 *   module, else the one named like the function);
 *   channel count (decimal); topic count (decimal), then that many topic names;
 *   config count (decimal), then that many pairs key, value;
 *   file count (decimal), then that many triples kind, path, bytes. kind "m": a module's source, path is its dotted name;
 *   "p": a package's __init__ source, path is its dotted name; "d": package data, path is slash-separated and relative
 *   to the package root (read by importlib.resources and pkgutil.get_data). A module under a dotted name whose parents are
 *   missing gets namespace packages as parents.
 */

/* ---- Error report ---------------------------------------------------------------------------------------------------
 * Three strings, each u32 length then bytes (UTF-8, at most 64 KiB each, cut with a mark): exception type (qualified
 * name), message, traceback (as Python prints it, frames of the runtime left out, user's file names as in the package). */

/* ---- Imports of the guest, module "fs" ------------------------------------------------------------------------------
 * Results: i32 or i64; negative values are enum fs_kv_error unless said otherwise. Keys and values may hold any bytes.
 *
 *   kv_open(name, name_len) -> i32              handle >= 0 of the named store, made on first use; the same name gives
 *                                               the same handle
 *   kv_get(store, key, key_len, out, cap) -> i64            length of the value, written to out if it is <= cap;
 *                                                           FS_KV_ABSENT: no such key
 *   kv_put(store, key, key_len, value, value_len) -> i32    0
 *   kv_delete(store, key, key_len) -> i32                   0, also when absent
 *   kv_list(store, start, start_len, end, end_len) -> i32   iterator >= 0 over keys only of [start, end), byte order
 *
 *   The same for complex keys; ck is the address of a struct fs_complex_key:
 *   ck_get(store, ck, out, cap) -> i64
 *   ck_put(store, ck, value, value_len) -> i32
 *   ck_delete(store, ck) -> i32
 *   ck_merge(store, ck, value, value_len) -> i32            appends to the stored bytes; absent counts as empty
 *   ck_delete_prefix(store, ck) -> i32                      all that share key_group, key, namespace and start with user_key
 *   ck_list(store, ck, start, start_len, end, end_len) -> i32  iterator over user keys only, in [start, end); user_key unused
 *   ck_scan(store, ck) -> i32                               iterator over (user_key, value); user_key unused
 *
 *   iter_next(iterator, out, cap) -> i64        writes as many entries as fit, each u32 key length, i32 value length (-1: keys
 *                                               only), key, value, without padding; returns the bytes written, 0 at the end.
 *                                               If not even one fits: FS_ITER_GROW | bytes needed
 *   iter_close(iterator)                        an iterator sees the state as it was when it was made, own writes included
 *
 *   log(level, text, len)                       level: 10 debug, 20 info, 30 warning, 40 error, 50 critical (as logging's)
 *   last_error(out, cap) -> i32                 length of the text of the last negative result, cut to cap
 *
 * WASI (wasi_snapshot_preview1): clocks, randomness, sleep (poll_oneoff on a clock) and writes to descriptors 1 and 2,
 * which go to the function's log. Everything else answers EBADF, ENOENT or ENOSYS.
 */
struct fs_complex_key {
  uint32_t key_group_ptr, key_group_len;
  uint32_t key_ptr, key_len;
  uint32_t namespace_ptr, namespace_len;
  uint32_t user_key_ptr, user_key_len;
};

enum fs_kv_error {
  FS_KV_ABSENT = -1,
  FS_KV_IO = -2,    /* KvIOError: the state cannot be read or written */
  FS_KV_OTHER = -3, /* KvOtherError: a limit, a bad handle, a bad name */
};
#define FS_ITER_GROW (INT64_C(1) << 62)

#endif /* FS_ABI_H_ */
