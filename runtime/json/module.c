/* The way in: json.loads, json.dumps and json.dump stay the functions they are, and only what a call runs is replaced
 * (PyFunction_SetVectorcall). So their signature, documentation, module and pickle are the standard library's, and its
 * code is what runs whenever this one declines.
 */
#include "json.h"

enum name { SKIPKEYS, ENSURE_ASCII, CHECK_CIRCULAR, ALLOW_NAN, CLS, INDENT, SEPARATORS, DEFAULT, SORT_KEYS, WRITE_NAMES };
static const char* const write_names[WRITE_NAMES] = {
    "skipkeys", "ensure_ascii", "check_circular", "allow_nan", "cls", "indent", "separators", "default", "sort_keys",
};
enum { READ_NAMES = 6 };
static const char* const read_names[READ_NAMES] = {"cls", "object_hook", "parse_float", "parse_int", "parse_constant", "object_pairs_hook"};

static PyObject* write_words[WRITE_NAMES]; /* the names as interned str, as keyword arguments carry them */
static PyObject* read_words[READ_NAMES];
static vectorcallfunc stdlib_call; /* how CPython calls any function written in Python */
static PyObject* string_io;        /* io.StringIO */
static PyObject* write_method;     /* "write" */
static unsigned long answered, declined;

static const struct json_style default_style = {", ", ": ", 2, 2, true, false, true};

static int find(PyObject* const* words, int count, PyObject* word) {
  for (int i = 0; i < count; i++) {
    if (words[i] == word) return i;
  }
  return -1;
}

static inline PyObject* answer(PyObject* value) {
  answered++;
  return value;
}

static PyObject* decline(PyObject* function, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  PyErr_Clear();
  declined++;
  return stdlib_call(function, args, nargsf, kwnames);
}

/* So many levels of C recursion are left that neither a reader nor a writer has to count them. */
static bool has_stack(void) { return PyThreadState_Get()->c_recursion_remaining > JSON_MAX_DEPTH; }

/* ---- loads ---- */

static bool has_read_defaults(PyObject* const* values, PyObject* kwnames) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
    if (values[i] != Py_None || find(read_words, READ_NAMES, PyTuple_GET_ITEM(kwnames, i)) < 0) return false;
  }
  return true;
}

/* UTF-8, with or without its mark; UTF-16 and UTF-32, which have a NUL in front, are declined as the standard library tells them. */
static PyObject* read_bytes(const char* text, Py_ssize_t size) {
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) return json_read(text + 3, (size_t)size - 3);
  if (size >= 2 && (text[0] == 0 || text[1] == 0)) return NULL;
  return json_read(text, (size_t)size);
}

static PyObject* read_object(PyObject* object) {
  if (PyBytes_CheckExact(object)) return read_bytes(PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object));
  if (PyUnicode_CheckExact(object)) {
    if (JSON_LIKELY(PyUnicode_IS_COMPACT_ASCII(object))) {
      return json_read((const char*)PyUnicode_1BYTE_DATA(object), (size_t)PyUnicode_GET_LENGTH(object));
    }
    /* Not PyUnicode_AsUTF8, which would keep the copy as long as the string lives. */
    PyObject* const bytes = PyUnicode_AsUTF8String(object);
    if (bytes == NULL) return NULL;
    PyObject* const value = json_read(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return value;
  }
  if (PyByteArray_CheckExact(object)) return read_bytes(PyByteArray_AS_STRING(object), PyByteArray_GET_SIZE(object));
  return NULL;
}

static PyObject* call_loads(PyObject* function, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  if (JSON_LIKELY(PyVectorcall_NARGS(nargsf) == 1 && (kwnames == NULL || has_read_defaults(args + 1, kwnames)) &&
                  json_is_untouched(JSON_LOADS) && has_stack())) {
    PyObject* const value = read_object(args[0]);
    if (JSON_LIKELY(value != NULL)) return answer(value);
  }
  return decline(function, args, nargsf, kwnames);
}

/* ---- dumps and dump ---- */

static int set_flag(PyObject* value, bool* flag) {
  if (value != Py_True && value != Py_False) return -1;
  *flag = value == Py_True;
  return 0;
}

static int set_separator(PyObject* value, char* separator, unsigned* size) {
  if (!PyUnicode_CheckExact(value) || !PyUnicode_IS_COMPACT_ASCII(value)) return -1;
  if (PyUnicode_GET_LENGTH(value) > (Py_ssize_t)sizeof default_style.item_separator) return -1;
  *size = (unsigned)PyUnicode_GET_LENGTH(value);
  memcpy(separator, PyUnicode_1BYTE_DATA(value), *size);
  return 0;
}

static int set_separators(PyObject* value, struct json_style* style) {
  if (value == Py_None) return 0;
  if (!PyTuple_CheckExact(value) || PyTuple_GET_SIZE(value) != 2) return -1;
  if (set_separator(PyTuple_GET_ITEM(value, 0), style->item_separator, &style->item_separator_size) < 0) return -1;
  return set_separator(PyTuple_GET_ITEM(value, 1), style->key_separator, &style->key_separator_size);
}

