#include "config/server_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <optional>

namespace fs::config {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A home folder of its own for each test, and no variables of whoever runs it.
class ServerConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/fs_config_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    home_ = pattern;
    setenv("FUNCTION_STREAM_HOME", home_.c_str(), 1);
    unsetenv("FUNCTION_STREAM_CONF");
  }
  void TearDown() override {
    unsetenv("FUNCTION_STREAM_HOME");
    unsetenv("FUNCTION_STREAM_CONF");
    std::filesystem::remove_all(home_);
  }

  void Write(const std::string& path, std::string_view text) {
    std::filesystem::create_directories((home_ / path).parent_path());
    std::ofstream(home_ / path) << text;
  }
  absl::StatusOr<ServerConfig> LoadText(std::string_view text) {
    Write("conf/config.yaml", text);
    return LoadServerConfig(std::nullopt);
  }

  std::filesystem::path home_;
};

TEST_F(ServerConfigTest, WithoutAnyFileItStartsOnDefaultsAndSaysSo) {
  const auto config = LoadServerConfig(std::nullopt);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->origin, fmt::format("defaults (no file at {})", (home_ / "conf/config.yaml").string()));
  EXPECT_EQ(config->service.port, 8080);
  EXPECT_EQ(config->logging.file_path, home_ / "logs/app.log");
  EXPECT_EQ(config->state_storage.base_dir, home_ / "data");
  EXPECT_EQ(config->task_storage.db_path, home_ / "data/task");
  EXPECT_EQ(config->embedded.base_dir, home_ / "data/embedded");
  EXPECT_TRUE(config->python.wasm_path.empty());
}

TEST_F(ServerConfigTest, FlagBeatsEnvironmentBeatsConfFolder) {
  Write("conf/config.yaml", "service: {port: 1}\n");
  Write("other/config.yaml", "service: {port: 2}\n");
  Write("named.yaml", "service: {port: 0}\n");
  EXPECT_EQ(LoadServerConfig(std::nullopt)->service.port, 1);
  setenv("FUNCTION_STREAM_CONF", "other", 1);
  EXPECT_EQ(LoadServerConfig(std::nullopt)->service.port, 2);
  setenv("FUNCTION_STREAM_CONF", (home_ / "other/config.yaml").c_str(), 1);
  EXPECT_EQ(LoadServerConfig(std::nullopt)->service.port, 2);
  EXPECT_EQ(LoadServerConfig("named.yaml")->service.port, 0);
  EXPECT_THAT(LoadServerConfig("named.yaml")->origin, EndsWith("named.yaml"));
}

TEST_F(ServerConfigTest, NamedFileThatIsMissingIsAnError) {
  const auto by_flag = LoadServerConfig("nowhere.yaml");
  EXPECT_EQ(by_flag.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(by_flag.status()), StartsWith("--config: "));
  setenv("FUNCTION_STREAM_CONF", "nowhere", 1);
  EXPECT_THAT(Message(LoadServerConfig(std::nullopt).status()), StartsWith("FUNCTION_STREAM_CONF: "));
  setenv("FUNCTION_STREAM_HOME", "/nowhere-at-all", 1);
  EXPECT_THAT(Message(LoadServerConfig(std::nullopt).status()), HasSubstr("FUNCTION_STREAM_HOME: /nowhere-at-all is not a folder"));
}

