#include "convmixer/train/run_history.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/train/run_summary.hpp"
#include "support/error_of.hpp"
#include "train/growing_file.hpp"
#include "train/trainer_fixture.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <random>
#include <sys/stat.h>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class RunHistoryTest : public testing::Test {
 protected:
  testing_support::TemporaryFolder parent_;
  RunFolder run_{parent_.path() / "run"};

  RunHistoryTest() { fs::create_directory(run_.path); }

  void append(const std::string& text) const {
    std::ofstream(run_.metrics(), std::ios::app | std::ios::binary) << text;
  }
  static std::string step_line(int step, double loss = 1.5) {
    return fmt::format(R"({{"type":"step","epoch":1,"step":{},"loss":{}}})", step, loss) + "\n";
  }
  static std::string epoch_line(int epoch, double accuracy) {
    return fmt::format(R"({{"type":"epoch","epoch":{0},"step":{0}0,"test_accuracy":{1}}})", epoch, accuracy) + "\n";
  }
  static std::string session_line(int step) {
    return fmt::format(R"({{"type":"session","schema":1,"epoch":0,"step":{},"unix_s":1.5,"cpu":"A"}})", step) + "\n";
  }
  static std::string end_line(const std::string& end) {
    return fmt::format(R"({{"type":"end","epoch":0,"step":9,"unix_s":2.5,"end":"{}"}})", end) + "\n";
  }
  [[nodiscard]] RunState state_with(const std::string& config, const std::string& metrics) const {
    write_file_atomically(run_.config(), config);
    write_file_atomically(run_.metrics(), metrics);
    return RunHistory(run_.path).state();
  }
};

TEST_F(RunHistoryTest, HasSettingsInTheirOrderAsText) {
  write_file_atomically(run_.config(), "# Model\nmodel = convmixer\ndim = 256\n\nfreeze =\nunheard-of = 1,2 3 # no\n");
  const RunHistory history(run_.path);
  EXPECT_THAT(history.settings(), ElementsAre(RunSetting{"model", "convmixer"}, RunSetting{"dim", "256"},
                                              RunSetting{"freeze", ""}, RunSetting{"unheard-of", "1,2 3"}));
  EXPECT_EQ(history.setting("dim"), "256");
  EXPECT_EQ(history.setting("none"), "");
}

TEST_F(RunHistoryTest, HasTheClassesOfDataJson) {
  append("");
  write_file_atomically(run_.data(), R"({"classes":[{"name":"cat","train_images":3,"test_images":2},7]})");
  const RunHistory history(run_.path);
  ASSERT_EQ(history.classes().size(), 2U);
  EXPECT_EQ(history.classes()[0].name, "cat");
  EXPECT_EQ(history.classes()[0].train_images, 3);
  EXPECT_EQ(history.classes()[1].name, "");
}

TEST_F(RunHistoryTest, HasEveryFieldOfEveryRecordKnownOrNot) {
  append(step_line(1) +
         R"({"type":"step","epoch":1,"step":2,"loss":0.5,"new":7,"mood":"good","fine":true,"list":[1]})" + "\n" +
         step_line(3));
  const RecordTable steps = RunHistory(run_.path).steps();
  ASSERT_EQ(steps.rows(), 3U);
  std::vector<std::string> names;
  for (const RecordTable::Column& column : steps.columns()) names.push_back(column.name);
  EXPECT_THAT(names, ElementsAre("epoch", "step", "loss", "new", "mood", "fine"));
  EXPECT_THAT(steps.find("loss")->numbers, ElementsAre(1.5, 0.5, 1.5));
  EXPECT_TRUE(std::isnan(steps.number("new", 0)));
  EXPECT_EQ(steps.number("new", 1), 7.0);
  EXPECT_TRUE(std::isnan(steps.number("new", 2)));
  EXPECT_TRUE(std::isnan(steps.number("none", 0)));
  EXPECT_THAT(steps.find("mood")->texts, ElementsAre("", "good", ""));
  EXPECT_EQ(steps.number("fine", 1), 1.0);
}

