#include "convmixer/core/file.hpp"
#include "convmixer/train/run_result.hpp"
#include "support/error_of.hpp"
#include "train/trainer_fixture.hpp"

#include <gmock/gmock.h>

#include <csignal>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;

/// 69 images are trained on, in five steps, and 23 held out.
class TrainerHoldout : public TrainerFixture {
 protected:
  [[nodiscard]] TrainConfig holdout_config(const std::string& folder) const {
    TrainConfig config = small_config(folder);
    config.holdout = {.images = 23};
    return config;
  }

  static std::vector<nlohmann::json> records(const TrainConfig& config, const std::string& type) {
    std::vector<nlohmann::json> found = timeless_metrics(config.out);
    std::erase_if(found, [&](const nlohmann::json& record) { return record["type"] != type; });
    return found;
  }

  BatchResult evaluate_best(const TrainConfig& config, const Dataset& images) {
    const fs::path file = RunFolder{config.out}.best();
    Network network(make_graph(read_checkpoint_info(file).model), Precision::f32, engine_);
    load_weights(file, network.parameters());
    Loader loader(images, loader_options(config, Split::test), pool_);
    return evaluate(network, loader).total;
  }

  static std::string holdout_fingerprint(const TrainConfig& config) {
    return nlohmann::json::parse(read_text_file(RunFolder{config.out}.data()))["holdout"]["fingerprint"];
  }
};

TEST_F(TrainerHoldout, GoesByHeldOutImagesAndEvaluatesTheTestSetOnceAtTheEnd) {
  TrainConfig config = holdout_config("run");
  config.epochs = 4;
  ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(position_.step, 4 * 5);
  const HoldoutSplit split = split_holdout(config, *train_);
  const BatchResult on_holdout = evaluate_best(config, *split.holdout);
  const BatchResult on_test = evaluate_best(config, *test_);
  const auto epochs = records(config, "epoch");
  ASSERT_EQ(epochs.size(), 4U);
  const auto& best = epochs[static_cast<std::size_t>(position_.best_epoch - 1)];
  EXPECT_EQ(best["holdout_loss"], on_holdout.loss());
  EXPECT_EQ(best["holdout_accuracy"], on_holdout.accuracy());
  EXPECT_EQ(best["holdout_top5"], on_holdout.accuracy_top5());
  EXPECT_EQ(epochs.back()["best_holdout_accuracy"], on_holdout.accuracy());
  for (const auto& epoch : epochs) EXPECT_FALSE(epoch.contains("test_accuracy") || epoch.contains("test_loss"));

  EXPECT_THAT(records(config, "test"), ElementsAre(timeless_metrics(config.out).back()));
  const auto test = timeless_metrics(config.out).back();
  EXPECT_EQ(test["epoch"], position_.best_epoch);
  EXPECT_EQ(test["test_loss"], on_test.loss());
  EXPECT_EQ(test["test_accuracy"], on_test.accuracy());
  EXPECT_EQ(test["test_top5"], on_test.accuracy_top5());
  const CheckpointInfo info = read_checkpoint_info(RunFolder{config.out}.best());
  EXPECT_EQ(info.holdout_accuracy, on_holdout.accuracy());
  EXPECT_EQ(info.test_accuracy, on_test.accuracy());
  EXPECT_EQ(read_checkpoint_info(RunFolder{config.out}.last()).test_accuracy, -1.0);
}

/// Looks for a signal in an undisturbed run: before each epoch, after each of its 5 steps and 2 evaluated batches.
constexpr int kLooks = 2 * (1 + 5 + 2);

TEST_F(TrainerHoldout, ContinuesBitForBitAfterAStopAtAnyMoment) {
  const TrainConfig whole = holdout_config("whole");
  ASSERT_EQ(train(whole), TrainEnd::finished);
  // Within an epoch, in its evaluation, before the next one, and in the first of the test set's 2 batches.
  for (const int looks : {3, 6, 8, kLooks - 1, kLooks}) {
    SCOPED_TRACE(looks);
    const TrainConfig config = holdout_config(fmt::format("stopped{}", looks));
    ASSERT_EQ(train(config, stopped_after(looks)), TrainEnd::signal);
    ASSERT_EQ(train(config), TrainEnd::finished);
    expect_equal_runs(config.out, whole.out);
  }
  EXPECT_EQ(train(holdout_config("end"), stopped_after(kLooks + 1)), TrainEnd::finished);
}

TEST_F(TrainerHoldout, EvaluatesTheTestSetAgainWhenItWasKilledBeforeThatWasSaved) {
  const TrainConfig whole = holdout_config("whole");
  ASSERT_EQ(train(whole), TrainEnd::finished);
  const TrainConfig config = holdout_config("run");
  ASSERT_EQ(train(config, stopped_after(kLooks)), TrainEnd::signal);
  EXPECT_EQ(records(config, "test").size(), 0U);
  EXPECT_FALSE(position_.is_best_tested());
  for (const auto file : {&RunFolder::best, &RunFolder::metrics}) {
    fs::copy_file((RunFolder{whole.out}.*file)(), (RunFolder{config.out}.*file)(),
                  fs::copy_options::overwrite_existing);
  }
  ASSERT_EQ(train(config), TrainEnd::finished);
  expect_equal_runs(config.out, whole.out);
}

