/// A training that doesn't evaluate after every epoch.
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/train/run_length.hpp"
#include "support/error_of.hpp"
#include "trainer_fixture.hpp"

#include <gmock/gmock.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

namespace fs = std::filesystem;

using testing::ElementsAre;
using testing_support::error_of;

class TrainerEvalInterval : public TrainerFixture {
 protected:
  [[nodiscard]] TrainConfig config_of(const std::string& folder, int interval) const {
    TrainConfig config = small_config(folder);
    config.epochs = 5;
    config.log_interval = 0;
    config.average.decay = 0.9F;
    config.eval_interval = interval;
    return config;
  }
  /// The epochs whose records hold an evaluation.
  static std::vector<int> evaluated(const TrainConfig& config) {
    std::vector<int> epochs;
    for (const auto& record : timeless_metrics(config.out)) {
      EXPECT_EQ(record.contains("test_loss"), record.contains("ema_test_accuracy")) << record;
      if (record.contains("test_accuracy")) epochs.push_back(record["epoch"].get<int>());
    }
    return epochs;
  }
};

TEST_F(TrainerEvalInterval, EvaluatesAtTheIntervalAndAfterTheLastEpoch) {
  const TrainConfig always = config_of("always", 1);
  const TrainConfig second = config_of("second", 2);
  const TrainConfig last = config_of("last", 0);
  for (const TrainConfig& config : {always, second, last}) ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_THAT(evaluated(always), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(evaluated(second), ElementsAre(2, 4, 5));
  EXPECT_THAT(evaluated(last), ElementsAre(5));
}

TEST_F(TrainerEvalInterval, TrainsAsWithAllEvaluations) {
  const TrainConfig always = config_of("always", 1);
  const TrainConfig last = config_of("last", 0);
  ASSERT_EQ(train(always), TrainEnd::finished);
  ASSERT_EQ(train(last), TrainEnd::finished);
  auto end = timeless_metrics(always.out).back();
  end["best_test_accuracy"] = end["ema_test_accuracy"];
  EXPECT_EQ(timeless_metrics(last.out).back(), end);
  EXPECT_EQ(read_checkpoint_info(RunFolder{last.out}.best()).epoch, 5);
}

TEST_F(TrainerEvalInterval, SavesWeightsOfUnknownAccuracyAfterTheOtherEpochs) {
  const TrainConfig config = config_of("run", 3);
  const TrainConfig whole = config_of("whole", 3);
  ASSERT_EQ(train(whole), TrainEnd::finished);
  // It looks for a signal at the start, after each of six steps and, not stopped by an evaluation, after the epoch.
  ASSERT_EQ(train(config, stopped_after(7)), TrainEnd::signal);
  ASSERT_EQ(position_.epoch, 1);
  EXPECT_LT(read_checkpoint_info(RunFolder{config.out}.last()).test_accuracy, 0.0);
  EXPECT_FALSE(fs::exists(RunFolder{config.out}.best()));
  EXPECT_LT(position_.best_accuracy, 0.0);
  ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(timeless_metrics(config.out), timeless_metrics(whole.out));
  EXPECT_TRUE(timeless_state(config.out) == timeless_state(whole.out));
  EXPECT_EQ(read_text_file(RunFolder{config.out}.best()), read_text_file(RunFolder{whole.out}.best()));
}

TEST_F(TrainerEvalInterval, EndsOnlyWithAnEvaluation) {
  TrainConfig config = config_of("run", 0);
  config.schedule = ScheduleKind::constant;  // of which epochs may be taken away
  ASSERT_EQ(train(config, stopped_after(17)), TrainEnd::signal);
  ASSERT_EQ(position_.epoch, 2);
  for (const int epochs : {1, 2}) {
    config.epochs = epochs;
    config.cooldown_epochs = 2 - epochs;
    EXPECT_THAT(error_of([&] { train(config); }).what(),
                testing::EndsWith(fmt::format("epochs = {}: it is in epoch 3, and the one before wasn't evaluated; "
                                              "expected at least {}",
                                              epochs, epochs == 2 ? "3" : "2 with 1 cooldown-epochs")));
  }
  config.epochs = 3;
  EXPECT_EQ(train(config), TrainEnd::finished);
  EXPECT_THAT(evaluated(config), ElementsAre(3));
  config.epochs = 1;
  EXPECT_EQ(train(config), TrainEnd::finished) << "there is nothing left to do";
}

TEST_F(TrainerEvalInterval, StopsByPatienceAfterAnEvaluationOnly) {
  TrainConfig config = config_of("run", 3);
  config.lr = 0.0F;  // the weights stay, and with them the accuracy, but for the running statistics
  config.average = {};
  config.epochs = 100;
  config.patience = 4;
  EXPECT_EQ(train(config), TrainEnd::patience);
  EXPECT_EQ(position_.epoch % 3, 0);
  EXPECT_EQ(position_.epoch, position_.best_epoch + 6);
}

TEST_F(TrainerEvalInterval, EvaluatesAtATimeLimitBetweenEpochs) {
  TrainConfig config = config_of("run", 0);
  const TrainConfig whole = config_of("whole", 0);
  ASSERT_EQ(train(whole), TrainEnd::finished);
  auto now = std::make_shared<double>(0.0);
  auto looks = std::make_shared<int>(0);
  // The limit is passed in the first epoch's last step.
  TrainControls controls{.stop_signal = [looks] { return ++*looks, 0; },
                         .clock = [now, looks] { return *now += *looks < 6 ? 0.001 : 1000.0; }};
  config.max_time = 100;
  ASSERT_EQ(train(config, std::move(controls)), TrainEnd::time_limit);
  EXPECT_EQ(position_.step_in_epoch, 0);
  EXPECT_EQ(position_.epoch, 1);
  EXPECT_GE(read_checkpoint_info(RunFolder{config.out}.last()).test_accuracy, 0.0);
  EXPECT_THAT(evaluated(config), ElementsAre());
  config.max_time = 0;
  ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(timeless_metrics(config.out), timeless_metrics(whole.out));
}

TEST_F(TrainerEvalInterval, LeavesNoTimeForEvaluationsThatWillNotBe) {
  const auto left_after_second_epoch = [this](const TrainConfig& config) {
    std::FILE* const file = std::tmpfile();
    // Every step and every evaluated batch take a second.
    TrainControls controls{.stop_signal = [] { return 0; },
                           .clock = [now = std::make_shared<double>(0.0)] { return *now += 1.0; }};
    {
      Progress progress(file, {}, [] { return 0.0; });
      EXPECT_EQ(Trainer(config, *train_, *test_, engine_, progress, std::move(controls)).run(), TrainEnd::finished);
    }
    std::rewind(file);
    std::string text(1U << 14U, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    std::fclose(file);
    const std::size_t left = text.find("left ", text.find("epoch 2/5"));
    EXPECT_NE(left, std::string::npos) << text;
    return std::stod(text.substr(left + std::string("left ").size()));
  };
  // After epochs 4 and 5, not after 3: an evaluation is of four batches, two of them with the average.
  EXPECT_NEAR(left_after_second_epoch(config_of("second", 2)), left_after_second_epoch(config_of("always", 1)) - 4.0,
              1.5);
}

TEST(EvaluatedEpochs, AreEveryFewAndTheLast) {
  const EvaluatedEpochs epochs{.epochs = 11, .interval = 4};
  std::int64_t left = 0;
  for (std::int64_t done = 11; done >= 0; --done) {
    EXPECT_EQ(epochs.left_after(done), left) << done;
    if (epochs.contains(done)) ++left;
  }
  EXPECT_EQ((EvaluatedEpochs{.epochs = 11, .interval = 0}.left_after(10)), 1);
  EXPECT_EQ((EvaluatedEpochs{.epochs = 8, .interval = 4}.left_after(4)), 1);
}

TEST(EvaluatedEpochs, AreRefusedWherePatienceOrAnAccuracyWouldWaitInVain) {
  const auto refusal = [](const TrainConfig& config) {
    return std::string(error_of([&] { check_evaluated_epochs(config); }).what());
  };
  TrainConfig config;
  config.eval_interval = 5;
  config.patience = 3;
  EXPECT_EQ(refusal(config),
            "patience = 3: expected 0 or at least eval-interval, 5, as accuracies are that many epochs apart");
  config.eval_interval = 0;
  EXPECT_EQ(refusal(config), "patience has no effect with eval-interval = 0");
  config.patience = 0;
  config.until_accuracy = 0.5;
  EXPECT_EQ(refusal(config), "until-accuracy has no effect with eval-interval = 0");
  config.eval_interval = 3;
  config.patience = 3;
  EXPECT_NO_THROW(check_evaluated_epochs(config));
}

}  // namespace
}  // namespace convmixer