TEST_F(RunHistoryTest, LeavesOutATornLastLineUntilItIsWhole) {
  append(step_line(1) + R"({"type":"step","epoch":1,)");
  RunHistory history(run_.path);
  EXPECT_EQ(history.steps().rows(), 1U);
  EXPECT_EQ(history.problem(), "");
  append(R"("step":2,"loss":0.5})");
  (void)history.read_more();
  EXPECT_EQ(history.steps().rows(), 1U);
  append("\n");
  EXPECT_EQ(history.read_more(), HistoryChange::grown);
  EXPECT_EQ(history.steps().rows(), 2U);
  EXPECT_EQ(history.problem(), "");
}

TEST_F(RunHistoryTest, ReadsWhatWasAppendedSince) {
  append(step_line(1));
  RunHistory history(run_.path);
  EXPECT_EQ(history.read_more(), HistoryChange::none);
  append(step_line(2, 0.25));
  EXPECT_EQ(history.read_more(), HistoryChange::grown);
  EXPECT_THAT(history.steps().find("loss")->numbers, ElementsAre(1.5, 0.25));
}

TEST_F(RunHistoryTest, ReadsAFileAnewThatBecameShorterOrAnother) {
  append(step_line(1) + step_line(2));
  RunHistory history(run_.path);
  fs::resize_file(run_.metrics(), step_line(1).size());
  EXPECT_EQ(history.read_more(), HistoryChange::anew);
  EXPECT_EQ(history.steps().rows(), 1U);
  write_file_atomically(run_.metrics(), step_line(1, 7.0) + step_line(2) + step_line(3));
  EXPECT_EQ(history.read_more(), HistoryChange::anew);
  EXPECT_THAT(history.steps().find("loss")->numbers, ElementsAre(7.0, 1.5, 1.5));
}

TEST_F(RunHistoryTest, TellsTheLineOfWhatIsNoRecord) {
  append(step_line(1) + "garbage\n" + step_line(2) + "[]\n{\"type\":\"step\",\"step\":-1,\"epoch\":1}\n" +
         R"({"type":"of a later release"})" + "\n");
  EXPECT_EQ(RunHistory(run_.path).steps().rows(), 2U);
  const std::string what =
      ":2: no record: expected a JSON object with its type, epoch and step (and {} more such lines)";
  EXPECT_EQ(RunHistory(run_.path).problem(), run_.metrics().string() + fmt::format(fmt::runtime(what), 2));
  for (const char* type : {"step", "epoch", "session", "end"})
    append(fmt::format(R"({{"type":"{}","epoch":1}})", type) + "\n" + fmt::format(R"({{"type":"{}","step":1}})", type) +
           "\n");
  append(R"({"type":"test"})"
         "\n");
  EXPECT_EQ(RunHistory(run_.path).problem(), run_.metrics().string() + fmt::format(fmt::runtime(what), 11));
}

