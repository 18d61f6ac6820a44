// The decider against librdkafka's mock cluster, which gives the answers that a real broker cannot be made to give. It is no oracle for
// what commits; it shows which status each answer becomes, and whether anything is sent afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
// Its declarations are rdkafka.h's to complete.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include "connector/kafka/handles.h"
#include "connector/kafka/kafka_connector.h"
#include "connector_kafka/transaction_owner.h"

namespace fs::connector::kafka {
namespace {

using testing::HasSubstr;

constexpr int16_t kProduce = 0, kOffsetFetch = 9, kInitProducerId = 22, kAddPartitions = 24, kAddOffsets = 25, kEndTxn = 26,
                  kTxnOffsetCommit = 28;
constexpr int32_t kBroker = 1;

class KafkaTransactionFault : public testing::Test {
 protected:
  KafkaTransactionFault() {
    char reason[256];
    handle_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof(reason)));
    cluster_ = rd_kafka_mock_cluster_new(handle_.get(), 1);
    rd_kafka_mock_topic_create(cluster_, "out", 1, 1);
    rd_kafka_mock_start_request_tracking(cluster_);
  }
  ~KafkaTransactionFault() override {
    owner_.reset();
    connector_.reset();
    rd_kafka_mock_cluster_destroy(cluster_);
  }

  void Open() {
    const Properties first_partition = {{"group_id", "group"}, {"partition", "0"}};
    owner_ = std::make_unique<Owner>(connector_, "id", rd_kafka_mock_cluster_bootstraps(cluster_), input_,
                                     input_.empty() ? Properties{} : first_partition, "out", properties_);
  }
  absl::Status Recover(absl::Time deadline = Patience()) {
    Open();
    return owner_->decider->Recover({}, deadline).status();
  }
  void Answer(int16_t request, const std::vector<rd_kafka_resp_err_t>& errors) {
    rd_kafka_mock_push_request_errors_array(cluster_, request, errors.size(), errors.data());
  }
  // One record, and the commit.
  absl::Status Commit(absl::Time deadline = Patience()) {
    FS_RETURN_IF_ERROR(owner_->Write("value"));
    FS_RETURN_IF_ERROR(owner_->sink->Flush(Patience()));
    return owner_->Commit(1, {}, deadline);
  }
  size_t Requests(int16_t wanted) {
    size_t count = 0, matching = 0;
    rd_kafka_mock_request_t** requests = rd_kafka_mock_get_requests(cluster_, &count);
    for (size_t i = 0; i < count; ++i) matching += rd_kafka_mock_request_api_key(requests[i]) == wanted ? 1 : 0;
    rd_kafka_mock_request_destroy_array(requests, count);
    return matching;
  }
  // Ends the owner and returns when its clients have closed.
  void End() {
    owner_.reset();
    connector_.reset();
  }

  std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>> handle_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::string input_;
  Properties properties_;
  std::shared_ptr<Connector> connector_ = MakeKafkaConnector();
  std::unique_ptr<Owner> owner_;
};

TEST_F(KafkaTransactionFault, NothingWrongCommits) {
  ASSERT_TRUE(Recover().ok());
  const absl::Status status = Commit();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Requests(kEndTxn), 1u);
  End();
  EXPECT_EQ(Requests(kEndTxn), 1u);
}

struct Fault {
  const char* name;
  int16_t request;
  std::vector<rd_kafka_resp_err_t> answers;
  absl::StatusCode code;
  const char* text;
};

class KafkaCommitFault : public KafkaTransactionFault, public testing::WithParamInterface<Fault> {};

