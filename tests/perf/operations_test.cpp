// What op_bench's operations cost, against counts by hand, and that they compute what they should over odd shapes.
#include "convmixer/core/error.hpp"
#include "convmixer/plan/engine.hpp"
#include "operation.hpp"
#include "plan/engine_runtime.hpp"
#include "support/test_engine.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace convmixer::perf {
namespace {

using kernels::ElementType;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing_support::test_engine;

/// ConvMixer-8/1, kernel 3, patch 2, 3 classes on 2 images of 3 x 8 x 8: 384 values of images, 2 * 8 * 4 * 4 = 256
/// activations.
Setting small(ElementType type) {
  return {
      .network = "8x1",
      .model =
          ConvMixerConfig{
              .dim = 8, .depth = 1, .kernel_size = 3, .patch_size = 2, .image_size = 8, .channels = 3, .classes = 3},
      .batch = 2,
      .type = type};
}

struct Count {
  double flops;
  double bytes;
  Unit unit;
};

std::map<std::string, Count> counts(const Setting& setting) {
  const PlannedSetting planned(test_engine(), setting);
  std::map<std::string, Count> result;
  for (const Operation& operation : operations_of(setting)) {
    Trial trial(planned);
    operation.prepare(trial);
    result[benchmark_name(setting, operation)] = {trial.cost().flops, trial.cost().bytes, trial.cost().unit};
  }
  return result;
}

void expect_counts(const std::map<std::string, Count>& found, const std::map<std::string, Count>& expected) {
  for (const auto& [name, count] : expected) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(found.at(name).flops, count.flops) << name;
    EXPECT_EQ(found.at(name).bytes, count.bytes) << name;
    EXPECT_EQ(found.at(name).unit, count.unit) << name;
  }
  for (const auto& [name, count] : found) EXPECT_TRUE(expected.contains(name)) << "not counted by hand: " << name;
}

