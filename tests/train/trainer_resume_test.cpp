#include "convmixer/core/file.hpp"
#include "convmixer/train/run_config.hpp"
#include "convmixer/train/run_history.hpp"
#include "convmixer/train/run_length.hpp"
#include "support/error_of.hpp"
#include "train/trainer_fixture.hpp"

#include <gmock/gmock.h>

#include <csignal>
#include <fstream>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::error_of;

/// Looks for a signal in an undisturbed run: before each epoch, after each of its 6 steps and 2 evaluated batches. What
/// the last of them finds changes nothing any more.
constexpr int kLooks = 2 * (1 + 6 + 2) - 1;

struct Variation {
  std::string name;
  std::string precision = "f32";
  MixOptions mix{};
  Augmentation augmentation{.pad_crop = 4, .horizontal_flip = true};
  std::vector<ImageSizeShare> image_sizes{};
  std::int64_t micro_batch = 0;
};

Augmentation locuslab_augmentation() {
  return {.horizontal_flip = true,
          .resized_crop = {.scale_low = 0.75F, .scale_high = 1.0F},
          .alternating_flip = true,
          .rand_augment = {.operations = 2, .magnitude = 12},
          .jitter = {0.2F, 0.2F, 0.2F},
          .erasing = {.probability = 0.2F},
          .cutout = 8};
}

Augmentation paper_augmentation() {
  return {.horizontal_flip = true,
          .resized_crop = {.scale_low = 0.75F, .scale_high = 1.0F, .filter = ResizedCropOptions::Filter::random},
          .timm_augment = *parse_timm_augment("rand-m9-mstd0.5-inc1"),
          .erasing = {.probability = 0.25F, .fill = ErasingOptions::Fill::noise}};
}

class TrainerResume : public TrainerFixture, public testing::WithParamInterface<Variation> {
 protected:
  void SetUp() override {
    if (GetParam().precision == "bf16" && !Engine::supports(Precision::bf16))
      GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
    ASSERT_EQ(train(config_of("whole")), TrainEnd::finished);
  }
  [[nodiscard]] TrainConfig config_of(const std::string& folder) const {
    TrainConfig config = small_config(folder, GetParam().precision);
    config.mix = GetParam().mix;
    config.augmentation = GetParam().augmentation;
    config.image_sizes = GetParam().image_sizes;
    config.label_smoothing = 0.1F;
    config.micro_batch = GetParam().micro_batch;
    return config;
  }
  [[nodiscard]] fs::path whole() const { return parent_.path() / "whole"; }
};

TEST_P(TrainerResume, ContinuesBitForBitAfterAStopAtAnyMoment) {
  for (int looks = 0; looks < kLooks; ++looks) {
    SCOPED_TRACE(looks);
    const TrainConfig config = config_of(fmt::format("stopped{}", looks));
    ASSERT_EQ(train(config, stopped_after(looks)), TrainEnd::signal);
    ASSERT_EQ(train(config), TrainEnd::finished);
    expect_equal_runs(config.out, whole());
  }
}

TEST_P(TrainerResume, ContinuesBitForBitWhenStoppedAgainAndAgain) {
  const TrainConfig config = config_of("often");
  int stops = 0;
  while (train(config, stopped_after(3)) == TrainEnd::signal) ASSERT_LT(++stops, 20);
  EXPECT_GE(stops, 4);
  expect_equal_runs(config.out, whole());
}

TEST_P(TrainerResume, ContinuesBitForBitFromAnyMomentOfTheWritesAtAnEpochsEnd) {
  const TrainConfig config = config_of("parts");
  const fs::path before = parent_.path() / "before";
  const fs::path after = parent_.path() / "after";
  ASSERT_EQ(train(config, stopped_after(7)), TrainEnd::signal);  // in the first epoch's evaluation
  fs::copy(config.out, before);
  ASSERT_EQ(train(config, stopped_after(3)), TrainEnd::signal);  // between the epochs
  ASSERT_EQ(position_.epoch, 1);
  ASSERT_EQ(position_.step_in_epoch, 0);
  fs::copy(config.out, after);

  // The order of the writes. The files named are written, the others not yet.
  const std::vector<std::vector<std::string>> moments{{"metrics.jsonl"},
                                                      {"metrics.jsonl", "last.state.safetensors"},
                                                      {"metrics.jsonl", "last.state.safetensors", "last.safetensors"}};
  for (const auto& written : moments) {
    SCOPED_TRACE(written.back());
    fs::remove_all(config.out);
    fs::copy(before, config.out);
    for (const std::string& name : written) {
      fs::copy_file(after / name, config.out / name, fs::copy_options::overwrite_existing);
    }
    std::ofstream(config.out / "best.safetensors.1234.part") << "half a file";
    ASSERT_EQ(train(config), TrainEnd::finished);
    expect_equal_runs(config.out, whole());
    EXPECT_FALSE(fs::exists(config.out / "best.safetensors.1234.part"));
  }
}

