#include "convmixer/optim/weight_average.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

constexpr ConvMixerConfig kModel{
    .dim = 20, .depth = 2, .kernel_size = 3, .patch_size = 2, .image_size = 8, .channels = 3, .classes = 7};

/// Every weight and statistic, by name.
std::map<std::string, std::vector<float>> values_of(const Parameters& parameters) {
  std::map<std::string, std::vector<float>> values;
  const Graph& graph = parameters.graph();
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const auto value = parameters.value(static_cast<ParameterId>(id));
    values[graph.parameters()[id].name].assign(value.begin(), value.end());
  }
  for (std::size_t id = 0; id < graph.statistics().size(); ++id) {
    const auto value = parameters.statistic(static_cast<StatisticId>(id));
    values[graph.statistics()[id].name].assign(value.begin(), value.end());
  }
  return values;
}

std::map<std::string, std::vector<float>> averages_of(WeightAverage& average) {
  std::map<std::string, std::vector<float>> values;
  for (const OptimizerState& state : average.state()) {
    EXPECT_EQ(static_cast<std::size_t>(state.shape.count()), state.values.size()) << state.name;
    values[state.name].assign(state.values.begin(), state.values.end());
  }
  return values;
}

/// As an optimiser's step and a norm's would: all values become others.
void move(Parameters& parameters, std::uint32_t step) {
  Rng rng(3, RandomStream::synthetic_data, step);
  const Graph& graph = parameters.graph();
  for (ParameterId id = 0; id < static_cast<ParameterId>(graph.parameters().size()); ++id)
    for (float& value : parameters.value(id)) value += rng.uniform(-0.5F, 0.5F);
  for (StatisticId id = 0; id < static_cast<StatisticId>(graph.statistics().size()); ++id)
    for (float& value : parameters.statistic(id)) value += rng.uniform(0.0F, 0.5F);
}

TEST(AverageDecay, IsThatOfTimmWithWarmup) {
  // ModelEmaV3.get_decay(step) of timm, decay = 0.998, use_warmup = True.
  const std::map<std::int64_t, double> expected{{1, 0.0},
                                                {2, 0.3700394750525634},
                                                {3, 0.5192501432308638},
                                                {4, 0.6031497370079502},
                                                {10, 0.7845565309968117},
                                                {100, 0.9535841116638722},
                                                {1000, 0.99},
                                                {11180, 0.9979999594650236}};
  for (const auto& [step, decay] : expected) {
    EXPECT_NEAR(average_decay({.decay = 0.998F}, step), decay, 1e-15) << step;
  }
  for (const std::int64_t step : {11200, 20000}) {
    EXPECT_EQ(average_decay({.decay = 0.998F}, step), static_cast<double>(0.998F)) << step;
  }
}

TEST(AverageDecay, IsTheSameFromTheSecondUpdateOnWithoutWarmup) {
  EXPECT_EQ(average_decay({.decay = 0.75F, .warmup = false}, 1), 0.0);
  EXPECT_EQ(average_decay({.decay = 0.75F, .warmup = false}, 2), 0.75);
  EXPECT_EQ(average_decay({.decay = 0.75F, .warmup = false}, 20000), 0.75);
}

TEST(WeightAverageThreads, ChangeNoBit) {
  // Several tasks, one of which begins within a weight.
  const Graph graph = make_convmixer({.dim = 200, .depth = 2, .kernel_size = 3, .patch_size = 2, .image_size = 8});
  std::map<std::string, std::vector<float>> of_one_thread;
  for (const int threads : {1, 2, 3}) {
    Parameters parameters(graph);
    parameters.initialise(1);
    ThreadPool pool(threads);
    WeightAverage average(parameters, {.decay = 0.9F}, pool);
    for (std::uint32_t step = 1; step <= 3; ++step) {
      move(parameters, step);
      average.update(step);
    }
    if (threads == 1) of_one_thread = averages_of(average);
    EXPECT_TRUE(averages_of(average) == of_one_thread) << threads;
  }
}

class WeightAverageTest : public testing::Test {
 protected:
  WeightAverageTest() { parameters_.initialise(1); }

