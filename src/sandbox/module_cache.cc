#include "sandbox/module_cache.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "observe/log.h"

namespace fs::sandbox {
namespace {

constexpr std::string_view kSuffix = ".cwasm";
constexpr size_t kKeyDigits = 32;
constexpr size_t kContentDigits = 64;

class FileDescriptor {
 public:
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// A file's bytes, mapped: modules have tens of megabytes and are read once.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::filesystem::path& path) {
    const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status = {};
    if (file.get() < 0 || fstat(file.get(), &status) != 0) return Internal("{}: {}", path.string(), std::strerror(errno));
    if (!S_ISREG(status.st_mode)) return Internal("{}: not a regular file", path.string());
    const size_t size = static_cast<size_t>(status.st_size);
    if (size == 0) return Internal("{}: empty", path.string());
    void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (data == MAP_FAILED) return Internal("{}: {}", path.string(), std::strerror(errno));
    return MappedFile(data, size);
  }
  MappedFile(MappedFile&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  [[nodiscard]] std::span<const uint8_t> bytes() const { return {static_cast<const uint8_t*>(data_), size_}; }

 private:
  MappedFile(void* data, size_t size) : data_(data), size_(size) {}
  void* data_;
  size_t size_;
};

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

std::string Sha256(std::initializer_list<std::span<const uint8_t>> parts) {
  const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(EVP_MD_CTX_new());
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest = {};
  unsigned length = 0;
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  for (const auto part : parts) EVP_DigestUpdate(context.get(), part.data(), part.size());
  EVP_DigestFinal_ex(context.get(), digest.data(), &length);
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::span<const uint8_t> AsBytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

absl::StatusOr<uint64_t> ReadLeb(std::span<const uint8_t> bytes, size_t& position) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (position >= bytes.size()) break;
    const uint8_t byte = bytes[position++];
    value |= uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return Internal("not a WebAssembly module");
}

// A start function would run during instantiation, before its memory is known to the watchdog.
absl::Status RefuseStartFunction(std::span<const uint8_t> wasm) {
  constexpr uint8_t kStartSection = 8;
  constexpr std::array<uint8_t, 8> kHeader = {0, 'a', 's', 'm', 1, 0, 0, 0};
  if (wasm.size() < kHeader.size() || std::memcmp(wasm.data(), kHeader.data(), kHeader.size()) != 0) {
    return Internal("not a WebAssembly core module");
  }
  for (size_t position = kHeader.size(); position < wasm.size();) {
    const uint8_t section = wasm[position++];
    FS_ASSIGN_OR_RETURN(const uint64_t size, ReadLeb(wasm, position));
    if (section == kStartSection) return Internal("it has a start function, which nothing could interrupt");
    if (size > wasm.size() - position) return Internal("not a WebAssembly module: a section is cut off");
    position += size;
  }
  return absl::OkStatus();
}

// Entries of this key, as (path, content hash in its name).
std::vector<std::pair<std::filesystem::path, std::string>> FindEntries(const std::filesystem::path& folder, const std::string& key) {
  std::vector<std::pair<std::filesystem::path, std::string>> found;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = file.path().filename().string();
    if (name.size() == key.size() + 1 + kContentDigits + kSuffix.size() && name.starts_with(key + "-") && name.ends_with(kSuffix)) {
      found.emplace_back(file.path(), name.substr(key.size() + 1, kContentDigits));
    }
  }
  return found;
}

absl::StatusOr<ModuleHandle> ReadEntry(wasm_engine_t* engine, const std::filesystem::path& path, const std::string& content_hash) {
  {
    FS_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
    if (Sha256({file.bytes()}) != content_hash) return DataLoss("its content does not match its name");
  }
  wasmtime_module_t* module = nullptr;
  const ErrorHandle error(wasmtime_module_deserialize_file(engine, path.c_str(), &module));
  if (error) return DataLoss("{}", ErrorText(*error));
  return ModuleHandle(module);
}

absl::Status WriteAll(int descriptor, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Internal("{}", std::strerror(errno));
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::filesystem::path> WriteEntry(const std::filesystem::path& folder, const std::string& key,
                                                 std::span<const uint8_t> bytes) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Internal("{}: {}", folder.string(), error.message());

  std::filesystem::path entry = folder / fmt::format("{}-{}{}", key, Sha256({bytes}), kSuffix);
  std::string temporary = (folder / fmt::format("{}.XXXXXX", key)).string();
  const FileDescriptor file(mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) return Internal("{}: {}", folder.string(), std::strerror(errno));

  absl::Status status = WriteAll(file.get(), bytes);
  if (status.ok() && (fchmod(file.get(), 0644) != 0 || fsync(file.get()) != 0 || rename(temporary.c_str(), entry.c_str()) != 0)) {
    status = Internal("{}", std::strerror(errno));
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return WithContext(status, entry.string());
  }
  return entry;
}

absl::StatusOr<ModuleHandle> Compile(wasm_engine_t* engine, std::span<const uint8_t> wasm) {
  wasmtime_module_t* module = nullptr;
  const ErrorHandle error(wasmtime_module_new(engine, wasm.data(), wasm.size(), &module));
  if (error) return Internal("the engine does not take it: {}", ErrorText(*error));
  return ModuleHandle(module);
}

absl::StatusOr<std::filesystem::path> Keep(const ModuleHandle& module, const std::filesystem::path& folder, const std::string& key) {
  wasm_byte_vec_t bytes = {};
  const ErrorHandle error(wasmtime_module_serialize(module.get(), &bytes));
  if (error) return Internal("the compiled module cannot be written: {}", ErrorText(*error));
  auto entry = WriteEntry(folder, key, {reinterpret_cast<const uint8_t*>(bytes.data), bytes.size});
  wasm_byte_vec_delete(&bytes);
  return entry;
}

}  // namespace

