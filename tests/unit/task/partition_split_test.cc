#include "task/partition_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/steady_clock.h"
#include "config/function_config.h"
#include "connector/embedded/embedded_connector.h"
#include "connector/file/file_connector.h"
#include "support/temporary_folder.h"

namespace fs::task {
namespace {

using testing::HasSubstr;

class ParallelismTest : public testing::Test {
 protected:
  void SetUp() override {
    connector::embedded::EmbeddedLog::Options options;
    options.folder = "memory";
    options.in_memory = true;
    log_ = connector::embedded::EmbeddedLog::Open(options).value();
    registry_.Register("embedded", std::make_shared<connector::embedded::EmbeddedConnector>(*log_));
    registry_.Register("file", std::make_shared<connector::file::FileConnector>(folder_.path()));
  }
  absl::StatusOr<uint32_t> Resolve(std::string_view more, std::string_view topics = "a") const {
    std::string yaml = "name: job\ntype: python\ninput-groups:\n";
    for (const char topic : topics) {
      yaml += fmt::format("  - inputs: [{{input-type: embedded, topic: {}, group_id: g}}]\n", topic);
    }
    const auto config = config::ParseFunctionConfig(fmt::format("{}{}", yaml, more));
    EXPECT_TRUE(config.ok()) << config.status();
    return ResolveParallelism(*config, registry_, SteadyNow() + absl::Seconds(1));
  }

  TemporaryFolder folder_;
  std::unique_ptr<connector::embedded::EmbeddedLog> log_;
  connector::Registry registry_;
};

TEST_F(ParallelismTest, IsTheNumberOrThePartitionsOfTheLargestInput) {
  EXPECT_EQ(Resolve("").value(), 1u);
  EXPECT_EQ(Resolve("parallelism: 7\n").value(), 7u);
  EXPECT_EQ(Resolve("parallelism: partitions\n").value(), 1u);
  ASSERT_TRUE(log_->CreateTopic("a", 3).ok());
  ASSERT_TRUE(log_->CreateTopic("b", 5).ok());
  EXPECT_EQ(Resolve("parallelism: partitions\n").value(), 3u);
  EXPECT_EQ(Resolve("parallelism: partitions\n", "ab").value(), 5u);
}

TEST_F(ParallelismTest, IsRefusedWhereSeveralInstancesCannotBe) {
  const std::string to_file = "outputs: [{output-type: file, path: x}]\n";
  EXPECT_EQ(Resolve("parallelism: 1\n" + to_file).value(), 1u);
  const auto file = Resolve("parallelism: 2\n" + to_file);
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("parallelism (line 5): 2 instances cannot write outputs[0]"));
}

TEST(PartitionSplit, AStateIsTakenByNoOtherInstance) {
  EXPECT_TRUE(CheckSplit({0, 1}, {0, 1}).ok());
  EXPECT_TRUE(CheckSplit({2, 3}, {2, 3}).ok());
  for (const PartitionSplit running : {PartitionSplit{0, 2}, PartitionSplit{1, 3}, PartitionSplit{0, 1}}) {
    const absl::Status refused = CheckSplit({2, 3}, running);
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("instance 2 of 3"));
  }
}

TEST(StateFolderName, TheFirstInstanceHasTheFunctionsOwn) {
  EXPECT_EQ(StateFolderName("job-1", 0), "job-1");
  EXPECT_EQ(StateFolderName("job-1", 12), "job-1.12");
}

}  // namespace
}  // namespace fs::task
