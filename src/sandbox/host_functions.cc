// Module "fs" of runtime/abi/fs_abi.h: state, iterators and the log.
//
// Get and Put are on the hot path. A guest that hands out an address outside of its memory is broken, and is ended; what can fail in
// earnest comes back to it as a negative result with a text.
#include <array>

#include "sandbox/imports.h"

namespace fs::sandbox {
namespace {

constexpr const char* kOutside = "fs.{}: {} ({} bytes at {:#x}) lies outside of the guest's memory";

wasm_trap_t* Outside(HostSide& side, std::string_view function, std::string_view what, uint32_t address, uint64_t length) {
  return side.TrapBecause(fmt::format(fmt::runtime(kOutside), function, what, length, address));
}

wasm_trap_t* Answer32(wasmtime_val_raw_t* values, int32_t answer) {
  values[0].i32 = answer;
  return nullptr;
}

wasm_trap_t* Answer64(wasmtime_val_raw_t* values, int64_t answer) {
  values[0].i64 = answer;
  return nullptr;
}

struct KeyParts {
  state::ComplexKey key;
  bool is_inside = false;
};

KeyParts ReadComplexKey(MemoryView& memory, uint32_t address) {
  KeyParts parts;
  const auto raw = memory.Read<fs_complex_key>(address);
  if (!raw) return parts;
  const auto group = memory.Bytes(raw->key_group_ptr, raw->key_group_len);
  const auto key = memory.Bytes(raw->key_ptr, raw->key_len);
  const auto name_space = memory.Bytes(raw->namespace_ptr, raw->namespace_len);
  const auto user_key = memory.Bytes(raw->user_key_ptr, raw->user_key_len);
  if (!group || !key || !name_space || !user_key) return parts;
  parts.key = {*group, *key, *name_space, *user_key};
  parts.is_inside = true;
  return parts;
}

wasm_trap_t* AnswerValue(HostSide& side, wasmtime_val_raw_t* values, std::string_view function,
                         const absl::StatusOr<std::optional<std::string_view>>& value, uint32_t out, uint32_t capacity) {
  if (!value.ok()) return Answer64(values, side.Fail(value.status()));
  if (!value->has_value()) return Answer64(values, FS_KV_ABSENT);
  const std::string_view bytes = **value;
  if (bytes.size() <= capacity && !bytes.empty()) {
    uint8_t* target = side.memory().At(out, bytes.size());
    if (target == nullptr) return Outside(side, function, "the value's place", out, bytes.size());
    std::memcpy(target, bytes.data(), bytes.size());
  }
  return Answer64(values, static_cast<int64_t>(bytes.size()));
}

wasm_trap_t* KvOpen(HostSide& side, wasmtime_val_raw_t* values) {
  const auto name = side.memory().Bytes(U32(values[0]), U32(values[1]));
  if (!name) return Outside(side, "kv_open", "the name", U32(values[0]), U32(values[1]));
  return Answer32(values, side.OpenStore(*name));
}

wasm_trap_t* KvGet(HostSide& side, wasmtime_val_raw_t* values) {
  state::KvStore* store = side.StoreAt(values[0].i32);
  if (store == nullptr) return Answer64(values, FS_KV_OTHER);
  const auto key = side.memory().Bytes(U32(values[1]), U32(values[2]));
  if (!key) return Outside(side, "kv_get", "the key", U32(values[1]), U32(values[2]));
  return AnswerValue(side, values, "kv_get", store->Get(*key), U32(values[3]), U32(values[4]));
}

wasm_trap_t* KvPut(HostSide& side, wasmtime_val_raw_t* values) {
  state::KvStore* store = side.StoreAt(values[0].i32);
  if (store == nullptr) return Answer32(values, FS_KV_OTHER);
  const auto key = side.memory().Bytes(U32(values[1]), U32(values[2]));
  if (!key) return Outside(side, "kv_put", "the key", U32(values[1]), U32(values[2]));
  const auto value = side.memory().Bytes(U32(values[3]), U32(values[4]));
  if (!value) return Outside(side, "kv_put", "the value", U32(values[3]), U32(values[4]));
  side.MarkMessage();
  const absl::Status status = store->Put(*key, *value);
  return Answer32(values, status.ok() ? 0 : side.Fail(status));
}

wasm_trap_t* KvDelete(HostSide& side, wasmtime_val_raw_t* values) {
  state::KvStore* store = side.StoreAt(values[0].i32);
  if (store == nullptr) return Answer32(values, FS_KV_OTHER);
  const auto key = side.memory().Bytes(U32(values[1]), U32(values[2]));
  if (!key) return Outside(side, "kv_delete", "the key", U32(values[1]), U32(values[2]));
  side.MarkMessage();
  const absl::Status status = store->Delete(*key);
  return Answer32(values, status.ok() ? 0 : side.Fail(status));
}

wasm_trap_t* KvList(HostSide& side, wasmtime_val_raw_t* values) {
  state::KvStore* store = side.StoreAt(values[0].i32);
  if (store == nullptr) return Answer32(values, FS_KV_OTHER);
  const auto start = side.memory().Bytes(U32(values[1]), U32(values[2]));
  if (!start) return Outside(side, "kv_list", "the start", U32(values[1]), U32(values[2]));
  const auto end = side.memory().Bytes(U32(values[3]), U32(values[4]));
  if (!end) return Outside(side, "kv_list", "the end", U32(values[3]), U32(values[4]));
  return Answer32(values, side.AddIterator(store->Range(*start, *end), true));
}

wasm_trap_t* CkGet(HostSide& side, wasmtime_val_raw_t* values) {
  state::KvStore* store = side.StoreAt(values[0].i32);
  if (store == nullptr) return Answer64(values, FS_KV_OTHER);
  const KeyParts parts = ReadComplexKey(side.memory(), U32(values[1]));
  if (!parts.is_inside) return Outside(side, "ck_get", "the key", U32(values[1]), sizeof(fs_complex_key));
  return AnswerValue(side, values, "ck_get", store->Get(parts.key), U32(values[2]), U32(values[3]));
}

using CkWrite = absl::Status (state::KvStore::*)(const state::ComplexKey&, std::string_view);

wasm_trap_t* WriteComplex(HostSide& side, wasmtime_val_raw_t* values, std::string_view function, CkWrite write) {
  state::KvStore* store = side.StoreAt(values[0].i32);
  if (store == nullptr) return Answer32(values, FS_KV_OTHER);
  const KeyParts parts = ReadComplexKey(side.memory(), U32(values[1]));
  if (!parts.is_inside) return Outside(side, function, "the key", U32(values[1]), sizeof(fs_complex_key));
  const auto value = side.memory().Bytes(U32(values[2]), U32(values[3]));
  if (!value) return Outside(side, function, "the value", U32(values[2]), U32(values[3]));
  side.MarkMessage();
  const absl::Status status = (store->*write)(parts.key, *value);
  return Answer32(values, status.ok() ? 0 : side.Fail(status));
}

wasm_trap_t* CkPut(HostSide& side, wasmtime_val_raw_t* values) { return WriteComplex(side, values, "ck_put", &state::KvStore::Put); }
wasm_trap_t* CkMerge(HostSide& side, wasmtime_val_raw_t* values) { return WriteComplex(side, values, "ck_merge", &state::KvStore::Merge); }

using CkRemove = absl::Status (state::KvStore::*)(const state::ComplexKey&);

wasm_trap_t* RemoveComplex(HostSide& side, wasmtime_val_raw_t* values, std::string_view function, CkRemove remove) {
  state::KvStore* store = side.StoreAt(values[0].i32);
  if (store == nullptr) return Answer32(values, FS_KV_OTHER);
  const KeyParts parts = ReadComplexKey(side.memory(), U32(values[1]));
  if (!parts.is_inside) return Outside(side, function, "the key", U32(values[1]), sizeof(fs_complex_key));
  side.MarkMessage();
  const absl::Status status = (store->*remove)(parts.key);
  return Answer32(values, status.ok() ? 0 : side.Fail(status));
}

wasm_trap_t* CkDelete(HostSide& side, wasmtime_val_raw_t* values) {
  return RemoveComplex(side, values, "ck_delete", &state::KvStore::Delete);
}
wasm_trap_t* CkDeletePrefix(HostSide& side, wasmtime_val_raw_t* values) {
  return RemoveComplex(side, values, "ck_delete_prefix", &state::KvStore::DeletePrefix);
}

wasm_trap_t* CkList(HostSide& side, wasmtime_val_raw_t* values) {
  state::KvStore* store = side.StoreAt(values[0].i32);
  if (store == nullptr) return Answer32(values, FS_KV_OTHER);
  const KeyParts parts = ReadComplexKey(side.memory(), U32(values[1]));
  if (!parts.is_inside) return Outside(side, "ck_list", "the key", U32(values[1]), sizeof(fs_complex_key));
  const auto start = side.memory().Bytes(U32(values[2]), U32(values[3]));
  if (!start) return Outside(side, "ck_list", "the start", U32(values[2]), U32(values[3]));
  const auto end = side.memory().Bytes(U32(values[4]), U32(values[5]));
  if (!end) return Outside(side, "ck_list", "the end", U32(values[4]), U32(values[5]));
  return Answer32(values, side.AddIterator(store->Range(parts.key, *start, *end), true));
}

wasm_trap_t* CkScan(HostSide& side, wasmtime_val_raw_t* values) {
  state::KvStore* store = side.StoreAt(values[0].i32);
  if (store == nullptr) return Answer32(values, FS_KV_OTHER);
  const KeyParts parts = ReadComplexKey(side.memory(), U32(values[1]));
  if (!parts.is_inside) return Outside(side, "ck_scan", "the key", U32(values[1]), sizeof(fs_complex_key));
  return Answer32(values, side.AddIterator(store->Scan(parts.key), false));
}

// Makes sure that `iterator.next` holds an entry, if there is one.
absl::Status Fetch(HostSide::Iterator& iterator) {
  if (iterator.next) return absl::OkStatus();
  auto next = iterator.entries->Next();
  if (!next.ok()) return next.status();
  iterator.next = *next;
  return absl::OkStatus();
}

wasm_trap_t* IterNext(HostSide& side, wasmtime_val_raw_t* values) {
  HostSide::Iterator* iterator = side.IteratorAt(values[0].i32);
  if (iterator == nullptr) return Answer64(values, FS_KV_OTHER);
  const uint32_t capacity = U32(values[2]);
  uint8_t* out = side.memory().At(U32(values[1]), capacity);
  if (out == nullptr) return Outside(side, "iter_next", "the buffer", U32(values[1]), capacity);
  if (!iterator->failed.ok()) return Answer64(values, side.Fail(iterator->failed));

  uint64_t written = 0;
  while (true) {
    if (absl::Status status = Fetch(*iterator); !status.ok()) {
      if (written == 0) return Answer64(values, side.Fail(status));
      iterator->failed = std::move(status);
      break;
    }
    if (!iterator->next) break;
    const std::string_view key = iterator->next->key;
    const std::string_view value = iterator->keys_only ? std::string_view() : iterator->next->value;
    const auto key_size = static_cast<uint32_t>(key.size());
    const int32_t value_size = iterator->keys_only ? -1 : static_cast<int32_t>(value.size());
    const uint64_t size = sizeof(key_size) + sizeof(value_size) + key.size() + value.size();
    if (size > capacity - written) {
      if (written == 0) return Answer64(values, FS_ITER_GROW | static_cast<int64_t>(size));
      break;
    }
    uint8_t* place = out + written;
    std::memcpy(place, &key_size, sizeof(key_size));
    std::memcpy(place + sizeof(key_size), &value_size, sizeof(value_size));
    place += sizeof(key_size) + sizeof(value_size);
    if (!key.empty()) std::memcpy(place, key.data(), key.size());
    if (!value.empty()) std::memcpy(place + key.size(), value.data(), value.size());
    written += size;
    iterator->next.reset();
  }
  return Answer64(values, static_cast<int64_t>(written));
}

wasm_trap_t* IterClose(HostSide& side, wasmtime_val_raw_t* values) {
  side.CloseIterator(values[0].i32);
  return nullptr;
}

wasm_trap_t* Log(HostSide& side, wasmtime_val_raw_t* values) {
  const auto text = side.memory().Bytes(U32(values[1]), U32(values[2]));
  if (!text) return Outside(side, "log", "the text", U32(values[1]), U32(values[2]));
  side.Log(values[0].i32, *text);
  return nullptr;
}

wasm_trap_t* LastError(HostSide& side, wasmtime_val_raw_t* values) {
  const std::string_view text = side.last_error().substr(0, U32(values[1]));
  uint8_t* out = side.memory().At(U32(values[0]), text.size());
  if (out == nullptr) return Outside(side, "last_error", "the buffer", U32(values[0]), text.size());
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return Answer32(values, static_cast<int32_t>(text.size()));
}

constexpr std::array kHostFunctions = {
    Import{"kv_open", "ii", "i", HostFunction<KvOpen>},
    Import{"kv_get", "iiiii", "I", HostFunction<KvGet>},
    Import{"kv_put", "iiiii", "i", HostFunction<KvPut>},
    Import{"kv_delete", "iii", "i", HostFunction<KvDelete>},
    Import{"kv_list", "iiiii", "i", HostFunction<KvList>},
    Import{"ck_get", "iiii", "I", HostFunction<CkGet>},
    Import{"ck_put", "iiii", "i", HostFunction<CkPut>},
    Import{"ck_delete", "ii", "i", HostFunction<CkDelete>},
    Import{"ck_merge", "iiii", "i", HostFunction<CkMerge>},
    Import{"ck_delete_prefix", "ii", "i", HostFunction<CkDeletePrefix>},
    Import{"ck_list", "iiiiii", "i", HostFunction<CkList>},
    Import{"ck_scan", "ii", "i", HostFunction<CkScan>},
    Import{"iter_next", "iii", "I", HostFunction<IterNext>},
    Import{"iter_close", "i", "", HostFunction<IterClose>},
    Import{"log", "iii", "", HostFunction<Log>},
    Import{"last_error", "ii", "i", HostFunction<LastError>},
};

}  // namespace

absl::Status DefineImports(wasmtime_linker_t* linker, std::string_view module, std::span<const Import> imports) {
  const auto types = [](std::string_view letters) {
    wasm_valtype_vec_t types_of;
    wasm_valtype_vec_new_uninitialized(&types_of, letters.size());
    for (size_t i = 0; i < letters.size(); ++i) types_of.data[i] = wasm_valtype_new(letters[i] == 'I' ? WASM_I64 : WASM_I32);
    return types_of;
  };
  for (const Import& import : imports) {
    wasm_valtype_vec_t parameters = types(import.parameters);
    wasm_valtype_vec_t results = types(import.result);
    wasm_functype_t* type = wasm_functype_new(&parameters, &results);
    const ErrorHandle error(wasmtime_linker_define_func_unchecked(linker, module.data(), module.size(), import.name.data(),
                                                                  import.name.size(), type, import.callback, nullptr, nullptr));
    wasm_functype_delete(type);
    if (error) return Internal("host function {}.{}: {}", module, import.name, ErrorText(*error));
  }
  return absl::OkStatus();
}

absl::Status DefineHostFunctions(wasmtime_linker_t* linker) { return DefineImports(linker, "fs", kHostFunctions); }

}  // namespace fs::sandbox
