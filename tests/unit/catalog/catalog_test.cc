#include "catalog/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace fs::catalog {
namespace {

using ::testing::HasSubstr;

class CatalogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/fs_catalog_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Catalog> Open() {
    absl::StatusOr<std::unique_ptr<Catalog>> catalog = Catalog::Open(folder_ / "task", false);
    EXPECT_TRUE(catalog.ok()) << catalog.status();
    return std::move(*catalog);
  }
  static std::shared_ptr<const Function> Make(const std::string& name) {
    auto function = std::make_shared<Function>();
    function->name = name;
    function->config_yaml = fmt::format(
        "name: {}\ntype: python\ninit_config: {{a: b}}\n"
        "input-groups: [{{inputs: [{{input-type: embedded, topic: t, group_id: g}}]}}]\n",
        name);
    function->config = *config::ParseFunctionConfig(function->config_yaml);
    auto package = std::make_shared<Package>();
    package->entry_module = "m";
    package->class_name = "C";
    package->python_requires = "3.10";
    package->files = {{PackageFile::Kind::kPackage, "m", std::string("\0\xff", 2)},
                      {PackageFile::Kind::kModule, "m.n", "x"},
                      {PackageFile::Kind::kData, "m/d.json", "{}"}};
    function->package = package;
    function->state_id = "state-of-" + name;
    return function;
  }
  void Overwrite(const std::string& key, const std::string& value) {
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), (folder_ / "task").string(), &raw).ok());
    const std::unique_ptr<rocksdb::DB> database(raw);
    ASSERT_TRUE(database->Put(rocksdb::WriteOptions(), key, value).ok());
  }

  std::filesystem::path folder_;
};

TEST_F(CatalogTest, FunctionsOutliveTheServer) {
  {
    const std::unique_ptr<Catalog> catalog = Open();
    for (const std::string name : {"b", "a", "c"}) {
      ASSERT_TRUE(catalog->Reserve(name).ok());
      ASSERT_TRUE(catalog->Put(Make(name)).ok());
    }
    ASSERT_TRUE(catalog->SetWanted("b", WantedStatus::kStopped).ok());
    ASSERT_TRUE(catalog->Remove("c").ok());
  }
  const std::unique_ptr<Catalog> catalog = Open();
  const auto functions = catalog->List();
  ASSERT_EQ(functions.size(), 2u);
  EXPECT_EQ(functions[0]->name, "a");
  const Function& b = *functions[1];
  EXPECT_EQ(b.wanted, WantedStatus::kStopped);
  EXPECT_EQ(b.state_id, "state-of-b");
  EXPECT_EQ(b.config.init_config[0].second, "b");
  EXPECT_EQ(b.config_yaml, Make("b")->config_yaml);
  EXPECT_EQ(b.package->class_name, "C");
  EXPECT_EQ(b.package->python_requires, "3.10");
  ASSERT_EQ(b.package->files.size(), 3u);
  EXPECT_EQ(b.package->files[0].bytes, std::string("\0\xff", 2));
  EXPECT_EQ(b.package->files[0].kind, PackageFile::Kind::kPackage);
  EXPECT_EQ(b.package->files[2].kind, PackageFile::Kind::kData);
}

TEST_F(CatalogTest, NameBelongsToOneFunction) {
  const std::unique_ptr<Catalog> catalog = Open();
  ASSERT_TRUE(catalog->Reserve("f").ok());
  EXPECT_EQ(catalog->Reserve("f").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(catalog->Get("f").status().code(), absl::StatusCode::kNotFound);
  catalog->Release("f");
  ASSERT_TRUE(catalog->Reserve("f").ok());
  ASSERT_TRUE(catalog->Put(Make("f")).ok());
  EXPECT_EQ(catalog->Reserve("f").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(catalog->Put(Make("f")).code(), absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(catalog->Remove("f").ok());
  EXPECT_TRUE(catalog->Reserve("f").ok());
}

TEST_F(CatalogTest, UnknownNamesAreNotFound) {
  const std::unique_ptr<Catalog> catalog = Open();
  EXPECT_EQ(catalog->Remove("f").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(catalog->SetWanted("f", WantedStatus::kRunning).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(catalog->Get("f").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CatalogTest, OneOfManyGetsTheName) {
  const std::unique_ptr<Catalog> catalog = Open();
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        const std::string name = fmt::format("f{}", round);
        if (!catalog->Reserve(name).ok()) continue;
        won += catalog->Put(Make(name)).ok() ? 1 : 0;
        (void)catalog->List();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 20);
  EXPECT_EQ(catalog->List().size(), 20u);
}

TEST_F(CatalogTest, MemoryCatalogTouchesNoDisk) {
  const auto catalog = Catalog::Open(folder_ / "task", true);
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  ASSERT_TRUE((*catalog)->Reserve("f").ok());
  ASSERT_TRUE((*catalog)->Put(Make("f")).ok());
  EXPECT_EQ((*catalog)->List().size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "task"));
}

TEST_F(CatalogTest, SecondServerIsRefusedWithTheFirstOnesProcess) {
  int ready[2], done[2];
  ASSERT_EQ(pipe(ready) + pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto held = Catalog::Open(folder_ / "task", false);
    char byte = held.ok() ? 'y' : 'n';
    if (write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 1) _exit(0);
    _exit(1);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  const auto second = Catalog::Open(folder_ / "task", false);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(second.status()), HasSubstr(std::to_string(child)));
  ASSERT_EQ(write(done[1], &byte, 1), 1);
  waitpid(child, nullptr, 0);
}

TEST_F(CatalogTest, PathThatCannotBeUsedIsNamed) {
  std::ofstream(folder_ / "file") << "x";
  const auto catalog = Catalog::Open(folder_ / "file" / "task", false);
  EXPECT_EQ(catalog.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Message(catalog.status()), HasSubstr((folder_ / "file" / "task").string()));
}

TEST_F(CatalogTest, NewerFormatsAndDamageAreToldApart) {
  {
    const std::unique_ptr<Catalog> catalog = Open();
    ASSERT_TRUE(catalog->Reserve("f").ok());
    ASSERT_TRUE(catalog->Put(Make("f")).ok());
  }
  Overwrite("ff", "not a record");
  auto catalog = Catalog::Open(folder_ / "task", false);
  EXPECT_EQ(catalog.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(catalog.status()), HasSubstr("function f: the stored record is damaged"));

  Overwrite("ff", std::string("\x08\x02\x12\x01"
                              "f",
                              5));  // format: 2, name: "f"
  catalog = Catalog::Open(folder_ / "task", false);
  EXPECT_EQ(catalog.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(catalog.status()), HasSubstr("stored in format 2, by a newer server"));

  Overwrite("@format", "2");
  catalog = Catalog::Open(folder_ / "task", false);
  EXPECT_EQ(catalog.status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace fs::catalog
