// Trainings whose weights are averaged.
#include "convmixer/core/file.hpp"
#include "convmixer/model/norm_statistics.hpp"
#include "convmixer/train/run_length.hpp"
#include "support/error_of.hpp"
#include "train/trainer_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::error_of;

class AveragedTraining : public TrainerFixture {
 protected:
  [[nodiscard]] TrainConfig averaged_config(const std::string& folder, float decay = 0.9F) const {
    TrainConfig config = small_config(folder);
    config.average.decay = decay;
    return config;
  }
};

/// The records of the epochs alone.
std::vector<nlohmann::json> epochs_of(const fs::path& run) {
  std::vector<nlohmann::json> epochs = timeless_metrics(run);
  std::erase_if(epochs, [](const auto& record) { return record["type"] != "epoch"; });
  return epochs;
}

/// Tensors of a state whose names begin with `prefix`, which is left out.
std::map<std::string, std::vector<float>> tensors_of(const fs::path& run, const std::string& prefix) {
  const SafetensorsFile file(RunFolder{run}.state());
  std::map<std::string, std::vector<float>> tensors;
  for (const auto& [name, entry] : file.tensors()) {
    if (!name.starts_with(prefix)) continue;
    std::vector<float>& values = tensors[name.substr(prefix.size())];
    values.resize(static_cast<std::size_t>(entry.shape.count()));
    file.read(name, entry.shape, values);
  }
  return tensors;
}

TEST_F(AveragedTraining, SavesTheAverageThatEvaluatesToTheNumbersOfTheLog) {
  const TrainConfig config = averaged_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const auto epochs = epochs_of(config.out);
  for (const fs::path& file : {RunFolder{config.out}.last(), RunFolder{config.out}.best()}) {
    const CheckpointInfo info = read_checkpoint_info(file);
    EXPECT_EQ(info.averaged, "ema 0.9");
    Network network(make_graph(info.model), Precision::f32, engine_);
    load_weights(file, network.parameters());
    Loader loader(*test_, loader_options(config, Split::test), pool_);
    const Evaluation evaluation = evaluate(network, loader);
    const auto& record = epochs.at(static_cast<std::size_t>(info.epoch) - 1);
    EXPECT_EQ(evaluation.total.loss(), record["ema_test_loss"].get<double>());
    EXPECT_EQ(evaluation.total.accuracy(), record["ema_test_accuracy"].get<double>());
    EXPECT_NE(evaluation.total.loss(), record["test_loss"].get<double>());
    EXPECT_EQ(info.test_accuracy, evaluation.total.accuracy());
  }
}

TEST_F(AveragedTraining, AveragesAfterEveryStep) {
  std::map<std::string, std::vector<double>> expected;
  for (int step = 1; step <= 3; ++step) {
    const TrainConfig config = averaged_config(fmt::format("step{}", step), 0.3F);
    ASSERT_EQ(train(config, stopped_after(step)), TrainEnd::signal);
    ASSERT_EQ(position_.step, step);
    std::map<std::string, std::vector<float>> values = tensors_of(config.out, "weights.");
    values.merge(tensors_of(config.out, "statistics."));
    const double decay = average_decay(config.average, step);
    for (const auto& [name, tensor] : values) {
      std::vector<double>& averages = expected[name];
      averages.resize(tensor.size());
      for (std::size_t i = 0; i < tensor.size(); ++i)
        averages[i] = decay * averages[i] + (1.0 - decay) * static_cast<double>(tensor[i]);
    }
    const auto found = tensors_of(config.out, "average.");
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, averages] : expected) {
      for (std::size_t i = 0; i < averages.size(); ++i)
        ASSERT_NEAR(static_cast<double>(found.at(name)[i]), averages[i], 1e-6) << name << " after step " << step;
    }
  }
}

