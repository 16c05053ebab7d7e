// The plain loops that plans' gradients are checked against, against their own finite differences.
#include "support/reference_gradients.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace convmixer {
namespace {

using testing_support::reference_gradients;
using testing_support::ReferenceGradients;
using testing_support::ReferenceNetwork;

std::vector<double> random_values(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed, RandomStream::synthetic_data);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = static_cast<double>(rng.normal());
  return values;
}

struct Step {
  Graph graph = make_convmixer(
      {.dim = 6, .depth = 2, .kernel_size = 4, .patch_size = 2, .image_size = 9, .channels = 2, .classes = 3});
  std::int64_t batch = 3;
  std::vector<double> images = random_values(batch * graph.tensors()[0].count(), 1);
  std::vector<double> output_gradient = random_values(batch * 3, 2);
  ReferenceNetwork network = [this] {
    Parameters parameters(graph);
    parameters.initialise(5);
    return ReferenceNetwork(graph, parameters);
  }();

  [[nodiscard]] ReferenceGradients gradients() const {
    return reference_gradients(network, images, batch, output_gradient);
  }
  [[nodiscard]] double objective() const {
    const std::vector<double> output = network.forward(images, batch, true);
    double sum = 0.0;
    for (std::size_t i = 0; i < output.size(); ++i) sum += output[i] * output_gradient[i];
    return sum;
  }
};

TEST(ReferenceGradients, AreFiniteDifferences) {
  Step step;
  const ReferenceGradients gradients = step.gradients();
  for (std::size_t id = 0; id < gradients.values.size(); ++id) {
    for (std::size_t i = 0; i < gradients.values[id].size(); ++i) {
      constexpr double kStep = 1e-5;
      double& value = step.network.values[id][i];
      const double kept = value;
      value = kept + kStep;
      const double above = step.objective();
      value = kept - kStep;
      const double below = step.objective();
      value = kept;
      EXPECT_NEAR(gradients.values[id][i], (above - below) / (2.0 * kStep), 1e-8)
          << step.graph.parameters()[id].name << " at " << i;
    }
  }
}

TEST(ReferenceGradients, AreNoLargerThanWhatTheirPartsAddUpTo) {
  const ReferenceGradients gradients = Step().gradients();
  for (std::size_t id = 0; id < gradients.values.size(); ++id) {
    for (std::size_t i = 0; i < gradients.values[id].size(); ++i) {
      EXPECT_GT(gradients.sizes[id][i], 0.0);
      EXPECT_LE(std::abs(gradients.values[id][i]), gradients.sizes[id][i] * (1.0 + 1e-12));
    }
  }
}

}  // namespace
}  // namespace convmixer
