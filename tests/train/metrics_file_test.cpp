#include "convmixer/train/metrics_file.hpp"

#include "convmixer/core/file.hpp"
#include "support/error_of.hpp"
#include "support/file_size_limit.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing::Not;

class MetricsFileTest : public testing::Test {
 protected:
  static constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();

  testing_support::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "metrics.jsonl";

  static std::string step_line(int epoch, int step) {
    return fmt::format(R"({{"type":"step","epoch":{},"step":{},"loss":1.5}})", epoch, step) + "\n";
  }
  static std::string epoch_line(int epoch, int step) {
    return fmt::format(R"({{"type":"epoch","epoch":{},"step":{}}})", epoch, step) + "\n";
  }
  /// What is left of a file opened at a position.
  std::string opened(const std::string& text, std::int64_t epochs, std::int64_t steps) {
    write_file_atomically(path_, text);
    { const MetricsFile metrics(path_, epochs, steps); }
    return read_text_file(path_);
  }
};

TEST_F(MetricsFileTest, WritesOneObjectALine) {
  {
    MetricsFile metrics(path_, 0, 0);
    metrics.append(StepRecord{.epoch = 1, .step = 50, .loss = 2.25, .accuracy = 0.125, .learning_rate = 0.01});
    metrics.append(EpochRecord{.epoch = 1,
                               .step = 79,
                               .test = EvaluationRecord{.accuracy = 0.5},
                               .best_test_accuracy = 0.5,
                               .wait_seconds = 1.0,
                               .train_seconds = 4.0,
                               .total_seconds = 5.0});
    metrics.sync();
  }
  std::istringstream text(read_text_file(path_));
  std::string line;
  ASSERT_TRUE(std::getline(text, line));
  const auto step = nlohmann::json::parse(line);
  EXPECT_EQ(step["type"], "step");
  EXPECT_EQ(step["epoch"], 1);
  EXPECT_EQ(step["step"], 50);
  EXPECT_EQ(step["loss"], 2.25);
  EXPECT_EQ(step["accuracy"], 0.125);
  EXPECT_EQ(step["learning_rate"], 0.01);
  for (const char* key : {"gradient_norm", "images_per_s", "data_wait_s"}) EXPECT_TRUE(step.contains(key)) << key;
  ASSERT_TRUE(std::getline(text, line));
  const auto epoch = nlohmann::json::parse(line);
  EXPECT_EQ(epoch["type"], "epoch");
  EXPECT_EQ(epoch["step"], 79);
  EXPECT_EQ(epoch["test_accuracy"], 0.5);
  EXPECT_EQ(epoch["data_wait_share"], 0.25);
  for (const char* key :
       {"loss", "accuracy", "test_loss", "test_top5", "best_test_accuracy", "learning_rate", "images_per_s",
        "data_wait_s", "data_supply_images_per_s", "data_cpu_share", "train_s", "test_s", "total_s"}) {
    EXPECT_TRUE(epoch.contains(key)) << key;
  }
  EXPECT_FALSE(std::getline(text, line));
}

TEST_F(MetricsFileTest, HasNoTimeLeftThatIsNotKnown) {
  {
    MetricsFile metrics(path_, 0, 0);
    for (const double left : {std::numeric_limits<double>::infinity(), -1.0, 2.5}) {
      metrics.append(StepRecord{.seconds_left = left});
      metrics.append(EpochRecord{.seconds_left = left});
    }
  }
  std::istringstream text(read_text_file(path_));
  int number = 0;
  for (std::string line; std::getline(text, line); ++number)
    EXPECT_THAT(line, number < 4 ? testing::Matcher<std::string>(Not(HasSubstr("left_s")))
                                 : testing::Matcher<std::string>(HasSubstr(R"("left_s":2.5)")));
  EXPECT_EQ(number, 6);
}

TEST_F(MetricsFileTest, KnowsWhetherAnErrorEndedTheSessionBefore) {
  const SessionRecord session{};
  const auto ended_by_error = [&] { return MetricsFile(path_, 9, 9).ended_by_error(); };
  EXPECT_FALSE(ended_by_error());
  MetricsFile(path_, 9, 9).append(session);
  EXPECT_FALSE(ended_by_error());
  MetricsFile(path_, 9, 9).append(EndRecord{.end = kEndedByError, .error = "full"});
  EXPECT_TRUE(ended_by_error());
  MetricsFile(path_, 9, 9).append(StepRecord{});
  EXPECT_TRUE(ended_by_error());
  MetricsFile(path_, 9, 9).append(EndRecord{.end = "finished", .error = {}});
  EXPECT_FALSE(ended_by_error());
}

TEST_F(MetricsFileTest, HasTheExchangesOfSeveralRanksAlone) {
  {
    MetricsFile metrics(path_, 0, 0);
    EpochRecord record{.communication_seconds = 0.5, .communication_bytes = 4096, .train_seconds = 2.0};
    metrics.append(record);
    record.communication_bytes = 0;
    metrics.append(record);
  }
  std::istringstream text(read_text_file(path_));
  std::string line;
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_THAT(line, HasSubstr(R"(,"communication_s":0.5,"communication_bytes":4096,"train_s":2.0,)"));
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_THAT(line, Not(HasSubstr("communication")));
}