TEST_F(AveragedTraining, TrainsAsWithoutAnAverage) {
  const TrainConfig config = averaged_config("averaged");
  const TrainConfig plain = small_config("plain");
  ASSERT_EQ(train(config), TrainEnd::finished);
  ASSERT_EQ(train(plain), TrainEnd::finished);
  for (const char* prefix : {"weights.", "statistics.", "optimizer."})
    EXPECT_EQ(tensors_of(config.out, prefix), tensors_of(plain.out, prefix)) << prefix;
  EXPECT_TRUE(tensors_of(plain.out, "average.").empty());
  EXPECT_EQ(read_checkpoint_info(RunFolder{plain.out}.last()).averaged, "");
  auto records = timeless_metrics(config.out);
  auto expected = timeless_metrics(plain.out);
  for (auto& record : records)
    for (const char* key : {"ema_test_loss", "ema_test_accuracy", "best_test_accuracy"}) record.erase(key);
  for (auto& record : expected) record.erase("best_test_accuracy");
  EXPECT_EQ(records, expected);
}

TEST_F(AveragedTraining, GoesOnBitForBitAfterAStopAtAnyMoment) {
  const TrainConfig whole = averaged_config("whole");
  ASSERT_EQ(train(whole), TrainEnd::finished);
  // Looks for a signal: before the first epoch, after its 6 steps, after 2 batches evaluated with the weights and 2
  // with their average, the last of which finds it done, and again in the second epoch.
  for (const int looks : {4, 7, 8, 9, 14}) {
    SCOPED_TRACE(looks);
    const TrainConfig config = averaged_config(fmt::format("stopped{}", looks));
    ASSERT_EQ(train(config, stopped_after(looks)), TrainEnd::signal);
    ASSERT_EQ(train(config), TrainEnd::finished);
    expect_equal_runs(config.out, whole.out);
  }
}

TEST_F(AveragedTraining, WritesTheAverageThatAKillKeptFromBeingWritten) {
  const TrainConfig config = averaged_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const RunFolder folder{config.out};
  const std::string last = read_text_file(folder.last());
  fs::remove(folder.last());
  ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_TRUE(read_text_file(folder.last()) == last);
}

TEST_F(AveragedTraining, IsExtendedAsIfPlannedLongerFromTheStart) {
  TrainConfig whole = averaged_config("whole");
  whole.schedule = ScheduleKind::constant;
  whole.cooldown_epochs = 1;
  ASSERT_EQ(train(whole), TrainEnd::finished);
  TrainConfig config = averaged_config("run");
  config.schedule = ScheduleKind::constant;
  ASSERT_EQ(train(config), TrainEnd::finished);
  extend(config, position_.epoch, 1);
  ASSERT_EQ(train(config), TrainEnd::finished);
  expect_equal_runs(config.out, whole.out);
}

TEST_F(AveragedTraining, GoesByTheAverageForBestAndPatience) {
  // An average that hardly leaves the first step's weights gets no better, while the weights learn what they are tested
  // on.
  test_ = open_dataset({.name = "shapes", .path = {}, .limit = kTestImages}, Split::train);
  TrainConfig config = averaged_config("run", 0.999999F);
  config.average.warmup = false;
  config.augmentation = {};
  config.epochs = 20;
  config.patience = 12;
  config.log_interval = 0;
  EXPECT_EQ(train(config), TrainEnd::patience);
  EXPECT_EQ(position_.best_epoch, 1);
  EXPECT_EQ(read_checkpoint_info(RunFolder{config.out}.best()).epoch, 1);
  const auto epochs = epochs_of(config.out);
  ASSERT_EQ(epochs.size(), 13U);
  EXPECT_GT(epochs.back()["test_accuracy"].get<double>(), 2.0 * epochs.front()["test_accuracy"].get<double>());
  for (const auto& epoch : epochs) EXPECT_EQ(epoch["best_test_accuracy"], epochs.front()["ema_test_accuracy"]);
}

