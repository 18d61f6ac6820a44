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
  unsigned ways;      /* of enum json_way, those that use it */
};

struct function {
  const PyFunctionObject* object;
  PyObject *code, *defaults, *keyword_defaults;
  unsigned ways;
};

enum { PLACES = 16, FUNCTIONS = 8 };
static struct place places[PLACES];
static struct function functions[FUNCTIONS];
static int place_count, function_count, watcher;
static PyObject *default_decoder, *default_encoder;
static PyTypeObject *decoder_type, *encoder_type;
static bool has_changed; /* some place, since `touched` was worked out */
static unsigned touched; /* ways to which a place has changed */

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

bool json_is_untouched(enum json_way way) {
  if (JSON_UNLIKELY(has_changed)) compare_places();
  if (JSON_UNLIKELY((touched & way) != 0)) return false;
  if (Py_TYPE(default_decoder) != decoder_type || Py_TYPE(default_encoder) != encoder_type) return false;
  for (int i = 0; i < function_count; i++) {
    const struct function* const function = &functions[i];
    if ((function->ways & way) != 0 &&
        (function->object->func_code != function->code || function->object->func_defaults != function->defaults ||
         function->object->func_kwdefaults != function->keyword_defaults)) {
      return false;
    }
  }
  return true;
}

/* Steals `names`. */
static int remember_dict(PyObject* dict, PyObject* names, unsigned ways) {
  PyObject* const original = PyDict_Copy(dict);
  if (original == NULL) return -1;
  if (place_count == PLACES) {
    PyErr_SetString(PyExc_SystemError, "json: PLACES is too small");
    return -1;
  }
  places[place_count++] = (struct place){Py_NewRef(dict), names, original, ways};
  return PyDict_Watch(watcher, dict);
}

static int remember_names(PyObject* module, PyObject* names, unsigned ways) {
  return names != NULL ? remember_dict(PyModule_GetDict(module), names, ways) : -1;
}

/* A function of an object's namespace, and what its defaults hold. */
static int remember_function(PyObject* owner, const char* name, unsigned ways) {
  PyObject* const object = PyObject_GetAttrString(owner, name);
  if (object == NULL) return -1;
  if (!PyFunction_Check(object) || function_count == FUNCTIONS) {
    PyErr_Format(PyExc_SystemError, "json: %s is no function in Python", name);
    return -1;
  }
  const PyFunctionObject* const function = (const PyFunctionObject*)object;
  functions[function_count++] = (struct function){function, function->func_code, function->func_defaults, function->func_kwdefaults, ways};
  return function->func_kwdefaults != NULL ? remember_dict(function->func_kwdefaults, NULL, ways) : 0;
}

/* The default encoder or decoder: what it holds, and its class. */
static int remember_default(PyObject* json, const char* name, PyObject** object, PyTypeObject** type, unsigned ways) {
  *object = PyObject_GetAttrString(json, name);
  if (*object == NULL) return -1;
  *type = Py_TYPE(*object);
  PyObject* const attributes = PyObject_GenericGetDict(*object, NULL);
  if (attributes == NULL) return -1;
  const int status = remember_dict(attributes, NULL, ways);
  Py_DECREF(attributes);
  if (status < 0) return -1;
  PyObject* const methods = PyType_GetDict(*type);
  const int answer = remember_dict(methods, NULL, ways);
  Py_DECREF(methods);
  return answer;
}

int json_remember(PyObject* json, PyObject* encoder) {
  const unsigned writing = JSON_DUMPS | JSON_DUMP;
  watcher = PyDict_AddWatcher(on_change);
  if (watcher < 0) return -1;
  /* Built-in names are among them, because a module may put its own in front. */
  PyObject* names = Py_BuildValue("(sssssss)", "_default_decoder", "detect_encoding", "codecs", "isinstance", "str", "bytes", "bytearray");
  if (remember_names(json, names, JSON_LOADS) < 0) return -1;
  if (remember_names(json, Py_BuildValue("(ss)", "_default_encoder", "JSONEncoder"), writing) < 0) return -1;
  names = Py_BuildValue("(sssssss)", "c_make_encoder", "_make_iterencode", "encode_basestring_ascii", "encode_basestring", "INFINITY",
                        "float", "isinstance");
  if (remember_names(encoder, names, writing) < 0) return -1;
  if (remember_default(json, "_default_decoder", &default_decoder, &decoder_type, JSON_LOADS) < 0) return -1;
  if (remember_default(json, "_default_encoder", &default_encoder, &encoder_type, writing) < 0) return -1;
  PyObject* const read = (PyObject*)decoder_type;
  PyObject* const write = (PyObject*)encoder_type;
  if (remember_function(json, "loads", JSON_LOADS) < 0 || remember_function(read, "decode", JSON_LOADS) < 0 ||
      remember_function(read, "raw_decode", JSON_LOADS) < 0) {
    return -1;
  }
  if (remember_function(json, "dumps", JSON_DUMPS) < 0 || remember_function(json, "dump", JSON_DUMP) < 0 ||
      remember_function(write, "__init__", writing) < 0 || remember_function(write, "encode", JSON_DUMPS) < 0 ||
      remember_function(write, "iterencode", writing) < 0) {
    return -1;
  }
  return 0;
}
