#include "io/event_messages.hpp"
#include "support/error_of.hpp"
#include "support/file_size_limit.hpp"
#include "train/event_file_reader.hpp"
#include "train/ranks_fixture.hpp"
#include "train/tensorboard_log.hpp"

#include <gmock/gmock.h>

#include <set>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::error_of;
using testing_support::ProtobufReader;

class TrainerTensorboard : public RanksFixture {
 protected:
  [[nodiscard]] TrainConfig logged_config(const std::string& folder) const {
    TrainConfig config = small_config(folder);
    config.tensorboard = true;
    return config;
  }

  static std::set<std::string> tags_of(const LoggedRun& run, const std::string& prefix = "") {
    std::set<std::string> tags;
    for (const auto& [tag, values] : run)
      if (tag.starts_with(prefix)) tags.insert(tag);
    return tags;
  }

  static std::vector<std::int64_t> steps_of(const LoggedRun& run, const std::string& tag) {
    std::vector<std::int64_t> steps;
    for (const LoggedValue& logged : run.at(tag)) steps.push_back(logged.step);
    return steps;
  }

  /// Expects two runs to have the same values at the same steps, but for what the clock has a say in.
  static void expect_equal_logs(const LoggedRun& run, const LoggedRun& expected) {
    ASSERT_EQ(tags_of(run), tags_of(expected));
    for (const auto& [tag, values] : expected) {
      if (tag.starts_with("_hparams_/")) continue;
      SCOPED_TRACE(tag);
      ASSERT_EQ(steps_of(run, tag), steps_of(expected, tag));
      if (tag.starts_with("speed/")) continue;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const ProtobufReader& value = run.at(tag)[i].value;
        EXPECT_EQ(value.floats(2), values[i].value.floats(2));
        EXPECT_EQ(value.texts(4), values[i].value.texts(4));
        EXPECT_EQ(value.texts(5), values[i].value.texts(5));
      }
    }
  }
};

TEST_F(TrainerTensorboard, WritesNothingUnlessAskedTo) {
  ASSERT_EQ(train(small_config("run")), TrainEnd::finished);
  EXPECT_THAT(event_files_of(parent_.path() / "run"), IsEmpty());
}

TEST_F(TrainerTensorboard, ChangesNoBitOfATraining) {
  ASSERT_EQ(train(small_config("plain")), TrainEnd::finished);
  ASSERT_EQ(train(logged_config("logged")), TrainEnd::finished);
  expect_equal_runs(parent_.path() / "logged", parent_.path() / "plain");
}

TEST_F(TrainerTensorboard, HasTheRecordsOfMetricsFiles) {
  TrainConfig config = logged_config("run");
  config.average.decay = 0.9F;
  ASSERT_EQ(train(config), TrainEnd::finished);
  const LoggedRun run = logged_run(config.out);
  const std::vector<std::int64_t> all_steps{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  std::size_t steps = 0;
  std::size_t epochs = 0;
  for (const auto& record : timeless_metrics(config.out)) {
    const auto expect = [&](const std::string& tag, const char* key, std::size_t at) {
      EXPECT_EQ(run.at(tag).at(at).step, record["step"]) << tag;
      EXPECT_EQ(run.at(tag).at(at).value.floats(2).at(0), record[key].get<float>()) << tag;
    };
    if (record["type"] == "step") {
      expect("loss/train", "loss", steps);
      expect("accuracy/train", "accuracy", steps);
      expect("optimizer/learning_rate", "learning_rate", steps);
      expect("optimizer/gradient_norm", "gradient_norm", steps++);
    }
    if (record["type"] == "epoch") {
      expect("epoch", "epoch", epochs);
      expect("loss/train_epoch", "loss", epochs);
      expect("accuracy/train_epoch", "accuracy", epochs);
      expect("loss/test", "test_loss", epochs);
      expect("accuracy/test", "test_accuracy", epochs);
      expect("accuracy/test_top5", "test_top5", epochs);
      expect("loss/test_ema", "ema_test_loss", epochs);
      expect("accuracy/test_ema", "ema_test_accuracy", epochs);
      expect("accuracy/test_best", "best_test_accuracy", epochs++);
    }
  }
  EXPECT_EQ(steps, 12U);
  EXPECT_EQ(epochs, 2U);
  EXPECT_EQ(steps_of(run, "speed/images_per_second"), all_steps);
  EXPECT_EQ(steps_of(run, "speed/images_per_second_epoch"), (std::vector<std::int64_t>{6, 12}));
}

TEST_F(TrainerTensorboard, HasTheExchangesOfSeveralRanks) {
  const std::string tag = "speed/communication_seconds_epoch";
  const TrainConfig config = logged_config("run");
  ASSERT_EQ(train_on(2, config), TrainEnd::finished);
  const LoggedRun run = logged_run(config.out);
  ASSERT_EQ(steps_of(run, tag), (std::vector<std::int64_t>{6, 12}));
  const auto epochs = epoch_records(config.out);
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_EQ(run.at(tag)[i].value.floats(2).at(0), epochs[i]["communication_s"].get<float>());
  const TrainConfig alone = logged_config("alone");
  ASSERT_EQ(train(alone), TrainEnd::finished);
  EXPECT_FALSE(logged_run(alone.out).contains(tag));
}

TEST_F(TrainerTensorboard, HasHistogramsOfEveryParameterAndItsGradientAfterEveryEpoch) {
  const TrainConfig config = logged_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const LoggedRun run = logged_run(config.out);
  const Graph graph = make_graph(model_config(config, 3, 10));
  for (const Parameter& parameter : graph.parameters()) {
    SCOPED_TRACE(parameter.name);
    EXPECT_EQ(steps_of(run, "weights/" + parameter.name), (std::vector<std::int64_t>{0, 6, 12}));
    EXPECT_EQ(steps_of(run, "gradients/" + parameter.name), (std::vector<std::int64_t>{6, 12}));
    for (const LoggedValue& logged : run.at("gradients/" + parameter.name))
      EXPECT_EQ(logged.value.message(5).real(3), static_cast<double>(parameter.shape.count()));
  }
  // Of the last weights, added up anew.
  const SafetensorsFile last(RunFolder{config.out}.last());
  const auto bytes = last.tensors().at("stem.0.weight").bytes;
  double sum = 0.0;
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(float)) {
    float value = 0.0F;
    std::memcpy(&value, bytes.data() + i, sizeof value);
    sum += static_cast<double>(value);
  }
  EXPECT_DOUBLE_EQ(run.at("weights/stem.0.weight").back().value.message(5).real(4), sum);
}