TEST_F(AveragedTraining, StopsAtTheTimeLimitWithTheAverage) {
  TrainConfig config = averaged_config("run");
  config.epochs = 1000;
  config.max_time = 8;
  const TrainControls slow{[] { return 0; }, [now = std::make_shared<double>(0.0)] { return *now += 1.0; }};
  EXPECT_EQ(train(config, slow), TrainEnd::time_limit);
  ASSERT_GT(position_.step, 0);
  const fs::path last = RunFolder{config.out}.last();
  const CheckpointInfo info = read_checkpoint_info(last);
  EXPECT_EQ(info.averaged, "ema 0.9");
  Network network(make_graph(info.model), Precision::f32, engine_);
  load_weights(last, network.parameters());
  Loader loader(*test_, loader_options(config, Split::test), pool_);
  EXPECT_EQ(info.test_accuracy, evaluate(network, loader).total.accuracy());
  const auto average = tensors_of(config.out, "average.");
  EXPECT_TRUE(std::ranges::equal(network.parameters().value(0), average.at(network.graph().parameters()[0].name)));
}

std::vector<std::vector<float>> statistics_of(const Network& network) {
  std::vector<std::vector<float>> all;
  for (StatisticId id = 0; id < static_cast<StatisticId>(network.graph().statistics().size()); ++id) {
    const auto values = network.parameters().statistic(id);
    all.emplace_back(values.begin(), values.end());
  }
  return all;
}

class RecomputedStatistics : public AveragedTraining {
 protected:
  static constexpr std::int64_t kImages = 40;  // 48, as they are whole batches of 16

  [[nodiscard]] TrainConfig recomputed_config(const std::string& folder) const {
    TrainConfig config = averaged_config(folder);
    config.average.statistics = AverageStatistics::recomputed;
    config.average_statistics_images = kImages;
    return config;
  }

  /// A network's statistics of the first images of an epoch, from 0.
  [[nodiscard]] auto by_hand(Network& network, const TrainConfig& config, std::int64_t epoch) {
    Loader loader(*train_, loader_options(config, Split::train), pool_);
    loader.start(epoch);
    NormStatistics statistics(network);
    for (int batch = 0; batch < 3; ++batch) {
      const Batch* const next = loader.next();
      statistics.add(next->images, next->size_of_all_ranks);
    }
    statistics.finish();
    return statistics_of(network);
  }
};

TEST_F(RecomputedStatistics, AreThoseOfTheAverageOnTheFirstImagesOfTheEpoch) {
  const TrainConfig config = recomputed_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const fs::path last = RunFolder{config.out}.last();
  const CheckpointInfo info = read_checkpoint_info(last);
  EXPECT_EQ(info.averaged, "ema 0.9, statistics recomputed");
  Network network(make_graph(info.model), Precision::f32, engine_);
  load_weights(last, network.parameters());
  const auto saved = statistics_of(network);
  Loader test_loader(*test_, loader_options(config, Split::test), pool_);
  EXPECT_EQ(evaluate(network, test_loader).total.loss(), epochs_of(config.out).back()["ema_test_loss"].get<double>());
  EXPECT_EQ(by_hand(network, config, 1), saved);
}

TEST_F(RecomputedStatistics, AreThoseOfMicroBatchesWhereTrainingsAre) {
  TrainConfig config = recomputed_config("run");
  config.micro_batch = 6;  // 5 or 6 of a batch's 16
  ASSERT_EQ(train(config), TrainEnd::finished);
  const fs::path last = RunFolder{config.out}.last();
  const auto recomputed = [&](std::int64_t micro_batch) {
    Network network(make_graph(read_checkpoint_info(last).model), Precision::f32, engine_);
    network.set_micro_batch(micro_batch);
    load_weights(last, network.parameters());
    return by_hand(network, config, 1);
  };
  Network saved(make_graph(read_checkpoint_info(last).model), Precision::f32, engine_);
  load_weights(last, saved.parameters());
  EXPECT_EQ(recomputed(6), statistics_of(saved));
  EXPECT_NE(recomputed(0), statistics_of(saved)) << "of whole batches";
}

TEST_F(RecomputedStatistics, AreThoseOfTheAverageAfterAnEpochThatIsNotEvaluatedToo) {
  TrainConfig config = recomputed_config("run");
  config.eval_interval = 0;
  ASSERT_EQ(train(config, stopped_after(11)), TrainEnd::signal);  // 6 steps, 3 batches of statistics, and on
  ASSERT_EQ(position_.epoch, 1);
  const fs::path last = RunFolder{config.out}.last();
  Network network(make_graph(read_checkpoint_info(last).model), Precision::f32, engine_);
  load_weights(last, network.parameters());
  const auto saved = statistics_of(network);
  EXPECT_EQ(by_hand(network, config, 0), saved);
}