absl::StatusOr<CompiledModule> LoadModule(wasm_engine_t* engine, const RuntimeOptions& options) {
  const std::string name = options.wasm_path.string();
  if (name.empty()) return Internal("python.wasm_path: not set: the Python runtime's module is missing");
  FS_ASSIGN_OR_RETURN_CONTEXT(const MappedFile wasm, MappedFile::Open(options.wasm_path), "the Python runtime");
  FS_RETURN_IF_ERROR_CONTEXT(RefuseStartFunction(wasm.bytes()), name);
  const std::string key = Sha256({AsBytes(EngineFingerprint()), wasm.bytes()}).substr(0, kKeyDigits);

  CompiledModule compiled;
  if (options.enable_cache) {
    for (const auto& [path, content_hash] : FindEntries(options.cache_dir, key)) {
      auto module = ReadEntry(engine, path, content_hash);
      if (module.ok()) {
        compiled.module = *std::move(module);
        compiled.entry = path;
        return compiled;
      }
      observe::LogWarning("{}: unusable ({}); compiling {} anew", path.string(), Message(module.status()), name);
      std::error_code ignored;
      std::filesystem::remove(path, ignored);
    }
    observe::LogInfo("{}: compiling, which takes some seconds; kept in {}", name, options.cache_dir.string());
  }

  FS_ASSIGN_OR_RETURN_CONTEXT(compiled.module, Compile(engine, wasm.bytes()), name);
  if (!options.enable_cache) {
    compiled.kept = FailedPrecondition("the cache is off");
    return compiled;
  }
  auto entry = Keep(compiled.module, options.cache_dir, key);
  if (entry.ok()) {
    compiled.entry = *std::move(entry);
    // Read back, so that this process too shares the file's pages with the others instead of holding its own copy.
    auto module = ReadEntry(engine, compiled.entry, compiled.entry.stem().string().substr(key.size() + 1));
    if (module.ok()) compiled.module = *std::move(module);
  } else {
    compiled.kept = entry.status();
  }
  return compiled;
}

}  // namespace fs::sandbox