TEST_F(TrainerTensorboard, HasFiltersAfterEveryEpochAndTrainingImagesOnce) {
  const TrainConfig config = logged_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const LoggedRun run = logged_run(config.out);
  for (const char* tag : {"filters/stem.0", "filters/blocks.0.0.fn.0"})
    EXPECT_EQ(steps_of(run, tag), (std::vector<std::int64_t>{0, 6, 12})) << tag;
  EXPECT_EQ(steps_of(run, "training_images"), (std::vector<std::int64_t>{0}));
  for (const char* tag : {"filters/stem.0", "training_images"}) {
    const ProtobufReader image = run.at(tag)[0].value.message(4);
    const std::string& png = image.text(4);
    EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
    EXPECT_EQ(png.substr(16, 4), std::string("\0\0", 2) + static_cast<char>(image.number(2) / 256) +
                                     static_cast<char>(image.number(2) % 256));
    EXPECT_EQ(png.substr(20, 4), std::string("\0\0", 2) + static_cast<char>(image.number(1) / 256) +
                                     static_cast<char>(image.number(1) % 256));
  }
}

TEST_F(TrainerTensorboard, HasEveryStepOnceHoweverOftenTheRunIsStopped) {
  ASSERT_EQ(train(logged_config("whole")), TrainEnd::finished);
  const TrainConfig config = logged_config("often");
  int stops = 0;
  while (train(config, stopped_after(2)) == TrainEnd::signal) ASSERT_LT(++stops, 30);
  EXPECT_GE(stops, 4);
  expect_equal_logs(logged_run(config.out), logged_run(parent_.path() / "whole"));
}

// Killed at the end, with the state of each moment at which a state may be saved.
TEST_F(TrainerTensorboard, HasEveryStepOnceAfterAKillAtAnyMoment) {
  ASSERT_EQ(train(logged_config("whole")), TrainEnd::finished);
  const LoggedRun whole = logged_run(parent_.path() / "whole");
  for (const int looks : {0, 3, 6, 7, 8, 9, 15}) {  // before and within epochs and evaluations
    SCOPED_TRACE(looks);
    const TrainConfig config = logged_config(fmt::format("killed{}", looks));
    ASSERT_EQ(train(config, stopped_after(looks)), TrainEnd::signal);
    const fs::path state = RunFolder{config.out}.state();
    fs::copy_file(state, parent_.path() / "state", fs::copy_options::overwrite_existing);
    ASSERT_EQ(train(config), TrainEnd::finished);
    fs::copy_file(parent_.path() / "state", state, fs::copy_options::overwrite_existing);
    ASSERT_EQ(train(config), TrainEnd::finished);
    expect_equal_logs(logged_run(config.out), whole);
  }
}