TEST_F(RunHistoryTest, StandsRandomBytesAndEndlessLines) {
  std::mt19937 random(1);
  std::string noise(100'000, '\0');
  for (char& byte : noise) byte = static_cast<char>(random() & 0xFF);
  append(noise + "\n" + std::string(GrowingFile::kMostLineBytes + 500'000, '[') + "\n" + step_line(1));
  const RunHistory history(run_.path);
  EXPECT_EQ(history.steps().rows(), 1U);
  EXPECT_THAT(history.problem(), HasSubstr("metrics.jsonl:1: no record"));
}

TEST_F(RunHistoryTest, DoesWithoutAnEpochThatATableHasNoColumnFor) {
  std::string line = R"({"type":"epoch","test_accuracy":0.5)";
  for (std::size_t i = 1; i < RecordTable::kMostColumns; ++i) line += fmt::format(R"(,"field{}":1)", i);
  append(line + R"(,"epoch":3,"step":30})" + "\n");
  const RunHistory history(run_.path);
  EXPECT_EQ(history.epochs().find("epoch"), nullptr);
  ASSERT_TRUE(history.best());
  EXPECT_EQ(history.best()->epoch, 0);
  EXPECT_EQ(history.best()->accuracy, 0.5);
  EXPECT_EQ(history.last()->epoch, 0);
}

TEST_F(RunHistoryTest, HasNoMoreColumnsThanATableMayHave) {
  for (int i = 0; i < 100; ++i) append(fmt::format(R"({{"type":"step","epoch":1,"step":1,"field{}":1}})", i) + "\n");
  const RunHistory history(run_.path);
  EXPECT_EQ(history.steps().columns().size(), RecordTable::kMostColumns);
  EXPECT_EQ(history.steps().rows(), 100U);
}

TEST_F(RunHistoryTest, RefusesWhatIsNoRunOfItsFolder) {
  EXPECT_THAT(testing_support::error_of([&] { RunHistory history(run_.path); }).what(), HasSubstr("holds no run"));
  EXPECT_THAT(testing_support::error_of([&] { RunHistory history(run_.path / "none"); }).what(),
              HasSubstr("no such folder"));
  parent_.write("secret", "");
  fs::create_symlink(parent_.path() / "secret", run_.metrics());
  EXPECT_THAT(testing_support::error_of([&] { RunHistory history(run_.path); }).what(),
              HasSubstr("metrics.jsonl: a link that leads out of its folder"));
  fs::remove(run_.metrics());
  fs::create_symlink("../secret", run_.config());
  EXPECT_THAT(testing_support::error_of([&] { RunHistory history(run_.path); }).what(),
              HasSubstr("config.ini: a link that leads out of its folder"));
  fs::remove(run_.config());
  ASSERT_EQ(::mkfifo(run_.metrics().c_str(), 0600), 0);
  EXPECT_THAT(testing_support::error_of([&] { RunHistory history(run_.path); }).what(),
              HasSubstr("metrics.jsonl: expected a file"));
}

TEST_F(RunHistoryTest, SaysWhichLineOfConfigIniIsWrong) {
  write_file_atomically(run_.config(), "dim = 16\nhalf a li");
  EXPECT_THAT(testing_support::error_of([&] { RunHistory history(run_.path); }).what(), HasSubstr("config.ini:2: "));
}

TEST_F(RunHistoryTest, KnowsTheBestAndTheLastAccuracyOfWhatIsSaved) {
  append(epoch_line(1, 0.25) + epoch_line(2, 0.75) + epoch_line(3, 0.5) +
         R"({"type":"epoch","epoch":4,"step":40,"total_s":9})" + "\n");
  const RunHistory history(run_.path);
  EXPECT_EQ(history.epoch_images(), "test");
  EXPECT_EQ(history.best()->epoch, 2);
  EXPECT_EQ(history.best()->accuracy, 0.75);
  EXPECT_EQ(history.last()->epoch, 3);
  EXPECT_EQ(history.epochs_done(), 4);
  EXPECT_EQ(history.seconds(), 9.0);
}

TEST_F(RunHistoryTest, KnowsThatTheWeightsItBeganWithWereTheBest) {
  append(R"({"type":"epoch","epoch":1,"step":10,"test_accuracy":0.25,"best_test_accuracy":0.5})"
         "\n");
  EXPECT_EQ(RunHistory(run_.path).best()->epoch, 0);
  EXPECT_EQ(RunHistory(run_.path).best()->accuracy, 0.5);
  append(R"({"type":"epoch","epoch":2,"step":20,"test_accuracy":0.75,"best_test_accuracy":0.75})"
         "\n");
  EXPECT_EQ(RunHistory(run_.path).best()->epoch, 2);
}

TEST_F(RunHistoryTest, KnowsNoBestOfALineThatIsLost) {
  append(R"({"type":"epoch","epoch":1,"step":10,"test_accuracy":0.25,"best_test_accuracy":0.25})"
         "\n"
         R"({"type":"epoch","epoch":3,"step":30,"test_accuracy":0.5,"best_test_accuracy":0.75})"
         "\n");
  EXPECT_EQ(RunHistory(run_.path).best()->epoch, 3);
}

TEST_F(RunHistoryTest, GoesByHeldOutImagesAndAveragedWeightsWhereThereAreAny) {
  append(R"({"type":"epoch","epoch":1,"step":1,"holdout_accuracy":0.5,"ema_holdout_accuracy":0.25})"
         "\n"
         R"({"type":"test","epoch":1,"test_loss":2,"test_accuracy":0.125,"test_top5":0.5,"test_s":3})"
         "\n");
  const RunHistory history(run_.path);
  EXPECT_EQ(history.epoch_images(), "holdout");
  EXPECT_EQ(history.best()->accuracy, 0.25);
  ASSERT_TRUE(history.test());
  EXPECT_EQ(history.test()->accuracy, 0.125);
  EXPECT_EQ(history.test()->accuracy_top5, 0.5);
  EXPECT_EQ(summarise(history).test_accuracy, 0.125);
  append(R"({"type":"epoch","epoch":2,"step":2,"holdout_accuracy":0.5,"ema_holdout_accuracy":0.75})"
         "\n");
  const RunHistory extended(run_.path);
  EXPECT_FALSE(extended.test());  // of weights that are the best no more
  EXPECT_EQ(summarise(extended).test_accuracy, std::nullopt);
}

TEST_F(RunHistoryTest, SaysThatALaterReleaseWroteIt) {
  append(session_line(0) + step_line(1));
  RunHistory history(run_.path);
  EXPECT_EQ(history.problem(), "");
  append(fmt::format(R"({{"type":"session","schema":{},"epoch":0,"step":1}})", kMetricsSchema + 1) + "\n{}\n" +
         session_line(2));
  EXPECT_EQ(history.read_more(), HistoryChange::grown);
  EXPECT_EQ(history.problem(), run_.metrics().string() +
                                   ": written by a later release: schema 2, expected 1 at most: its records may mean "
                                   "other things");
  EXPECT_EQ(history.steps().rows(), 1U);
  write_file_atomically(run_.metrics(), session_line(0));
  EXPECT_EQ(history.read_more(), HistoryChange::anew);
  EXPECT_EQ(history.problem(), "");
}

TEST_F(RunHistoryTest, TellsTheStateByTheLastSession) {
  const std::string config = "epochs = 9\ncooldown-epochs = 1\n";
  EXPECT_EQ(state_with(config, session_line(0) + end_line("error")), RunState::failed);
  EXPECT_EQ(state_with(config, session_line(0) + end_line("error") + session_line(9)), RunState::died);
  EXPECT_EQ(state_with(config, session_line(0) + epoch_line(1, 0.5)), RunState::died);
  EXPECT_EQ(state_with(config, session_line(0) + end_line("signal")), RunState::stopped);
  EXPECT_EQ(state_with(config, session_line(0) + end_line("time_limit")), RunState::stopped);
  EXPECT_EQ(state_with(config, session_line(0) + end_line("patience")), RunState::finished);
  EXPECT_EQ(state_with(config, session_line(0) + end_line("patience") + session_line(9)), RunState::died);
  EXPECT_EQ(state_with(config, session_line(0) + epoch_line(10, 0.5)), RunState::finished) << "killed at its very end";
  EXPECT_EQ(state_with(config, session_line(0) + epoch_line(10, 0.5) + end_line("error")), RunState::failed)
      << "its last weights could not be saved";
}

TEST_F(RunHistoryTest, CountsTheTimeUpToTheEndOfASession) {
  append(session_line(0) + R"({"type":"epoch","epoch":1,"step":10,"total_s":9})" + "\n");
  RunHistory history(run_.path);
  EXPECT_EQ(history.seconds(), 9.0);
  append(end_line("signal"));  // as an earlier release wrote it
  EXPECT_EQ(history.read_more(), HistoryChange::grown);
  EXPECT_EQ(history.seconds(), 9.0);
  append(session_line(10) + R"({"type":"end","epoch":1,"step":12,"unix_s":2.5,"total_s":12.5,"end":"signal"})" + "\n");
  EXPECT_EQ(history.read_more(), HistoryChange::grown);
  EXPECT_EQ(history.seconds(), 12.5);
}

TEST_F(RunHistoryTest, TellsTheStateOfARunWithoutSessionsByItsRecords) {
  EXPECT_EQ(state_with("epochs = 2\n", epoch_line(1, 0.5)), RunState::stopped);
  EXPECT_EQ(state_with("epochs = 2\n", epoch_line(1, 0.5) + epoch_line(2, 0.5)), RunState::finished);
  EXPECT_EQ(state_with("epochs = 2\nholdout = 5\n", epoch_line(2, 0.5)), RunState::stopped);
  EXPECT_EQ(state_with("epochs = 9\nuntil-accuracy = 0.5\n", epoch_line(2, 0.5)), RunState::finished);
  EXPECT_EQ(state_with("epochs = 9\npatience = 2\n", epoch_line(1, 0.5) + epoch_line(2, 0.5)), RunState::stopped);
  EXPECT_EQ(state_with("epochs = 9\npatience = 2\n", epoch_line(1, 0.5) + epoch_line(3, 0.5)), RunState::finished);
}

TEST_F(RunHistoryTest, IsRunningWhileItsFolderIsLockedAndKeepsNobodyOut) {
  write_file_atomically(run_.config(), "epochs = 2\n");
  RunHistory history(run_.path);
  EXPECT_EQ(history.state(), RunState::stopped);
  {
    const RunFolderLock lock(run_);
    EXPECT_EQ(history.read_more(), HistoryChange::grown);
    EXPECT_EQ(history.state(), RunState::running);
  }
  EXPECT_EQ(history.read_more(), HistoryChange::grown);
  EXPECT_EQ(history.state(), RunState::stopped);
  const RunFolderLock again(run_);
}

TEST_F(RunHistoryTest, IsCalledAsItsFolderUnlessItHasAName) {
  append("");
  RunHistory history(run_.path / "");
  EXPECT_EQ(history.name(), "run");
  EXPECT_THAT(history.tags(), ElementsAre());
  write_file_atomically(run_.config(), "name = second try\ntag = a,b c\nnote = as before\n");
  EXPECT_EQ(history.read_more(), HistoryChange::grown);
  EXPECT_EQ(history.name(), "second try");
  EXPECT_THAT(history.tags(), ElementsAre("a", "b c"));
  EXPECT_EQ(history.note(), "as before");
}

class TrainedHistory : public TrainerFixture {};

TEST_F(TrainedHistory, HasWhatATrainingWrote) {
  const TrainConfig config = small_config("run");
  ASSERT_EQ(train(config, stopped_after(4)), TrainEnd::signal);
  RunHistory history(config.out);
  EXPECT_EQ(history.state(), RunState::stopped);
  ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(history.read_more(), HistoryChange::grown);
  EXPECT_EQ(history.state(), RunState::finished);
  EXPECT_EQ(history.problem(), "");
  EXPECT_EQ(history.steps().rows(), 12U);
  EXPECT_EQ(history.epochs().rows(), 2U);
  EXPECT_EQ(history.epochs_done(), history.epochs_planned());
  EXPECT_EQ(history.best()->accuracy, position_.best_accuracy);
  EXPECT_EQ(history.last()->accuracy, position_.last_test_accuracy);
  EXPECT_GE(history.steps().number("total_s", 11), history.steps().number("total_s", 10));
  ASSERT_EQ(history.sessions().size(), 2U);
  const RunSession& second = history.sessions()[1];
  EXPECT_EQ(second.start.step, 4);
  EXPECT_EQ(second.start.threads, pool_.threads());
  EXPECT_EQ(second.start.precision, "f32");
  EXPECT_FALSE(second.start.cpu.empty());
  EXPECT_EQ(second.end->end, "finished");
  EXPECT_GE(second.start.unix_seconds, history.sessions()[0].end->unix_seconds);
}

TEST_F(TrainedHistory, HasNoSessionOfARunWithNothingLeftToTrain) {
  const TrainConfig config = small_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const std::string metrics = read_text_file(RunFolder{config.out}.metrics());
  ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(read_text_file(RunFolder{config.out}.metrics()), metrics);
}

}  // namespace
}  // namespace convmixer