INSTANTIATE_TEST_SUITE_P(Variations, TrainerResume,
                         testing::Values(Variation{"f32"}, Variation{"bf16", "bf16"},
                                         Variation{"mixup", "f32", {.mixup = 1.0F}},
                                         Variation{"cutmix", "f32", {.cutmix = 1.0F, .probability = 0.5F}},
                                         Variation{"sizes", "f32", {}, {.pad_crop = 4}, {{16, 0.5}, {32, 0.5}}},
                                         Variation{"locuslab", "f32", {}, locuslab_augmentation()},
                                         Variation{"paper",
                                                   "f32",
                                                   {.mixup = 0.5F, .cutmix = 0.5F, .variant = MixVariant::timm},
                                                   paper_augmentation()},
                                         Variation{"microBatches",
                                                   "f32",
                                                   {.mixup = 1.0F},
                                                   {.horizontal_flip = true},
                                                   {},
                                                   /*micro_batch=*/7}),
                         [](const auto& instance) { return instance.param.name; });

class ResumedTrainer : public TrainerFixture {
 protected:
  void SetUp() override { ASSERT_EQ(train(small_config("run"), stopped_after(4)), TrainEnd::signal); }

  std::string refusal(const TrainConfig& config) {
    const auto before = timeless_state(config.out);
    const Error error = error_of([&] { train(config); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_TRUE(timeless_state(config.out) == before);
    return error.what();
  }

  /// A run that is stopped is the same in the end as one that isn't.
  void expect_to_continue(TrainConfig config) {
    const fs::path whole = config.out;
    ASSERT_EQ(train(config), TrainEnd::finished);
    for (const int looks : {4, 9}) {  // within the first epoch and after it
      config.out = fmt::format("{}{}", whole.string(), looks);
      ASSERT_EQ(train(config, stopped_after(looks)), TrainEnd::signal);
      ASSERT_EQ(train(config), TrainEnd::finished);
      expect_equal_runs(config.out, whole);
    }
  }
};

TEST_F(ResumedTrainer, RefusesASettingThatWouldChangeTheResult) {
  TrainConfig config = small_config("run");
  config.lr = 0.02F;
  const std::string message = refusal(config);
  for (const char* part : {"last.state.safetensors", "lr", "0.01", "0.02", "--out", "--fresh"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
}

TEST_F(ResumedTrainer, OfMuonContinuesBitForBit) {
  TrainConfig config = small_config("muon");
  config.optimizer.kind = OptimizerKind::muon;
  config.optimizer.muon.scaling = MuonScaling::renewed_norms;
  config.optimizer.clip_norm = 0.5F;
  config.muon_lr = 0.05F;
  expect_to_continue(config);
}

TEST_F(ResumedTrainer, OfAResNetThatDropsBranchesContinuesBitForBit) {
  TrainConfig config = small_config("resnet");
  config.model = ResNetConfig{.layers = 8, .width = 4, .dropout = 0.2F, .drop_path = 0.5F};
  config.micro_batch = 7;
  expect_to_continue(config);
}

TEST_F(ResumedTrainer, OfTokensContinuesBitForBit) {
  const ModelConfig mixer = MlpMixerConfig{.dim = 8, .depth = 1, .patch_size = 4, .token_dim = 6, .channel_dim = 12};
  const ModelConfig vit =
      VitConfig{.dim = 8, .depth = 2, .heads = 2, .mlp_dim = 12, .patch_size = 4, .drop_path = 0.5F};
  for (const ModelConfig& model : {mixer, vit}) {
    TrainConfig config = small_config(entry_of(model).name);
    config.model = model;
    expect_to_continue(config);
  }
}

TEST_F(ResumedTrainer, RefusesAnotherNumberOfEpochsAsItStretchesTheSchedule) {
  TrainConfig config = small_config("run");
  config.epochs = 3;
  EXPECT_THAT(refusal(config), HasSubstr("epochs"));
}

TEST_F(ResumedTrainer, ExtendedTwiceIsAsIfPlannedLongerFromTheStart) {
  for (const ScheduleKind schedule : {ScheduleKind::constant, ScheduleKind::cosine, ScheduleKind::linear}) {
    const std::string name = fmt::format("schedule{}", static_cast<int>(schedule));
    const auto planned = [&](const std::string& folder, int cooldown_epochs) {
      TrainConfig config = small_config(name + folder);
      config.schedule = schedule;
      config.min_lr = schedule == ScheduleKind::constant ? 0.0F : 1e-3F;
      config.warmup_epochs = schedule == ScheduleKind::cosine ? 0.0F : 0.5F;
      config.cooldown_epochs = cooldown_epochs;
      return config;
    };
    ASSERT_EQ(train(planned(".whole", 3)), TrainEnd::finished);
    EXPECT_EQ(position_.epoch, 5);

    TrainConfig config = planned(".extended", 0);
    ASSERT_EQ(train(config), TrainEnd::finished);
    extend(config, position_.epoch, 1);
    ASSERT_EQ(train(config, stopped_after(3)), TrainEnd::signal);
    ASSERT_EQ(train(config), TrainEnd::finished);
    extend(config, position_.epoch, 2);
    ASSERT_EQ(train(config), TrainEnd::finished);
    expect_equal_runs(config.out, parent_.path() / (name + ".whole"));
    EXPECT_EQ(read_config(RunFolder{config.out}.config()).cooldown_epochs, 3);
  }
}

TEST_F(ResumedTrainer, OfAConstantRateIsExtendedAsByMoreEpochs) {
  TrainConfig config = small_config("more");
  config.schedule = ScheduleKind::constant;
  config.epochs = 3;
  ASSERT_EQ(train(config), TrainEnd::finished);
  config.out = parent_.path() / "extended";
  config.epochs = 2;
  ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(read_training_position(RunFolder{config.out}.state()).epoch, 2);
  extend(config, 2, 1);
  ASSERT_EQ(train(config), TrainEnd::finished);
  expect_equal_runs(config.out, parent_.path() / "more");
}

TEST(Extend, IsRefusedWhereItWouldChangeWhatWasTrained) {
  TrainConfig config;
  EXPECT_STREQ(
      error_of([&] { extend(config, 25, 5); }).what(),
      "this run can't be extended: its schedule has brought the learning rate down to 0, and one stretched "
      "over more epochs would have been another from the start. Train anew with --epochs 30 and another --out; "
      "or so that --extend is possible later: --schedule cosine --min-lr 0.0001, or --schedule constant");
  config.schedule = ScheduleKind::constant;
  EXPECT_STREQ(error_of([&] { extend(config, 24, 5); }).what(),
               "this run isn't finished: 24 of 25 epochs are done; let it go on without --extend first");
  config.patience = 3;
  EXPECT_STREQ(
      error_of([&] { extend(config, 24, 5); }).what(),
      "this run isn't finished: 24 of 25 epochs are done; let it go on without --extend first; if patience has "
      "ended it, with a higher --patience, or 0");
  extend(config, 25, 5);
  EXPECT_EQ(total_epochs(config), 30);
  extend(config, 30, 2);
  EXPECT_EQ(config.epochs, 25);
  EXPECT_EQ(config.cooldown_epochs, 7);
}

TEST_F(ResumedTrainer, TakesSettingsThatDoNotChangeTheResult) {
  TrainConfig config = small_config("run");
  config.log_interval = 3;
  config.prefetch = 1;
  config.save_interval = 0.0F;
  config.patience = 5;
  EXPECT_EQ(train(config), TrainEnd::finished);
  EXPECT_THAT(read_text_file(RunFolder{config.out}.config()), HasSubstr("log-interval = 3\n"));
}

const std::string kLastBits = "as good, but not the same to the last bit";

/// What a trainer of so many threads says of a run that goes on.
std::string changes(const TrainConfig& config, const Dataset& train, const Dataset& test, int threads) {
  ThreadPool pool(threads);
  Engine engine(pool);
  const TrainControls controls = default_controls();
  Progress progress(nullptr, {}, controls.clock);
  return Trainer(config, train, test, engine, progress, controls).changed_circumstances();
}

TEST_F(TrainerFixture, OfOneDnnsPrimitivesAloneContinuesBitForBit) {
  const auto config_of = [this](const std::string& folder) {
    TrainConfig config = small_config(folder);
    config.plan = PlanKind::onednn;
    return config;
  };
  ASSERT_EQ(train(config_of("whole")), TrainEnd::finished);
  ASSERT_EQ(train(config_of("stopped"), stopped_after(4)), TrainEnd::signal);
  ASSERT_EQ(train(config_of("stopped")), TrainEnd::finished);
  expect_equal_runs(config_of("stopped").out, config_of("whole").out);
}

TEST_F(ResumedTrainer, SaysThatItsPlanIsAnother) {
  TrainConfig config = small_config("run");
  EXPECT_EQ(changes(config, *train_, *test_, 2), "");
  EXPECT_EQ(changes(config, *train_, *test_, 1), "");  // the bits of fused plans depend on no number of threads
  config.plan = PlanKind::plain;
  EXPECT_EQ(changes(config, *train_, *test_, 2),
            "so far this run was trained in a fused plan, now in a plain one: " + kLastBits);
  config.plan = PlanKind::onednn;
  EXPECT_EQ(changes(config, *train_, *test_, 2),
            "so far this run was trained in a fused plan, now in a onednn one: " + kLastBits);
  EXPECT_EQ(train(config), TrainEnd::finished);
}

TEST_F(ResumedTrainer, SaysThatThreadsAreOthersWhereAPlanDependsOnThem) {
  TrainConfig config = small_config("plain");
  config.plan = PlanKind::plain;
  EXPECT_EQ(changes(config, *train_, *test_, 2), "");
  ASSERT_EQ(train(config, stopped_after(4)), TrainEnd::signal);
  EXPECT_EQ(changes(config, *train_, *test_, 2), "");
  EXPECT_EQ(changes(config, *train_, *test_, 1),
            "so far this run was trained with 2 threads, now with 1: " + kLastBits);
}

TEST_F(ResumedTrainer, LeavesItsSettingsAsTheyWereOnceItHasEnded) {
  TrainConfig config = small_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const std::string state = read_text_file(RunFolder{config.out}.state());
  const TrainConfig before = read_run_config({config.out});
  config.plan = PlanKind::plain;
  config.prefetch = before.prefetch + 1;
  config.log_interval = before.log_interval + 1;
  config.name = "renamed";
  config.note = "a note";
  ASSERT_EQ(train(config), TrainEnd::finished);
  const TrainConfig after = read_run_config({config.out});
  EXPECT_EQ(after.plan, before.plan);
  EXPECT_EQ(after.prefetch, before.prefetch);
  EXPECT_EQ(after.log_interval, before.log_interval);
  EXPECT_EQ(after.name, "renamed");
  EXPECT_EQ(after.note, "a note");
  EXPECT_EQ(read_text_file(RunFolder{config.out}.state()), state);
}

TEST_F(ResumedTrainer, KeepsASettingThatEndsItAtOnce) {
  TrainConfig config = small_config("run");
  while (read_training_position(RunFolder{config.out}.state()).best_accuracy < 0.0)
    ASSERT_EQ(train(config, stopped_after(4)), TrainEnd::signal);
  config.until_accuracy = 0.001;
  ASSERT_EQ(train(config), TrainEnd::accuracy);
  EXPECT_EQ(read_run_config({config.out}).until_accuracy, 0.001);
}

TEST_F(ResumedTrainer, GoesOnFromAStateThatKnowsNoPlan) {
  const TrainConfig config = small_config("run");
  remove_metadata(RunFolder{config.out}.state(), "fingerprint.plan");
  EXPECT_EQ(changes(config, *train_, *test_, 2), "");
  ASSERT_EQ(train(config), TrainEnd::finished);
  ASSERT_EQ(train(small_config("whole")), TrainEnd::finished);
  expect_equal_runs(config.out, small_config("whole").out);
}

TEST_F(ResumedTrainer, GoesOnFromAStateThatNamesNoModel) {
  const TrainConfig config = small_config("run");
  remove_metadata(RunFolder{config.out}.state(), "fingerprint.model");
  ASSERT_EQ(train(config), TrainEnd::finished);
  ASSERT_EQ(train(small_config("whole")), TrainEnd::finished);
  expect_equal_runs(config.out, small_config("whole").out);
}

TEST_F(ResumedTrainer, RefusesTheStateOfAnotherModel) {
  const TrainConfig config = small_config("run");
  const fs::path path = RunFolder{config.out}.state();
  std::string bytes = read_text_file(path);
  const std::string key = R"("fingerprint.model":")";
  const std::size_t name = bytes.find(key + "convmixer");
  ASSERT_NE(name, std::string::npos);
  write_file_atomically(path, bytes.replace(name + key.size(), 9, "elsewhere"));
  EXPECT_THAT(refusal(config), HasSubstr(R"("model" was "elsewhere" when it was saved and is "convmixer" now)"));
}

/// A folder that version 0.1.0 left in its third of four epochs, when there was one model that nothing named.
TEST_F(TrainerFixture, FinishesARunOfVersion010) {
  const fs::path folder = parent_.path() / "old_run";
  fs::copy(fs::path(CONVMIXER_SOURCE_DIR) / "tests" / "train" / "old_run", folder);
  ASSERT_FALSE(SafetensorsFile(RunFolder{folder}.state()).metadata().contains("fingerprint.model"));
  TrainConfig config = read_config(RunFolder{folder}.config());
  config.out = folder;
  train_ = open_dataset(dataset_options(config, Split::train), Split::train);
  test_ = open_dataset(dataset_options(config, Split::test), Split::test);
  resolve(config, *train_);
  ASSERT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(position_.epoch, 4);
  EXPECT_EQ(position_.step, 240);
  EXPECT_EQ(timeless_metrics(folder).size(), 4U);
  EXPECT_THAT(read_text_file(RunFolder{folder}.config()), HasSubstr("model = convmixer\n"));
}

TEST_F(ResumedTrainer, RefusesADamagedState) {
  const TrainConfig config = small_config("run");
  const fs::path state = RunFolder{config.out}.state();
  fs::resize_file(state, fs::file_size(state) / 2);
  EXPECT_THAT(error_of([&] { train(config); }).what(), HasSubstr(state.string()));
}

TEST_F(ResumedTrainer, RefusesARunWithoutItsState) {
  const TrainConfig config = small_config("run");
  fs::remove(RunFolder{config.out}.state());
  const Error error = error_of([&] { train(config); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), HasSubstr("holds config.ini but no last.state.safetensors"));
}

TEST_F(TrainerFixture, GoesOnForMoreEpochsWhenTheLearningRateIsConstant) {
  TrainConfig whole = small_config("whole");
  whole.schedule = ScheduleKind::constant;
  whole.epochs = 3;
  ASSERT_EQ(train(whole), TrainEnd::finished);
  TrainConfig config = small_config("run");
  config.schedule = ScheduleKind::constant;
  config.epochs = 1;
  ASSERT_EQ(train(config), TrainEnd::finished);
  config.epochs = 3;
  ASSERT_EQ(train(config), TrainEnd::finished);
  expect_equal_runs(config.out, whole.out);
}

TEST_F(ResumedTrainer, IsFinishedAgainWhenWhatAnErrorHadLeftIsDone) {
  const TrainConfig config = small_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  const RunFolder run{config.out};
  std::ofstream(run.metrics(), std::ios::app)
      << R"({"type":"end","epoch":1,"step":3,"unix_s":1,"end":"error","error":"no room for last.safetensors"})"
      << "\n";
  fs::remove(run.last());
  EXPECT_EQ(RunHistory(run.path).state(), RunState::failed);
  EXPECT_EQ(train(config), TrainEnd::finished);
  EXPECT_TRUE(fs::exists(run.last()));
  EXPECT_EQ(RunHistory(run.path).state(), RunState::finished);
  const std::string metrics = read_text_file(run.metrics());
  EXPECT_EQ(train(config), TrainEnd::finished);
  EXPECT_EQ(read_text_file(run.metrics()), metrics) << "said once";
}

}  // namespace
}  // namespace convmixer