TEST_F(TrainerHoldout, DoesNotEvaluateTheTestSetOfAFinishedRunAgain) {
  const TrainConfig config = holdout_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const std::string metrics = read_text_file(RunFolder{config.out}.metrics());
  const auto time = fs::last_write_time(RunFolder{config.out}.best());
  EXPECT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(read_text_file(RunFolder{config.out}.metrics()), metrics);
  EXPECT_EQ(fs::last_write_time(RunFolder{config.out}.best()), time);
  EXPECT_GE(position_.test.accuracy, 0.0);
}

TEST_F(TrainerHoldout, EvaluatesTheTestSetAgainOnlyForABetterEpoch) {
  TrainConfig config = holdout_config("run");
  config.schedule = ScheduleKind::constant;
  std::vector<std::int64_t> expected;
  for (config.epochs = 1; config.epochs < 8; ++config.epochs) {
    ASSERT_EQ(train(config), TrainEnd::finished);
    if (expected.empty() || expected.back() != position_.best_epoch) expected.push_back(position_.best_epoch);
  }
  std::vector<std::int64_t> tested;
  for (const auto& record : records(config, "test")) tested.push_back(record["epoch"]);
  EXPECT_EQ(tested, expected);
}

/// A clock that moves one second whenever it is looked at.
TrainControls slow_clock() {
  return {[] { return 0; }, [now = std::make_shared<double>(0.0)] { return *now += 1.0; }};
}

TEST_F(TrainerHoldout, LeavesTheTestSetAloneAtTheTimeLimit) {
  TrainConfig config = holdout_config("run");
  config.max_time = 8;
  ASSERT_EQ(train(config, slow_clock()), TrainEnd::time_limit);
  EXPECT_EQ(records(config, "test").size(), 0U);
  const CheckpointInfo info = read_checkpoint_info(RunFolder{config.out}.last());
  EXPECT_GE(info.holdout_accuracy, 0.0);
  EXPECT_EQ(info.test_accuracy, -1.0);
}

TEST_F(TrainerHoldout, DoesNotCountTheTestSetsEvaluationAsTraining) {
  const TrainConfig config = holdout_config("run");
  ASSERT_EQ(train(config, slow_clock()), TrainEnd::finished);
  std::istringstream text(read_text_file(RunFolder{config.out}.metrics()));
  nlohmann::json epoch;
  nlohmann::json test;
  for (std::string line; std::getline(text, line);) {
    const auto record = nlohmann::json::parse(line);
    if (record["type"] == "epoch") epoch = record;
    if (record["type"] == "test") test = record;
  }
  // A second for each look at the clock: where it begins, and after each of its batches.
  const std::int64_t batches = (kTestImages + config.eval_batch_size - 1) / config.eval_batch_size;
  EXPECT_EQ(test["test_s"].get<double>(), 1.0 + static_cast<double>(batches));
  EXPECT_GT(epoch["holdout_s"].get<double>(), 0.0);
  EXPECT_EQ(read_training_position(RunFolder{config.out}.state()).seconds, position_.seconds);
  EXPECT_LT(position_.seconds - epoch["total_s"].get<double>(), test["test_s"].get<double>());
}

TEST_F(TrainerHoldout, EvaluatesTheTestSetWhenPatienceIsOverAndKeepsTheLastWeightsToGoOnFrom) {
  TrainConfig config = holdout_config("run");
  config.lr = 0.0F;  // the running statistics alone change
  config.epochs = 50;
  config.patience = 2;
  EXPECT_EQ(train(config), TrainEnd::patience);
  EXPECT_EQ(records(config, "test").size(), 1U);
  const SafetensorsFile state(RunFolder{config.out}.state());
  const SafetensorsFile last(RunFolder{config.out}.last());
  const SafetensorsFile best(RunFolder{config.out}.best());
  const auto bytes = [](const SafetensorsFile& file, const std::string& name) {
    const auto span = file.tensors().at(name).bytes;
    return std::string(reinterpret_cast<const char*>(span.data()), span.size());
  };
  for (const auto& [name, entry] : last.tensors()) {
    if (!name.ends_with(".running_mean")) continue;
    EXPECT_TRUE(bytes(state, "statistics." + name) == bytes(last, name)) << name;
    EXPECT_FALSE(bytes(best, name) == bytes(last, name)) << name;
  }
  EXPECT_EQ(train(config), TrainEnd::patience);
  EXPECT_EQ(records(config, "test").size(), 1U);
}

