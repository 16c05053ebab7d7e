// Fused and plain plans against each other and against plain loops in double precision.
//
// Errors are measured in the 2-norm of each tensor. In f32 fused plans are the closer ones: their sums go to double
// after a few terms, oneDNN's stay in f32. A gradient of a bias before a norm needs another measure: norms make the sum
// of the gradients of GELU's results 0, so a bias's is what little is left of parts that cancel. Fused plans are within
// 1e-5 of even that (6.5e-6 here); plain ones are up to 4.5e-5 off and 5e-7 of what the parts' sizes add up to.
#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/plan/plan.hpp"
#include "plan/execution_options.hpp"
#include "plan/fused/stage_chain.hpp"
#include "support/convmixer_config.hpp"
#include "support/error_of.hpp"
#include "support/reference_gradients.hpp"
#include "support/reference_network.hpp"
#include "support/relative_error.hpp"
#include "support/test_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;
using testing_support::reference_gradients;
using testing_support::ReferenceGradients;
using testing_support::ReferenceNetwork;
using testing_support::relative_error;
using testing_support::test_engine;

struct Case {
  ConvMixerConfig model;
  std::int64_t batch;
};

using Residual = ConvMixerConfig::Residual;

/// With ReLU, and other residuals.
ConvMixerConfig variant(ConvMixerConfig model, bool relu, Residual residual) {
  if (relu) model.activation = ConvMixerConfig::Activation::relu;
  model.residual = residual;
  return model;
}

std::vector<Case> cases() {
  constexpr auto model = testing_support::convmixer_config;
  return {{model(8, 1, 3, 1, 5), 2},
          {model(20, 2, 4, 2, 11), 3},
          {model(40, 1, 5, 2, 14), 17},
          {model(257, 1, 7, 3, 12), 2},
          {model(290, 1, 3, 1, 15), 2},  // several slabs
          {model(64, 2, 9, 1, 18), 2},
          {model(32, 1, 2, 2, 40), 5},
          {model(96, 1, 11, 2, 21), 4},
          {model(33, 3, 5, 4, 33), 35},
          {model(16, 1, 1, 1, 3), 70},
          {variant(model(40, 2, 5, 2, 14), true, Residual::depthwise), 5},
          {variant(model(20, 2, 3, 1, 7), false, Residual::none), 3},
          {variant(model(72, 3, 4, 2, 13), true, Residual::none), 4},
          {variant(model(40, 1, 3, 2, 14), false, Residual::both), 5},
          {variant(model(20, 3, 4, 1, 7), false, Residual::both), 9},
          {variant(model(290, 2, 3, 1, 15), false, Residual::both), 2},  // several slabs
          {variant(model(72, 3, 4, 2, 13), true, Residual::both), 4}};
}

std::string name_of(const Case& one) {
  const ConvMixerConfig& m = one.model;
  return "dim" + std::to_string(m.dim) + "x" + std::to_string(m.depth) + "_k" + std::to_string(m.kernel_size) + "_p" +
         std::to_string(m.patch_size) + "_image" + std::to_string(m.image_size) + "_batch" + std::to_string(one.batch) +
         (m.activation == ConvMixerConfig::Activation::relu ? "_relu" : "") +
         (m.residual == Residual::none   ? "_no_residuals"
          : m.residual == Residual::both ? "_both_residuals"
                                         : "");
}

std::vector<float> random_values(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed, RandomStream::synthetic_data);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = rng.normal();
  return values;
}

/// A network whose norms' scales and shifts, and statistics, aren't all 1 and 0.
void randomise(Parameters& parameters) {
  parameters.initialise(5);
  Rng rng(6, RandomStream::synthetic_data);
  const Graph& graph = parameters.graph();
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const ParameterRole role = graph.parameters()[id].role;
    if (role != ParameterRole::norm_scale && role != ParameterRole::norm_shift) continue;
    for (float& value : parameters.value(static_cast<ParameterId>(id))) value += 0.3F * rng.normal();
  }
  for (std::size_t id = 0; id < graph.statistics().size(); ++id) {
    for (float& value : parameters.statistic(static_cast<StatisticId>(id))) value += 0.2F * std::abs(rng.normal());
  }
}

