// What a plan refuses, in every build: options, graphs and parameters when it is made, sizes and order when it runs.
#include "convmixer/core/error.hpp"
#include "convmixer/plan/plan.hpp"
#include "support/block_graph.hpp"
#include "support/error_of.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;
using testing_support::test_engine;

std::string message(const std::function<void()>& body) { return error_of(body).what(); }

Graph norm_graph(int size) {
  Graph graph(8, size, size);
  graph.batch_norm("norm", graph.input());
  return graph;
}

/// (3, 4, 4) to 5 classes.
Graph small_block_graph(int channels) { return testing_support::block_graph(channels, 4, 3); }

TEST(PlanChecks, RefuseABatchWithoutImages) {
  const Graph graph = norm_graph(2);
  Parameters parameters(graph);
  for (const std::int64_t batch : {0, -3}) {
    const Error error = error_of([&] { Plan(graph, parameters, test_engine(), {.batch_size = batch}); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_EQ(std::string(error.what()), "batch-size = " + std::to_string(batch) + ": expected at least 1");
  }
}

TEST(PlanChecks, RefuseAnotherShareThanThatOfTheRank) {
  const Graph graph = small_block_graph(16);
  Parameters parameters(graph);
  for (const std::int64_t of_all : {999, -4}) {
    const Error error = error_of([&] {
      Plan(graph, parameters, test_engine(),
           {.batch_size = 4, .images_of_all_ranks = of_all, .mode = PlanMode::training});
    });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_EQ(std::string(error.what()),
              of_all < 0 ? "images of all ranks = -4: expected at least 0"
                         : "batch-size = 4 of 999 on all ranks: expected 999, the share of rank 0 of 1");
  }
}

TEST(PlanChecks, RefuseABatchThatThereIsNoMemoryFor) {
  const Graph graph = small_block_graph(16);
  Parameters parameters(graph);
  for (const PlanKind kind : {PlanKind::fused, PlanKind::plain}) {
    EXPECT_EQ(
        message([&] { Plan(graph, parameters, test_engine(), {.batch_size = std::int64_t{1} << 62, .kind = kind}); }),
        "batch-size = 4611686018427387904: expected at most 1073741824, with tensors of shape (16, 2, 2) for "
        "each image");
    EXPECT_THROW(Plan(graph, parameters, test_engine(), {.batch_size = std::int64_t{1} << 38, .kind = kind}), Error);
  }
}

TEST(PlanChecks, RefuseToTrainNormsOnASingleValuePerChannel) {
  const Graph graph = norm_graph(1);
  Parameters parameters(graph);
  const Error error = error_of([&] { Plan(graph, parameters, test_engine(), {.batch_size = 1}); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_EQ(std::string(error.what()),
            "norm: batch norm in training needs more than one value per channel, found a batch of 1 with 1x1 pixels: "
            "use a larger batch-size or micro-batch (or drop-last)");

  const Graph block = testing_support::block_graph(16, 2, 3);
  Parameters of_block(block);
  for (const PlanKind kind : {PlanKind::automatic, PlanKind::fused, PlanKind::plain}) {
    EXPECT_EQ(message([&] { Plan(block, of_block, test_engine(), {.batch_size = 1, .kind = kind}); }),
              "stem.norm: batch norm in training needs more than one value per channel, found a batch of 1 with 1x1 "
              "pixels: use a larger batch-size or micro-batch (or drop-last)");
  }

  // Two values are enough, and so is one where the running statistics count: x / sqrt(1 + 1e-5).
  Plan(graph, parameters, test_engine(), {.batch_size = 2}).forward(std::vector<float>(16, 1.0F));
  parameters = Parameters(graph);
  parameters.initialise(1);
  Plan inference(graph, parameters, test_engine(), {.batch_size = 1, .mode = PlanMode::inference});
  EXPECT_NEAR(inference.forward(std::vector<float>(8, 2.0F))[0], 2.0 / std::sqrt(1.0 + 1e-5), 1e-6);
}

TEST(PlanChecks, RefuseToTrainANodeWhoseOutputNothingUses) {
  Graph graph(8, 2, 2);
  graph.gelu("unused", graph.input());
  graph.gelu("used", graph.input());
  Parameters parameters(graph);
  const Error error = error_of([&] { Plan(graph, parameters, test_engine(), {.batch_size = 1}); });
  EXPECT_EQ(std::string(error.what()), "unused: its output is used by nothing");
}

TEST(PlanChecks, RefuseAGraphWithoutOperations) {
  const Graph graph(3, 4, 4);
  Parameters parameters(graph);
  EXPECT_EQ(message([&] { Plan(graph, parameters, test_engine(), {.batch_size = 1}); }),
            "a plan of a graph without operations: expected at least one");
}

TEST(PlanChecks, RefuseTheParametersOfAnotherGraph) {
  const Graph graph = small_block_graph(16);
  const Graph wider = small_block_graph(24);
  Parameters of_wider(wider);
  EXPECT_EQ(message([&] { Plan(graph, of_wider, test_engine(), {.batch_size = 2}); }),
            "parameters of another graph: found stem.weight (24, 3, 2, 2), expected stem.weight (16, 3, 2, 2)");

  const Graph shorter = norm_graph(4);
  Parameters of_shorter(shorter);
  EXPECT_EQ(message([&] { Plan(graph, of_shorter, test_engine(), {.batch_size = 2}); }),
            "parameters of another graph: found norm.weight (8), expected stem.weight (16, 3, 2, 2)");

  Graph longer = norm_graph(4);
  longer.batch_norm("second", longer.output());
  EXPECT_EQ(message([&] { Plan(longer, of_shorter, test_engine(), {.batch_size = 2}); }),
            "parameters of another graph: found nothing, expected second.weight (8)");
}

TEST(PlanChecks, TakeTheParametersOfAnEqualGraph) {
  const Graph graph = small_block_graph(16);
  const Graph equal = small_block_graph(16);
  Parameters parameters(equal);
  EXPECT_NO_THROW(Plan(graph, parameters, test_engine(), {.batch_size = 2}));
}

/// Plans for four images, of every kind.
class PlanCalls : public testing::TestWithParam<PlanKind> {
 protected:
  PlanCalls() : graph_(small_block_graph(16)), parameters_(graph_) { parameters_.initialise(1); }

  Plan plan(PlanMode mode = PlanMode::training, const Plan* lender = nullptr) {
    return {graph_, parameters_, test_engine(), {.batch_size = 4, .mode = mode, .kind = GetParam()}, lender};
  }

  Graph graph_;
  Parameters parameters_;
  const std::vector<float> images_ = std::vector<float>(std::size_t{4} * 3 * 4 * 4, 0.5F);
  const std::vector<float> output_gradient_ = std::vector<float>(std::size_t{4} * 5, 0.1F);
  const std::string nothing_kept_ =
      "backward: found nothing that forward keeps for it; expected a forward of this plan before each backward, and no "
      "other plan that runs in the same memory between the two";
};

TEST_P(PlanCalls, WithImagesOfAnotherSizeAreRefused) {
  Plan training = plan();
  for (const std::size_t size : {0U, 191U, 193U, 384U}) {
    EXPECT_EQ(message([&] { training.forward(std::vector<float>(size)); }),
              "forward: found " + std::to_string(size) + " values of images, expected 192: (4, 3, 4, 4)");
  }
}

TEST_P(PlanCalls, WithAGradientOfAnotherSizeAreRefused) {
  Plan training = plan();
  training.forward(images_);
  for (const std::size_t size : {0U, 19U, 21U}) {
    EXPECT_EQ(message([&] { training.backward(std::vector<float>(size)); }),
              "backward: found " + std::to_string(size) +
                  " values of the output's gradient, expected 20, 5 for each of 4 images");
  }
  EXPECT_NO_THROW(training.backward(output_gradient_)) << "what was refused has done nothing";
}

TEST_P(PlanCalls, OfBackwardNeedAForwardBeforeEach) {
  Plan training = plan();
  EXPECT_EQ(message([&] { training.backward(output_gradient_); }), nothing_kept_);
  training.forward(images_);
  training.backward(output_gradient_);
  EXPECT_EQ(message([&] { training.backward(output_gradient_); }), nothing_kept_) << "a second time";
}

TEST_P(PlanCalls, OfBackwardAreRefusedAfterAnotherPlanHasUsedTheMemory) {
  Plan training = plan();
  Plan evaluation = plan(PlanMode::inference, &training);
  ASSERT_FALSE(evaluation.owns_memory());
  training.forward(images_);
  evaluation.forward(images_);
  EXPECT_EQ(message([&] { training.backward(output_gradient_); }), nothing_kept_);
  training.forward(images_);
  EXPECT_NO_THROW(training.backward(output_gradient_));
}

TEST_P(PlanCalls, OfBackwardAreRefusedInInference) {
  Plan inference = plan(PlanMode::inference);
  inference.forward(images_);
  EXPECT_EQ(message([&] { inference.backward(output_gradient_); }),
            "backward of a plan for inference: expected one for training");
}

INSTANTIATE_TEST_SUITE_P(All, PlanCalls, testing::Values(PlanKind::fused, PlanKind::plain, PlanKind::onednn),
                         [](const auto& one) { return to_string(one.param); });

}  // namespace
}  // namespace convmixer