TEST(Operations, CostWhatHandCountsGiveInF32) {
  // Weights: 8 * 3 * 2 * 2 = 96 of the patches, 8 * 9 = 72 depthwise, 64 pointwise, 8 * 3 = 24 linear; biases 8, 8,
  // 8, 3. Taps of an output: 12, 9, 8. Pooled: 2 * 8 = 16 values.
  constexpr double kF32 = 4.0;
  const Unit matrix = Unit::matrix;
  const Unit vector = Unit::vector;
  expect_counts(
      counts(small(ElementType::f32)),
      {{"8x1/f32/pad-crop/images/pipeline", {384, (1 + kF32) * 384, vector}},
       {"8x1/f32/resized-crop,-RandAugment/images/pipeline", {384, (1 + kF32) * 384, vector}},
       {"8x1/f32/resized-crop,-RandAugment,-jitter,-erasing/images/pipeline", {384, (1 + kF32) * 384, vector}},
       {"8x1/f32/timm's-augmentation/images/pipeline", {384, (1 + kF32) * 384, vector}},
       {"8x1/f32/reorder/of-images/oneDNN", {384, kF32 * (384 + 384), vector}},
       {"8x1/f32/reorder/to-the-other-order/oneDNN", {256, kF32 * (256 + 256), vector}},
       {"8x1/f32/patch-embedding/forward/oneDNN", {2 * 256 * 12, kF32 * (384 + 96 + 8 + 256), matrix}},
       {"8x1/f32/patch-embedding/backward-data/oneDNN", {2 * 256 * 12, kF32 * (256 + 96 + 384), matrix}},
       {"8x1/f32/patch-embedding/backward-weights/oneDNN", {2 * 256 * 12, kF32 * (384 + 256 + 96 + 8), matrix}},
       {"8x1/f32/depthwise-convolution/forward/oneDNN", {2 * 256 * 9, kF32 * (256 + 72 + 8 + 256), vector}},
       {"8x1/f32/depthwise-convolution/backward-data/oneDNN", {2 * 256 * 9, kF32 * (256 + 72 + 256), vector}},
       {"8x1/f32/depthwise-convolution/backward-weights/oneDNN", {2 * 256 * 9, kF32 * (256 + 256 + 72 + 8), vector}},
       {"8x1/f32/depthwise-convolution/backward-weights/hand-written",
        {2 * 256 * 9, kF32 * (256 + 256 + 72 + 8), vector}},
       {"8x1/f32/pointwise-convolution/forward/oneDNN", {2 * 256 * 8, kF32 * (256 + 64 + 8 + 256), matrix}},
       {"8x1/f32/pointwise-convolution/backward-data/oneDNN", {2 * 256 * 8, kF32 * (256 + 64 + 256), matrix}},
       {"8x1/f32/pointwise-convolution/backward-weights/oneDNN", {2 * 256 * 8, kF32 * (256 + 256 + 64 + 8), matrix}},
       {"8x1/f32/matrix-product/forward/oneDNN", {2 * 32 * 8 * 8, kF32 * (256 + 64 + 256), matrix}},
       {"8x1/f32/GELU/forward/oneDNN", {5 * 256, kF32 * (256 + 256), vector}},
       {"8x1/f32/GELU/backward/oneDNN", {11 * 256, kF32 * (256 + 256 + 256), vector}},
       {"8x1/f32/residual-add/forward/oneDNN", {256, kF32 * (256 + 256 + 256), vector}},
       {"8x1/f32/batch-norm/forward/oneDNN", {7 * 256, kF32 * (256 + 256 + 4 * 8), vector}},
       {"8x1/f32/batch-norm/forward/hand-written", {7 * 256, kF32 * (256 + 256 + 4 * 8), vector}},
       {"8x1/f32/batch-norm/inference/oneDNN", {3 * 256, kF32 * (256 + 256 + 4 * 8), vector}},
       {"8x1/f32/batch-norm/inference/hand-written", {3 * 256, kF32 * (256 + 256 + 4 * 8), vector}},
       {"8x1/f32/batch-norm/backward/oneDNN", {9 * 256, kF32 * (256 + 256 + 256 + 5 * 8), vector}},
       {"8x1/f32/batch-norm/backward/hand-written", {9 * 256, kF32 * (256 + 256 + 256 + 5 * 8), vector}},
       {"8x1/f32/average-pool/forward/oneDNN", {256, kF32 * (256 + 16), vector}},
       {"8x1/f32/average-pool/backward/oneDNN", {256, kF32 * (16 + 256), vector}},
       {"8x1/f32/linear/forward/oneDNN", {2 * 2 * 8 * 3, kF32 * (16 + 24 + 3 + 6), matrix}},
       {"8x1/f32/linear/backward-data/oneDNN", {2 * 2 * 8 * 3, kF32 * (6 + 24 + 16), matrix}},
       {"8x1/f32/linear/backward-weights/oneDNN", {2 * 2 * 8 * 3, kF32 * (16 + 6 + 24 + 3), matrix}},
       // Fused stages. Two images are two chunks, with sums of 8 * 8 weights each. Products' operands and tiles stay in
       // the cache. GELU with its derivative 11, sums 4, a norm 2, with the residual 4, its gradient 5, the bias's 1.
       {"8x1/f32/patches/forward/fused", {2 * 16 * 12, kF32 * 384, vector}},
       {"8x1/f32/product-with-GELU/forward/fused", {2 * 256 * 8, kF32 * (64 + 8 + 256 + 256), matrix}},
       {"8x1/f32/product-with-gradient-sums/backward-data/fused", {2 * 256 * 8, kF32 * (64 + 256 + 256), matrix}},
       {"8x1/f32/weight-gradient-product/backward-weights/fused", {2 * 256 * 8, kF32 * 2 * 64, matrix}},
       {"8x1/f32/depthwise-stage/forward/fused",
        {(2 + 2 * 9 + 11 + 4) * 256, kF32 * (72 + 8 + 256 + 256 + 256), vector}},
       {"8x1/f32/depthwise-stage/backward/fused",
        {(5 + 1 + 2 + 4 * 9 + 1 + 4) * 256, kF32 * (72 + 2 * 256 + 256 + 256 + 256), vector}},
       {"8x1/f32/GELU-with-sums/forward/fused", {(11 + 4) * 256, kF32 * (256 + 256), vector}},
       {"8x1/f32/norm-with-residual/forward/fused", {4 * 256, kF32 * (256 + 256), vector}},
       {"8x1/f32/norm-with-GELU/backward/fused", {(5 + 1) * 256, kF32 * (256 + 256 + 256), vector}},
       {"8x1/f32/gradient-sums/backward/fused", {4 * 256, kF32 * (256 + 256), vector}},
       // Parameters: weights as above, biases 8, 8, 8, 3, and three norms of 16.
       {"8x1/f32/AdamW/update/optimiser", {19 * 331, kF32 * 7 * 331, vector}}});
}

