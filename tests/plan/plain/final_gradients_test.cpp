// When a plain plan's gradients are final.
#include "support/final_gradients.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/mlp_mixer.hpp"
#include "convmixer/model/resnet.hpp"
#include "convmixer/model/vit.hpp"
#include "plan/plain/execution.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::FinalGradients;
using testing_support::test_engine;

struct Case {
  std::string name;
  Graph graph;
};

std::vector<Case> cases() {
  return {
      {"convmixer",
       make_convmixer(
           {.dim = 40, .depth = 2, .kernel_size = 3, .patch_size = 2, .image_size = 8, .channels = 3, .classes = 5})},
      {"mlp_mixer",
       make_mlp_mixer(
           {.dim = 24, .depth = 2, .patch_size = 2, .token_dim = 8, .channel_dim = 32, .image_size = 8, .classes = 5})},
      {"vit",
       make_vit({.dim = 24, .depth = 2, .heads = 2, .mlp_dim = 32, .patch_size = 2, .image_size = 8, .classes = 5})},
      {"resnet", make_resnet({.layers = 8, .width = 8, .image_size = 8, .classes = 5})}};
}

TEST(PlainExecution, MakesEachGradientFinalInOneStep) {
  for (const PlanKind kind : {PlanKind::plain, PlanKind::onednn}) {
    for (Case& each : cases()) {
      Parameters parameters(each.graph);
      parameters.initialise(1);
      const auto execution =
          make_plain_execution(each.graph, parameters, test_engine(), {{.batch_size = 6, .kind = kind}}, nullptr);
      FinalGradients final_gradients(*execution, parameters);
      execution->observer = &final_gradients;
      const auto count = static_cast<ParameterId>(each.graph.parameters().size());
      for (ParameterId id = 0; id < count; ++id)
        std::ranges::fill(parameters.gradient(id), std::numeric_limits<float>::quiet_NaN());
      Rng rng(3, RandomStream::synthetic_data);
      std::vector<float> images(static_cast<std::size_t>(6 * each.graph.tensors()[0].count()));
      std::ranges::generate(images, [&] { return rng.normal(); });
      execution->forward(images, true);
      std::vector<float> gradient(execution->output.size());
      std::ranges::generate(gradient, [&] { return rng.normal(); });
      execution->backward(gradient);
      for (ParameterId id = 0; id < count; ++id) {
        const std::string name = each.name + " " + each.graph.parameters()[static_cast<std::size_t>(id)].name;
        EXPECT_EQ(final_gradients.reports[id], 1) << name;
        EXPECT_TRUE(std::ranges::equal(parameters.gradient(id), final_gradients.kept[id])) << name;
      }
    }
  }
}

}  // namespace
}  // namespace convmixer