TEST_P(KafkaCommitFault, BecomesItsStatus) {
  ASSERT_TRUE(Recover().ok());
  Answer(GetParam().request, GetParam().answers);
  const absl::Status status = Commit();
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr(GetParam().text));
  const size_t before = Requests(kEndTxn);
  End();
  // An end that was asked for is never followed by an abort: what became of it is for the successor to find out.
  if (GetParam().request == kEndTxn) {
    EXPECT_EQ(Requests(kEndTxn), before);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Answers, KafkaCommitFault,
    testing::Values(
        Fault{"CoordinatorMovedAtTheEnd", kEndTxn, {RD_KAFKA_RESP_ERR_NOT_COORDINATOR}, absl::StatusCode::kOk, ""},
        Fault{"CoordinatorLoadsAtTheEnd", kEndTxn, {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS}, absl::StatusCode::kOk, ""},
        Fault{"ConnectionLostAtTheEnd", kEndTxn, {RD_KAFKA_RESP_ERR__TRANSPORT}, absl::StatusCode::kOk, ""},
        Fault{"TransactionBeforeStillEnds",
              kAddOffsets,
              {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS},
              absl::StatusCode::kOk,
              ""},
        Fault{"TransactionBeforeStillEndsAtTheFirstRecord",
              kAddPartitions,
              {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS},
              absl::StatusCode::kOk,
              ""},
        Fault{"GroupCoordinatorMoved", kTxnOffsetCommit, {RD_KAFKA_RESP_ERR_NOT_COORDINATOR}, absl::StatusCode::kOk, ""},
        Fault{"FencedAtTheEnd", kEndTxn, {RD_KAFKA_RESP_ERR_PRODUCER_FENCED}, absl::StatusCode::kUnavailable, "a newer owner"},
        Fault{"OldEpochAtTheEnd", kEndTxn, {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH}, absl::StatusCode::kUnavailable, "a newer owner"},
        // What the coordinator says of a transaction that it has ended for taking too long.
        Fault{"TimedOutAtTheEnd", kEndTxn, {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE}, absl::StatusCode::kUnavailable, "invalid state"},
        Fault{"ForgottenAtTheEnd",
              kEndTxn,
              {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING},
              absl::StatusCode::kUnavailable,
              "transactions on Kafka"},
        Fault{"FencedAtTheOffsets", kAddOffsets, {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH}, absl::StatusCode::kInternal, "a newer owner"},
        Fault{"FencedAtTheFirstRecord", kAddPartitions, {RD_KAFKA_RESP_ERR_PRODUCER_FENCED}, absl::StatusCode::kInternal, "a newer owner"},
        Fault{"FencedAtARecord", kProduce, {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH}, absl::StatusCode::kInternal, "out [0]"},
        Fault{"ThrownOutOfTheGroup", kTxnOffsetCommit, {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION}, absl::StatusCode::kInternal, "generation"},
        Fault{"TransactionsNotAllowed",
              kAddOffsets,
              {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED},
              absl::StatusCode::kFailedPrecondition,
              "TransactionalId function-stream.id.0"},
        Fault{"GroupNotAllowed",
              kTxnOffsetCommit,
              {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED},
              absl::StatusCode::kFailedPrecondition,
              "Read on Group function-stream.id.0"},
        Fault{"TopicNotAllowed",
              kAddPartitions,
              {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED},
              absl::StatusCode::kFailedPrecondition,
              "topics of the outputs"},
        Fault{"RecordTooLarge", kProduce, {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE}, absl::StatusCode::kFailedPrecondition, "topic out"}),
    [](const auto& fault) { return fault.param.name; });