TEST_F(TrainerTensorboard, TellsReadersToForgetTheStepsAfterTheOneThatASessionBeginsWith) {
  const TrainConfig config = logged_config("run");
  ASSERT_EQ(train(config, stopped_after(4)), TrainEnd::signal);
  ASSERT_EQ(position_.step, 4);
  ASSERT_EQ(train(config), TrainEnd::finished);
  const std::vector<fs::path> files = event_files_of(config.out);
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(events_in(files[0]).at(1).number(2), 1);
  EXPECT_EQ(events_in(files[0]).at(1).message(7).number(1), 1);  // START
  EXPECT_EQ(events_in(files[1]).at(1).number(2), 5);
  EXPECT_EQ(events_in(files[1]).at(1).message(7).number(1), 1);
}

TEST_F(TrainerTensorboard, BeginsWhereItIsTurnedOn) {
  TrainConfig config = small_config("run");
  ASSERT_EQ(train(config, stopped_after(4)), TrainEnd::signal);
  config.tensorboard = true;
  ASSERT_EQ(train(config), TrainEnd::finished);
  const LoggedRun run = logged_run(config.out);
  EXPECT_EQ(steps_of(run, "loss/train"), (std::vector<std::int64_t>{5, 6, 7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(steps_of(run, "training_images"), (std::vector<std::int64_t>{4}));
}

TEST_F(TrainerTensorboard, LeavesARunThatIsDoneAsItIs) {
  const TrainConfig config = logged_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const std::vector<fs::path> files = event_files_of(config.out);
  const std::string before = read_text_file(files.at(0));
  ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(event_files_of(config.out), files);
  EXPECT_EQ(read_text_file(files.at(0)), before);
}

TEST_F(TrainerTensorboard, SaysWhetherARunFinishedFailedOrGoesOnLater) {
  const auto status = [](const fs::path& run) {
    return logged_run(run).at("_hparams_/session_end_info").at(0).value.message(9).message(1).message(2).message(4);
  };
  ASSERT_EQ(train(logged_config("finished")), TrainEnd::finished);
  EXPECT_EQ(status(parent_.path() / "finished").number(1), 1);
  ASSERT_EQ(train(logged_config("stopped"), stopped_after(3)), TrainEnd::signal);
  EXPECT_FALSE(logged_run(parent_.path() / "stopped").contains("_hparams_/session_end_info"));
  TrainConfig failing = logged_config("failed");
  failing.lr = 1e30F;
  failing.schedule = ScheduleKind::constant;
  (void)error_of([&] { train(failing); });
  EXPECT_EQ(status(failing.out).number(1), 2);
}

TEST_F(TrainerTensorboard, HasHeldOutImagesAndTheFinalTestUnderTheirNames) {
  TrainConfig config = logged_config("run");
  config.holdout.images = 20;
  ASSERT_EQ(train(config), TrainEnd::finished);
  const LoggedRun run = logged_run(config.out);
  EXPECT_EQ(
      tags_of(run, "accuracy/"),
      (std::set<std::string>{"accuracy/train", "accuracy/train_epoch", "accuracy/holdout", "accuracy/holdout_top5",
                             "accuracy/holdout_best", "accuracy/final_test", "accuracy/final_test_top5"}));
  EXPECT_EQ(run.at("accuracy/final_test").at(0).value.floats(2).at(0), static_cast<float>(position_.test.accuracy));
}

TEST_F(TrainerTensorboard, HasNoGradientsOfWhatIsFrozen) {
  Graph graph = make_graph(model_config(small_config("run"), 3, 10));
  graph.freeze("stem.0");
  const Parameters parameters(graph);
  const RunFolder folder{parent_.path()};
  TensorboardLog(folder, {}, {}).append_parameters(0, parameters, /*with_gradients=*/true, pool_);
  const LoggedRun run = logged_run(folder.path);
  EXPECT_TRUE(run.contains("weights/stem.0.weight"));
  EXPECT_FALSE(run.contains("gradients/stem.0.weight"));
  EXPECT_TRUE(run.contains("gradients/head.weight"));
}

TEST_F(TrainerTensorboard, FailsNamingTheFileWhichStaysWholeWhenTheDiskIsFull) {
  const RunFolder folder{parent_.path()};
  TensorboardLog log(folder, {}, {});
  log.append(StepRecord{.step = 1});
  const fs::path file = event_files_of(folder.path).at(0);
  const std::string before = read_text_file(file);
  {
    const testing_support::FileSizeLimit limit(before.size() + 20);
    EXPECT_THAT(error_of([&] { log.append(StepRecord{.step = 2}); }).what(), HasSubstr(file.string()));
  }
  EXPECT_EQ(read_text_file(file), before);
  log.append(StepRecord{.step = 3});
  EXPECT_EQ(steps_of(logged_run(folder.path), "loss/train"), (std::vector<std::int64_t>{1, 3}));
}

}  // namespace
}  // namespace convmixer