TEST_F(MetricsFileTest, HasTheAverageWhereThereIsOne) {
  {
    MetricsFile metrics(path_, 0, 0);
    EpochRecord record{.test = EvaluationRecord{}, .best_test_accuracy = 0.5};
    record.averaged = EvaluationRecord{.loss = 0.25, .accuracy = 0.5};
    metrics.append(record);
    record.averaged.reset();
    metrics.append(record);
  }
  std::istringstream text(read_text_file(path_));
  std::string line;
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_THAT(line, HasSubstr(R"("test_top5":0.0,"ema_test_loss":0.25,"ema_test_accuracy":0.5,"best_test_accuracy")"));
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_THAT(line, HasSubstr(R"("test_top5":0.0,"best_test_accuracy")"));
}

TEST_F(MetricsFileTest, HasNoKeysOfAnEvaluationThatWasNot) {
  {
    MetricsFile metrics(path_, 0, 0);
    metrics.append(EpochRecord{.epoch = 1, .step = 79, .accuracy = 0.25});
    metrics.append(EpochRecord{.epoch = 2, .step = 158, .accuracy = 0.25, .best_test_accuracy = 0.5});
  }
  std::istringstream text(read_text_file(path_));
  std::string line;
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_THAT(line, HasSubstr(R"("accuracy":0.25,"learning_rate")"));
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_THAT(line, HasSubstr(R"("accuracy":0.25,"best_test_accuracy":0.5,"learning_rate")"));
}

TEST_F(MetricsFileTest, KeepsNumbersExactly) {
  const double loss = 0.1 + 1e-17 + 1.0 / 3.0;
  {
    MetricsFile metrics(path_, 0, 0);
    metrics.append(StepRecord{.loss = loss});
  }
  EXPECT_EQ(nlohmann::json::parse(read_text_file(path_))["loss"].get<double>(), loss);
}

TEST_F(MetricsFileTest, TakesOutWhatLiesBeyondThePosition) {
  const std::string before = step_line(1, 10) + epoch_line(1, 15) + step_line(2, 20);
  EXPECT_EQ(opened(before + step_line(2, 30) + epoch_line(2, 30), 1, 25), before);
}

TEST_F(MetricsFileTest, TakesOutTheRecordOfAnEpochWhoseEndWasNotSaved) {
  const std::string before = step_line(1, 10);
  EXPECT_EQ(opened(before + epoch_line(1, 15), 0, 15), before);
}

TEST_F(MetricsFileTest, TakesOutATornLastLine) {
  const std::string before = step_line(1, 10) + epoch_line(1, 15);
  for (const char* torn : {"{\"type\":\"st", "{", R"({"type":"step","epoch":2,"step":16})"}) {
    EXPECT_EQ(opened(before + torn, 5, kAll), before) << torn;
  }
}

TEST_F(MetricsFileTest, TakesOutLinesThatAreNoRecords) {
  const std::string before = step_line(1, 10);
  EXPECT_EQ(opened("garbage\n[]\n{}\n{\"type\":\"epoch\"}\n\n" + before + "{\"type\":\"other\",\"step\":1}\n", 5, kAll),
            before);
}

TEST_F(MetricsFileTest, LeavesACompleteFileAlone) {
  const std::string text = step_line(1, 10) + epoch_line(1, 15);
  write_file_atomically(path_, text);
  const auto time = std::filesystem::last_write_time(path_);
  { const MetricsFile metrics(path_, 1, 15); }
  EXPECT_EQ(read_text_file(path_), text);
  EXPECT_EQ(std::filesystem::last_write_time(path_), time);
}

TEST_F(MetricsFileTest, AppendsToWhatIsThere) {
  write_file_atomically(path_, step_line(1, 10));
  {
    MetricsFile metrics(path_, 0, 10);
    metrics.append(StepRecord{.epoch = 1, .step = 20});
  }
  const std::string text = read_text_file(path_);
  EXPECT_TRUE(text.starts_with(step_line(1, 10)));
  EXPECT_THAT(text, HasSubstr("\"step\":20"));
}

TEST_F(MetricsFileTest, KeepsNoTornLineOnAFullDisk) {
  MetricsFile metrics(path_, 0, 0);
  metrics.append(StepRecord{.epoch = 1, .step = 1});
  const std::string before = read_text_file(path_);
  const testing_support::FileSizeLimit limit(before.size() + 10);
  const Error error = testing_support::error_of([&] { metrics.append(StepRecord{.epoch = 1, .step = 2}); });
  EXPECT_THAT(error.what(), HasSubstr("can't be written: File too large"));
  EXPECT_EQ(read_text_file(path_), before);
}

TEST_F(MetricsFileTest, NamesAFileThatItCannotWrite) {
  const Error error = testing_support::error_of([&] { const MetricsFile metrics(folder_.path() / "no" / "m", 0, 0); });
  EXPECT_THAT(error.what(), HasSubstr((folder_.path() / "no" / "m").string()));
}

}  // namespace
}  // namespace convmixer
