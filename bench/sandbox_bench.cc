// fs-sandbox-bench: what a guest costs, as one line of JSON. bench/sandbox.py runs it beside native CPython and prints the ratios.
//
// Per message: CPU time of the thread, over batches, with everything a task pays at this wall (records encoded, output read back), the
// state in a hash map, so that the database is not measured. Start: create, load, init, first message. Memory: private pages that each
// further instance adds, after some messages.
#include <absl/container/flat_hash_map.h>
#include <absl/time/clock.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "sandbox/guest.h"
#include "sandbox/runtime.h"

namespace fs::sandbox {
namespace {

class HashStore : public state::KvStore {
 public:
  absl::StatusOr<std::optional<std::string_view>> Get(std::string_view key) override {
    const auto found = values_.find(key);
    if (found == values_.end()) return std::nullopt;
    return std::string_view(found->second);
  }
  absl::Status Put(std::string_view key, std::string_view value) override {
    values_[key].assign(value);
    return absl::OkStatus();
  }
  absl::Status Delete(std::string_view) override { return NotMeasured(); }
  absl::StatusOr<std::unique_ptr<state::KvIterator>> Range(std::string_view, std::string_view) override { return NotMeasured(); }
  absl::StatusOr<std::optional<std::string_view>> Get(const state::ComplexKey&) override { return NotMeasured(); }
  absl::Status Put(const state::ComplexKey&, std::string_view) override { return NotMeasured(); }
  absl::Status Delete(const state::ComplexKey&) override { return NotMeasured(); }
  absl::Status Merge(const state::ComplexKey&, std::string_view) override { return NotMeasured(); }
  absl::Status DeletePrefix(const state::ComplexKey&) override { return NotMeasured(); }
  absl::StatusOr<std::unique_ptr<state::KvIterator>> Range(const state::ComplexKey&, std::string_view, std::string_view) override {
    return NotMeasured();
  }
  absl::StatusOr<std::unique_ptr<state::KvIterator>> Scan(const state::ComplexKey&) override { return NotMeasured(); }

 private:
  static absl::Status NotMeasured() { return Unimplemented("the benchmark measures plain get and put only"); }
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  absl::flat_hash_map<std::string, std::string, Hash, std::equal_to<>> values_;
};

class BenchHost : public Host {
 public:
  absl::StatusOr<state::KvStore*> OpenStore(std::string_view) override { return &store_; }
  void BeginMessage(uint32_t) override {}
  void Log(int, std::string_view text) override { std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data()); }

 private:
  HashStore store_;
};

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "fs-sandbox-bench: %s\n", std::string(Message(status)).c_str());
  std::exit(1);
}

struct Instance {
  BenchHost host;
  std::unique_ptr<Guest> guest;

  void Start(Runtime& runtime, const std::string& class_name, std::span<const PackageFile> files) {
    Create(runtime);
    Load(class_name, files);
    Check(guest->Init());
  }

  void Create(Runtime& runtime) {
    auto created = Guest::Create(runtime, {}, host);
    Check(created.status());
    guest = *std::move(created);
  }

  void Load(const std::string& class_name, std::span<const PackageFile> files) {
    GuestProgram program;
    program.function_name = "bench";
    program.entry_module = "bench";
    program.class_name = class_name;
    program.channel_count = 1;
    program.topics = {"in"};
    program.config = {{"metric_name", "user_click"}};
    program.files = files;
    Check(guest->Load(program));
  }

  // Returns the bytes emitted, so that reading them cannot be left out.
  size_t Run(std::span<const Record> records) {
    size_t bytes = 0;
    while (!records.empty()) {
      const auto result = guest->Process(0, 0, records);
      Check(result.status());
      if (result->error) Check(Aborted("{}", result->error->traceback));
      Check(guest->ForEachEmitted([&](const Emitted& emitted) {
        bytes += emitted.record.value.size();
        return true;
      }));
      records = records.subspan(result->processed);
    }
    return bytes;
  }
};

double ThreadCpuSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Kilobytes of private pages of this process.
double PrivateKilobytes() {
  std::ifstream rollup("/proc/self/smaps_rollup");
  double total = 0;
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with("Private_Dirty:") || line.starts_with("Private_Clean:")) total += std::strtod(line.c_str() + 14, nullptr);
  }
  return total;
}

struct Measured {
  std::string name, function, class_name, events;
  size_t messages;
};

// The same list is in native_baseline.py.
const Measured kMeasured[] = {
    {"empty", "empty", "Empty", "small", 200000},
    {"echo", "echo", "Echo", "small", 200000},
    {"metric", "metric", "MetricProcessor", "small", 40000},
    {"json-1k", "document", "Document", "1k", 10000},
    {"json-10k", "document", "Document", "10k", 1000},
};

std::vector<std::string> Lines(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream input(path);
  for (std::string line; std::getline(input, line);) lines.push_back(line);
  if (lines.empty()) Check(NotFound("{}: no events", path.string()));
  return lines;
}

// Refers to `events`.
std::vector<Record> Batch(const std::vector<std::string>& events, size_t size) {
  std::vector<Record> records(size);
  for (size_t i = 0; i < size; ++i) {
    records[i].value = events[i % events.size()];
    records[i].timestamp_ms = 1700000000000 + static_cast<int64_t>(i);
    records[i].offset = static_cast<int64_t>(i);
  }
  return records;
}