TEST(Operations, InBf16HalveTheBytesOfWhatIsBf16) {
  if (!Engine::has_instructions(Precision::bf16)) GTEST_SKIP() << "this CPU has no bf16";
  const std::map<std::string, Count> found = counts(small(ElementType::bf16));
  const auto expect_bytes = [&found](const std::string& name, double bytes) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(found.at(name).bytes, bytes) << name;
  };
  expect_bytes("8x1/bf16/reorder/of-images/oneDNN", 4 * 384 + 2 * 384);
  expect_bytes("8x1/bf16/reorder/to-bf16/oneDNN", 4 * 256 + 2 * 256);
  // Results of convolutions, biases and gradients of weights are f32.
  expect_bytes("8x1/bf16/pointwise-convolution/forward/oneDNN", 2 * (256 + 64) + 4 * (8 + 256));
  expect_bytes("8x1/bf16/pointwise-convolution/backward-data/oneDNN", 2 * (256 + 64 + 256));
  expect_bytes("8x1/bf16/pointwise-convolution/backward-weights/oneDNN", 2 * (256 + 256) + 4 * (64 + 8));
  expect_bytes("8x1/bf16/depthwise-convolution/backward-weights/oneDNN", 2 * (256 + 256) + 4 * (72 + 8));
  expect_bytes("8x1/bf16/depthwise-convolution/backward-weights/hand-written", 2 * (256 + 256) + 4 * (72 + 8));
  // Norms read pre-activations in f32 and write bf16.
  expect_bytes("8x1/bf16/batch-norm/forward/hand-written", 4 * 256 + 2 * 256 + 4 * (4 * 8));
  expect_bytes("8x1/bf16/batch-norm/forward/oneDNN", 4 * 256 + 2 * 256 + 4 * (4 * 8));
  expect_bytes("8x1/bf16/batch-norm/backward/hand-written", 4 * 256 + 2 * 256 + 4 * 256 + 4 * (5 * 8));
  EXPECT_EQ(found.at("8x1/bf16/GELU/backward/oneDNN").flops, 11 * 256);
  // Fused stages keep binary16 values and derivatives of one byte, and hand bf16 gradients on; filters and sums are
  // f32.
  expect_bytes("8x1/bf16/patches/forward/fused", 4 * 384);
  expect_bytes("8x1/bf16/product-with-GELU/forward/fused", 2 * 64 + 4 * 8 + (2 + 1) * 256);
  expect_bytes("8x1/bf16/product-with-gradient-sums/backward-data/fused", 2 * 64 + (2 + 2) * 256);
  expect_bytes("8x1/bf16/weight-gradient-product/backward-weights/fused", 4 * 2 * 64);
  expect_bytes("8x1/bf16/depthwise-stage/forward/fused", 4 * (72 + 8) + (2 + 2 + 1) * 256);
  expect_bytes("8x1/bf16/depthwise-stage/backward/fused", 4 * 72 + (2 * 2 + 2 + 1 + 2) * 256);
  expect_bytes("8x1/bf16/GELU-with-sums/forward/fused", (2 + 1) * 256);
  expect_bytes("8x1/bf16/norm-with-residual/forward/fused", (2 + 2) * 256);
  expect_bytes("8x1/bf16/norm-with-GELU/backward/fused", (2 + 2 + 1) * 256);
  expect_bytes("8x1/bf16/gradient-sums/backward/fused", (2 + 2) * 256);
}

