#include "train/stem_initialisation.hpp"

#include "convmixer/model/stem_whitening.hpp"
#include "convmixer/train/config.hpp"
#include "support/error_of.hpp"
#include "train/initial_network.hpp"
#include "train/initial_weights_options.hpp"
#include "train/trainer_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

namespace convmixer {
namespace {

using testing_support::error_of;

TEST(ImagesToMeasure, Are5000OrFewerOfManyOrLargePatches) {
  EXPECT_EQ(images_to_measure(50000, 256, 12), 5000);
  EXPECT_EQ(images_to_measure(300, 256, 12), 300);
  EXPECT_EQ(images_to_measure(1000000, 1024, 147), 723);
  EXPECT_EQ(images_to_measure(1000000, 196, 768), 138);
  EXPECT_EQ(images_to_measure(1000000, 1 << 24, 1024), 1);
}

class InitialisedTraining : public TrainerFixture {
 protected:
  [[nodiscard]] TrainConfig structured(const std::string& folder) const {
    TrainConfig config = small_config(folder);
    config.stem_init = StemInitialisation::whitened;
    config.depthwise_init = DepthwiseInitialisation::gaussian;
    config.depthwise_filters = {.sigma = 0.5F, .length = 0.5F};
    return config;
  }

  /// The stem's weights before the first step.
  std::vector<float> stem_of(const TrainConfig& config) {
    TrainConfig looked_at = config;
    looked_at.out = parent_.path() / "nowhere";
    TrainControls controls = undisturbed();
    controls.dry_run = true;
    Progress progress(nullptr, {}, controls.clock);
    Trainer trainer(looked_at, *train_, *test_, engine_, progress, controls);
    const auto weights = trainer.network().parameters().value(0);
    return {weights.begin(), weights.end()};
  }
};

TEST_F(InitialisedTraining, WhitensTheStemByImagesNormalisedAsForTraining) {
  const TrainConfig config = structured("run");
  Network network = initial_network(config, model_config(config, 3, train_->classes()), Precision::f32, engine_);
  EXPECT_EQ(whiten_stem(config, *train_, network.parameters()), "stem whitened by 5888 patches of 92 training images");
  const auto weights = network.parameters().value(0);
  EXPECT_EQ(stem_of(config), std::vector<float>(weights.begin(), weights.end()));

  TrainConfig darker = config;  // pixels of half the size: weights of about twice
  for (float& std : darker.std) std *= 2.0F;
  const auto power = [](const std::vector<float>& values) {
    double sum = 0.0;
    for (const float value : values) sum += double{value} * double{value};
    return sum;
  };
  EXPECT_GT(power(stem_of(darker)), 2.0 * power(stem_of(config)));
}

TEST_F(InitialisedTraining, GoesOnAsIfNeverStoppedAndWithoutWhiteningAnew) {
  const TrainConfig whole = structured("whole");
  ASSERT_EQ(train(whole), TrainEnd::finished);
  const TrainConfig config = structured("stopped");
  ASSERT_EQ(train(config, stopped_after(3)), TrainEnd::signal);
  ASSERT_EQ(train(config, stopped_after(6)), TrainEnd::signal);
  {
    Progress progress(nullptr, {}, undisturbed().clock);
    const Trainer trainer(config, *train_, *test_, engine_, progress, undisturbed());
    EXPECT_EQ(trainer.initial_weights(), "");
  }
  ASSERT_EQ(train(config), TrainEnd::finished);
  expect_equal_runs(config.out, whole.out);
}

TEST_F(InitialisedTraining, IsAnotherRunThanOneOfTheUsualWeights) {
  TrainConfig config = structured("run");
  ASSERT_EQ(train(config, stopped_after(3)), TrainEnd::signal);
  config.stem_init = StemInitialisation::standard;
  EXPECT_THAT(error_of([&] { train(config); }).what(), testing::HasSubstr("stem-init"));
  config.stem_init = StemInitialisation::whitened;
  config.depthwise_filters.length = 0.25F;
  EXPECT_THAT(error_of([&] { train(config); }).what(), testing::HasSubstr("depthwise-length"));
}

TEST(InitialWeightsOptions, RefuseWhatWouldHaveNoEffect) {
  TrainConfig config;
  const auto refusal = [&] { return std::string(error_of([&] { check_initial_weights_options(config); }).what()); };
  config.depthwise_filters.sigma = 0.5F;
  EXPECT_EQ(refusal(), "depthwise-sigma has no effect without depthwise-init = gaussian");
  config.depthwise_filters = {.length = 0.5F};
  config.depthwise_init = DepthwiseInitialisation::impulse;
  EXPECT_EQ(refusal(), "depthwise-length has no effect without depthwise-init = gaussian");
  config.depthwise_init = DepthwiseInitialisation::gaussian;
  EXPECT_NO_THROW(check_initial_weights_options(config));
  config.init = "weights.safetensors";
  EXPECT_EQ(refusal(), "depthwise-init has no effect with init, which gives all weights");
  config.stem_init = StemInitialisation::whitened;
  EXPECT_EQ(refusal(), "stem-init has no effect with init, which gives all weights");
}

}  // namespace
}  // namespace convmixer
