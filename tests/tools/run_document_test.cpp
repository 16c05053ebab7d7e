#include "run_page/run_document.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/train/run_folder.hpp"
#include "run_page/run_clock.hpp"
#include "run_page/run_page.hpp"
#include "support/temporary_folder.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace convmixer::tool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kConfig =
    "model = convmixer\ndim = 32\ndepth = 3\npatch-size = 4\nimage-size = 32\nbatch-size = 10\nepochs = 3\nout = "
    "runs/a\n";

std::string step_line(int epoch, int step, double loss, double total = -1.0) {
  const std::string time = total >= 0.0 ? fmt::format(R"(,"total_s":{})", total) : "";
  return fmt::format(R"({{"type":"step","epoch":{},"step":{},"loss":{},"images_per_s":20{}}})", epoch, step, loss,
                     time) +
         "\n";
}

std::string epoch_line(int epoch, double best) {
  return fmt::format(
             R"({{"type":"epoch","epoch":{0},"step":{1},"loss":0.123456789,"test_loss":null,"test_accuracy":{2},)"
             R"("best_test_accuracy":{2},"train_s":8,"test_s":2,"total_s":{3}}})",
             epoch, 10 * epoch, best, 10 * epoch) +
         "\n";
}

class RunDocument : public testing::Test {
 protected:
  /// A run of these records.
  [[nodiscard]] RunHistory history(const std::string& records, const std::string& config = kConfig) const {
    parent_.write("a/config.ini", config);
    parent_.write("a/metrics.jsonl", records);
    return RunHistory(parent_.path() / "a");
  }
  [[nodiscard]] Json run(const std::string& records) const { return run_json(history(records), "a"); }

  testing_support::TemporaryFolder parent_;
};

TEST_F(RunDocument, HasAColumnForEachFieldOfEpochsWithNullForWhatIsNoNumber) {
  const Json json = run(epoch_line(1, 0.4) + epoch_line(2, 0.55));
  EXPECT_EQ(json["epochs"]["epoch"].dump(), "[1,2]");
  EXPECT_EQ(json["epochs"]["step"].dump(), "[10,20]");
  EXPECT_EQ(json["epochs"]["loss"].dump(), "[0.1234568,0.1234568]");
  EXPECT_EQ(json["epochs"]["eval_loss"].dump(), "[null,null]");
  EXPECT_EQ(json["epochs"]["averaged_accuracy"].dump(), "[null,null]");
  EXPECT_EQ(json["best"]["epoch"], 2);
  EXPECT_EQ(json["model"], "ConvMixer-32/3, kernel 5, patch 4, images 32 x 32, 2 classes");
  EXPECT_EQ(json["settings"][1].dump(), R"({"group":"Model","name":"dim","value":"32"})");
  EXPECT_EQ(json["log"].size(), 2U);
}

TEST_F(RunDocument, TellsWhenEachThresholdWasFirstReached) {
  const Json document = document_json({run(epoch_line(1, 0.1) + epoch_line(2, 0.55) + epoch_line(3, 0.56))});
  const Json& reached = document["runs"][0]["reached"];
  ASSERT_EQ(reached.size(), document["thresholds"].size());
  for (std::size_t i = 0; i < reached.size(); ++i) {
    const double threshold = document["thresholds"][i];
    if (threshold <= 0.1)
      EXPECT_EQ(reached[i]["epoch"], 1);
    else if (threshold <= 0.5)
      EXPECT_EQ(reached[i].dump(), R"({"epoch":2,"seconds":20})");
    else
      EXPECT_TRUE(reached[i].is_null());
  }
}

TEST_F(RunDocument, PlacesStepsByTheTimesOfTheirRecords) {
  const RunClock clock =
      run_clock(history(step_line(1, 5, 1.0, 1.0) + epoch_line(1, 0.1) + step_line(2, 15, 1.0, 12.0)));
  EXPECT_THAT(clock.steps, ElementsAre(0, 5, 10, 10, 15));
  EXPECT_THAT(clock.epochs, ElementsAre(0, 0.5, 1, 1, 1.5));
  EXPECT_THAT(clock.seconds, ElementsAre(0, 1, 8, 10, 12));
}

