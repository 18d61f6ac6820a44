/* The output buffer: fs_emitted structures of the call in hand, one behind the other.
 *
 * Grown by doubling and kept for the next call, unless a burst made it large.
 */
#include <stdlib.h>
#include <string.h>

#include "guest.h"

enum { FS_OUTPUT_FIRST = 64 << 10, FS_OUTPUT_KEEP = 2 * FS_OUTPUT_SOFT_LIMIT };

static struct {
  char* data;
  size_t size;
  size_t capacity;
  uint32_t count;
} output;

void fs_output_clear(void) {
  output.size = 0;
  output.count = 0;
  if (output.capacity > FS_OUTPUT_KEEP) {
    free(output.data);
    output.data = NULL;
    output.capacity = 0;
  }
}

struct fs_output_mark fs_output_mark(void) { return (struct fs_output_mark){output.size, output.count}; }

void fs_output_cut(struct fs_output_mark mark) {
  output.size = mark.size;
  output.count = mark.count;
}

size_t fs_output_size(void) { return output.size; }

const char* fs_output_data(void) { return output.data; }

void fs_output_publish(void) {
  fs_guest.shared.out_ptr = FS_ADDRESS(output.data);
  fs_guest.shared.out_len = (uint32_t)output.size;
  fs_guest.shared.out_count = output.count;
}

char* fs_output_add(size_t size) {
  const size_t padded = (size + 7) & ~(size_t)7;
  if (padded < size || padded > INT32_MAX - output.size) {
    PyErr_NoMemory();
    return NULL;
  }
  const size_t needed = output.size + padded;
  if (needed > output.capacity) {
    size_t capacity = output.capacity != 0 ? output.capacity : FS_OUTPUT_FIRST;
    while (capacity < needed) capacity *= 2;
    char* data = realloc(output.data, capacity);
    if (data == NULL && capacity > needed) {
      capacity = needed;
      data = realloc(output.data, capacity);
    }
    if (data == NULL) {
      PyErr_NoMemory();
      return NULL;
    }
    output.data = data;
    output.capacity = capacity;
  }
  char* at = output.data + output.size;
  /* The padding lies in the last eight bytes; the caller writes over what is not padding. */
  if (padded != size) memset(at + padded - 8, 0, 8);
  output.size = needed;
  output.count++;
  return at;
}
