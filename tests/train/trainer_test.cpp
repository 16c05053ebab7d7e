#include "convmixer/train/trainer.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/train/run_history.hpp"
#include "support/error_of.hpp"
#include "train/trainer_fixture.hpp"

#include <gmock/gmock.h>

#include <csignal>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::error_of;

using TrainerTest = TrainerFixture;

TEST_F(TrainerTest, WritesTheRunFolder) {
  const TrainConfig config = small_config("run");
  EXPECT_EQ(train(config), TrainEnd::finished);
  const RunFolder folder{config.out};
  for (const fs::path& file : {folder.config(), folder.metrics(), folder.best(), folder.last(), folder.state()}) {
    EXPECT_TRUE(fs::exists(file)) << file;
  }
  EXPECT_EQ(to_ini(read_config(folder.config())), to_ini(config));
  EXPECT_EQ(position_.epoch, 2);
  EXPECT_EQ(position_.step, 12);
}

TEST_F(TrainerTest, RecordsEveryEpochAndTheStepsAtTheInterval) {
  TrainConfig config = small_config("run");
  config.log_interval = 4;
  ASSERT_EQ(train(config), TrainEnd::finished);
  std::vector<std::string> order;
  for (const auto& record : timeless_metrics(config.out)) {
    order.push_back(fmt::format("{} {} {}", record["type"].get<std::string>(), record["epoch"].get<int>(),
                                record["step"].get<int>()));
  }
  EXPECT_EQ(order, (std::vector<std::string>{"step 1 4", "epoch 1 6", "step 2 8", "step 2 12", "epoch 2 12"}));
}

TEST_F(TrainerTest, TakesAStepForEachBatchHoweverItIsCut) {
  const TrainConfig whole = small_config("whole");
  TrainConfig cut = small_config("cut");
  cut.micro_batch = 5;
  ASSERT_EQ(train(whole), TrainEnd::finished);
  ASSERT_EQ(train(cut), TrainEnd::finished);
  const auto expected = timeless_metrics(whole.out);
  const auto records = timeless_metrics(cut.out);
  ASSERT_EQ(records.size(), expected.size());
  for (std::size_t i = 0; i < records.size(); ++i)
    for (const char* key : {"type", "epoch", "step", "learning_rate"})
      EXPECT_EQ(records[i].at(key), expected[i].at(key)) << i << key;
  EXPECT_NE(records.front().at("loss"), expected.front().at("loss")) << "norms see parts of the batch";
}

TEST_F(TrainerTest, LearnsTheFirstImages) {
  TrainConfig config = small_config("run");
  config.epochs = 20;
  config.augmentation.pad_crop = 0;
  config.augmentation.horizontal_flip = false;
  config.log_interval = 0;
  ASSERT_EQ(train(config), TrainEnd::finished);
  const auto records = timeless_metrics(config.out);
  ASSERT_EQ(records.size(), 20U);
  EXPECT_LT(records.back()["loss"].get<double>(), 0.8 * records.front()["loss"].get<double>());
  EXPECT_GT(records.back()["accuracy"].get<double>(), 0.4);
}

TEST_F(TrainerTest, SavesWeightsThatEvaluateToTheNumbersOfTheLog) {
  const TrainConfig config = small_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const auto records = timeless_metrics(config.out);
  const RunFolder folder{config.out};
  for (const fs::path& file : {folder.last(), folder.best()}) {
    const CheckpointInfo info = read_checkpoint_info(file);
    Network network(make_graph(info.model), Precision::f32, engine_);
    load_weights(file, network.parameters());
    Loader loader(*test_, loader_options(config, Split::test), pool_);
    const Evaluation evaluation = evaluate(network, loader);
    const auto record = std::find_if(records.begin(), records.end(), [&](const auto& candidate) {
      return candidate["type"] == "epoch" && candidate["epoch"] == info.epoch;
    });
    ASSERT_NE(record, records.end());
    EXPECT_EQ(evaluation.total.loss(), (*record)["test_loss"].get<double>());
    EXPECT_EQ(evaluation.total.accuracy(), (*record)["test_accuracy"].get<double>());
    EXPECT_EQ(evaluation.total.accuracy_top5(), (*record)["test_top5"].get<double>());
    EXPECT_EQ(info.test_accuracy, evaluation.total.accuracy());
  }
}

TEST_F(TrainerTest, KeepsTheBestOfAllEpochs) {
  TrainConfig config = small_config("run");
  config.epochs = 6;
  config.log_interval = 0;
  ASSERT_EQ(train(config), TrainEnd::finished);
  double best = -1.0;
  int best_epoch = 0;
  for (const auto& record : timeless_metrics(config.out)) {
    if (record["test_accuracy"].get<double>() > best) {
      best = record["test_accuracy"].get<double>();
      best_epoch = record["epoch"].get<int>();
    }
    EXPECT_EQ(record["best_test_accuracy"].get<double>(), best);
  }
  EXPECT_EQ(read_checkpoint_info(RunFolder{config.out}.best()).epoch, best_epoch);
  EXPECT_EQ(position_.best_epoch, best_epoch);
  EXPECT_EQ(read_checkpoint_info(RunFolder{config.out}.last()).epoch, 6);
}