TEST(Operations, OfThePaperTakeWhatItsWidthsGive) {
  // ConvMixer-768/32 at batch 64: 64 * 32 * 32 positions of 768 channels.
  Setting setting = standard_settings().back();
  ASSERT_EQ(setting.network, "768x32");
  EXPECT_EQ(setting.activations(), (Shape{64, 768, 32, 32}));
  EXPECT_EQ(setting.images(), (Shape{64, 3, 224, 224}));
  EXPECT_EQ(setting.depthwise().kernel, 7);
  EXPECT_EQ(setting.depthwise().padding_begin, 3);
  std::get<ConvMixerConfig>(setting.model).kernel_size = 8;  // padding="same" of an even kernel: one more at the end
  EXPECT_EQ(setting.depthwise().padding_begin, 3);
  EXPECT_EQ(setting.depthwise().padding_end, 4);
}

TEST(Operations, OfOneNameAndDirectionCostTheSame) {
  const std::map<std::string, Count> found = counts(small(ElementType::f32));
  int pairs = 0;
  for (const auto& [name, count] : found) {
    if (!name.ends_with("/hand-written")) continue;
    const std::string twin = name.substr(0, name.rfind('/')) + "/oneDNN";
    ASSERT_TRUE(found.contains(twin)) << name << " has no primitive beside it";
    EXPECT_EQ(found.at(twin).flops, count.flops) << name;
    EXPECT_EQ(found.at(twin).bytes, count.bytes) << name;
    ++pairs;
  }
  EXPECT_EQ(pairs, 4);
}

TEST(Operations, CoverEveryKernelAndPrimitiveInBothDirections) {
  std::set<std::string> names;
  for (const Operation& operation : all_operations()) names.insert(operation.name + " " + operation.direction);
  EXPECT_THAT(names, IsSupersetOf({"patch embedding forward",
                                   "patch embedding backward weights",
                                   "depthwise convolution forward",
                                   "depthwise convolution backward data",
                                   "depthwise convolution backward weights",
                                   "pointwise convolution forward",
                                   "pointwise convolution backward data",
                                   "pointwise convolution backward weights",
                                   "GELU forward",
                                   "GELU backward",
                                   "batch norm forward",
                                   "batch norm inference",
                                   "batch norm backward",
                                   "residual add forward",
                                   "average pool forward",
                                   "average pool backward",
                                   "linear forward",
                                   "linear backward data",
                                   "linear backward weights",
                                   "matrix product forward",
                                   "reorder of images",
                                   "patches forward",
                                   "product with GELU forward",
                                   "product with gradient sums backward data",
                                   "weight gradient product backward weights",
                                   "depthwise stage forward",
                                   "depthwise stage backward",
                                   "GELU with sums forward",
                                   "norm with residual forward",
                                   "norm with GELU backward",
                                   "gradient sums backward",
                                   "AdamW update"}));
}

/// Runs and checks all of a setting's operations.
void check_all(const Setting& setting) {
  const PlannedSetting planned(test_engine(), setting);
  for (const Operation& operation : operations_of(setting)) {
    Trial trial(planned);
    operation.prepare(trial);
    EXPECT_NO_THROW(trial.check()) << benchmark_name(setting, operation);
    EXPECT_NO_THROW(trial.check()) << benchmark_name(setting, operation) << " the second time";
    EXPECT_FALSE(trial.implementation().empty());
    EXPECT_GT(trial.cost().flops, 0.0) << benchmark_name(setting, operation);
  }
}

