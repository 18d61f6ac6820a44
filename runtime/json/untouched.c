/* Has anybody replaced what the standard library's way would use?
 *
 * json's functions look up other things each time they are called: the default encoder and decoder, their classes'
 * methods, names of json.encoder. Whoever replaces one of them expects it to be used. CPython tells us when a dict that
 * holds one changes (PyDict_Watch), so that a call costs a look at a flag; then all are compared with what they were.
 * Functions are not in the way of a dict when their code or defaults are replaced; they are compared at each call.
 */
#include "json.h"

/* Part of a dict, as it was. */
struct place {
  PyObject* dict;
  PyObject* names;    /* tuple of the names that matter; NULL for all there are, and none besides */
  PyObject* original; /* copy of the dict */
  unsigned ways;      /* one bit for each that uses it */
};

struct function {
  const PyFunctionObject* object;
  PyObject *code, *defaults, *keyword_defaults;
};

/* What one way uses besides places: an object, which must still be of its class, and functions. */
enum { PLACES = 16, FUNCTIONS = 4 };
struct way {
  PyObject* object;
  PyTypeObject* type;
  int function_count;
  struct function functions[FUNCTIONS];
};

static struct place places[PLACES];
static struct way ways[JSON_WAYS];
static int place_count, watcher;
static bool has_changed; /* some place, since `touched` was worked out */
static unsigned touched; /* one bit for each way to which a place has changed */

static int on_change(PyDict_WatchEvent Py_UNUSED(event), PyObject* Py_UNUSED(dict), PyObject* Py_UNUSED(key), PyObject* Py_UNUSED(value)) {
  has_changed = true;
  return 0;
}

static int is_same_item(PyObject* dict, PyObject* original, PyObject* name) {
  PyObject* const now = PyDict_GetItemWithError(dict, name);
  if (now == NULL && PyErr_Occurred()) return 0;
  return now == PyDict_GetItem(original, name);
}

static int is_same(const struct place* place) {
  if (place->names != NULL) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(place->names); i++) {
      if (!is_same_item(place->dict, place->original, PyTuple_GET_ITEM(place->names, i))) return 0;
    }
    return 1;
  }
  if (PyDict_GET_SIZE(place->dict) != PyDict_GET_SIZE(place->original)) return 0;
  Py_ssize_t position = 0;
  PyObject *name, *value;
  while (PyDict_Next(place->original, &position, &name, &value)) {
    if (!is_same_item(place->dict, place->original, name)) return 0;
  }
  return 1;
}

static void compare_places(void) {
  has_changed = false;
  touched = 0;
  for (int i = 0; i < place_count; i++) {
    if (!is_same(&places[i])) touched |= places[i].ways;
  }
  PyErr_Clear();
}

bool json_is_untouched(enum json_way which) {
  if (JSON_UNLIKELY(has_changed)) compare_places();
  const struct way* const way = &ways[which];
  if (JSON_UNLIKELY((touched & 1u << which) != 0 || Py_TYPE(way->object) != way->type)) return false;
  for (int i = 0; i < way->function_count; i++) {
    const struct function* const function = &way->functions[i];
    if (function->object->func_code != function->code || function->object->func_defaults != function->defaults ||
        function->object->func_kwdefaults != function->keyword_defaults) {
      return false;
    }
  }
  return true;
}

/* Steals `names`. */
static int remember_dict(PyObject* dict, PyObject* names, unsigned used_by) {
  PyObject* const original = PyDict_Copy(dict);
  if (original == NULL) return -1;
  if (place_count == PLACES) {
    PyErr_SetString(PyExc_SystemError, "json: PLACES is too small");
    return -1;
  }
  places[place_count++] = (struct place){Py_NewRef(dict), names, original, used_by};
  return PyDict_Watch(watcher, dict);
}

static int remember_names(PyObject* module, PyObject* names, unsigned used_by) {
  return names != NULL ? remember_dict(PyModule_GetDict(module), names, used_by) : -1;
}

/* A function of a module or class, and what its keyword defaults hold. */
static int remember_function(PyObject* owner, const char* name, enum json_way which) {
  PyObject* const object = PyObject_GetAttrString(owner, name);
  if (object == NULL) return -1;
  struct way* const way = &ways[which];
  if (!PyFunction_Check(object) || way->function_count == FUNCTIONS) {
    PyErr_Format(PyExc_SystemError, "json: %s is no function in Python, or one too many", name);
    return -1;
  }
  const PyFunctionObject* const function = (const PyFunctionObject*)object;
  way->functions[way->function_count++] =
      (struct function){function, function->func_code, function->func_defaults, function->func_kwdefaults};
  return function->func_kwdefaults != NULL ? remember_dict(function->func_kwdefaults, NULL, 1u << which) : 0;
}

/* The default encoder or decoder: its class, what it holds itself, and what its class does. */
static int remember_default(PyObject* json, const char* name, enum json_way which) {
  PyObject* const object = PyObject_GetAttrString(json, name);
  if (object == NULL) return -1;
  ways[which].object = object;
  ways[which].type = Py_TYPE(object);
  PyObject* const attributes = PyObject_GenericGetDict(object, NULL);
  int status = attributes != NULL ? remember_dict(attributes, NULL, 1u << which) : -1;
  Py_XDECREF(attributes);
  if (status < 0) return -1;
  PyObject* const methods = PyType_GetDict(Py_TYPE(object));
  status = remember_dict(methods, NULL, 1u << which);
  Py_DECREF(methods);
  return status;
}

static int remember_reading(PyObject* json) {
  /* Names of built-in things are among them, because a module may put its own in front. */
  PyObject* const names =
      Py_BuildValue("(sssssss)", "_default_decoder", "detect_encoding", "codecs", "isinstance", "str", "bytes", "bytearray");
  if (remember_names(json, names, 1u << JSON_LOADS) < 0 || remember_default(json, "_default_decoder", JSON_LOADS) < 0) return -1;
  PyObject* const decoder = (PyObject*)ways[JSON_LOADS].type;
  if (remember_function(json, "loads", JSON_LOADS) < 0) return -1;
  if (remember_function(decoder, "decode", JSON_LOADS) < 0) return -1;
  return remember_function(decoder, "raw_decode", JSON_LOADS);
}

static int remember_writing(PyObject* json, PyObject* encoder, const char* name, enum json_way which) {
  if (remember_names(json, Py_BuildValue("(ss)", "_default_encoder", "JSONEncoder"), 1u << which) < 0) return -1;
  PyObject* const names = Py_BuildValue("(sssssss)", "c_make_encoder", "_make_iterencode", "encode_basestring_ascii", "encode_basestring",
                                        "INFINITY", "float", "isinstance");
  if (remember_names(encoder, names, 1u << which) < 0 || remember_default(json, "_default_encoder", which) < 0) return -1;
  PyObject* const class = (PyObject*)ways[which].type;
  if (remember_function(json, name, which) < 0) return -1;
  if (remember_function(class, "__init__", which) < 0) return -1;
  if (remember_function(class, "iterencode", which) < 0) return -1;
  return which == JSON_DUMPS ? remember_function(class, "encode", which) : remember_function(encoder, "_make_iterencode", which);
}

int json_remember(PyObject* json, PyObject* encoder) {
  watcher = PyDict_AddWatcher(on_change);
  if (watcher < 0 || remember_reading(json) < 0) return -1;
  if (remember_writing(json, encoder, "dumps", JSON_DUMPS) < 0) return -1;
  return remember_writing(json, encoder, "dump", JSON_DUMP);
}
