#include "api/creation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "catalog/digest.h"
#include "catalog/zip_maker.h"

namespace fs::api {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kYaml = "name: json\ntype: python\ninput-groups: [{inputs: [{input-type: embedded, topic: t, group_id: g}]}]\n";

std::string MakePackage(const std::string& python_requires = "3.10") {
  const std::string source = "class C: pass\n";
  const nlohmann::json manifest = {
      {"format", 1},
      {"entry_module", "m"},
      {"class_name", "C"},
      {"python_requires", python_requires},
      {"files",
       {{{"path", "m.py"}, {"kind", "module"}, {"module", "m"}, {"size", source.size()}, {"sha256", catalog::Sha256Hex(source)}}}}};
  return catalog::MakeZip({{.path = "fs-package.json", .bytes = manifest.dump()}, {.path = "m.py", .bytes = source}});
}

::function_stream::UploadChunk Header(const std::string& package, std::string_view yaml = kYaml) {
  ::function_stream::UploadChunk chunk;
  chunk.mutable_header()->set_config_content(std::string(yaml));
  chunk.mutable_header()->set_package_size(package.size());
  chunk.mutable_header()->set_package_sha256(catalog::Sha256Hex(package));
  return chunk;
}

::function_stream::UploadChunk Bytes(const std::string& bytes) {
  ::function_stream::UploadChunk chunk;
  chunk.set_bytes(bytes);
  return chunk;
}

absl::StatusOr<NewFunction> RunUpload(const std::vector<::function_stream::UploadChunk>& chunks, const CreationRules& rules = {}) {
  Upload upload(rules);
  for (const auto& chunk : chunks) FS_RETURN_IF_ERROR(upload.Take(chunk));
  return std::move(upload).Finish();
}

TEST(Upload, PackageArrivesInParts) {
  const std::string package = MakePackage();
  const auto created = RunUpload({Header(package), Bytes(package.substr(0, 10)), Bytes(""), Bytes(package.substr(10))});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->config.name, "json");
  EXPECT_EQ(created->config_yaml, kYaml);
  EXPECT_EQ(created->package.class_name, "C");
}

TEST(Upload, EachBreachOfTheProtocolIsRefused) {
  const std::string package = MakePackage();
  ::function_stream::UploadChunk wrong_hash = Header(package);
  wrong_hash.mutable_header()->set_package_sha256(catalog::Sha256Hex("other"));
  ::function_stream::UploadChunk no_hash = Header(package);
  no_hash.mutable_header()->set_package_sha256("");
  ::function_stream::UploadChunk too_large = Header(package);
  too_large.mutable_header()->set_package_size(uint64_t{1} << 60);
  struct Case {
    std::vector<::function_stream::UploadChunk> chunks;
    absl::StatusCode code;
    std::string_view message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {{}, absl::StatusCode::kInvalidArgument, "ended before the header"},
           {{Bytes(package)}, absl::StatusCode::kInvalidArgument, "the first message must be the header"},
           {{Header(package), Header(package)}, absl::StatusCode::kInvalidArgument, "a second header"},
           {{::function_stream::UploadChunk()}, absl::StatusCode::kInvalidArgument, "neither header nor bytes"},
           {{Header(package), Bytes(package + "x")}, absl::StatusCode::kInvalidArgument, "more than the"},
           {{Header(package), Bytes(package), Bytes("x")}, absl::StatusCode::kInvalidArgument, "more than the"},
           {{Header(package), Bytes(package.substr(1))}, absl::StatusCode::kInvalidArgument, "ended after"},
           {{Header(package)}, absl::StatusCode::kInvalidArgument, "ended after 0 of"},
           {{Header(package), Bytes(std::string((1 << 20) + 1, 'x'))}, absl::StatusCode::kInvalidArgument, "a chunk of 1048577 bytes"},
           {{wrong_hash, Bytes(package)}, absl::StatusCode::kInvalidArgument, "do not have the announced SHA-256"},
           {{no_hash}, absl::StatusCode::kInvalidArgument, "package_sha256 must be"},
           {{too_large}, absl::StatusCode::kResourceExhausted, "limits.package_mb"},
           {{Header(package, "name: f\n")}, absl::StatusCode::kInvalidArgument, "type (line 1): required"},
           {{Header(package, "")}, absl::StatusCode::kInvalidArgument, "function configuration: empty"},
           {{Header(package, "name: f\ntype: processor\ninput-groups: [{inputs: [{input-type: embedded, topic: t, group_id: g}]}]\n")},
            absl::StatusCode::kUnimplemented,
            "type: processor"},
           {{Header("no zip"), Bytes("no zip")}, absl::StatusCode::kInvalidArgument, "package: "},
       }) {
    const auto created = RunUpload(c.chunks);
    EXPECT_EQ(created.status().code(), c.code) << created.status();
    EXPECT_THAT(Message(created.status()), HasSubstr(c.message));
  }
}