/// Everything a step leaves behind.
struct Outcome {
  std::vector<float> logits;
  std::vector<std::vector<float>> gradients;
  std::vector<std::vector<float>> statistics;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome train(const Case& one, Precision precision, PlanKind kind, Engine& engine,
              ProductKernels products = ProductKernels::automatic) {
  const Graph graph = make_convmixer(one.model);
  Parameters parameters(graph);
  randomise(parameters);
  Plan plan =
      make_plan(graph, parameters, engine, {{.batch_size = one.batch, .precision = precision, .kind = kind}, products});
  const std::vector<float> images = random_values(one.batch * graph.tensors()[0].count(), 1);
  const std::vector<float> gradient = random_values(one.batch * one.model.classes, 2);
  Outcome outcome;
  for (int turn = 0; turn < 2; ++turn) {  // nothing of the first may be left in the second
    const std::span<const float> logits = plan.forward(images, turn == 0);
    outcome.logits.assign(logits.begin(), logits.end());
    plan.backward(gradient);
  }
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const std::span<const float> values = parameters.gradient(static_cast<ParameterId>(id));
    outcome.gradients.emplace_back(values.begin(), values.end());
  }
  for (std::size_t id = 0; id < graph.statistics().size(); ++id) {
    const std::span<const float> values = parameters.statistic(static_cast<StatisticId>(id));
    outcome.statistics.emplace_back(values.begin(), values.end());
  }
  return outcome;
}

std::span<const float> view(const std::vector<float>& values) { return values; }

/// The same by plain loops.
struct Expected {
  explicit Expected(const Case& one) : graph(make_convmixer(one.model)) {
    Parameters parameters(graph);
    randomise(parameters);
    const ReferenceNetwork network(graph, parameters);
    const std::vector<float> images = random_values(one.batch * graph.tensors()[0].count(), 1);
    const std::vector<float> gradient = random_values(one.batch * one.model.classes, 2);
    const std::vector<double> exact(images.begin(), images.end());
    logits = network.forward(exact, one.batch, true, &statistics);
    gradients = reference_gradients(network, exact, one.batch, {gradient.begin(), gradient.end()});
  }

  Graph graph;
  std::vector<double> logits;
  ReferenceGradients gradients;
  std::vector<std::vector<double>> statistics;
};

