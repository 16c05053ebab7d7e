#include "convmixer/train/config.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/run_length.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <set>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

void set(TrainConfig& config, const std::string& key, const std::string& value) {
  const std::vector<OptionGroup> options = config_options(config);
  const std::vector<Assignment> assignments{{key, value, key}};
  assign(options, assignments);
}

TEST(TrainConfig, RunsAgainFromItsIniText) {
  TrainConfig config;
  config.lr = 0.1F + 1e-8F;
  config.mean = {0.1F, 0.2F, 1.0F / 3.0F};
  config.optimizer.kind = OptimizerKind::sgd;
  config.optimizer.epsilon = 1e-7F;
  config.schedule = ScheduleKind::cosine;
  config.plan = PlanKind::onednn;
  config.layout = LayoutPolicy::channels_last;
  config.max_time = 5400;
  config.seed = 123456789012345ULL;
  config.data = "some folder/cifar";
  const testing_support::TemporaryFolder folder;
  write_file_atomically(folder.path() / "config.ini", to_ini(config));
  const TrainConfig read = read_config(folder.path() / "config.ini");
  EXPECT_EQ(to_ini(read), to_ini(config));
  EXPECT_EQ(read.plan, PlanKind::onednn);
  EXPECT_EQ(read.lr, config.lr);
  EXPECT_EQ(read.mean, config.mean);
}

TEST(TrainConfig, ReadsEveryAugmentationAndWritesItBack) {
  const std::map<std::string, std::string> settings{{"pad-crop", "3"},
                                                    {"pad-mode", "reflect"},
                                                    {"resized-crop", "0.75,1"},
                                                    {"resized-crop-ratio", "0.5,2"},
                                                    {"resized-crop-filter", "random"},
                                                    {"horizontal-flip", "false"},
                                                    {"alternating-flip", "true"},
                                                    {"randaugment", "2,12"},
                                                    {"auto-augment", "rand-m9-mstd0.5-inc1"},
                                                    {"jitter", "0.4,0.2,0.1"},
                                                    {"random-erasing", "0.25"},
                                                    {"random-erasing-scale", "0.02,0.4"},
                                                    {"random-erasing-ratio", "0.25,4"},
                                                    {"random-erasing-fill", "noise"},
                                                    {"cutout", "8"}};
  TrainConfig config;
  const std::map<std::string, std::string> before = fingerprint(config);
  for (const auto& [key, value] : settings) set(config, key, value);
  const std::map<std::string, std::string> after = fingerprint(config);
  for (const auto& [key, value] : settings) {
    EXPECT_EQ(after.at(key), value);
    EXPECT_NE(before.at(key), value) << key;
  }
  const Augmentation& augmentation = config.augmentation;
  EXPECT_EQ(augmentation.resized_crop.scale_low, 0.75F);
  EXPECT_EQ(augmentation.resized_crop.scale_high, 1.0F);
  EXPECT_EQ(augmentation.rand_augment, (RandAugmentOptions{.operations = 2, .magnitude = 12}));
  EXPECT_EQ(augmentation.timm_augment.deviation, 0.5F);
  EXPECT_EQ(augmentation.jitter, (JitterOptions{0.4F, 0.2F, 0.1F}));
  EXPECT_EQ(augmentation.erasing.ratio_high, 4.0F);
  EXPECT_EQ(augmentation.erasing.fill, ErasingOptions::Fill::noise);
  set(config, "jitter", "0.2");
  EXPECT_EQ(augmentation.jitter, (JitterOptions{0.2F, 0.2F, 0.2F}));
  EXPECT_EQ(fingerprint(config).at("jitter"), "0.2");
  for (const char* key : {"resized-crop", "randaugment", "auto-augment"}) {
    set(config, key, "off");
    EXPECT_EQ(fingerprint(config).at(key), "off");
  }
  EXPECT_FALSE(augmentation.resized_crop.is_on());
}