TEST_F(KafkaTransactionFault, AnEndWithoutAnswerIsUnknownAndNothingIsAborted) {
  ASSERT_TRUE(Recover().ok());
  ASSERT_TRUE(owner_->Write("value").ok());
  ASSERT_TRUE(owner_->sink->Flush(Patience()).ok());
  rd_kafka_mock_broker_push_request_error_rtts(cluster_, kBroker, kEndTxn, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 3000);
  EXPECT_EQ(owner_->Commit(1, {}, SteadyNow() + absl::Milliseconds(300)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Requests(kEndTxn), 1u);
  End();
  EXPECT_EQ(Requests(kEndTxn), 1u);
}

// A marker in one of two places would stand beside an older one in the other.
TEST_F(KafkaTransactionFault, NothingCommitsBeforeBothPlacesOfTheMarkerAreKnownOrKnownToBeMissing) {
  for (const char* unknown : {"in", "out"}) {
    input_ = "in";
    connector_ = MakeKafkaConnector();
    rd_kafka_mock_topic_create(cluster_, "in", 1, 1);
    ASSERT_TRUE(Recover().ok());
    rd_kafka_mock_topic_set_error(cluster_, unknown, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
    rd_kafka_mock_clear_requests(cluster_);
    const absl::Status waiting = owner_->Commit(1, {}, SteadyNow() + absl::Milliseconds(300));
    EXPECT_EQ(waiting.code(), absl::StatusCode::kDeadlineExceeded) << waiting;
    EXPECT_THAT(std::string(Message(waiting)), HasSubstr(fmt::format("topic {} partition 0", unknown)));
    EXPECT_EQ(Requests(kTxnOffsetCommit), 0u);
    rd_kafka_mock_topic_set_error(cluster_, unknown, RD_KAFKA_RESP_ERR_NO_ERROR);
    const absl::Status known = owner_->Commit(1);
    EXPECT_TRUE(known.ok()) << known;
    EXPECT_EQ(Requests(kTxnOffsetCommit), 1u);
    End();
  }
}

TEST_F(KafkaTransactionFault, ATransactionThatIsNotCommittedIsAbortedAtTheEnd) {
  ASSERT_TRUE(Recover().ok());
  ASSERT_TRUE(owner_->Write("value").ok());
  ASSERT_TRUE(owner_->sink->Flush(Patience()).ok());
  EXPECT_EQ(Requests(kEndTxn), 0u);
  End();
  EXPECT_EQ(Requests(kEndTxn), 1u);
}

// As brokers answer when the transaction's first partition has not reached them.
TEST_F(KafkaTransactionFault, AnAbortThatIsRefusedAtTheEndIsNobodysError) {
  const auto lines = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(1000);
  lines->set_level(spdlog::level::warn);
  spdlog::default_logger()->sinks().push_back(lines);
  ASSERT_TRUE(Recover().ok());
  ASSERT_TRUE(owner_->Write("value").ok());
  ASSERT_TRUE(owner_->sink->Flush(Patience()).ok());
  Answer(kEndTxn, {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE});
  End();
  spdlog::default_logger()->sinks().pop_back();
  EXPECT_EQ(Requests(kEndTxn), 1u);
  EXPECT_THAT(lines->last_formatted(), testing::IsEmpty());
}

struct StartFault {
  const char* name;
  int16_t request;
  rd_kafka_resp_err_t answer;
  absl::StatusCode code;
  const char* text;
};

class KafkaRecoveryFault : public KafkaTransactionFault, public testing::WithParamInterface<StartFault> {};

TEST_P(KafkaRecoveryFault, BecomesItsStatus) {
  Answer(GetParam().request, {GetParam().answer});
  const absl::Status status = Recover();
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr(GetParam().text));
}

INSTANTIATE_TEST_SUITE_P(
    Answers, KafkaRecoveryFault,
    testing::Values(
        StartFault{"CoordinatorLoads", kInitProducerId, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, absl::StatusCode::kOk, ""},
        StartFault{"TheOwnerBeforeStillEnds", kInitProducerId, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, absl::StatusCode::kOk, ""},
        StartFault{"NotAllowed", kInitProducerId, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                   absl::StatusCode::kFailedPrecondition, "Write and Describe on TransactionalId function-stream.id.0"},
        StartFault{"TimeoutTooLong", kInitProducerId, RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, absl::StatusCode::kFailedPrecondition,
                   "transaction.max.timeout.ms"},
        // A producer that asks for the marker crashes the process here (librdkafka 2.12.1).
        StartFault{"GroupCoordinatorLoads", kOffsetFetch, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, absl::StatusCode::kOk, ""},
        StartFault{"GroupCoordinatorMoved", kOffsetFetch, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, absl::StatusCode::kOk, ""},
        StartFault{"MarkerNotYetStable", kOffsetFetch, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, absl::StatusCode::kOk, ""},
        StartFault{"GroupNotAllowed", kOffsetFetch, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, absl::StatusCode::kFailedPrecondition,
                   "Read on Group function-stream.id.0"}),
    [](const auto& fault) { return fault.param.name; });

TEST_F(KafkaTransactionFault, BrokersThatAreAwayAreWaitedForByName) {
  rd_kafka_mock_broker_set_down(cluster_, kBroker);
  const absl::Status away = Recover(SteadyNow() + absl::Milliseconds(500));
  EXPECT_EQ(away.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(Message(away)), HasSubstr(rd_kafka_mock_cluster_bootstraps(cluster_)));
  EXPECT_FALSE(owner_->decider->IsConnected());
  rd_kafka_mock_broker_set_up(cluster_, kBroker);
  const absl::Status back = owner_->decider->Recover({}, Patience()).status();
  EXPECT_TRUE(back.ok()) << back;
  EXPECT_TRUE(owner_->decider->IsConnected());
}

TEST_F(KafkaTransactionFault, ABrokerThatIsSlowToBeginIsThereAllTheSame) {
  Answer(kInitProducerId, std::vector(100, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS));
  const absl::Status slow = Recover(SteadyNow() + absl::Seconds(1));
  EXPECT_EQ(slow.code(), absl::StatusCode::kDeadlineExceeded) << slow;
  EXPECT_TRUE(owner_->decider->IsConnected());
}

}  // namespace
}  // namespace fs::connector::kafka