template <typename Values>
double norm(const Values& values) {
  double sum = 0.0;
  for (const auto value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

/// |actual - expected|, infinite if a value is not a number.
template <typename Values>
double distance(const std::vector<float>& actual, const Values& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  std::vector<double> difference;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    difference.push_back(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
  }
  const double result = norm(difference);
  return std::isfinite(result) ? result : std::numeric_limits<double>::infinity();
}

/// What the error of a bias's gradient before a norm is relative to.
enum class BiasError { to_gradient, to_parts, all_to_parts };  // the last: of every other gradient too

/// Largest errors of a step, each relative to a tensor's norm.
struct Tolerance {
  double logits;
  double gradients;
  double biases;  ///< gradients before norms
  BiasError bias_error;
};

template <typename Logits, typename Gradients, typename Statistics>
void expect_close(const Outcome& actual, const Logits& logits, const Gradients& gradients, const Statistics& statistics,
                  const Expected& expected, const Tolerance& tolerance) {
  const Graph& graph = expected.graph;
  EXPECT_LE(distance(actual.logits, logits) / norm(expected.logits), tolerance.logits) << "logits";
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const Parameter& parameter = graph.parameters()[id];
    const bool last = id + 1 == graph.parameters().size();  // no norm after the classifier
    const bool bias = parameter.role == ParameterRole::bias && !last;
    const bool to_parts =
        tolerance.bias_error == BiasError::all_to_parts || (bias && tolerance.bias_error == BiasError::to_parts);
    const std::vector<double>& scale = to_parts ? expected.gradients.sizes[id] : expected.gradients.values[id];
    EXPECT_LE(distance(actual.gradients[id], gradients[id]) / norm(scale),
              bias ? tolerance.biases : tolerance.gradients)
        << "gradient of " << parameter.name;
  }
  for (std::size_t id = 0; id < graph.statistics().size(); ++id) {
    EXPECT_LE(distance(actual.statistics[id], statistics[id]) / norm(expected.statistics[id]), tolerance.logits)
        << graph.statistics()[id].name;
  }
}
void expect_close(const Outcome& actual, const Outcome& other, const Expected& expected, const Tolerance& tolerance) {
  expect_close(actual, other.logits, other.gradients, other.statistics, expected, tolerance);
}
void expect_close(const Outcome& actual, const Expected& expected, const Tolerance& tolerance) {
  expect_close(actual, expected.logits, expected.gradients.values, expected.statistics, expected, tolerance);
}

class FusedPlan : public testing::TestWithParam<Case> {};

TEST_P(FusedPlan, AgreesWithPlainLoopsAndWithThePlainOneInF32) {
  const Case& one = GetParam();
  const Expected expected(one);
  const Outcome fused = train(one, Precision::f32, PlanKind::fused, test_engine());
  const Outcome plain = train(one, Precision::f32, PlanKind::plain, test_engine());
  {
    SCOPED_TRACE("fused and plain loops");
    expect_close(fused, expected, {2e-6, 1e-5, 1e-5, BiasError::to_gradient});
  }
  {
    SCOPED_TRACE("plain and plain loops");
    expect_close(plain, expected, {2e-6, 1e-5, 1e-6, BiasError::to_parts});
  }
  SCOPED_TRACE("fused and plain");
  expect_close(fused, plain, expected, {2e-6, 1e-5, 1e-6, BiasError::to_parts});
}

/// A bf16 has 8 bits: operands and gradients are off by up to 0.4% each, through up to three blocks. ReLU's gradients
/// are all or nothing: some in a thousand come or go where rounding changes the sign of what it reads. And where a norm
/// follows, it takes away most of what scales its input, so that a gradient by a scale is what parts leave that cancel.
Tolerance bf16_tolerance(const Case& one) {
  const bool relu = one.model.activation == ConvMixerConfig::Activation::relu;
  return relu ? Tolerance{1e-2, 0.1, 0.1, BiasError::all_to_parts} : Tolerance{1e-2, 3e-2, 2e-3, BiasError::to_parts};
}

TEST_P(FusedPlan, AgreesWithPlainLoopsWithinBf16Rounding) {
  if (!Engine::supports(Precision::bf16)) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  const Case& one = GetParam();
  expect_close(train(one, Precision::bf16, PlanKind::fused, test_engine()), Expected(one), bf16_tolerance(one));
}

// Where there is a matrix unit, products are oneDNN's, from operands that lie otherwise.
TEST_P(FusedPlan, AgreesWithPlainLoopsOnOwnProductsAndOnOneDnns) {
  const Case& one = GetParam();
  const Expected expected(one);
  for (const ProductKernels products : {ProductKernels::hand_written, ProductKernels::onednn}) {
    SCOPED_TRACE(products == ProductKernels::hand_written ? "hand-written" : "oneDNN");
    expect_close(train(one, Precision::f32, PlanKind::fused, test_engine(), products), expected,
                 {2e-6, 1e-5, 2e-5, BiasError::to_gradient});  // oneDNN's gemm on AVX2 is 1.01e-5 off
    const bool has_bf16 = products == ProductKernels::hand_written ? Engine::supports(Precision::bf16)
                                                                   : Engine::has_instructions(Precision::bf16);
    if (!has_bf16) continue;
    expect_close(train(one, Precision::bf16, PlanKind::fused, test_engine(), products), expected, bf16_tolerance(one));
  }
}

TEST_P(FusedPlan, IsTheSameToTheLastBitForAnyNumberOfThreads) {
  const Case& one = GetParam();
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    if (!Engine::supports(precision)) continue;
    const Outcome expected = train(one, precision, PlanKind::fused, test_engine());
    for (const int threads : {1, 3, 8}) {
      ThreadPool pool(threads);
      Engine engine(pool);
      EXPECT_EQ(train(one, precision, PlanKind::fused, engine), expected) << threads << " threads";
    }
  }
}