TEST_F(TrainerTest, DoesNothingToAFinishedRun) {
  const TrainConfig config = small_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const std::string state = read_text_file(RunFolder{config.out}.state());
  const std::string metrics = read_text_file(RunFolder{config.out}.metrics());
  EXPECT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(read_text_file(RunFolder{config.out}.state()), state);
  EXPECT_EQ(read_text_file(RunFolder{config.out}.metrics()), metrics);
}

TEST_F(TrainerTest, StopsWhenPatienceIsOver) {
  TrainConfig config = small_config("run");
  config.lr = 0.0F;  // the weights stay: no epoch is better than the first, but for the running statistics
  config.epochs = 50;
  config.patience = 2;
  EXPECT_EQ(train(config), TrainEnd::patience);
  EXPECT_EQ(position_.epochs_without_improvement, 2);
  EXPECT_EQ(position_.epoch, position_.best_epoch + 2);
  const std::int64_t epoch = position_.epoch;
  EXPECT_EQ(train(config), TrainEnd::patience);
  EXPECT_EQ(position_.epoch, epoch);
}

/// A clock that moves one second whenever it is looked at.
TrainControls slow_clock() {
  return {[] { return 0; }, [now = std::make_shared<double>(0.0)] { return *now += 1.0; }};
}

TEST_F(TrainerTest, StopsAtTheTimeLimitWithEvaluatedWeights) {
  TrainConfig config = small_config("run");
  config.epochs = 1000;
  config.max_time = 8;
  EXPECT_EQ(train(config, slow_clock()), TrainEnd::time_limit);
  EXPECT_EQ(position_.epoch, 0);
  EXPECT_GT(position_.step, 0);
  const CheckpointInfo info = read_checkpoint_info(RunFolder{config.out}.last());
  EXPECT_EQ(info.step, position_.step);
  EXPECT_GE(info.test_accuracy, 0.0);
  EXPECT_FALSE(fs::exists(RunFolder{config.out}.best()));
}

TEST_F(TrainerTest, CountsTheTimeTrainedBeforeAStop) {
  TrainConfig config = small_config("run");
  config.epochs = 1000;
  config.max_time = 20;
  ASSERT_EQ(train(config, slow_clock()), TrainEnd::time_limit);
  const std::int64_t step = position_.step;
  EXPECT_GE(position_.seconds, 15.0);
  config.max_time = 10;
  EXPECT_EQ(train(config, slow_clock()), TrainEnd::time_limit);
  EXPECT_EQ(position_.step, step);
  config.max_time = 60;
  EXPECT_EQ(train(config, slow_clock()), TrainEnd::time_limit);
  EXPECT_GT(position_.step, step);
}

TEST_F(TrainerTest, GoesOnAfterATimeLimitAsIfNeverStopped) {
  const TrainConfig whole = small_config("whole");
  ASSERT_EQ(train(whole), TrainEnd::finished);
  TrainConfig config = small_config("run");
  config.max_time = 8;
  ASSERT_EQ(train(config, slow_clock()), TrainEnd::time_limit);
  config.max_time = 0;
  ASSERT_EQ(train(config), TrainEnd::finished);
  expect_equal_runs(config.out, whole.out);
}

TEST_F(TrainerTest, SavesWithinAnEpochAtTheInterval) {
  TrainConfig config = small_config("run");
  config.save_interval = 3.0F / 60.0F;
  const RunFolder folder{config.out};
  std::vector<fs::file_time_type> times;
  TrainControls controls = slow_clock();
  controls.stop_signal = [&] {
    times.push_back(fs::last_write_time(folder.state()));
    return 0;
  };
  ASSERT_EQ(train(config, controls), TrainEnd::finished);
  EXPECT_NE(times[1], times[5]) << "not saved between the first and the fifth step";
}

TEST_F(TrainerTest, StopsAtALossThatIsNotFiniteAndLeavesWhatIsSaved) {
  TrainConfig config = small_config("run");
  config.optimizer.kind = OptimizerKind::sgd;
  config.schedule = ScheduleKind::constant;
  config.lr = 1e30F;
  const Error error = error_of([&] { train(config); });
  EXPECT_EQ(error.kind(), ErrorKind::failure);
  EXPECT_THAT(error.what(), HasSubstr("epoch 1, learning rate 1e+30"));
  EXPECT_THAT(error.what(), HasSubstr("what was saved at step 0 is untouched"));
  EXPECT_THAT(error.what(), HasSubstr("--clip-norm"));
  const RunHistory history(config.out);
  EXPECT_EQ(history.state(), RunState::failed);
  EXPECT_EQ(history.error(), error.what());
  const SafetensorsFile state(RunFolder{config.out}.state());
  for (const auto& [name, entry] : state.tensors()) {
    if (entry.dtype != DType::f32) continue;
    std::vector<float> values(static_cast<std::size_t>(entry.shape.count()));
    state.read(name, entry.shape, values);
    for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << name;
  }
}

