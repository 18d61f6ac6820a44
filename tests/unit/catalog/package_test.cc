#include "catalog/package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "catalog/digest.h"
#include "catalog/zip_maker.h"

namespace fs::catalog {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr uint64_t kLimit = uint64_t{64} << 20;

// A package and everything about it that a test may bend before it is made.
struct Draft {
  Json manifest = {{"format", 1},
                   {"entry_module", "jobs.metrics"},
                   {"class_name", "MetricProcessor"},
                   {"python_requires", "3.10"},
                   {"client", "fs_client 0.1.0"},
                   {"files", Json::array()}};
  std::vector<ZipEntry> entries;

  Draft() {
    Add("jobs/__init__.py", "package", "jobs", "");
    Add("jobs/metrics.py", "module", "jobs.metrics", "class MetricProcessor: pass\n");
    Add("jobs/units.json", "data", "", "{}");
  }
  void Add(const std::string& path, const std::string& kind, const std::string& module, const std::string& bytes, bool is_deflated = true) {
    Json file = {{"path", path}, {"kind", kind}, {"size", bytes.size()}, {"sha256", Sha256Hex(bytes)}};
    if (!module.empty()) file["module"] = module;
    manifest["files"].push_back(file);
    entries.push_back({.path = path, .bytes = bytes, .is_deflated = is_deflated});
  }
  std::string Zip(const std::string& front = "") const {
    std::vector<ZipEntry> all = {{.path = "fs-package.json", .bytes = manifest.dump(), .is_deflated = true}};
    all.insert(all.end(), entries.begin(), entries.end());
    return MakeZip(all, front);
  }
};

TEST(Package, FilesComeOutAsTheManifestNamesThem) {
  const auto package = ReadPackage(Draft().Zip(), kLimit);
  ASSERT_TRUE(package.ok()) << package.status();
  EXPECT_EQ(package->entry_module, "jobs.metrics");
  EXPECT_EQ(package->class_name, "MetricProcessor");
  EXPECT_EQ(package->python_requires, "3.10");
  ASSERT_EQ(package->files.size(), 3u);
  EXPECT_EQ(package->files[0].kind, PackageFile::Kind::kPackage);
  EXPECT_EQ(package->files[0].path, "jobs");
  EXPECT_EQ(package->files[1].path, "jobs.metrics");
  EXPECT_EQ(package->files[1].bytes, "class MetricProcessor: pass\n");
  EXPECT_EQ(package->files[2].kind, PackageFile::Kind::kData);
  EXPECT_EQ(package->files[2].path, "jobs/units.json");
}

TEST(Package, OrderAndUnknownKeysDoNotMatter) {
  Draft draft;
  draft.manifest["future"] = {{"deep", {1, 2, 3}}};
  std::reverse(draft.manifest["files"].begin(), draft.manifest["files"].end());
  std::reverse(draft.entries.begin(), draft.entries.end());
  EXPECT_TRUE(ReadPackage(draft.Zip(), kLimit).ok());
}

TEST(Package, SizesInTheContainersHeadersAreNotBelieved) {
  Draft draft;
  draft.entries[1].told_size = 1;
  EXPECT_EQ(ReadPackage(draft.Zip(), kLimit)->files[1].bytes.size(), 28u);
}

TEST(Package, BreachOfAnyRuleRefusesThePackageAndNamesTheEntry) {
  const auto bad_path = [](const std::string& path) { return [path](Draft& d) { d.Add(path, "data", "", "x"); }; };
  struct Case {
    std::string_view name;
    std::function<void(Draft&)> bend;
    std::string_view message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"climbing", bad_path("../evil.py"), "`../evil.py`: a path must be relative"},
           {"climbing inside", bad_path("a/../../b"), "must be relative"},
           {"absolute", bad_path("/etc/passwd"), "must be relative"},
           {"dot", bad_path("./a"), "must be relative"},
           {"empty segment", bad_path("a//b"), "must be relative"},
           {"folder entry", bad_path("a/"), "must be relative"},
           {"backslash", bad_path("a\\b"), "must not hold"},
           {"drive", bad_path("C:x"), "must not hold"},
           {"control character", bad_path("a\x1b[2Jb"), "`a?[2Jb`: a path must not hold"},
           {"long", bad_path(std::string(513, 'x')), "1 to 512 bytes"},
           {"file and folder", [](Draft& d) { d.Add("jobs", "data", "", "x"); }, "jobs is a file and a folder"},
           {"twice in the zip", [](Draft& d) { d.entries.push_back(d.entries[0]); }, "an entry of the ZIP directory is there twice"},
           {"twice in the manifest", [](Draft& d) { d.manifest["files"].push_back(d.manifest["files"][0]); },
            "jobs/__init__.py is listed twice"},
           {"manifest lists itself", [](Draft& d) { d.manifest["files"][2]["path"] = "fs-package.json"; }, "listed twice"},
           {"link", [](Draft& d) { d.entries[2].mode = 0120777; }, "jobs/units.json: is a link, folder or device"},
           {"device", [](Draft& d) { d.entries[2].mode = 0020666; }, "is a link, folder or device"},
           {"encrypted", [](Draft& d) { d.entries[2].flags = 1; }, "jobs/units.json: is encrypted"},
           {"method", [](Draft& d) { d.entries[2].method = 12; }, "compression method 12"},
           {"checksum", [](Draft& d) { d.entries[1].crc = 1; }, "jobs/metrics.py: damaged"},
           {"other local name", [](Draft& d) { d.entries[1].local_path = "jobs/Metrics.py"; }, "damaged ZIP"},
           {"not in the manifest", [](Draft& d) { d.entries.push_back({.path = "extra.py", .bytes = "x"}); }, "extra.py: is not listed in"},
           {"not in the zip", [](Draft& d) { d.entries.pop_back(); }, "jobs/units.json: is missing"},
           {"size", [](Draft& d) { d.manifest["files"][1]["size"] = 27; }, "jobs/metrics.py: unpacks to more than 27 bytes"},
           {"size above", [](Draft& d) { d.manifest["files"][1]["size"] = 29; }, "jobs/metrics.py: 28 bytes; fs-package.json says 29"},
           {"hash", [](Draft& d) { d.manifest["files"][1]["sha256"] = Sha256Hex("other"); }, "jobs/metrics.py: its SHA-256"},
           {"hash form", [](Draft& d) { d.manifest["files"][1]["sha256"] = std::string(64, 'A'); }, "64 lower-case"},
           {"format", [](Draft& d) { d.manifest["format"] = 2; }, "format 2 is not known here; this server reads format 1"},
           {"format type", [](Draft& d) { d.manifest["format"] = "1"; }, "format must be a whole number"},
           {"no format", [](Draft& d) { d.manifest.erase("format"); }, "format must be"},
           {"entry module", [](Draft& d) { d.manifest["entry_module"] = "jobs.other"; }, "entry_module `jobs.other` is not among"},
           {"entry is data", [](Draft& d) { d.manifest["entry_module"] = "jobs.units"; }, "is not among"},
           {"entry type", [](Draft& d) { d.manifest["entry_module"] = 5; }, "entry_module must be text"},
           {"class", [](Draft& d) { d.manifest["class_name"] = "a.b"; }, "`a.b` is not a class name"},
           {"no class", [](Draft& d) { d.manifest.erase("class_name"); }, "class_name is missing"},
           {"python", [](Draft& d) { d.manifest["python_requires"] = ">=3.10"; }, "MAJOR.MINOR such as 3.10"},
           {"files type", [](Draft& d) { d.manifest["files"] = Json::object(); }, "files must be a list"},
           {"file type", [](Draft& d) { d.manifest["files"][0] = 1; }, "files[0] must be an object"},
           {"kind", [](Draft& d) { d.manifest["files"][0]["kind"] = "link"; }, "kind must be module, package or data, not `link`"},
           {"kind type", [](Draft& d) { d.manifest["files"][0]["kind"] = nullptr; }, "files[0].kind must be text"},
           {"negative size", [](Draft& d) { d.manifest["files"][0]["size"] = -1; }, "size must be a whole number"},
           {"module of data", [](Draft& d) { d.manifest["files"][2]["module"] = "jobs.units"; }, "data has no module"},
           {"module elsewhere", [](Draft& d) { d.manifest["files"][1]["module"] = "os"; }, "a module at this path cannot be `os`"},
           {"package as module", [](Draft& d) { d.manifest["files"][0]["kind"] = "module"; }, "a module at this path cannot be"},
           {"two of one name", [](Draft& d) { d.Add("jobs.py", "module", "jobs", "x"); }, "two files for module jobs"},
           {"digit", [](Draft& d) { d.Add("9a.py", "module", "9a", "x"); }, "`9a` is not a dotted module name"},
           {"reserved", [](Draft& d) { d.Add("fs_api/__init__.py", "package", "fs_api", "x"); }, "`fs_api` belongs to the runtime"},
           {"below reserved", [](Draft& d) { d.Add("fs_runtime/x.py", "module", "fs_runtime.x", "x"); }, "belongs to the runtime"},
       }) {
    Draft draft;
    c.bend(draft);
    const auto package = ReadPackage(draft.Zip(), kLimit);
    EXPECT_EQ(package.status().code(), absl::StatusCode::kInvalidArgument) << c.name << ": " << package.status();
    EXPECT_THAT(Message(package.status()), HasSubstr(c.message)) << c.name;
  }
}

