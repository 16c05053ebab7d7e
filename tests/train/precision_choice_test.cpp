#include "convmixer/train/precision_choice.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/resnet.hpp"
#include "support/thread_ranks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing::HasSubstr;

class PrecisionChoiceTest : public testing::Test {
 protected:
  PrecisionChoice choose(const std::string& precision, PlanKind plan) {
    TrainConfig config;
    config.model = ConvMixerConfig{.dim = 8, .depth = 1, .kernel_size = 3, .patch_size = 4};
    config.image_size = 8;
    config.batch_size = 4;
    config.precision = precision;
    config.plan = plan;
    return choose_precision(config, 3, 10, engine_);
  }

  ThreadPool pool_{1};
  Engine engine_{pool_};
};

TEST_F(PrecisionChoiceTest, TakesWhatIsGiven) {
  EXPECT_EQ(choose("f32", PlanKind::automatic).precision, Precision::f32);
  EXPECT_EQ(choose("f32", PlanKind::automatic).reason, "as given");
  EXPECT_THROW((void)choose("fp16", PlanKind::automatic), Error);
  if (Engine::supports(Precision::bf16)) {
    EXPECT_EQ(choose("bf16", PlanKind::automatic).precision, Precision::bf16);
  }
  if (Engine::has_instructions(Precision::bf16)) {
    EXPECT_EQ(choose("bf16", PlanKind::plain).precision, Precision::bf16);
  } else {
    EXPECT_THROW((void)choose("bf16", PlanKind::plain), Error);
  }
}

TEST_F(PrecisionChoiceTest, IsBf16InFusedPlansWhereTheCpuHasIt) {
  const PrecisionChoice choice = choose("auto", PlanKind::automatic);
  const bool has_bf16 = Engine::has_instructions(Precision::bf16);
  EXPECT_EQ(choice.precision, has_bf16 ? Precision::bf16 : Precision::f32);
  EXPECT_THAT(choice.reason, HasSubstr(has_bf16 ? "faster in fused plans" : "no instructions for bf16"));
}

TEST_F(PrecisionChoiceTest, IsMeasuredInPlainPlans) {
  if (!Engine::has_instructions(Precision::bf16)) GTEST_SKIP() << "this CPU has no bf16";
  EXPECT_THAT(choose("auto", PlanKind::plain).reason, HasSubstr("a step of 4 images took"));
}

TEST_F(PrecisionChoiceTest, IsMeasuredByOneOfTheRanksAlone) {
  testing_support::run_ranks(2, [&](Communicator& ranks) {
    if (ranks.rank() > 0) return;  // it takes no part
    ThreadPool pool(1);
    Engine engine(pool, &ranks);
    TrainConfig config;
    config.model = ResNetConfig{.layers = 8, .width = 8};
    config.image_size = 8;
    config.batch_size = 4;
    const PrecisionChoice choice = choose_precision(config, 3, 10, engine);
    const bool has_bf16 = Engine::has_instructions(Precision::bf16);
    EXPECT_THAT(choice.reason, HasSubstr(has_bf16 ? "a step of 4 images took" : "no instructions for bf16"));
  });
}

TEST(FasterPrecision, IsF32OnlyWhereItIsFasterByMoreThanATenth) {
  EXPECT_EQ(faster_precision(1.0, 0.5), Precision::bf16);
  EXPECT_EQ(faster_precision(1.0, 1.0), Precision::bf16);
  EXPECT_EQ(faster_precision(1.0, 1.09), Precision::bf16);
  EXPECT_EQ(faster_precision(1.0, 1.11), Precision::f32);
}

}  // namespace
}  // namespace convmixer
