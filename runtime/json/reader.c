/* Documents in: one pass, values on a stack of their own until their container is complete. */
#include <stdlib.h>

#include "json.h"

/* The values of the containers not yet complete, keys among them. Owned; kept between calls unless it grew large. */
enum { STACK_FIRST = 256, STACK_KEEP = 16 << 10 };
static struct {
  PyObject** values;
  size_t size;
  size_t capacity;
} stack;

static int grow_stack(void) {
  const size_t capacity = stack.capacity != 0 ? 2 * stack.capacity : STACK_FIRST;
  PyObject** values = realloc(stack.values, capacity * sizeof *values);
  if (values == NULL) return -1;
  stack.values = values;
  stack.capacity = capacity;
  return 0;
}

/* Steals `value`, also where it declines. */
static inline int push(PyObject* value) {
  if (JSON_UNLIKELY(value == NULL)) return -1;
  if (JSON_UNLIKELY(stack.size == stack.capacity) && grow_stack() < 0) {
    Py_DECREF(value);
    return -1;
  }
  stack.values[stack.size++] = value;
  return 0;
}

static void drop_to(size_t base) {
  while (stack.size > base) Py_DECREF(stack.values[--stack.size]);
}

static void trim_stack(void) {
  if (stack.capacity <= STACK_KEEP) return;
  free(stack.values);
  stack.values = NULL;
  stack.capacity = 0;
}

static inline void skip_space(struct json_reader* reader) {
  const char* at = reader->at;
  if (JSON_LIKELY((unsigned char)*at > ' ')) return;
  while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') at++;
  reader->at = at;
}

/* A dict of what lies on the stack above `base`, key and value in turn, which it takes. */
static PyObject* make_dict(size_t base) {
  const size_t count = (stack.size - base) / 2;
  stack.size = base;
  return json_make_dict(stack.values + base, count);
}

static PyObject* make_list(size_t base) {
  const Py_ssize_t count = (Py_ssize_t)(stack.size - base);
  PyObject* list = PyList_New(count);
  if (list == NULL) {
    drop_to(base);
    return NULL;
  }
  memcpy(((PyListObject*)list)->ob_item, stack.values + base, (size_t)count * sizeof(PyObject*));
  stack.size = base;
  return list;
}

static PyObject* read_value(struct json_reader* reader, int depth);

/* Pushes what stands between the brackets; `reader` is behind the opening one, and then behind the closing one. */
static int read_items(struct json_reader* reader, int depth) {
  skip_space(reader);
  if (*reader->at == ']') {
    reader->at++;
    return 0;
  }
  for (;;) {
    if (push(read_value(reader, depth)) < 0) return -1;
    skip_space(reader);
    const char next = *reader->at++;
    if (next == ']') return 0;
    if (next != ',') return -1;
    skip_space(reader);
  }
}

static int read_members(struct json_reader* reader, int depth) {
  skip_space(reader);
  if (*reader->at == '}') {
    reader->at++;
    return 0;
  }
  for (;;) {
    if (*reader->at != '"') return -1;
    reader->at++;
    if (push(json_read_key(reader)) < 0) return -1;
    skip_space(reader);
    if (*reader->at != ':') return -1;
    reader->at++;
    skip_space(reader);
    if (push(read_value(reader, depth)) < 0) return -1;
    skip_space(reader);
    const char next = *reader->at++;
    if (next == '}') return 0;
    if (next != ',') return -1;
    skip_space(reader);
  }
}

static PyObject* read_constant(struct json_reader* reader, const char* text, size_t size, PyObject* value) {
  if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, text, size) != 0) return NULL;
  reader->at += size;
  return Py_NewRef(value);
}

static PyObject* read_value(struct json_reader* reader, int depth) {
  const size_t base = stack.size;
  switch (*reader->at) {
    case '"':
      reader->at++;
      return json_read_string(reader);
    case '{':
      reader->at++;
      if (depth >= JSON_MAX_DEPTH) return NULL;
      if (JSON_LIKELY(read_members(reader, depth + 1) == 0)) return make_dict(base);
      drop_to(base);
      return NULL;
    case '[':
      reader->at++;
      if (depth >= JSON_MAX_DEPTH) return NULL;
      if (JSON_LIKELY(read_items(reader, depth + 1) == 0)) return make_list(base);
      drop_to(base);
      return NULL;
    case 't':
      return read_constant(reader, "true", 4, Py_True);
    case 'f':
      return read_constant(reader, "false", 5, Py_False);
    case 'n':
      return read_constant(reader, "null", 4, Py_None);
    default:
      return json_read_number(reader);
  }
}

PyObject* json_read(const char* text, size_t size) {
  struct json_reader reader = {text, text + size};
  skip_space(&reader);
  PyObject* value = read_value(&reader, 0);
  if (JSON_LIKELY(value != NULL)) {
    skip_space(&reader);
    if (JSON_UNLIKELY(reader.at != reader.end)) Py_CLEAR(value);
  }
  trim_stack();
  json_buffer_trim();
  return value;
}