TEST_P(FusedPlan, InfersAsThePlainOneDoes) {
  const Case& one = GetParam();
  const Graph graph = make_convmixer(one.model);
  Parameters parameters(graph);
  randomise(parameters);
  const std::vector<float> images = random_values(one.batch * graph.tensors()[0].count(), 1);
  const auto infer = [&](Precision precision, PlanKind kind) {
    Plan plan(graph, parameters, test_engine(),
              {.batch_size = one.batch, .precision = precision, .mode = PlanMode::inference, .kind = kind});
    const std::span<const float> logits = plan.forward(images);
    return std::vector<float>(logits.begin(), logits.end());
  };
  const std::vector<float> expected = infer(Precision::f32, PlanKind::plain);
  EXPECT_LE(relative_error(view(infer(Precision::f32, PlanKind::fused)), view(expected)), 1e-5);
  if (!Engine::supports(Precision::bf16)) return;
  EXPECT_LE(relative_error(view(infer(Precision::bf16, PlanKind::fused)), view(expected)), 3e-2);
}

INSTANTIATE_TEST_SUITE_P(All, FusedPlan, testing::ValuesIn(cases()),
                         [](const auto& one) { return name_of(one.param); });

TEST(FusedGradients, AreFiniteDifferencesOfPlainLoops) {
  const ConvMixerConfig model{
      .dim = 12, .depth = 2, .kernel_size = 4, .patch_size = 2, .image_size = 9, .channels = 2, .classes = 3};
  constexpr std::int64_t kBatch = 3;
  const Graph graph = make_convmixer(model);
  Parameters parameters(graph);
  randomise(parameters);
  ReferenceNetwork reference(graph, parameters);
  const std::vector<float> images = random_values(kBatch * graph.tensors()[0].count(), 1);
  const std::vector<double> exact(images.begin(), images.end());
  const std::vector<float> gradient = random_values(kBatch * model.classes, 2);
  Plan plan(graph, parameters, test_engine(), {.batch_size = kBatch, .kind = PlanKind::fused});
  const std::span<const float> logits = plan.forward(images);
  const std::vector<double> expected = reference.forward(exact, kBatch, true);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(logits[i], expected[i], 1e-5) << i;
  plan.backward(gradient);

  const auto objective = [&] {
    const std::vector<double> output = reference.forward(exact, kBatch, true);
    double sum = 0.0;
    for (std::size_t i = 0; i < output.size(); ++i) sum += output[i] * static_cast<double>(gradient[i]);
    return sum;
  };
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const std::span<const float> computed = parameters.gradient(static_cast<ParameterId>(id));
    double largest = 1e-3;
    for (const float value : computed) largest = std::max(largest, std::abs(static_cast<double>(value)));
    const std::size_t stride = std::max<std::size_t>(1, computed.size() / 7);  // a few of each
    for (std::size_t i = 0; i < computed.size(); i += stride) {
      constexpr double kStep = 1e-5;
      double& value = reference.values[id][i];
      const double kept = value;
      value = kept + kStep;
      const double above = objective();
      value = kept - kStep;
      const double below = objective();
      value = kept;
      EXPECT_NEAR(computed[i], (above - below) / (2.0 * kStep), 1e-4 * largest)
          << graph.parameters()[id].name << " at " << i;
    }
  }
}