  Graph graph_ = make_convmixer(kModel);
  Parameters parameters_{graph_};
  ThreadPool pool_{2};
};

TEST_F(WeightAverageTest, BeginsWithTheValuesAsTheyAre) {
  WeightAverage average(parameters_, {.decay = 0.9F}, pool_);
  EXPECT_EQ(averages_of(average), values_of(parameters_));
}

TEST_F(WeightAverageTest, MatchesAPlainLoopOverWeightsAndStatistics) {
  for (const bool warmup : {true, false}) {
    const WeightAverageOptions options{.decay = 0.75F, .warmup = warmup};
    WeightAverage average(parameters_, options, pool_);
    std::map<std::string, std::vector<double>> expected;
    for (std::uint32_t step = 1; step <= 12; ++step) {
      move(parameters_, step);
      average.update(step);
      const double decay = average_decay(options, step);
      for (const auto& [name, values] : values_of(parameters_)) {
        std::vector<double>& averages = expected[name];
        averages.resize(values.size());
        for (std::size_t i = 0; i < values.size(); ++i)
          averages[i] = decay * averages[i] + (1.0 - decay) * static_cast<double>(values[i]);
      }
    }
    const auto found = averages_of(average);
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, averages] : expected) {
      ASSERT_EQ(found.at(name).size(), averages.size()) << name;
      for (std::size_t i = 0; i < averages.size(); ++i)
        ASSERT_NEAR(static_cast<double>(found.at(name)[i]), averages[i], 1e-5) << name;
    }
  }
}

TEST_F(WeightAverageTest, KeepsNothingOfFrozenParts) {
  for (const char* node : {"stem.0", "stem.2"}) graph_.freeze(node);
  WeightAverage average(parameters_, {.decay = 0.9F}, pool_);
  const auto averages = averages_of(average);
  for (const char* name :
       {"stem.0.weight", "stem.0.bias", "stem.2.weight", "stem.2.running_mean", "stem.2.running_var"})
    EXPECT_FALSE(averages.contains(name)) << name;
  EXPECT_EQ(averages.size(), values_of(parameters_).size() - 6);
  EXPECT_TRUE(averages.contains("blocks.0.0.fn.2.running_var"));
}

TEST_F(WeightAverageTest, TakesTheValuesPlaceAndGivesItBackToTheBit) {
  WeightAverage average(parameters_, {.decay = 0.9F}, pool_);
  move(parameters_, 1);
  average.update(1);
  move(parameters_, 2);
  average.update(2);
  const auto values = values_of(parameters_);
  const auto averages = averages_of(average);
  ASSERT_NE(values, averages);
  {
    const AveragedWeights averaged(average);
    EXPECT_EQ(values_of(parameters_), averages);
    EXPECT_STREQ(error_of([&] { average.update(3); }).what(),
                 "averaged weights: no update while they are in place of the network's values");
    EXPECT_STREQ(error_of([&] { const AveragedWeights again(average); }).what(),
                 "averaged weights: they are in place of the network's values already");
  }
  EXPECT_EQ(values_of(parameters_), values);
  EXPECT_EQ(averages_of(average), averages);
}

TEST_F(WeightAverageTest, GivesTheValuesTheirPlaceBackAfterAnException) {
  WeightAverage average(parameters_, {.decay = 0.9F}, pool_);
  move(parameters_, 1);
  const auto values = values_of(parameters_);
  const auto averages = averages_of(average);
  try {
    const AveragedWeights averaged(average);
    throw std::runtime_error("in an evaluation");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(values_of(parameters_), values);
    EXPECT_EQ(averages_of(average), averages);
  }
  average.update(1);
}

TEST_F(WeightAverageTest, RefusesADecayThatIsNoShare) {
  for (const float decay : {-0.1F, 1.0F}) {
    EXPECT_EQ(error_of([&] { const WeightAverage average(parameters_, {.decay = decay}, pool_); }).kind(),
              ErrorKind::usage);
  }
}

}  // namespace
}  // namespace convmixer