TEST(TrainConfig, HasEveryKeyOnce) {
  TrainConfig config;
  std::set<std::string> names;
  for (const OptionGroup& group : config_options(config)) {
    for (const Option& option : group.options) {
      EXPECT_FALSE(option.help.empty()) << option.name;
      if (!option.applies()) continue;  // several models may have settings of one name
      EXPECT_TRUE(names.insert(option.name).second) << option.name;
      EXPECT_TRUE(option.read(option.write())) << option.name << " refuses its own default " << option.write();
    }
  }
}

TEST(TrainConfig, ChecksTheRangeOfEveryNumber) {
  for (const auto& setting : std::vector<std::pair<std::string, std::string>>{{"model", "alexnet"},
                                                                              {"dim", "0"},
                                                                              {"depth", "-1"},
                                                                              {"kernel-size", "0"},
                                                                              {"patch-size", "65"},
                                                                              {"image-size", "-1"},
                                                                              {"train-images", "-1"},
                                                                              {"pad-crop", "65"},
                                                                              {"pad-mode", "edge"},
                                                                              {"resized-crop", "0.5"},
                                                                              {"resized-crop", "0,1"},
                                                                              {"resized-crop", "0.9,0.5"},
                                                                              {"resized-crop", "0.5,1.5"},
                                                                              {"resized-crop-ratio", "1,x"},
                                                                              {"resized-crop-filter", "box"},
                                                                              {"randaugment", "2"},
                                                                              {"randaugment", "2,31"},
                                                                              {"auto-augment", "rand-m99"},
                                                                              {"auto-augment", "augmix"},
                                                                              {"jitter", "-0.1"},
                                                                              {"jitter", "0.1,0.2"},
                                                                              {"random-erasing", "1.5"},
                                                                              {"random-erasing-scale", "0.5,0.1"},
                                                                              {"random-erasing-ratio", "0,1"},
                                                                              {"random-erasing-fill", "black"},
                                                                              {"cutout", "-1"},
                                                                              {"mixup", "-1"},
                                                                              {"cutmix", "1001"},
                                                                              {"mixup-prob", "1.5"},
                                                                              {"mixup-switch-prob", "-0.5"},
                                                                              {"mixup-variant", "keras"},
                                                                              {"batch-size", "0"},
                                                                              {"micro-batch", "-1"},
                                                                              {"eval-batch-size", "0"},
                                                                              {"prefetch", "0"},
                                                                              {"epochs", "-1"},
                                                                              {"threads", "-1"},
                                                                              {"seed", "-1"},
                                                                              {"lr", "nan"},
                                                                              {"lr", "-0.1"},
                                                                              {"weight-decay", "inf"},
                                                                              {"beta1", "1"},
                                                                              {"beta2", "1"},
                                                                              {"epsilon", "-1"},
                                                                              {"momentum", "1"},
                                                                              {"clip-norm", "-1"},
                                                                              {"label-smoothing", "1"},
                                                                              {"warmup-epochs", "-1"},
                                                                              {"min-lr", "nan"},
                                                                              {"patience", "-1"},
                                                                              {"max-time", "-2h"},
                                                                              {"log-interval", "-1"},
                                                                              {"save-interval", "-1"},
                                                                              {"std", "0,0,0"},
                                                                              {"precision", "fp16"},
                                                                              {"plan", "fast"},
                                                                              {"layout", "nhwc"},
                                                                              {"optimizer", "lion"},
                                                                              {"schedule", "step"},
                                                                              {"dataset", "mnist"}}) {
    TrainConfig config;
    const Error error = error_of([&] { set(config, setting.first, setting.second); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), HasSubstr(setting.first + ": expected ")) << setting.second;
  }
}

TEST(TrainConfig, TellsTheNearestModelForAMisspeltOne) {
  TrainConfig config;
  const std::string message = error_of([&] { set(config, "model", "convmixr"); }).what();
  EXPECT_THAT(message, HasSubstr("model: expected one of convmixer, "));
  EXPECT_THAT(message, HasSubstr("; did you mean 'convmixer'?"));
  EXPECT_EQ(fingerprint(config).at("model"), "convmixer");
}