TEST_F(TrainerHoldout, OfOneHoldoutSeedIsTheSameForRunsOfAnySeed) {
  std::vector<std::string> fingerprints;
  for (const std::uint64_t seed : {1U, 2U}) {
    for (const auto holdout_seed : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(2)}) {
      TrainConfig config = holdout_config(fmt::format("{}-{}", seed, holdout_seed.value_or(0)));
      config.seed = seed;
      config.holdout_seed = holdout_seed;
      Progress progress(nullptr, {}, undisturbed().clock);
      const Trainer trainer(config, *train_, *test_, engine_, progress, undisturbed());
      fingerprints.push_back(holdout_fingerprint(config));
    }
  }
  EXPECT_NE(fingerprints[0], fingerprints[1]);
  EXPECT_EQ(fingerprints[1], fingerprints[2]);
  EXPECT_EQ(fingerprints[1], fingerprints[3]);
}

TEST_F(TrainerHoldout, GoesOnWithTheSameImagesAlone) {
  TrainConfig config = holdout_config("run");
  ASSERT_EQ(train(config, stopped_after(3)), TrainEnd::signal);
  config.holdout = {.images = 24};
  EXPECT_THAT(error_of([&] { train(config); }).what(),
              HasSubstr("\"holdout\" was \"23\" when it was saved and is \"24\""));
  config = holdout_config("run");
  config.holdout_seed = 5;
  EXPECT_THAT(error_of([&] { train(config); }).what(), HasSubstr("\"holdout-seed\" was"));
}

TEST_F(TrainerHoldout, NamesBestWeightsThatAreGone) {
  const TrainConfig config = holdout_config("run");
  ASSERT_EQ(train(config, stopped_after(kLooks)), TrainEnd::signal);
  if (position_.best_epoch == position_.epoch) GTEST_SKIP() << "the state has them";
  const RunFolder folder{config.out};
  fs::copy_file(folder.last(), folder.best(), fs::copy_options::overwrite_existing);
  EXPECT_THAT(error_of([&] { train(config); }).what(), HasSubstr("expected those of epoch 1, which is the best"));
}

using UntilAccuracy = TrainerFixture;

/// In a run's metrics.jsonl there may be lines that are no records, and fields of another type.
void expect_found_beside_what_is_no_record(const TrainConfig& config, std::int64_t epoch) {
  const testing_support::TemporaryFolder parent;
  const RunFolder copy{parent.path()};
  std::filesystem::copy_file(RunFolder{config.out}.state(), copy.state());
  write_file_atomically(copy.metrics(),
                        R"({"type":7,"epoch":1,"step":1,"best_test_accuracy":1}
{"type":"epoch","epoch":1,"step":1,"best_test_accuracy":"1"}
{"type":"epoch","epoch":"1","step":1,"best_test_accuracy":1}
[]
)" + read_text_file(RunFolder{config.out}.metrics()));
  const auto reached = read_run_result(copy, config).reached;
  ASSERT_TRUE(reached);
  EXPECT_EQ(reached->epoch, epoch);
}

TEST_F(UntilAccuracy, EndsTheTrainingAfterTheFirstEpochThatReachesIt) {
  const TrainConfig whole = [&] {
    TrainConfig config = small_config("whole");
    config.epochs = 8;
    return config;
  }();
  ASSERT_EQ(train(whole), TrainEnd::finished);
  std::vector<double> best;
  for (const auto& record : timeless_metrics(whole.out))
    if (record["type"] == "epoch") best.push_back(record["best_test_accuracy"]);
  ASSERT_GT(best.back(), best.front());
  const auto first = std::ranges::find(best, best.back()) - best.begin() + 1;

  TrainConfig config = whole;
  config.out = parent_.path() / "run";
  config.until_accuracy = best.front();
  EXPECT_EQ(train(config), TrainEnd::accuracy);
  EXPECT_EQ(position_.epoch, 1);
  EXPECT_EQ(train(config), TrainEnd::accuracy) << "reached before";
  EXPECT_EQ(position_.epoch, 1);
  config.until_accuracy = best.back();
  EXPECT_EQ(train(config), TrainEnd::accuracy) << "goes on with a higher one";
  EXPECT_EQ(position_.epoch, first);
  const auto reached = read_run_result({config.out}, config).reached;
  ASSERT_TRUE(reached);
  EXPECT_EQ(reached->epoch, first);
  EXPECT_EQ(reached->seconds, position_.seconds);
  expect_found_beside_what_is_no_record(config, first);
  config.until_accuracy = 1.0;
  EXPECT_FALSE(read_run_result({config.out}, config).reached);
  config.until_accuracy = 1.0;
  EXPECT_EQ(train(config), TrainEnd::finished);
  expect_equal_runs(config.out, whole.out);
}

TEST_F(TrainerHoldout, EvaluatesTheTestSetWhenTheAccuracyIsReached) {
  TrainConfig config = holdout_config("run");
  config.until_accuracy = 0.01;
  config.epochs = 50;
  EXPECT_EQ(train(config), TrainEnd::accuracy);
  EXPECT_LT(position_.epoch, 50);
  EXPECT_GE(position_.best_accuracy, 0.01);
  EXPECT_EQ(records(config, "test").size(), 1U);
}

}  // namespace
}  // namespace convmixer
