/* Hash randomisation that survives a snapshot. Included by Python/pyhash.c when FS_HASH_SEAL is defined.
 *
 * Until fs_hash_reseed, every content that is hashed is kept with its hash in a table (open addressing, insert only).
 * After it, _Py_HashBytes answers from the table where the content is in it, and hashes under the instance's own secret
 * where it is not. So hashes that the snapshot holds (cached in strings, laid down in dicts and sets) stay right, equal
 * contents always have equal hashes, and what a message brings hashes under a secret.
 *
 * The look-up key is not secret and need not be: the table no longer changes, so whatever is looked up costs at most
 * its longest run of slots. A Bloom filter small enough for the second-level cache turns nearly all strangers away with
 * one load. Nothing here is written after fs_hash_reseed, so that the pages stay shared between instances.
 */
#include "fs_hash.h"
#include <stdlib.h>

struct fs_content {
    Py_hash_t hash;
    uint32_t length;
    unsigned char bytes[];
};

struct fs_slot {
    uint32_t tag;               /* the look-up key's low half, which also places the slot */
    struct fs_content *content; /* NULL: free */
};

static struct {
    enum { FS_HASH_RECORDING, FS_HASH_SEALED, FS_HASH_RESEEDED } phase;
    struct fs_slot *slots;
    uint32_t slot_mask;
    uint32_t count;
    uint64_t *filter;
    uint32_t filter_mask;
    unsigned char *arena;       /* room left for contents */
    size_t arena_left;
    size_t bytes;
} fs_hash;

#define FS_HASH_FIRST_SLOTS (1u << 17)
#define FS_HASH_ARENA_SIZE ((size_t)1 << 18)

/* Depends on the ends, the middle and the length only: contents are compared in full anyway. */
static inline uint64_t
fs_lookup_key(const unsigned char *p, size_t length)
{
    uint64_t a, b;
    if (length >= 8) {
        uint64_t middle;
        memcpy(&a, p, 8);
        memcpy(&b, p + length - 8, 8);
        memcpy(&middle, p + (length - 8) / 2, 8);
        a ^= middle * UINT64_C(0x9E3779B97F4A7C15);
    }
    else if (length >= 4) {
        uint32_t low, high;
        memcpy(&low, p, 4);
        memcpy(&high, p + length - 4, 4);
        a = low;
        b = high;
    }
    else {
        a = p[0] | (uint32_t)p[length >> 1] << 8 | (uint32_t)p[length - 1] << 16;
        b = 0;
    }
    uint64_t x = (a + length) * UINT64_C(0xBF58476D1CE4E5B9) ^ b * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    return x ^ x >> 29;
}

static inline uint64_t
fs_filter_bits(uint64_t key)
{
    return UINT64_C(1) << (key >> 58) | UINT64_C(1) << (key >> 52 & 63);
}

static inline uint64_t *
fs_filter_word(uint64_t key)
{
    return &fs_hash.filter[key >> 32 & fs_hash.filter_mask];
}

static const struct fs_content *
fs_find(uint64_t key, const void *src, size_t length)
{
    uint32_t tag = (uint32_t)key;
    for (uint32_t i = tag & fs_hash.slot_mask;; i = (i + 1) & fs_hash.slot_mask) {
        const struct fs_content *content = fs_hash.slots[i].content;
        if (content == NULL) {
            return NULL;
        }
        if (fs_hash.slots[i].tag == tag && content->length == length && memcmp(content->bytes, src, length) == 0) {
            return content;
        }
    }
}

static void *
fs_hash_allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        Py_FatalError("no memory for the table of hashed contents");
    }
    fs_hash.bytes += size;
    return memory;
}

static void
fs_place(struct fs_slot *slots, uint32_t mask, struct fs_slot slot)
{
    uint32_t i = slot.tag & mask;
    while (slots[i].content != NULL) {
        i = (i + 1) & mask;
    }
    slots[i] = slot;
}

static void
fs_grow(uint32_t slot_count)
{
    struct fs_slot *slots = fs_hash_allocate(slot_count * sizeof *slots);
    if (fs_hash.slots != NULL) {
        for (uint32_t i = 0; i <= fs_hash.slot_mask; i++) {
            if (fs_hash.slots[i].content != NULL) {
                fs_place(slots, slot_count - 1, fs_hash.slots[i]);
            }
        }
        fs_hash.bytes -= (fs_hash.slot_mask + 1) * sizeof *slots;
        free(fs_hash.slots);
    }
    fs_hash.slots = slots;
    fs_hash.slot_mask = slot_count - 1;
}