std::vector<PackageFile> Package(const std::filesystem::path& folder, const std::string& name) {
  std::ifstream file(folder / (name + ".py"), std::ios::binary);
  std::string source((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (source.empty()) Check(NotFound("{}: no function to measure", (folder / (name + ".py")).string()));
  return {{PackageFile::Kind::kModule, "bench", std::move(source)}};
}

// Milliseconds from Interrupt() to the return of a call that runs this for ever.
double InterruptMilliseconds(Runtime& runtime, const std::string& statement) {
  const std::vector<PackageFile> files = {
      {PackageFile::Kind::kModule, "bench",
       "from fs_api import FSProcessorDriver\nclass F(FSProcessorDriver):\n  def process(self, c, s, d):\n    " + statement + "\n"}};
  Instance instance;
  instance.Start(runtime, "F", files);
  Record record;
  record.value = "x";
  absl::Time interrupted;
  std::thread other([&] {
    absl::SleepFor(absl::Milliseconds(50));
    interrupted = absl::Now();
    instance.guest->Interrupt();
  });
  const auto result = instance.guest->Process(0, 0, {&record, 1});
  const absl::Time end = absl::Now();
  other.join();
  if (result.status().code() != absl::StatusCode::kCancelled) Check(Internal("an interrupt was not one: {}", Message(result.status())));
  return absl::ToDoubleMilliseconds(end - interrupted);
}

}  // namespace
}  // namespace fs::sandbox

int main(int argc, char** argv) {
  using namespace fs::sandbox;
  CLI::App app("Measures the sandbox; prints one line of JSON.");
  RuntimeOptions options;
  std::filesystem::path functions, events_folder;
  std::string only;
  size_t batch = 1000, rounds = 9, instances = 100;
  app.add_option("--wasm", options.wasm_path)->required();
  app.add_option("--cache", options.cache_dir)->required();
  app.add_option("--functions", functions, "Folder of empty.py, echo.py, metric.py and document.py")->required();
  app.add_option("--events", events_folder, "Folder of small, 1k and 10k: one event a line")->required();
  app.add_option("--only", only, "Measure this case's cost per message and nothing else, for a profiler");
  app.add_option("--batch", batch);
  app.add_option("--rounds", rounds);
  app.add_option("--instances", instances);
  CLI11_PARSE(app, argc, argv);

  auto loaded = Runtime::Load(options);
  Check(loaded.status());
  Runtime& runtime = **loaded;

  const std::vector<std::string> events = Lines(events_folder / "small");
  const std::vector<fs::Record> records = Batch(events, batch);

  nlohmann::json report;
  for (const Measured& measured : kMeasured) {
    if (!only.empty() && measured.name != only) continue;
    const auto files = Package(functions, measured.function);
    const std::vector<std::string> lines = Lines(events_folder / measured.events);
    const std::vector<fs::Record> messages = Batch(lines, std::min(batch, measured.messages));
    Instance instance;
    instance.Start(runtime, measured.class_name, files);
    instance.Run(messages);
    std::vector<double> nanoseconds;
    for (size_t round = 0; round < rounds; ++round) {
      const double begin = ThreadCpuSeconds();
      size_t done = 0;
      for (; done < measured.messages; done += messages.size()) instance.Run(messages);
      nanoseconds.push_back((ThreadCpuSeconds() - begin) * 1e9 / static_cast<double>(done));
    }
    report["ns_per_message"][measured.name] = Median(nanoseconds);
    report["least_ns_per_message"][measured.name] = *std::min_element(nanoseconds.begin(), nanoseconds.end());
  }

  if (!only.empty()) {
    std::printf("%s\n", report.dump().c_str());
    return 0;
  }

  const auto files = Package(functions, "metric");
  std::vector<double> starts, cpu, creates, loads;
  for (size_t i = 0; i < 50; ++i) {
    const absl::Time begin = absl::Now();
    const double cpu_begin = ThreadCpuSeconds();
    Instance instance;
    instance.Create(runtime);
    const absl::Time created = absl::Now();
    instance.Load("MetricProcessor", files);
    const absl::Time loaded_at = absl::Now();
    Check(instance.guest->Init());
    instance.Run({records.data(), 1});
    starts.push_back(absl::ToDoubleMilliseconds(absl::Now() - begin));
    cpu.push_back((ThreadCpuSeconds() - cpu_begin) * 1e3);
    creates.push_back(absl::ToDoubleMilliseconds(created - begin));
    loads.push_back(absl::ToDoubleMilliseconds(loaded_at - created));
  }
  report["start_ms"] = Median(starts);
  report["start_ms_min"] = *std::min_element(starts.begin(), starts.end());
  report["start_ms_max"] = *std::max_element(starts.begin(), starts.end());
  report["start_parts_ms"] = {{"create", Median(creates)}, {"load", Median(loads)}, {"cpu", Median(cpu)}};

  std::vector<std::unique_ptr<Instance>> many;
  double first = 0;
  for (size_t i = 0; i <= instances; ++i) {
    many.push_back(std::make_unique<Instance>());
    many.back()->Start(runtime, "MetricProcessor", files);
    many.back()->Run({records.data(), std::min<size_t>(100, records.size())});
    if (i == 0) first = PrivateKilobytes();
  }
  report["private_mib_per_instance"] = (PrivateKilobytes() - first) / 1024 / static_cast<double>(instances);

  report["interrupt_python_loop_ms"] = InterruptMilliseconds(runtime, "while True: pass");
  report["interrupt_c_loop_ms"] = InterruptMilliseconds(runtime, "10 ** 10 ** 8");
  std::printf("%s\n", report.dump().c_str());
  return 0;
}