TEST(Package, WhatIsNoZipOfOursIsRefused) {
  const std::string good = Draft().Zip();
  std::string with_comment = good;
  with_comment[with_comment.size() - 2] = 1;
  with_comment += "x";
  struct Case {
    std::string_view name;
    std::string bytes;
  };
  for (const Case& c :
       std::initializer_list<Case>{{"empty", ""},
                                   {"text", "import os\n"},
                                   {"cut short", good.substr(0, good.size() - 10)},
                                   {"cut in front", good.substr(10)},
                                   {"prepended", "#!/bin/sh\n" + good},
                                   // A bug once: to libzip this is a whole one.
                                   {"prepended and accounted for", Draft().Zip("#!/bin/sh\n")},
                                   {"appended", good + "x"},
                                   {"comment", with_comment},
                                   {"no manifest", MakeZip({{.path = "a.py", .bytes = "x"}})},
                                   {"no entries", MakeZip({})},
                                   {"manifest no json", MakeZip({{.path = "fs-package.json", .bytes = "{"}})},
                                   {"manifest no object", MakeZip({{.path = "fs-package.json", .bytes = "[]"}})},
                                   {"manifest not utf-8", MakeZip({{.path = "fs-package.json", .bytes = "{\"format\": \"\xff\"}"}})}}) {
    EXPECT_EQ(ReadPackage(c.bytes, kLimit).status().code(), absl::StatusCode::kInvalidArgument) << c.name;
  }
}