static void
fs_insert(uint64_t key, const void *src, size_t length, Py_hash_t hash)
{
    size_t size = (offsetof(struct fs_content, bytes) + length + 7) & ~(size_t)7;
    struct fs_content *content;
    if (size > FS_HASH_ARENA_SIZE / 8) {
        content = fs_hash_allocate(size);
    }
    else {
        if (size > fs_hash.arena_left) {
            fs_hash.arena = fs_hash_allocate(FS_HASH_ARENA_SIZE);
            fs_hash.arena_left = FS_HASH_ARENA_SIZE;
        }
        content = (struct fs_content *)fs_hash.arena;
        fs_hash.arena += size;
        fs_hash.arena_left -= size;
    }
    content->hash = hash;
    content->length = (uint32_t)length;
    memcpy(content->bytes, src, length);
    if (2 * (fs_hash.count + 1) > fs_hash.slot_mask) {
        fs_grow(2 * (fs_hash.slot_mask + 1));
    }
    fs_place(fs_hash.slots, fs_hash.slot_mask, (struct fs_slot){(uint32_t)key, content});
    fs_hash.count++;
    if (fs_hash.filter != NULL) {
        *fs_filter_word(key) |= fs_filter_bits(key);
    }
}

/* The boot's own hashing: look up, else hash and keep. */
static Py_hash_t
fs_hash_recorded(uint64_t key, const void *src, size_t length)
{
    if (fs_hash.slots == NULL) {
        fs_grow(FS_HASH_FIRST_SLOTS);
    }
    const struct fs_content *content = fs_find(key, src, length);
    if (content != NULL) {
        return content->hash;
    }
    Py_hash_t hash = keyed_hash(src, (Py_ssize_t)length);
    fs_insert(key, src, length, hash);
    return hash;
}

Py_hash_t
_Py_HashBytes(const void *src, Py_ssize_t len)
{
    if (len == 0) {
        return 0;
    }
    uint64_t key = fs_lookup_key(src, (size_t)len);
    if (fs_hash.phase != FS_HASH_RESEEDED) {
        return fs_hash_recorded(key, src, (size_t)len);
    }
    uint64_t bits = fs_filter_bits(key);
    if ((*fs_filter_word(key) & bits) == bits) {
        const struct fs_content *content = fs_find(key, src, (size_t)len);
        if (content != NULL) {
            return content->hash;
        }
    }
    return keyed_hash(src, len);
}

void
fs_hash_seal(void)
{
    if (fs_hash.phase != FS_HASH_RECORDING) {
        return;
    }
    if (fs_hash.slots == NULL) {
        fs_grow(FS_HASH_FIRST_SLOTS);
    }
    /* 8 to 16 bits a content. */
    uint32_t words = 64;
    while (words < fs_hash.count / 8) {
        words *= 2;
    }
    fs_hash.filter = fs_hash_allocate(words * sizeof *fs_hash.filter);
    fs_hash.filter_mask = words - 1;
    for (uint32_t i = 0; i <= fs_hash.slot_mask; i++) {
        const struct fs_content *content = fs_hash.slots[i].content;
        if (content != NULL) {
            uint64_t key = fs_lookup_key(content->bytes, content->length);
            *fs_filter_word(key) |= fs_filter_bits(key);
        }
    }
    fs_hash.phase = FS_HASH_SEALED;
}

int
fs_hash_reseed(const void *secret, size_t length)
{
    static_assert(FS_HASH_SECRET_SIZE == sizeof(_Py_HashSecret_t), "the secret's size is part of fs_hash.h");
    if (fs_hash.phase != FS_HASH_SEALED || length < FS_HASH_SECRET_SIZE) {
        return -1;
    }
    memcpy(&_Py_HashSecret, secret, sizeof _Py_HashSecret);
    fs_hash.phase = FS_HASH_RESEEDED;
    return 0;
}

void
fs_hash_statistics(size_t *contents, size_t *bytes)
{
    *contents = fs_hash.count;
    *bytes = fs_hash.bytes;
}