TEST_F(ServerConfigTest, ForeignSectionsAndKeysAreWarningsAndSlipsAreErrors) {
  const auto config = LoadText(
      "service: {port: 9, workers: 4, worker_multiplier: 4}\nwasm: {cache_dir: x, max_cache_size: 1}\nstreaming: {a: 1}\nstream_catalog: "
      "[]\n"
      "state_storage:\n  rocksdb: {max_open_files: 1000}\n  max_bytes_for_level_base: 1\ntask_storage: {db_path: null}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->service.port, 9);
  EXPECT_EQ(config->task_storage.db_path, home_ / "data/task");
  EXPECT_THAT(config->warnings,
              ElementsAre("service.workers (line 1): means nothing to this server; ignored", HasSubstr("service.worker_multiplier"),
                          HasSubstr("wasm (line 2)"), HasSubstr("streaming (line 3)"), HasSubstr("stream_catalog (line 4)"),
                          HasSubstr("state_storage.rocksdb (line 6)"), HasSubstr("max_bytes_for_level_base")));

  struct Case {
    std::string_view yaml, message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"loging: {}\n", "conf/config.yaml: loging (line 1): unknown key `loging`; did you mean `logging`?"},
           {"service:\n  prot: 1\n", "service.prot (line 2): unknown key `prot`; did you mean `port`?"},
           {"service: {port: 65536}\n", "service.port (line 1): must be a whole number, 0 to 65535, not `65536`"},
           {"service: {port: \"8080\"}\n", "not the text \"8080\""},
           {"service: {host: ''}\n", "service.host (line 1): must not be empty"},
           {"service: 5\n", "service (line 1): must be a map of keys"},
           {"logging: {level: verbose}\n", "logging.level (line 1): must be one of trace, debug"},
           {"logging: {format: xml}\n", "must be one of json, text"},
           {"state_storage: {storage_type: disk}\n", "must be one of memory, rocksdb"},
           {"state_storage: {base_dir: ''}\n", "must not be empty"},
           {"service: {\n", "conf/config.yaml: line"},
           {"- 1\n", "must be a map of keys, not a list"},
       }) {
    const auto refused = LoadText(c.yaml);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << c.yaml;
    EXPECT_THAT(Message(refused.status()), HasSubstr(c.message)) << c.yaml;
  }
}

TEST_F(ServerConfigTest, SecurityThatWouldNotBeThereIsRefused) {
  EXPECT_EQ(LoadText("security: {tls: {cert: a}}\n").status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(ServerConfigTest, PathsAreResolvedFromHome) {
  const auto config =
      LoadText("logging: {file_path: ''}\npython: {wasm_path: rt/p.wasm, cache_dir: /abs}\nstate_storage: {base_dir: ./s}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->logging.file_path.empty());
  EXPECT_EQ(config->python.wasm_path, home_ / "rt/p.wasm");
  EXPECT_EQ(config->python.cache_dir, "/abs");
  EXPECT_EQ(config->state_storage.base_dir, home_ / "s");
}

TEST_F(ServerConfigTest, TheFileWeShipSaysTheDefaults) {
  const auto defaults = LoadServerConfig(std::nullopt);
  const auto shipped = LoadServerConfig(FS_SOURCE_DIR "/conf/config.yaml");
  ASSERT_TRUE(shipped.ok()) << shipped.status();
  EXPECT_THAT(shipped->warnings, ElementsAre());
  const auto values = [](const ServerConfig& c) {
    return std::vector<std::string>{c.service.service_id,
                                    c.service.service_name,
                                    c.service.version,
                                    c.service.host,
                                    std::to_string(c.service.port),
                                    std::to_string(c.service.debug),
                                    c.logging.level,
                                    c.logging.format,
                                    c.logging.file_path,
                                    std::to_string(c.logging.max_file_bytes),
                                    std::to_string(c.logging.max_files),
                                    c.python.wasm_path,
                                    c.python.cache_dir,
                                    std::to_string(c.python.enable_cache),
                                    std::to_string(c.state_storage.in_memory),
                                    c.state_storage.base_dir,
                                    std::to_string(c.task_storage.in_memory),
                                    c.task_storage.db_path,
                                    c.embedded.base_dir,
                                    c.files.base_dir,
                                    std::to_string(c.embedded.retention_bytes),
                                    std::to_string(c.embedded.retention_ms),
                                    std::to_string(c.limits.package_bytes),
                                    std::to_string(c.limits.functions),
                                    std::to_string(c.limits.message_bytes)};
  };
  EXPECT_EQ(values(*shipped), values(*defaults));
}

TEST_F(ServerConfigTest, HttpStandsBesideTheServiceUnlessItIsTold) {
  const auto plain = LoadText("service: {host: 0.0.0.0}\n");
  EXPECT_TRUE(plain->http.enabled);
  EXPECT_EQ(plain->http.host, "0.0.0.0");
  EXPECT_EQ(plain->http.port, 8081);
  // Who asks for any free port has several servers: the second port must not be where they meet.
  EXPECT_EQ(LoadText("service: {port: 0}\n")->http.port, 0);
  const auto told = LoadText("service: {port: 0}\nhttp: {enabled: false, host: 127.0.0.2, port: 9}\n");
  EXPECT_FALSE(told->http.enabled);
  EXPECT_EQ(told->http.host, "127.0.0.2");
  EXPECT_EQ(told->http.port, 9);
  EXPECT_THAT(std::string(LoadText("http: {port: 65536}\n").status().message()), HasSubstr("http.port (line 1)"));
}

}  // namespace
}  // namespace fs::config