TEST(Upload, PythonThatIsTooOldForThePackageRefusesIt) {
  const auto run = [](const std::string& needs, const std::string& has) {
    const std::string package = MakePackage(needs);
    return RunUpload({Header(package), Bytes(package)}, CreationRules{.python_version = has}).status();
  };
  EXPECT_TRUE(run("3.9", "3.13").ok());
  EXPECT_TRUE(run("3.13", "3.13.5").ok());
  EXPECT_TRUE(run("3.14", "").ok());
  EXPECT_THAT(Message(run("3.14", "3.13")), HasSubstr("needs Python 3.14; this server runs Python 3.13"));
}

absl::StatusOr<NewFunction> Create(std::string_view yaml, const std::string& bytes) {
  ::function_stream::CreateFunctionRequest request;
  request.set_config_bytes(std::string(yaml));
  request.set_function_bytes(bytes);
  return FromRequest(request, CreationRules{});
}

TEST(CreateFunction, TakesAPackageOrOneSource) {
  EXPECT_EQ(Create(kYaml, MakePackage())->package.entry_module, "m");
  const auto source = Create(kYaml, "import json\n");
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(source->package.files[0].path, "json_function");
  EXPECT_EQ(source->package.entry_module, "json_function");
  EXPECT_EQ(Create("name: 9-a.b\ntype: python\ninput-groups: [{inputs: [{input-type: embedded, topic: t, group_id: g}]}]\n", "x = 1\n")
                ->package.entry_module,
            "_9_a_b_function");
}

TEST(CreateFunction, SaysWhatItCannotTake) {
  EXPECT_THAT(Message(Create(kYaml, "").status()), HasSubstr("function_bytes: empty"));
  EXPECT_THAT(Message(Create(kYaml, std::string("\0asm\1", 5)).status()), HasSubstr("a WebAssembly module"));
  EXPECT_EQ(Create("name: f\ntype: processor\ninput-groups: [{inputs: [{input-type: embedded, topic: t, group_id: g}]}]\n",
                   std::string("\0asm\1", 5))
                .status()
                .code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_THAT(Message(Create(kYaml, "x = '\xff'\n").status()), StartsWith("function_bytes: "));
  EXPECT_THAT(Message(Create("", "x\n").status()), HasSubstr("function configuration: empty"));
  EXPECT_THAT(Message(Create("\xff", "x\n").status()), HasSubstr("not UTF-8"));
}

TEST(CreatePythonFunction, TakesModules) {
  ::function_stream::CreatePythonFunctionRequest request;
  request.set_class_name("C");
  request.set_config_content(std::string(kYaml));
  ::function_stream::PythonModule& module = *request.add_modules();
  module.set_module_name("jobs.metrics");
  module.set_module_bytes("class C: pass\n");
  const auto created = FromRequest(request, CreationRules{});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->package.files[0].path, "jobs.metrics");
  EXPECT_EQ(FromRequest(request, CreationRules{.limit_package_bytes = 3, .python_version = ""}).status().code(),
            absl::StatusCode::kResourceExhausted);
  request.clear_modules();
  EXPECT_THAT(Message(FromRequest(request, CreationRules{}).status()), HasSubstr("modules: at least one"));
}

}  // namespace
}  // namespace fs::api
