/* Hash randomisation that survives a snapshot: what the guest calls.
 *
 * Exists only where CPython was compiled with FS_HASH_SEAL (fs_hash.c has the idea, hash_seal.md the reasons).
 * Order of events: boot, fs_hash_seal, snapshot, instantiation, fs_hash_reseed, user code. One thread throughout.
 */
#ifndef FS_HASH_H_
#define FS_HASH_H_

#include <stddef.h>

/* Bytes of secret that fs_hash_reseed needs. */
#define FS_HASH_SECRET_SIZE 24

/* Ends the boot: prepares the table of known contents for fast look-up. Hashing may go on afterwards; it still uses the
 * boot's secret, until fs_hash_reseed. */
void fs_hash_seal(void);

/* Every content not hashed so far hashes under `secret` from now on (so do expat's tables).
 * Returns 0, or -1 and changes nothing: not sealed, reseeded before, or fewer than FS_HASH_SECRET_SIZE bytes. */
int fs_hash_reseed(const void *secret, size_t length);

/* How many contents, and how many bytes of table and contents, the boot left behind. */
void fs_hash_statistics(size_t *contents, size_t *bytes);

#endif /* FS_HASH_H_ */