TEST(Package, LimitsAreNamed) {
  const std::string zip = Draft().Zip();
  EXPECT_THAT(Message(ReadPackage(zip, zip.size() - 1).status()), HasSubstr("limits.package_mb"));

  Draft large_file;
  large_file.manifest["files"][0]["size"] = (uint64_t{64} << 20) + 1;
  Draft large_total;
  for (int i = 0; i < 5; ++i) {
    large_total.Add(fmt::format("d{}", i), "data", "", "x");
    large_total.manifest["files"].back()["size"] = uint64_t{64} << 20;
  }
  Draft many;
  std::vector<ZipEntry> entries;
  for (int i = 0; i < 20'002; ++i) entries.push_back({.path = std::to_string(i), .bytes = ""});
  for (const std::string& bytes : {large_file.Zip(), large_total.Zip(), MakeZip(entries)}) {
    const auto package = ReadPackage(bytes, kLimit);
    EXPECT_EQ(package.status().code(), absl::StatusCode::kResourceExhausted) << package.status();
    EXPECT_THAT(Message(package.status()), HasSubstr("the limit"));
  }
}

TEST(Package, BombUnpacksNoFurtherThanItSays) {
  Draft draft;
  const std::string zeros(size_t{60} << 20, '\0');
  draft.Add("zeros", "data", "", zeros);
  draft.manifest["files"].back()["size"] = 1000;
  draft.entries.back().told_size = 1000;
  const auto package = ReadPackage(draft.Zip(), kLimit);
  EXPECT_EQ(package.status().code(), absl::StatusCode::kInvalidArgument);

  // Brackets in the manifest, which would become memory if they were kept.
  std::string brackets = "{\"format\": 1, \"x\": " + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
  EXPECT_FALSE(ReadPackage(MakeZip({{.path = "fs-package.json", .bytes = brackets, .is_deflated = true}}), kLimit).ok());
}

TEST(Package, DamagedBytesNeverDoMoreThanFail) {
  std::mt19937 random(1);
  const std::string good = Draft().Zip();
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (int i = 0; i <= round % 4; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto package = ReadPackage(bytes, kLimit);
    if (!package.ok()) {
      EXPECT_NE(package.status().code(), absl::StatusCode::kInternal) << package.status();
    }
  }
}

TEST(PackageFromModules, ParentOfAnotherModuleIsAPackage) {
  const auto package = PackageFromModules("C", {{"a", "x = 1\n"}, {"a.b", ""}, {"c.d", "\xef\xbb\xbf# bom\n"}}, kLimit);
  ASSERT_TRUE(package.ok()) << package.status();
  EXPECT_EQ(package->files[0].kind, PackageFile::Kind::kPackage);
  EXPECT_EQ(package->files[1].kind, PackageFile::Kind::kModule);
  EXPECT_EQ(package->files[2].path, "c.d");
  EXPECT_TRUE(package->entry_module.empty());
}

TEST(PackageFromModules, NamesAndSourcesAreChecked) {
  struct Case {
    std::string class_name;
    std::vector<std::pair<std::string, std::string>> modules;
    std::string_view message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"C", {}, "at least one is required"},
           {"C", {{"", "x"}}, "not a dotted module name"},
           {"C", {{"a..b", "x"}}, "not a dotted module name"},
           {"C", {{"../a", "x"}}, "not a dotted module name"},
           {"C", {{"a.py x", "x"}}, "not a dotted module name"},
           {"C", {{"a", "x"}, {"a", "y"}}, "a is there twice"},
           {"C", {{"fs_api.context", "x"}}, "belongs to the runtime"},
           {"C", {{"a", "x = '\xe9'\n"}}, "a: the source is not UTF-8 and has no coding line"},
           {"C()", {{"a", "x"}}, "`C()` is not a class name"},
       }) {
    const auto package = PackageFromModules(c.class_name, c.modules, kLimit);
    EXPECT_EQ(package.status().code(), absl::StatusCode::kInvalidArgument) << c.message;
    EXPECT_THAT(Message(package.status()), HasSubstr(c.message));
  }
  EXPECT_TRUE(PackageFromModules("", {{"a", "# -*- coding: latin-1 -*-\nx = '\xe9'\n"}}, kLimit).ok());
  EXPECT_EQ(PackageFromModules("C", {{"a", "12345"}}, 4).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(Digest, IsSha256) { EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); }

}  // namespace
}  // namespace fs::catalog