TEST_F(TrainerTest, KeepsASecondTrainingOutOfItsFolder) {
  const TrainConfig config = small_config("run");
  Progress progress(nullptr, {}, undisturbed().clock);
  const Trainer trainer(config, *train_, *test_, engine_, progress, undisturbed());
  EXPECT_THAT(error_of([&] { train(config); }).what(), HasSubstr("another process is training into this folder"));
}

/// Another data set with one more class.
class WithAnotherClass : public Dataset {
 public:
  explicit WithAnotherClass(const Dataset& images) : images_(images), class_names_(images.class_names()) {
    class_names_.emplace_back("another");
  }
  [[nodiscard]] std::int64_t size() const override { return images_.size(); }
  [[nodiscard]] int channels() const override { return images_.channels(); }
  [[nodiscard]] int image_size() const override { return images_.image_size(); }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return class_names_; }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override { return images_.image(index); }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override { return images_.label(index); }

 private:
  const Dataset& images_;
  std::vector<std::string> class_names_;
};

TEST_F(TrainerTest, RefusesTestImagesOfMoreClassesBeforeItTrains) {
  const WithAnotherClass test(*test_);
  const TrainConfig config = small_config("run");
  Progress progress(nullptr, {}, undisturbed().clock);
  const Error error = error_of([&] { const Trainer trainer(config, *train_, test, engine_, progress); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), HasSubstr("the test images have other classes than the training images: "));
  EXPECT_THAT(error.what(), HasSubstr("'another' is none of these"));
  EXPECT_FALSE(RunFolder{config.out}.holds_state());
}

TEST_F(TrainerTest, RefusesSettingsOutOfRangeBeforeItTouchesTheFolder) {
  TrainConfig config = small_config("run");
  config.save_interval = -1.0F;
  Progress progress(nullptr, {}, undisturbed().clock);
  EXPECT_STREQ(error_of([&] { const Trainer trainer(config, *train_, *test_, engine_, progress); }).what(),
               "save-interval = -1: expected a number from 0 to 1000000");
  EXPECT_FALSE(std::filesystem::exists(config.out));
}

TEST_F(TrainerTest, TakesTheUsualControlsForThoseThatAreEmpty) {
  TrainConfig config = small_config("run");
  config.epochs = 1;
  EXPECT_EQ(train(config, TrainControls{.stop_signal = [] { return 0; }, .clock = default_controls().clock}),
            TrainEnd::finished);
  Progress progress(nullptr, {}, undisturbed().clock);
  Trainer trainer(config, *train_, *test_, engine_, progress, TrainControls{});
  EXPECT_EQ(trainer.run(), TrainEnd::finished);
}

TEST_F(TrainerTest, LeavesOutAShortLastBatchOnRequest) {
  TrainConfig config = small_config("run");
  config.drop_last = true;
  ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(position_.step, 10);
}

TEST_F(TrainerTest, TrainsOnMixedImagesByTheirMixedTargets) {
  TrainConfig config = small_config("run");
  config.mix = {.mixup = 5.0F};  // about halves
  config.label_smoothing = 0.1F;
  ASSERT_EQ(train(config), TrainEnd::finished);
  const auto first_step = timeless_metrics(config.out).front();

  Network network(make_graph(model_config(config, 3, 10)), Precision::f32, engine_);
  network.parameters().initialise(config.seed);
  Loader loader(*train_, loader_options(config, Split::train), pool_);
  loader.start(0);
  const Batch* batch = loader.next();
  ASSERT_NE(batch, nullptr);
  const Targets targets{.labels = batch->labels, .soft = batch->targets, .label_smoothing = 0.1F};
  const BatchResult expected = network.train_batch(batch->images, targets);
  EXPECT_EQ(first_step["loss"].get<double>(), expected.loss());
  EXPECT_EQ(first_step["accuracy"].get<double>(), expected.accuracy());
}

TEST_F(TrainerTest, RecordsWhatTheLoaderCouldSupplyAndItsPartOfTheTime) {
  const TrainConfig config = small_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  std::istringstream text(read_text_file(RunFolder{config.out}.metrics()));
  int epochs = 0;
  for (std::string line; std::getline(text, line);) {
    const auto record = nlohmann::json::parse(line);
    if (record["type"] != "epoch") continue;
    ++epochs;
    const auto supply = record["data_supply_images_per_s"].get<double>();
    EXPECT_GT(supply, 0.0);
    EXPECT_NEAR(record["data_cpu_share"].get<double>(), kTrainImages / supply / 2 / record["train_s"].get<double>(),
                1e-9);
  }
  EXPECT_EQ(epochs, 2);
}

TEST_F(TrainerTest, ReportsTheMemoryOfAllItsPlans) {
  Progress progress(nullptr, {}, undisturbed().clock);
  const TrainConfig config = small_config("run");
  Trainer trainer(config, *train_, *test_, engine_, progress, undisturbed());
  const std::int64_t training = trainer.network().plan(16, PlanMode::training).memory().total();
  EXPECT_GT(training, 0);
  EXPECT_GE(trainer.planned_memory().total(), training);
}

}  // namespace
}  // namespace convmixer