TEST_F(RunDocument, PlacesStepsWithoutTimesByEpochsAndByTheirRates) {
  const RunClock clock = run_clock(history(step_line(1, 5, 1.0) + epoch_line(1, 0.1) + step_line(2, 14, 1.0)));
  EXPECT_THAT(clock.steps, ElementsAre(0, 10, 10, 14));
  EXPECT_THAT(clock.seconds, ElementsAre(0, 8, 10, 12));  // 4 steps of 10 images at 20 images/s
}

TEST_F(RunDocument, NeverGoesBackInTimeWhateverRecordsSay) {
  const std::string odd = R"({"type":"epoch","epoch":-5,"step":-1e300,"total_s":-7})"
                          "\n"
                          R"({"type":"epoch","epoch":1e300,"step":1e300,"total_s":1e300})"
                          "\n"
                          R"({"type":"step","epoch":1,"step":3})"
                          "\n";
  const RunHistory odd_run = history(epoch_line(2, 0.5) + odd + epoch_line(1, 0.5));
  const RunClock clock = run_clock(odd_run);
  for (const auto* values : {&clock.steps, &clock.epochs, &clock.seconds}) EXPECT_TRUE(std::ranges::is_sorted(*values));
  EXPECT_THAT(run_page(document_json({run_json(odd_run, "a")})), HasSubstr("convmixer-runs"));
}

