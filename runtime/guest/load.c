/* fs_load: reads the load image, gives the instance its own randomness, and has fs_runtime make the user's object. */
#include <string.h>
#include <unistd.h>

#include "guest.h"

#ifdef __wasm__

#include "fs_hash.h"

/* Gives str hashing this instance's secret, where the interpreter comes from a snapshot. */
static int seed_hashes(void) {
  unsigned char secret[FS_HASH_SECRET_SIZE];
  if (getentropy(secret, sizeof secret) != 0) {
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
  }
  if (fs_hash_reseed(secret, sizeof secret) == 0) return 0;
  PyErr_SetString(PyExc_SystemError, "the hash secret could not be set: this runtime was not made as a snapshot");
  return -1;
}

#else

static int seed_hashes(void) { return 0; }

#endif

static int seed(void) {
  if (seed_hashes() < 0) return -1;
  PyObject* done = PyObject_CallMethod(fs_guest.runtime, "reseed", NULL);
  Py_XDECREF(done);
  return done != NULL ? 0 : -1;
}

struct image {
  const char* data;
  size_t size;
  size_t at;
};

static const char* malformed(const struct image* image, const char* what) {
  PyErr_Format(PyExc_SystemError, "the load image is malformed at byte %zu: %s", image->at, what);
  return NULL;
}

static const char* read_bytes(struct image* image, uint32_t* size) {
  if (image->size - image->at < 4) return malformed(image, "it ends within a length");
  memcpy(size, image->data + image->at, 4);
  if (*size > image->size - image->at - 4) return malformed(image, "it ends within a string");
  const char* data = image->data + image->at + 4;
  image->at += 4 + (size_t)*size;
  return data;
}

static PyObject* read_str(struct image* image) {
  uint32_t size;
  const char* data = read_bytes(image, &size);
  return data != NULL ? PyUnicode_DecodeUTF8(data, (Py_ssize_t)size, "surrogateescape") : NULL;
}

/* A decimal number; -1 with an exception. */
static int64_t read_count(struct image* image) {
  uint32_t size;
  const char* data = read_bytes(image, &size);
  if (data == NULL) return -1;
  int64_t count = 0;
  for (uint32_t i = 0; i < size; i++) {
    if (data[i] < '0' || data[i] > '9' || count > INT32_MAX / 10) {
      malformed(image, "not a number");
      return -1;
    }
    count = count * 10 + (data[i] - '0');
  }
  if (size == 0) {
    malformed(image, "not a number");
    return -1;
  }
  return count;
}

static int read_topics(struct image* image) {
  const int64_t count = read_count(image);
  if (count < 0) return -1;
  PyObject* list = PyList_New(0);
  for (int64_t i = 0; list != NULL && i < count; i++) {
    PyObject* topic = read_str(image);
    if (topic == NULL || PyList_Append(list, topic) < 0) Py_CLEAR(list);
    Py_XDECREF(topic);
  }
  if (list == NULL) return -1;
  fs_guest.topics = PyList_AsTuple(list);
  Py_DECREF(list);
  return fs_guest.topics != NULL ? 0 : -1;
}

static int read_config(struct image* image) {
  const int64_t count = read_count(image);
  if (count < 0) return -1;
  fs_guest.config = PyDict_New();
  if (fs_guest.config == NULL) return -1;
  for (int64_t i = 0; i < count; i++) {
    PyObject* key = read_str(image);
    PyObject* value = key != NULL ? read_str(image) : NULL;
    const int status = value != NULL ? PyDict_SetItem(fs_guest.config, key, value) : -1;
    Py_XDECREF(key);
    Py_XDECREF(value);
    if (status < 0) return -1;
  }
  return 0;
}

/* list[tuple[kind: str, path: str, bytes]] */
static PyObject* read_files(struct image* image) {
  const int64_t count = read_count(image);
  PyObject* files = count >= 0 ? PyList_New(0) : NULL;
  for (int64_t i = 0; files != NULL && i < count; i++) {
    PyObject* kind = read_str(image);
    PyObject* path = kind != NULL ? read_str(image) : NULL;
    uint32_t size = 0;
    const char* data = path != NULL ? read_bytes(image, &size) : NULL;
    PyObject* bytes = data != NULL ? PyBytes_FromStringAndSize(data, (Py_ssize_t)size) : NULL;
    PyObject* file = bytes != NULL ? PyTuple_Pack(3, kind, path, bytes) : NULL;
    if (file == NULL || PyList_Append(files, file) < 0) Py_CLEAR(files);
    Py_XDECREF(file);
    Py_XDECREF(bytes);
    Py_XDECREF(path);
    Py_XDECREF(kind);
  }
  return files;
}

/* 0; -1 with an exception of ours, 1 with one of the user's. */
static int load(struct image* image) {
  int status = -1;
  PyObject* names[3] = {NULL, NULL, NULL}; /* function, entry module, class */
  PyObject* files = NULL;
  PyObject* format = read_str(image);
  if (format == NULL) goto done;
  if (PyUnicode_CompareWithASCIIString(format, "1") != 0) {
    PyErr_Format(PyExc_SystemError, "the load image has format %R; this runtime reads \"1\"", format);
    goto done;
  }
  for (int i = 0; i < 3; i++) {
    names[i] = read_str(image);
    if (names[i] == NULL) goto done;
  }
  const int64_t channels = read_count(image);
  if (channels < 0) goto done;
  fs_guest.channel_count = (uint32_t)channels;
  if (read_topics(image) < 0 || read_config(image) < 0) goto done;
  files = read_files(image);
  if (files == NULL) goto done;
  if (image->at != image->size) {
    malformed(image, "bytes behind its end");
    goto done;
  }
  fs_guest.logger = PyObject_CallMethod(fs_guest.runtime, "make_logger", "O", names[0]);
  if (fs_guest.logger == NULL) goto done;
  status = 1;
  fs_guest.instance = PyObject_CallMethod(fs_guest.runtime, "load", "OOOOO", names[0], names[1], names[2], fs_guest.config, files);
  if (fs_guest.instance != NULL) status = 0;
done:
  Py_XDECREF(format);
  for (int i = 0; i < 3; i++) Py_XDECREF(names[i]);
  Py_XDECREF(files);
  return status;
}

FS_EXPORT(fs_load) int32_t fs_load(uint32_t len) {
  if (fs_boot() < 0) return FS_FATAL;
  fs_call_begin();
  if (fs_guest.was_load_called) return fs_report_fatal("fs_load: this instance was loaded before");
  fs_guest.was_load_called = true;
  if (fs_input() == NULL) return fs_report_fatal("fs_load: no load image was written");
  struct image image = {fs_input(), len, 0};
  int status = seed();
  if (status == 0) status = load(&image);
  if (status == 0 && !fs_was_interrupted()) {
    fs_flush_streams();
    return fs_call_end(FS_OK);
  }
  Py_CLEAR(fs_guest.instance);
  fs_output_clear();
  const int32_t answer = fs_report("load");
  if (status < 0 && answer == FS_USER_ERROR) return fs_call_end(FS_FATAL);
  return answer;
}