TEST(Operations, ComputeWhatPlainLoopsDoOverOddShapes) {
  for (const LayoutPolicy layout : {LayoutPolicy::automatic, LayoutPolicy::channels_last, LayoutPolicy::blocked}) {
    for (const ElementType type : {ElementType::f32, ElementType::bf16}) {
      if (type == ElementType::bf16 && !Engine::has_instructions(Precision::bf16)) continue;
      check_all({.network = "20x1",
                 .model = ConvMixerConfig{.dim = 20,
                                          .depth = 1,
                                          .kernel_size = 4,
                                          .patch_size = 3,
                                          .image_size = 20,
                                          .channels = 3,
                                          .classes = 7},
                 .batch = 18,  // chunks of one image and of two
                 .type = type,
                 .layout = layout});
      check_all({.network = "48x1",
                 .model = ConvMixerConfig{.dim = 48,
                                          .depth = 1,
                                          .kernel_size = 9,
                                          .patch_size = 1,
                                          .image_size = 7,
                                          .channels = 3,
                                          .classes = 10},
                 .batch = 2,
                 .type = type,
                 .layout = layout});
    }
  }
}

/// A trial of GELU's shapes, wrong in some way.
class WrongTrial : public testing::Test {
 protected:
  PlannedSetting planned_{test_engine(), small(ElementType::f32)};
  Trial trial_{planned_};
  const Tensor& src_ = trial_.input(trial_.activations());
  const Tensor& dst_ = trial_.output(trial_.activations());

  /// What check() complains about.
  std::string complaint() {
    try {
      trial_.check();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(WrongTrial, IsFoundByItsResult) {
  trial_.run(kernels::add(trial_.runtime(), src_.layout()),
             {{kernels::Role::summand0, &src_}, {kernels::Role::summand1, &src_}, {kernels::Role::dst, &dst_}});
  trial_.expect(dst_, [this](const Index& at) { return 2.001 * src_.at(at); });
  EXPECT_THAT(complaint(), HasSubstr("result of shape (2, 8, 4, 4): found "));
  EXPECT_THAT(complaint(), HasSubstr(", expected "));
}

TEST_F(WrongTrial, IsFoundByWhatItLeavesUnwritten) {
  trial_.run("hand-written", [this] { std::copy_n(src_.as<float>(), 200, dst_.as<float>()); });
  EXPECT_EQ(complaint(), "");
  trial_.expect(dst_, [this](const Index& at) { return src_.at(at); });
  EXPECT_THAT(complaint(), HasSubstr("expected a finite number"));
}

TEST_F(WrongTrial, IsFoundByAnotherCheck) {
  trial_.expect([] { fail("nothing was flipped"); });
  EXPECT_EQ(complaint(), "nothing was flipped");
}

TEST(Tensor, KnowsTheValuesThatItHolds) {
  for (const auto format : {kernels::Format::plain, kernels::Format::channels_last, kernels::Format::blocked16}) {
    const Shape shape{2, 20, 3, 5};
    const Tensor tensor(runtime_of(test_engine()), {shape, ElementType::bf16, format}, 7, {2.0F, 3.0F});
    const AlignedBuffer read = tensor.read();
    EXPECT_EQ(tensor.bytes(), 2.0 * 600);
    for (std::int64_t i = 0; i < shape.count(); ++i) {
      const auto value = static_cast<double>(read.as<float>()[static_cast<std::size_t>(i)]);
      EXPECT_EQ(value, tensor.at(index_of(i, shape)));
      EXPECT_GE(value, 2.0);
      EXPECT_LE(value, 3.0);
    }
  }
}

}  // namespace
}  // namespace convmixer::perf
