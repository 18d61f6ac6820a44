/* The one buffer: kept from call to call, unless a large document made it large. */
#include <stdlib.h>

#include "json.h"

enum { JSON_BUFFER_FIRST = 32 << 10, JSON_BUFFER_KEEP = 256 << 10 };

struct json_buffer json_buffer;

int json_buffer_grow(size_t more) {
  if (more > (size_t)PY_SSIZE_T_MAX - json_buffer.size) return -1;
  const size_t needed = json_buffer.size + more;
  size_t capacity = json_buffer.capacity != 0 ? json_buffer.capacity : JSON_BUFFER_FIRST;
  while (capacity < needed) capacity = capacity > (size_t)PY_SSIZE_T_MAX / 2 ? needed : 2 * capacity;
  char* data = realloc(json_buffer.data, capacity);
  if (data == NULL) return -1;
  json_buffer.data = data;
  json_buffer.capacity = capacity;
  return 0;
}

void json_buffer_trim(void) {
  json_buffer.size = 0;
  if (json_buffer.capacity <= JSON_BUFFER_KEEP) return;
  free(json_buffer.data);
  json_buffer.data = NULL;
  json_buffer.capacity = 0;
}