TEST_F(RecomputedStatistics, WithoutEvaluationsGoOnBitForBit) {
  TrainConfig whole = recomputed_config("whole");
  whole.eval_interval = 0;
  ASSERT_EQ(train(whole), TrainEnd::finished);
  for (const int looks : {7, 8, 11}) {  // in the first batch of statistics, in the second, in the next epoch
    SCOPED_TRACE(looks);
    TrainConfig config = recomputed_config(fmt::format("stopped{}", looks));
    config.eval_interval = 0;
    ASSERT_EQ(train(config, stopped_after(looks)), TrainEnd::signal);
    ASSERT_EQ(position_.epoch, looks < 10 ? 0 : 1);
    ASSERT_EQ(train(config), TrainEnd::finished);
    expect_equal_runs(config.out, whole.out);
  }
}

TEST_F(RecomputedStatistics, AreRefusedForANetworkThatHasNone) {
  TrainConfig config = recomputed_config("run");
  std::get<ConvMixerConfig>(config.model).norm = ConvMixerConfig::Norm::layer;
  EXPECT_STREQ(error_of([&] { (void)train(config); }).what(),
               "ema-statistics = recomputed has no effect: the network has no batch norm that is trained");
}

TEST_F(RecomputedStatistics, LeaveTheTrainingAsItIs) {
  const TrainConfig config = recomputed_config("run");
  const TrainConfig plain = small_config("plain");
  ASSERT_EQ(train(config), TrainEnd::finished);
  ASSERT_EQ(train(plain), TrainEnd::finished);
  for (const char* prefix : {"weights.", "statistics.", "optimizer."})
    EXPECT_EQ(tensors_of(config.out, prefix), tensors_of(plain.out, prefix)) << prefix;
}

TEST_F(RecomputedStatistics, GoOnBitForBitAfterAStopAtAnyMoment) {
  const TrainConfig whole = recomputed_config("whole");
  ASSERT_EQ(train(whole), TrainEnd::finished);
  for (const int looks : {8, 10, 12}) {  // in the first batch of statistics, in the second, with the average
    SCOPED_TRACE(looks);
    const TrainConfig config = recomputed_config(fmt::format("stopped{}", looks));
    ASSERT_EQ(train(config, stopped_after(looks)), TrainEnd::signal);
    ASSERT_EQ(position_.epoch, 0);
    ASSERT_EQ(train(config), TrainEnd::finished);
    expect_equal_runs(config.out, whole.out);
  }
}

TEST_F(AveragedTraining, CannotGoOnWithAnotherDecay) {
  const TrainConfig config = averaged_config("run");
  ASSERT_EQ(train(config, stopped_after(2)), TrainEnd::signal);
  EXPECT_THAT(error_of([&] { train(small_config("run")); }).what(),
              HasSubstr(R"("ema-decay" was "0.9" when it was saved and is "0" now)"));
}

TEST_F(AveragedTraining, IsRefusedWhereItsSettingsHaveNoEffect) {
  TrainConfig config = averaged_config("run", 0.0F);
  config.average.warmup = false;
  EXPECT_STREQ(error_of([&] { resolve(config, *train_); }).what(), "ema-warmup has no effect without ema-decay");
  config.average = {.statistics = AverageStatistics::recomputed};
  EXPECT_STREQ(error_of([&] { resolve(config, *train_); }).what(), "ema-statistics has no effect without ema-decay");
  config = averaged_config("run");
  config.average_statistics_images = 1000;
  EXPECT_STREQ(error_of([&] { resolve(config, *train_); }).what(),
               "ema-statistics-images has no effect without ema-statistics = recomputed");
  config = averaged_config("run");
  config.init = "weights.safetensors";
  config.epochs = 0;
  EXPECT_STREQ(error_of([&] { resolve(config, *train_); }).what(), "ema-decay has no effect with epochs = 0");
}

}  // namespace
}  // namespace convmixer