TEST(TrainConfig, TakesAConfigurationThatDoesNotNameItsModelForAConvMixers) {
  const testing_support::TemporaryFolder folder;
  const TrainConfig config = read_config(folder.write("old.ini", "dim = 24\nkernel-size = 7\n"));
  const auto& model = std::get<ConvMixerConfig>(config.model);
  EXPECT_EQ(model.dim, 24);
  EXPECT_EQ(model.kernel_size, 7);
  EXPECT_EQ(model.depth, 8);
}

TEST(Fingerprint, ChangesWithWhatDecidesTheResult) {
  const std::map<std::string, std::string> before = fingerprint(TrainConfig{});
  for (const auto& [key, value] : std::map<std::string, std::string>{{"dim", "8"},
                                                                     {"lr", "0.5"},
                                                                     {"seed", "2"},
                                                                     {"batch-size", "3"},
                                                                     {"micro-batch", "3"},
                                                                     {"precision", "f32"},
                                                                     {"epochs", "3"},
                                                                     {"mixup", "0.5"},
                                                                     {"cutmix", "0.5"},
                                                                     {"mixup-prob", "0.5"},
                                                                     {"mixup-switch-prob", "0.25"},
                                                                     {"mixup-variant", "timm"}}) {
    TrainConfig config;
    set(config, key, value);
    EXPECT_NE(fingerprint(config), before) << key;
  }
}

TEST(Fingerprint, StaysWithWhatDoesNot) {
  const std::map<std::string, std::string> before = fingerprint(TrainConfig{});
  for (const auto& [key, value] : std::map<std::string, std::string>{{"threads", "3"},
                                                                     {"plan", "plain"},
                                                                     {"out", "x"},
                                                                     {"data", "y"},
                                                                     {"log-interval", "3"},
                                                                     {"save-interval", "1"},
                                                                     {"quiet", "true"},
                                                                     {"max-time", "2h"},
                                                                     {"patience", "3"},
                                                                     {"eval-interval", "3"},
                                                                     {"prefetch", "9"},
                                                                     {"eval-batch-size", "7"}}) {
    TrainConfig config;
    set(config, key, value);
    EXPECT_EQ(fingerprint(config), before) << key;
  }
}

TEST(Fingerprint, LeavesEpochsOutWhenTheLearningRateIsConstant) {
  TrainConfig config;
  config.schedule = ScheduleKind::constant;
  const auto before = fingerprint(config);
  config.epochs += 10;
  EXPECT_EQ(fingerprint(config), before);
}

class Resolve : public testing::Test {
 protected:
  std::unique_ptr<Dataset> dataset_ = open_dataset({.name = "shapes", .path = {}, .limit = 10}, Split::test);
  TrainConfig config_;

