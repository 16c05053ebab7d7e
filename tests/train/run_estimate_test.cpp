#include "convmixer/train/run_estimate.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/optim/optimizer_memory.hpp"
#include "support/error_of.hpp"
#include "train/trainer_fixture.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

class RunEstimateTest : public TrainerFixture {
 protected:
  static constexpr EstimateLimits kMoment{.seconds = 0.02F};

  [[nodiscard]] RunEstimate estimate(const TrainConfig& config, bool with_data = true) {
    const ClassificationTask task{.image_size = 32, .channels = 3, .classes = 10};
    EstimateData data{.task = task, .train_images = kTrainImages, .test_images = kTestImages};
    if (with_data) {
      data.train = train_.get();
      data.test = test_.get();
    }
    return estimate_run(config, {Precision::f32, "as given"}, data, engine_, kMoment);
  }
};

TEST(RunEstimate, HasNoChosenOneBeforeItWasMeasured) {
  RunEstimate estimate;
  estimate.choice.precision = Precision::bf16;
  estimate.precisions.emplace_back();  // f32
  const Error error = testing_support::error_of([&] { (void)estimate.chosen(); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_STREQ(error.what(), "estimate: bf16 is chosen but wasn't measured, expected what estimate_run gives");
}

TEST_F(RunEstimateTest, MeasuresEveryPrecisionOfTheCpu) {
  const RunEstimate result = estimate(small_config("run"));
  ASSERT_EQ(result.precisions.size(), Engine::supports(Precision::bf16) ? 2U : 1U);
  EXPECT_EQ(result.precisions.front().precision, Precision::f32);
  EXPECT_EQ(&result.chosen(), &result.precisions.front());
  for (const PrecisionEstimate& precision : result.precisions) {
    EXPECT_EQ(precision.failure, "");
    EXPECT_EQ(precision.plan, PlanKind::fused);
    EXPECT_GT(precision.training_rate, 0.0);
    EXPECT_GT(precision.evaluation_rate, 0.0);
    EXPECT_GT(precision.steps, 0U);
    EXPECT_GT(precision.supply, 0.0);
    EXPECT_GT(precision.peak_bytes, precision.planned_bytes);
  }
  EXPECT_FALSE(std::filesystem::exists(parent_.path() / "run")) << "nothing is written";
}

TEST_F(RunEstimateTest, PlansTheMemoryThatTheTrainingPlans) {
  for (const char* frozen : {"", "blocks"}) {
    TrainConfig config = small_config(fmt::format("run-{}", frozen));
    config.freeze = frozen;
    const RunEstimate result = estimate(config);
    Progress progress(nullptr, {}, [] { return 0.0; });
    Trainer trainer(config, *train_, *test_, engine_, progress, undisturbed());
    const Graph& graph = trainer.network().graph();
    // Of all parameters themselves and their gradients, of trained ones AdamW's two moments.
    const std::int64_t values = 2 * parameter_count(graph) + 2 * trained_parameter_count(graph);
    EXPECT_EQ(result.chosen().planned_bytes, trainer.planned_memory().total() + 4 * values) << frozen;
  }
}

TEST_F(RunEstimateTest, PlansTheMemoryThatMuonWorksIn) {
  TrainConfig config = small_config("run");
  config.optimizer.kind = OptimizerKind::muon;
  const RunEstimate result = estimate(config);
  Progress progress(nullptr, {}, [] { return 0.0; });
  Trainer trainer(config, *train_, *test_, engine_, progress, undisturbed());
  const Graph& graph = trainer.network().graph();
  std::int64_t values = 4 * parameter_count(graph);
  for (const ParameterId id : hidden_matrices(graph))  // of which there is one moment
    values -= graph.parameters()[static_cast<std::size_t>(id)].shape.count();
  OptimizerOptions options = config.optimizer;
  options.muon.precision = trainer.network().precision();
  const std::size_t working = optimizer_working_bytes(graph, options, pool_.threads());
  EXPECT_GT(working, 0U);
  EXPECT_EQ(result.chosen().planned_bytes,
            trainer.planned_memory().total() + 4 * values + static_cast<std::int64_t>(working));
}

TEST_F(RunEstimateTest, PlansTheMemoryOfMicroBatches) {
  TrainConfig config = small_config("run");
  config.micro_batch = 4;
  const RunEstimate result = estimate(config);
  Progress progress(nullptr, {}, [] { return 0.0; });
  Trainer trainer(config, *train_, *test_, engine_, progress, undisturbed());
  // Values, gradients and their sum, AdamW's two moments.
  const std::int64_t values = 5 * parameter_count(trainer.network().graph());
  EXPECT_EQ(result.chosen().planned_bytes, trainer.planned_memory().total() + 4 * values);
  EXPECT_EQ(trainer.training_plan().options().batch_size, 4);
  TrainConfig whole = small_config("whole");
  EXPECT_LT(result.chosen().planned_bytes, estimate(whole).chosen().planned_bytes);
}

TEST_F(RunEstimateTest, DoesWithoutData) {
  const RunEstimate result = estimate(small_config("run"), false);
  EXPECT_GT(result.chosen().training_rate, 0.0);
  EXPECT_EQ(result.chosen().supply, 0.0);
  EXPECT_EQ(result.chosen().wait_share, 0.0);
}

TEST_F(RunEstimateTest, MeasuresEverySizeOfImages) {
  TrainConfig config = small_config("run");
  config.epochs = 4;
  config.image_sizes = {{16, 0.5}, {24, 0.25}, {32, 0.25}};
  for (const bool with_data : {true, false}) {
    const PrecisionEstimate result = estimate(config, with_data).chosen();
    ASSERT_EQ(result.reduced.size(), 2U);
    EXPECT_EQ(result.reduced[0].image_size, 24);
    EXPECT_EQ(result.reduced[1].image_size, 16);
    for (const SizeEstimate& size : result.reduced) EXPECT_GT(size.training_rate, 0.0);
    EXPECT_GT(result.seconds(work_left(config, {.train = kTrainImages, .test = kTestImages}, {})), 0.0);
  }
}

TEST_F(RunEstimateTest, IsRefusedWhereTheTrainingIs) {
  TrainConfig config = small_config("run");
  config.plan = PlanKind::fused;
  config.layout = LayoutPolicy::channels_last;
  EXPECT_THROW((void)estimate(config), Error);
}

TEST(RunWork, OfAnEpochLeavesOutABatchThatIsDropped) {
  TrainConfig config;
  config.batch_size = 16;
  EXPECT_EQ(epoch_work(config, {.train = 92, .test = 40}).training_images, 92);
  config.drop_last = true;
  EXPECT_EQ(epoch_work(config, {.train = 92, .test = 40}).training_images, 80);
  EXPECT_EQ(epoch_work(config, {.train = 92, .test = 40}).test_images, 40);
}

TEST(RunWork, OfHeldOutImagesEndsWithTheTestSet) {
  TrainConfig config;
  config.epochs = 3;
  config.holdout = {.share = 0.1};
  const RunImages images = run_images(config, 200, 50);
  EXPECT_EQ(epoch_work(config, images).training_images, 180);
  EXPECT_EQ(epoch_work(config, images).test_images, 20);
  EXPECT_EQ(work_left(config, images, {.epoch = 1, .sums = {}}).training_images, 2 * 180);
  EXPECT_EQ(work_left(config, images, {.epoch = 1, .sums = {}}).test_images, 2 * 20 + 50);
}

TEST(RunWork, EvaluatesAtTheIntervalAndAtTheEnd) {
  TrainConfig config;
  config.epochs = 11;
  config.eval_interval = 5;
  const RunImages images{.train = 100, .test = 20};
  EXPECT_EQ(work_left(config, images, {.sums = {}}).test_images, 3 * 20) << "after 5, 10 and 11";
  EXPECT_EQ(work_left(config, images, {.epoch = 5, .sums = {}}).test_images, 2 * 20);
  config.epochs = 10;
  EXPECT_EQ(work_left(config, images, {.epoch = 5, .sums = {}}).test_images, 20);
}

TEST(RunWork, TakesItsImagesAtTheirRates) {
  PrecisionEstimate estimate;
  estimate.training_rate = 10.0;
  estimate.evaluation_rate = 40.0;
  EXPECT_DOUBLE_EQ(estimate.seconds({.training_images = 100, .test_images = 20}), 10.5);
}

TEST(RunWork, OfWhatIsLeftIsCountedBySize) {
  TrainConfig config;
  config.epochs = 4;
  config.cooldown_epochs = 1;
  const RunImages images{.train = 100, .test = 20};
  const RunWork all = work_left(config, images, {.epoch = 1, .sums = {.images = 30}});
  EXPECT_EQ(all.training_images, 370);
  EXPECT_EQ(all.test_images, 80);
  EXPECT_TRUE(all.reduced.empty());

  config.image_sizes = {{16, 0.5}, {24, 0.25}, {32, 0.25}};
  const RunWork work = work_left(config, images, {.epoch = 1, .sums = {.images = 30}});
  EXPECT_EQ(work.training_images, 200) << "the schedule's last epoch and one after it";
  ASSERT_EQ(work.reduced.size(), 2U);
  EXPECT_EQ(work.reduced[0].image_size, 16);
  EXPECT_EQ(work.reduced[0].images, 70);
  EXPECT_EQ(work.reduced[1].images, 100);
  EXPECT_EQ(work.test_images, 80);

  PrecisionEstimate estimate;
  estimate.training_rate = 10.0;
  estimate.evaluation_rate = 40.0;
  estimate.reduced = {{24, 20.0, 0.0}, {16, 35.0, 0.0}};
  EXPECT_DOUBLE_EQ(estimate.seconds(work), 20.0 + 2.0 + 2.0 + 5.0);
}

}  // namespace
}  // namespace convmixer