TEST(FusedPlans, AreMadeForConvMixersAndNothingElse) {
  const ConvMixerConfig model{
      .dim = 16, .depth = 2, .kernel_size = 3, .patch_size = 2, .image_size = 8, .channels = 3, .classes = 4};
  const auto chain = find_stage_chain(make_convmixer(model));
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->blocks.size(), 2U);
  EXPECT_EQ(chain->blocks[1].depthwise.name, "blocks.1.0.fn.0");
  EXPECT_EQ(chain->blocks[1].pointwise.name, "blocks.1.1");
  EXPECT_EQ(chain->height, 4U);
  EXPECT_EQ(chain->classes, 4U);

  Graph long_residual(3, 8, 8);
  TensorId x = long_residual.convolution("stem", 0, 16, 2, 2, 1, 0, 0);
  const TensorId stem = long_residual.batch_norm("norm", long_residual.gelu("gelu", x));
  x = long_residual.convolution_same("depthwise", stem, 16, 3, 16);
  x = long_residual.batch_norm("norm2", long_residual.gelu("gelu2", x));
  x = long_residual.convolution_same("pointwise", x, 16, 1, 1);
  x = long_residual.batch_norm("norm3", long_residual.gelu("gelu3", x));
  x = long_residual.add("second sum", x, stem);
  long_residual.linear("head", long_residual.global_average_pool("pool", x), 4);
  EXPECT_FALSE(find_stage_chain(long_residual));

  Parameters parameters(long_residual);
  const Error error =
      error_of([&] { Plan(long_residual, parameters, test_engine(), {.batch_size = 2, .kind = PlanKind::fused}); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_STREQ(
      error.what(),
      "plan = fused: at node 'second sum' fused stages need the sum of the pointwise half's input and its output; "
      "expected plan = automatic, plain or onednn");
  Plan automatic(long_residual, parameters, test_engine(), {.batch_size = 2});
  EXPECT_EQ(automatic.kind(), PlanKind::plain);
  EXPECT_THAT(automatic.why_plain(), testing::HasSubstr("at node 'second sum' fused stages need"));
  Plan plain(long_residual, parameters, test_engine(), {.batch_size = 2, .kind = PlanKind::plain});
  EXPECT_EQ(plain.why_plain(), "");
  EXPECT_EQ(automatic.forward(random_values(std::int64_t{2} * 3 * 64, 1)).size(), 8U);
}

TEST(FusedPlans, GiveWayToALayoutThatIsAskedFor) {
  const Graph graph = make_convmixer(
      {.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 2, .image_size = 8, .channels = 3, .classes = 4});
  Parameters parameters(graph);
  const auto operations = [&](LayoutPolicy layout) {
    std::set<std::string> names;
    for (const PlannedStep& step :
         Plan(graph, parameters, test_engine(), {.batch_size = 2, .layout = layout}).steps()) {
      names.insert(step.operation);
    }
    return names;
  };
  EXPECT_TRUE(operations(LayoutPolicy::automatic).contains("pointwise stage"));
  EXPECT_TRUE(operations(LayoutPolicy::channels_last).contains("pointwise convolution"));
  EXPECT_TRUE(operations(LayoutPolicy::blocked).contains("pointwise convolution"));
  const Plan plan(graph, parameters, test_engine(), {.batch_size = 2, .layout = LayoutPolicy::blocked});
  EXPECT_EQ(plan.why_plain(), "fused stages have a layout of their own");
  const Error error = error_of([&] {
    Plan(graph, parameters, test_engine(), {.batch_size = 2, .layout = LayoutPolicy::blocked, .kind = PlanKind::fused});
  });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), testing::HasSubstr("expected layout = automatic"));
}

}  // namespace
}  // namespace convmixer
