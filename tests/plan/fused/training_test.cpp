// When a training step's gradients are final.
#include "plan/fused/training.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "support/final_gradients.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convmixer::fused {
namespace {

using testing_support::FinalGradients;
using testing_support::test_engine;

class FusedTraining : public testing::TestWithParam<int> {
 protected:
  /// An execution of a network with so many channels and 40 images; a few are added up serially, many in tasks.
  void make(int channels) {
    graph_ = make_convmixer(
        {.dim = channels, .depth = 2, .kernel_size = 3, .patch_size = 2, .image_size = 8, .channels = 3, .classes = 5});
    parameters_ = std::make_unique<Parameters>(graph_);
    parameters_->initialise(1);
    execution_ =
        make_training(find_stage_chain(graph_).value(), *parameters_, test_engine(), {{.batch_size = kBatch}}, nullptr);
  }

  void run() {
    Rng rng(3, RandomStream::synthetic_data);
    std::vector<float> images(static_cast<std::size_t>(kBatch * graph_.tensors()[0].count()));
    std::ranges::generate(images, [&] { return rng.normal(); });
    execution_->forward(images, true);
    std::vector<float> gradient(execution_->output.size());
    std::ranges::generate(gradient, [&] { return rng.normal(); });
    execution_->backward(gradient);
  }

  static constexpr std::int64_t kBatch = 40;
  Graph graph_{3, 8, 8};
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<Execution> execution_;
};

TEST_P(FusedTraining, MakesEachGradientFinalInOneStep) {
  make(GetParam());
  FinalGradients final_gradients(*execution_, *parameters_);
  execution_->observer = &final_gradients;
  const auto count = static_cast<ParameterId>(graph_.parameters().size());
  for (ParameterId id = 0; id < count; ++id) {
    std::ranges::fill(parameters_->gradient(id), std::numeric_limits<float>::quiet_NaN());
  }
  run();
  for (ParameterId id = 0; id < count; ++id) {
    const std::string& name = graph_.parameters()[static_cast<std::size_t>(id)].name;
    EXPECT_EQ(final_gradients.reports[id], 1) << name;
    EXPECT_TRUE(std::ranges::equal(parameters_->gradient(id), final_gradients.kept[id])) << name;
  }
}

TEST_P(FusedTraining, MakesTheGradientsOfAStageFinalInItsOwnStep) {
  make(GetParam());
  ASSERT_EQ(execution_->final_gradients.size(), execution_->reports.size());
  for (std::size_t step = 0; step < execution_->reports.size(); ++step) {
    const PlannedStep& report = execution_->reports[step];
    const std::vector<ParameterId>& gradients = execution_->final_gradients[step];
    if (report.direction == "forward") {
      EXPECT_TRUE(gradients.empty()) << report.node;
      continue;
    }
    for (const char* const parameter : {".weight", ".bias"}) {
      EXPECT_TRUE(std::ranges::any_of(gradients,
                                      [&](ParameterId id) {
                                        return graph_.parameters()[static_cast<std::size_t>(id)].name ==
                                               report.node + parameter;
                                      }))
          << report.node << parameter;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Channels, FusedTraining, testing::Values(20, 96),
                         [](const auto& one) { return std::to_string(one.param); });

}  // namespace
}  // namespace convmixer::fused
