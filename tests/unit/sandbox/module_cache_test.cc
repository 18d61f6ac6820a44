// Compiled modules on disk: found again, never trusted when damaged, never in the way when the folder is bad.
#include "sandbox/module_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "sandbox/wat_guest.h"

namespace fs::sandbox {
namespace {

std::vector<std::filesystem::path> FilesIn(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(folder)) files.push_back(file.path());
  return files;
}

class ModuleCacheTest : public ::testing::Test {
 protected:
  RuntimeOptions Options() const { return {.wasm_path = folder_.path() / "guest.wasm", .cache_dir = folder_.path() / "cache"}; }
  void SetUp() override { folder_.Write("guest.wasm", Compile(WatGuest().Text())); }
  TemporaryFolder folder_;
};

TEST_F(ModuleCacheTest, SecondLoadFindsTheEntryOfTheFirst) {
  const auto first = Runtime::Precompile(Options());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto written = std::filesystem::last_write_time(*first);
  const auto second = Runtime::Precompile(Options());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(std::filesystem::last_write_time(*second), written);
  EXPECT_EQ(FilesIn(Options().cache_dir).size(), 1U) << "nothing temporary is left";
  EXPECT_TRUE(Runtime::Load(Options()).ok());
}

TEST_F(ModuleCacheTest, AnotherModuleGetsAnotherEntry) {
  ASSERT_TRUE(Runtime::Precompile(Options()).ok());
  WatGuest other;
  other.hook = "i32.const 5";
  folder_.Write("guest.wasm", Compile(other.Text()));
  ASSERT_TRUE(Runtime::Precompile(Options()).ok());
  EXPECT_EQ(FilesIn(Options().cache_dir).size(), 2U);
}

TEST_F(ModuleCacheTest, DamagedEntriesAreCompiledAnew) {
  const auto entry = Runtime::Precompile(Options());
  ASSERT_TRUE(entry.ok()) << entry.status();
  const auto size = std::filesystem::file_size(*entry);
  const auto flip = [&](uintmax_t at) {
    std::fstream file(*entry, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  };
  const std::vector<std::function<void()>> damages = {[&] { flip(0); }, [&] { flip(size / 2); }, [&] { flip(size - 1); },
                                                      [&] { std::filesystem::resize_file(*entry, size / 2); },
                                                      [&] { std::filesystem::resize_file(*entry, 0); }};
  for (const auto& damage : damages) {
    damage();
    auto runtime = Runtime::Load(Options());
    ASSERT_TRUE(runtime.ok()) << runtime.status();
    EXPECT_EQ(std::filesystem::file_size(*entry), size) << "the entry is whole again";
  }
}

TEST_F(ModuleCacheTest, AFolderThatCannotBeWrittenCostsTheCacheOnly) {
  auto options = Options();
  options.cache_dir = folder_.Write("a-file", "x");
  EXPECT_TRUE(Runtime::Load(options).ok());
  const auto precompiled = Runtime::Precompile(options);
  EXPECT_EQ(precompiled.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(Message(precompiled.status())), ::testing::HasSubstr("a-file"));
}

}  // namespace
}  // namespace fs::sandbox