static int read_style(PyObject* const* values, PyObject* kwnames, struct json_style* style) {
  bool ignored;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
    PyObject* const value = values[i];
    int status = -1;
    switch (find(write_words, WRITE_NAMES, PyTuple_GET_ITEM(kwnames, i))) {
      case ENSURE_ASCII:
        status = set_flag(value, &style->is_ascii);
        break;
      case ALLOW_NAN:
        status = set_flag(value, &style->allows_nan);
        break;
      case SORT_KEYS:
        status = set_flag(value, &style->sorts_keys);
        break;
      case SEPARATORS:
        status = set_separators(value, style);
        break;
      case CHECK_CIRCULAR: /* what is circular is too deep, and declined */
        status = set_flag(value, &ignored);
        break;
      case DEFAULT: /* it would be called for what is declined only */
        status = 0;
        break;
      case SKIPKEYS:
        status = value == Py_False ? 0 : -1;
        break;
      case CLS:
      case INDENT:
        status = value == Py_None ? 0 : -1;
        break;
    }
    if (status < 0) return -1;
  }
  return 0;
}

/* The document, or NULL to decline. */
static PyObject* write_object(PyObject* object, PyObject* const* values, PyObject* kwnames, enum json_way way) {
  if (JSON_UNLIKELY(!json_is_untouched(way) || !has_stack())) return NULL;
  if (JSON_LIKELY(kwnames == NULL)) return json_write(object, &default_style);
  struct json_style style = default_style;
  return read_style(values, kwnames, &style) == 0 ? json_write(object, &style) : NULL;
}

static PyObject* call_dumps(PyObject* function, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  if (JSON_LIKELY(PyVectorcall_NARGS(nargsf) == 1)) {
    PyObject* const text = write_object(args[0], args + 1, kwnames, JSON_DUMPS);
    if (JSON_LIKELY(text != NULL)) return answer(text);
  }
  return decline(function, args, nargsf, kwnames);
}

/* Into an io.StringIO only: other files can tell one write from many. */
static PyObject* call_dump(PyObject* function, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  if (PyVectorcall_NARGS(nargsf) == 2 && (PyObject*)Py_TYPE(args[1]) == string_io) {
    PyObject* const text = write_object(args[0], args + 2, kwnames, JSON_DUMP);
    PyObject* const written = text != NULL ? PyObject_CallMethodOneArg(args[1], write_method, text) : NULL;
    Py_XDECREF(text);
    if (written != NULL) {
      Py_DECREF(written);
      return answer(Py_NewRef(Py_None));
    }
  }
  return decline(function, args, nargsf, kwnames);
}

/* ---- the module ---- */

static int replace_call(PyObject* json, const char* name, vectorcallfunc call) {
  PyObject* const function = PyObject_GetAttrString(json, name);
  if (function == NULL) return -1;
  stdlib_call = ((PyFunctionObject*)function)->vectorcall;
  PyFunction_SetVectorcall((PyFunctionObject*)function, call);
  Py_DECREF(function);
  return 0;
}

static int intern_all(const char* const* names, PyObject** words, int count) {
  for (int i = 0; i < count; i++) {
    words[i] = PyUnicode_InternFromString(names[i]);
    if (words[i] == NULL) return -1;
  }
  return 0;
}

static int install(void) {
  int status = -1;
  PyObject* const json = PyImport_ImportModule("json");
  PyObject* const encoder = PyImport_ImportModule("json.encoder");
  PyObject* const io = PyImport_ImportModule("io");
  if (json == NULL || encoder == NULL || io == NULL) goto done;
  string_io = PyObject_GetAttrString(io, "StringIO");
  write_method = PyUnicode_InternFromString("write");
  if (string_io == NULL || write_method == NULL) goto done;
  if (intern_all(write_names, write_words, WRITE_NAMES) < 0 || intern_all(read_names, read_words, READ_NAMES) < 0) goto done;
  if (json_remember(json, encoder) < 0) goto done;
  if (replace_call(json, "loads", call_loads) < 0 || replace_call(json, "dumps", call_dumps) < 0) goto done;
  status = replace_call(json, "dump", call_dump);
done:
  Py_XDECREF(json);
  Py_XDECREF(encoder);
  Py_XDECREF(io);
  return status;
}

static PyObject* json_install(PyObject* Py_UNUSED(module), PyObject* Py_UNUSED(ignored)) {
  if (stdlib_call == NULL && install() < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject* json_counts(PyObject* Py_UNUSED(module), PyObject* Py_UNUSED(ignored)) {
  return Py_BuildValue("(kk)", answered, declined);
}

static PyMethodDef functions[] = {
    {"install", json_install, METH_NOARGS, "install($module)\n--\n\nPuts C behind json.loads, json.dumps and json.dump."},
    {"counts", json_counts, METH_NOARGS,
     "counts($module)\n--\n\nHow many calls this code has answered, and how many it left to the standard library."},
    {0},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_fs_json", .m_size = -1, .m_methods = functions};

PyObject* PyInit__fs_json(void) { return PyModule_Create(&module); }