  std::string refusal() {
    const Error error = error_of([&] { resolve(config_, *dataset_); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
};

TEST_F(Resolve, FillsInWhatTheDataSetAndTheMachineDecide) {
  resolve(config_, *dataset_);
  EXPECT_EQ(config_.image_size, 32);
  EXPECT_EQ(config_.mean, default_normalisation("shapes").mean);
  EXPECT_EQ(config_.std, default_normalisation("shapes").std);
  EXPECT_EQ(config_.precision, Engine::has_instructions(Precision::bf16) ? "bf16" : "f32");
}

TEST_F(Resolve, KeepsWhatIsGiven) {
  config_.mean = {0.5F, 0.5F, 0.5F};
  config_.precision = "f32";
  resolve(config_, *dataset_);
  EXPECT_EQ(config_.mean, (std::vector<float>{0.5F, 0.5F, 0.5F}));
  EXPECT_EQ(config_.precision, "f32");
}

TEST_F(Resolve, RefusesValuesThatNoIniFileCouldGive) {
  const auto refusal_with = [this](const auto& change) {
    config_ = {};
    change(config_);
    return refusal();
  };
  EXPECT_EQ(refusal_with([](TrainConfig& c) { c.lr = std::numeric_limits<float>::quiet_NaN(); }),
            "lr = nan: expected a number of at least 0");
  EXPECT_EQ(refusal_with([](TrainConfig& c) { c.epochs = -1; }),
            "epochs = -1: expected a whole number from 0 to 1000000");
  EXPECT_EQ(refusal_with([](TrainConfig& c) {
              c.std = {0.0F, 1.0F, 1.0F};
            }),
            "std = 0,1,1: expected numbers of at least 1e-06, with commas between them");
  EXPECT_EQ(refusal_with([](TrainConfig& c) { c.model = ConvMixerConfig{.dim = 0}; }),
            "dim = 0: expected a whole number from 1 to 8192");
}

TEST_F(Resolve, RefusesAnAccuracyToReachThatIsLookedAtInTheEndOnly) {
  config_.until_accuracy = 0.5;
  config_.eval_interval = 0;
  EXPECT_EQ(refusal(), "until-accuracy has no effect with eval-interval = 0");
}

TEST_F(Resolve, RefusesAnotherImageSizeThanTheDataSets) {
  config_.image_size = 64;
  EXPECT_EQ(refusal(), "image-size 64 doesn't fit the data set shapes: its images have 32 x 32 pixels");
}

TEST_F(Resolve, RefusesAMeanWithTooFewColours) {
  config_.mean = {0.5F};
  EXPECT_EQ(refusal(), "mean has 1 value: expected 3, one for each colour");
}

TEST_F(Resolve, RefusesSettingsThatWouldHaveNoEffect) {
  config_.optimizer.nesterov = true;
  EXPECT_EQ(refusal(), "nesterov has no effect without optimizer = sgd");
  config_.optimizer.kind = OptimizerKind::muon;
  EXPECT_EQ(refusal(), "nesterov has no effect without optimizer = sgd: muon always has it");
}

TEST_F(Resolve, RefusesMuonsSettingsWithoutMuonAndARateThatScheduleAndFactorCantMake) {
  const std::map<std::string, std::string> settings{
      {"muon-lr", "0.02"}, {"muon-momentum", "0.9"}, {"muon-steps", "3"}, {"muon-scaling", "renewed-norms"}};
  for (const auto& [key, value] : settings) {
    config_ = {};
    set(config_, key, value);
    EXPECT_EQ(refusal(), key + " has no effect without optimizer = muon");
    EXPECT_EQ(fingerprint(config_).at(key), value);
  }
  config_ = {};
  config_.optimizer.kind = OptimizerKind::muon;
  config_.muon_lr = 0.02F;
  config_.lr = 0.0F;
  EXPECT_EQ(refusal(), "muon-lr = 0.02 has no effect with lr = 0: the schedule's rates count in parts of lr");
}

TEST(OptimizerSettings, HaveMuonsRateInPartsOfLrAndTheRunsPrecision) {
  TrainConfig config;
  config.optimizer.kind = OptimizerKind::muon;
  config.lr = 0.5F;
  EXPECT_EQ(optimizer_settings(config, Precision::bf16).muon_rate_factor, 1.0F);
  EXPECT_EQ(optimizer_settings(config, Precision::bf16).muon.precision, Precision::bf16);
  config.muon_lr = 0.125F;
  EXPECT_EQ(optimizer_settings(config, Precision::f32).muon_rate_factor, 0.25F);
  EXPECT_EQ(optimizer_settings(config, Precision::f32).muon.precision, Precision::f32);
}

TEST_F(Resolve, RefusesAugmentationsThatDontGoTogether) {
  set(config_, "resized-crop", "0.75,1");
  EXPECT_EQ(refusal(), "pad-crop and resized-crop exclude each other: set pad-crop = 0");
  config_.augmentation.pad_crop = 0;
  set(config_, "randaugment", "2,9");
  set(config_, "auto-augment", "rand-m9");
  EXPECT_EQ(refusal(), "randaugment and auto-augment exclude each other");
  set(config_, "auto-augment", "off");
  EXPECT_NO_THROW(resolve(config_, *dataset_));
}

TEST_F(Resolve, RefusesSettingsOfMixingThatWouldHaveNoEffect) {
  config_.mix.probability = 0.5F;
  EXPECT_EQ(refusal(), "mixup-prob has no effect without mixup or cutmix");
  config_.mix = {.variant = MixVariant::timm};
  EXPECT_EQ(refusal(), "mixup-variant has no effect without mixup or cutmix");
  config_.mix = {.mixup = 0.5F, .switch_probability = 0.25F};
  EXPECT_EQ(refusal(), "mixup-switch-prob has no effect unless mixup and cutmix are both on");
  config_.mix.cutmix = 0.5F;
  EXPECT_NO_THROW(resolve(config_, *dataset_));
}

TEST_F(Resolve, RefusesALayoutForFusedPlans) {
  config_.plan = PlanKind::fused;
  EXPECT_NO_THROW(resolve(config_, *dataset_));
  config_.layout = LayoutPolicy::blocked;
  EXPECT_THAT(refusal(), HasSubstr("plan = fused: fused stages have a layout of their own"));
  config_.plan = PlanKind::automatic;
  EXPECT_NO_THROW(resolve(config_, *dataset_));
}

TEST(LoaderOptions, AugmentAndShuffleTrainingImagesOnly) {
  TrainConfig config;
  config.mix.mixup = 0.5F;
  const LoaderOptions train = loader_options(config, Split::train);
  EXPECT_TRUE(train.shuffle);
  EXPECT_EQ(train.augmentation.pad_crop, 4);
  EXPECT_TRUE(train.augmentation.horizontal_flip);
  EXPECT_EQ(train.mix.mixup, 0.5F);
  const LoaderOptions test = loader_options(config, Split::test);
  EXPECT_FALSE(test.shuffle);
  EXPECT_FALSE(test.drop_last);
  EXPECT_EQ(test.augmentation.pad_crop, 0);
  EXPECT_FALSE(test.augmentation.horizontal_flip);
  EXPECT_FALSE(test.mix.is_on());
  EXPECT_EQ(test.batch_size, config.eval_batch_size);
}

class Configurations : public testing::TestWithParam<std::string> {};

TEST_P(Configurations, AreReadWithoutComplaint) {
  TrainConfig config = read_config(std::filesystem::path(CONVMIXER_SOURCE_DIR) / "configs" / GetParam());
  EXPECT_EQ(std::get<ConvMixerConfig>(config.model).patch_size, 2);
  // The drawn shapes have CIFAR's size: what fits them fits it.
  EXPECT_NO_THROW(resolve(config, *open_dataset({.name = "shapes", .limit = 10}, Split::test)));
}

INSTANTIATE_TEST_SUITE_P(Shipped, Configurations,
                         testing::Values("cifar10-256x8.ini", "labml.ini", "cifar10-fast.ini", "locuslab-25.ini",
                                         "locuslab-100.ini", "paper-200.ini", "quickstart.ini"),
                         [](const auto& instance) {
                           std::string name = instance.param.substr(0, instance.param.find('.'));
                           std::erase(name, '-');
                           return name;
                         });

/// "1,234,567".
std::string with_commas(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

TEST(ComparedConfigurations, DifferInTheNetworkAloneAndSayHowLargeItIs) {
  const auto graph_of = [](const TrainConfig& config) { return make_graph(with_task(config.model, {})); };
  const std::filesystem::path folder = std::filesystem::path(CONVMIXER_SOURCE_DIR) / "configs";
  const TrainConfig anchor = read_config(folder / "compare-convmixer.ini");
  const auto anchor_work = static_cast<double>(multiply_adds(graph_of(anchor)));
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("compare-")) continue;
    ++compared;
    TrainConfig config = read_config(entry.path());
    const Graph graph = graph_of(config);
    const auto work = static_cast<double>(multiply_adds(graph));
    EXPECT_NEAR(work / anchor_work, 1.0, 0.05) << name;
    EXPECT_THAT(read_text_file(entry.path()),
                HasSubstr(fmt::format("\n# {} parameters, {:.1f} million multiply-adds an image.\n",
                                      with_commas(parameter_count(graph)), 1e-6 * work)))
        << name;
    config.model = anchor.model;
    config.lr = anchor.lr;
    EXPECT_EQ(to_ini(config), to_ini(anchor)) << name;
    EXPECT_NO_THROW(resolve(config, *open_dataset({.name = "shapes", .limit = 10}, Split::test))) << name;
  }
  EXPECT_EQ(compared, 8);
}

}  // namespace
}  // namespace convmixer