TEST_F(RunDocument, KeepsThePeakOfAHundredThousandSteps) {
  std::string records;
  for (int step = 1; step <= 100'000; ++step)
    records += step_line(1, step, step == 54'321 ? 77.5 : 2.0 + 0.1 * (step % 7));
  const Json json = run(records);
  const Json& loss = json["steps"]["loss"];
  EXPECT_LE(loss["step"].size(), 1000U);
  EXPECT_EQ(loss["step"].size(), loss["value"].size());
  EXPECT_EQ(loss["step"].size(), loss["mean"].size());
  const std::vector<double> values = loss["value"];
  const auto peak = std::ranges::max_element(values);
  EXPECT_EQ(*peak, 77.5);
  EXPECT_EQ(loss["step"][static_cast<std::size_t>(peak - values.begin())], 54'321);
  EXPECT_LT(run_page(document_json({json})).size(), 400'000U);
}

TEST_F(RunDocument, OfAnIncrementHasWhatCameSince) {
  const std::string before = step_line(1, 5, 1.0) + epoch_line(1, 0.1);
  const RunHistory now = history(before + step_line(2, 15, 0.5) + epoch_line(2, 0.6));
  const Json json = increment_json(now, "a", {.steps = 1, .epochs = 1});
  EXPECT_EQ(json["steps"]["loss"].dump(), R"({"step":[15],"value":[0.5]})");
  EXPECT_EQ(json["epochs"]["epoch"].dump(), "[2]");
  EXPECT_EQ(json["best"]["epoch"], 2);
  const Json nothing = increment_json(now, "a", {.steps = 2, .epochs = 2});
  EXPECT_FALSE(nothing.contains("steps"));
  EXPECT_FALSE(nothing.contains("epochs"));
  // A run that isn't trained may have ended since the last epoch that was told.
  EXPECT_EQ(nothing["whole_log"], run_json(now, "a")["log"]);
  EXPECT_FALSE(nothing.contains("log"));
  const RunFolderLock lock(RunFolder{parent_.path() / "a"});
  const RunHistory running(parent_.path() / "a");
  EXPECT_EQ(increment_json(running, "a", {.steps = 1, .epochs = 1})["log"].size(), 1U);
  EXPECT_FALSE(increment_json(running, "a", {.steps = 2, .epochs = 2}).contains("log"));
  EXPECT_FALSE(increment_json(running, "a", {.steps = 2, .epochs = 2}).contains("whole_log"));
}

TEST_F(RunDocument, HasALogInTheOrderInWhichThingsHappened) {
  const Json json = run(
      R"({"type":"session","epoch":0,"step":0,"unix_s":1760000000,"version":"0.1.0","threads":2,"precision":"f32","plan":"fused"})"
      "\n" +
      epoch_line(1, 0.4) +
      R"({"type":"test","epoch":1,"test_loss":1.5,"test_accuracy":0.25,"test_top5":0.75,"test_s":1})"
      "\n"
      R"({"type":"end","epoch":1,"step":10,"unix_s":1760000060,"end":"patience"})"
      "\n");
  const Json& log = json["log"];
  ASSERT_EQ(log.size(), 4U);
  EXPECT_THAT(log[0].get<std::string>(), HasSubstr("UTC  started: convmixer 0.1.0, 2 threads, f32, fused plan"));
  EXPECT_THAT(log[1].get<std::string>(), HasSubstr("epoch 1/3"));
  EXPECT_THAT(log[2].get<std::string>(), HasSubstr("test images, once"));
  EXPECT_THAT(log[3].get<std::string>(), HasSubstr("UTC  ended: patience"));
}

TEST_F(RunDocument, TellsInItsLogHowMuchOfAnEpochRanksExchanged) {
  const Json json = run(
      R"({"type":"session","epoch":0,"step":0,"unix_s":1760000000,"version":"0.1.0","threads":2,"ranks":4,"precision":"f32","plan":"fused"})"
      "\n"
      R"({"type":"epoch","epoch":1,"step":10,"loss":1,"accuracy":0.5,"data_wait_s":1,"communication_s":3,"communication_bytes":9,"train_s":10,"test_s":0,"total_s":10})"
      "\n" +
      epoch_line(2, 0.4));
  const Json& log = json["log"];
  ASSERT_EQ(log.size(), 3U);
  EXPECT_THAT(log[0].get<std::string>(), HasSubstr("started: convmixer 0.1.0, 4 ranks of 2 threads, f32, fused plan"));
  EXPECT_THAT(log[1].get<std::string>(), HasSubstr("wait 10.0%  exchange 30.0%"));
  EXPECT_THAT(log[2].get<std::string>(), Not(HasSubstr("exchange")));
}

TEST_F(RunDocument, CallsRunsOfOneNameByTheirFolders) {
  const Json one = {{"name", "a"}, {"folder", "x/a"}};
  const Json other = {{"name", "a"}, {"folder", "y/a"}};
  const Json third = {{"name", "b"}, {"folder", "y/b"}};
  const Json runs = document_json({one, other, third})["runs"];
  EXPECT_EQ(runs[0]["name"], "x/a");
  EXPECT_EQ(runs[1]["name"], "y/a");
  EXPECT_EQ(runs[2]["name"], "b");
}

TEST(RunPage, HoldsAnyTextWithoutATagOrAnEntity) {
  const std::string text = "</script><!--<b>&amp;\u2028\u00e9\x80 \"\\";
  const std::string json = json_in_html({{"name", text}});
  for (const char* part : {"<", ">", "&", "\u2028", "\u00e9", "\x80"}) EXPECT_THAT(json, Not(HasSubstr(part)));
  EXPECT_EQ(nlohmann::json::parse(json)["name"], "</script><!--<b>&amp;\u2028\u00e9\ufffd \"\\");
}

TEST(RunPage, ConnectsToNothingUnlessItIsServed) {
  const std::string page = run_page(document_json({}));
  EXPECT_THAT(page, HasSubstr("default-src 'none'; script-src 'sha256-"));
  EXPECT_THAT(page, HasSubstr("form-action 'none'\">"));
  EXPECT_THAT(page, Not(HasSubstr("http-equiv=\"refresh")));
  EXPECT_THAT(run_page(document_json({}), PageUse::served), HasSubstr("form-action 'none'; connect-src 'self'\">"));
  EXPECT_THAT(page, HasSubstr("Permission is hereby granted, free of charge"));
  for (const char* place :
       {"@CONNECT@", "@DOCUMENT@", "@SCRIPT@", "@STYLE@", "@POLICY@", "@LICENCE@", "sourceMappingURL"})
    EXPECT_THAT(page, Not(HasSubstr(place)));
}

}  // namespace
}  // namespace convmixer::tool
