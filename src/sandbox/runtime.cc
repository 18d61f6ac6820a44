#include "sandbox/runtime.h"

#include <fs_abi.h>

#include <array>
#include <string_view>
#include <utility>

#include "observe/log.h"
#include "sandbox/guest.h"
#include "sandbox/imports.h"
#include "sandbox/module_cache.h"
#include "sandbox/runtime_impl.h"

namespace fs::sandbox {
namespace {

struct Export {
  std::string_view name;
  std::string_view parameters;  // a letter each: i for i32, I for i64
};
// All return an i32. Calls are unchecked, so the types are checked here, once.
constexpr std::array<Export, 6> kExports = {{
    {"fs_abi_version", ""},
    {"fs_shared_address", ""},
    {"fs_reserve", "i"},
    {"fs_load", "i"},
    {"fs_hook", "iiIi"},
    {"fs_process", "iii"},
}};

std::string Letters(const wasm_valtype_vec_t& types) {
  std::string letters;
  for (size_t i = 0; i < types.size; ++i) {
    const wasm_valkind_t kind = wasm_valtype_kind(types.data[i]);
    letters += kind == WASM_I32 ? 'i' : kind == WASM_I64 ? 'I' : '?';
  }
  return letters;
}

class ExportTypes {
 public:
  explicit ExportTypes(const wasmtime_module_t* module) { wasmtime_module_exports(module, &exports_); }
  ExportTypes(const ExportTypes&) = delete;
  ExportTypes& operator=(const ExportTypes&) = delete;
  ~ExportTypes() { wasm_exporttype_vec_delete(&exports_); }

  [[nodiscard]] const wasm_externtype_t* Find(std::string_view name) const {
    for (size_t i = 0; i < exports_.size; ++i) {
      const wasm_name_t* exported = wasm_exporttype_name(exports_.data[i]);
      if (std::string_view(exported->data, exported->size) == name) return wasm_exporttype_type(exports_.data[i]);
    }
    return nullptr;
  }

 private:
  wasm_exporttype_vec_t exports_ = {};
};

// Returns the size that the module's memory starts with.
absl::StatusOr<uint64_t> CheckExports(const wasmtime_module_t* module) {
  const ExportTypes exports(module);
  for (const Export& wanted : kExports) {
    const wasm_externtype_t* type = exports.Find(wanted.name);
    if (type == nullptr) return Internal("it does not export {}: not a runtime for this server", wanted.name);
    const wasm_functype_t* function = wasm_externtype_as_functype_const(type);
    if (function == nullptr || Letters(*wasm_functype_params(function)) != wanted.parameters ||
        Letters(*wasm_functype_results(function)) != "i") {
      return Internal("its export {} is of another type than this server's ABI has", wanted.name);
    }
  }
  const wasm_externtype_t* type = exports.Find("memory");
  const wasm_memorytype_t* memory = type == nullptr ? nullptr : wasm_externtype_as_memorytype_const(type);
  if (memory == nullptr) return Internal("it does not export a memory");
  return wasmtime_memorytype_minimum(memory) * wasmtime_memorytype_page_size(memory);
}

// A guest that is only asked for its version.
class SilentHost : public Host {
 public:
  absl::StatusOr<state::KvStore*> OpenStore(std::string_view) override { return FailedPrecondition("no function is loaded"); }
  void BeginMessage(uint32_t) override {}
  void Log(int, std::string_view) override {}
};

}  // namespace

absl::StatusOr<std::unique_ptr<Runtime>> Runtime::Load(const RuntimeOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->name = options.wasm_path.string();
  FS_ASSIGN_OR_RETURN(impl->engine, MakeEngine());
  FS_ASSIGN_OR_RETURN(CompiledModule compiled, LoadModule(impl->engine.get(), options));
  if (options.enable_cache && !compiled.kept.ok()) {
    observe::LogWarning("{}: not kept compiled, so every start compiles it anew: {}", impl->name, Message(compiled.kept));
  }
  impl->module = std::move(compiled.module);
  FS_ASSIGN_OR_RETURN_CONTEXT(impl->initial_memory_bytes, CheckExports(impl->module.get()), impl->name);

  impl->linker.reset(wasmtime_linker_new(impl->engine.get()));
  FS_RETURN_IF_ERROR(DefineHostFunctions(impl->linker.get()));
  FS_RETURN_IF_ERROR(DefineWasi(impl->linker.get()));
  wasmtime_instance_pre_t* instance_pre = nullptr;
  if (const ErrorHandle error(wasmtime_linker_instantiate_pre(impl->linker.get(), impl->module.get(), &instance_pre)); error) {
    return Internal("{}: it imports what this server does not offer: {}", impl->name, ErrorText(*error));
  }
  impl->instance_pre.reset(instance_pre);
  FS_ASSIGN_OR_RETURN(impl->watchdog, Watchdog::Start());

  std::unique_ptr<Runtime> runtime(new Runtime(std::move(impl)));
  Impl& shared = runtime->impl();
  shared.silent_host = std::make_unique<SilentHost>();
  GuestLimits limits;
  limits.memory_bytes = std::max<size_t>(limits.memory_bytes, shared.initial_memory_bytes);
  absl::StatusOr<std::unique_ptr<Guest>> probe = Guest::Create(*runtime, limits, *shared.silent_host);
  if (!probe.ok()) return Internal("{}", Message(probe.status()));
  shared.pristine = *std::move(probe);
  shared.snapshot_pages = std::make_unique<SnapshotPages>(shared.pristine->memory().data(), shared.initial_memory_bytes);
  return runtime;
}

absl::StatusOr<std::filesystem::path> Runtime::Precompile(const RuntimeOptions& options) {
  FS_ASSIGN_OR_RETURN(const EngineHandle engine, MakeEngine());
  FS_ASSIGN_OR_RETURN(const CompiledModule compiled, LoadModule(engine.get(), options));
  FS_RETURN_IF_ERROR_CONTEXT(compiled.kept, options.cache_dir.string());
  return compiled.entry;
}

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Runtime::~Runtime() = default;

}  // namespace fs::sandbox
