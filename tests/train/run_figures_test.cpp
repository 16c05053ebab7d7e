#include "convmixer/train/run_figures.hpp"

#include "convmixer/data/data_identity.hpp"
#include "convmixer/data/holdout.hpp"
#include "convmixer/figures/thumbnail.hpp"
#include "train/evaluated_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using RunFiguresTest = testing_support::EvaluatedRun;

TEST_F(RunFiguresTest, AreOfTheBestWeights) {
  write_run(1);
  write_weights(run.last(), 2);
  const RunFigures figures = draw_run_figures(run, {.samples = 7});
  EXPECT_THAT(figures.missing, IsEmpty());
  ASSERT_TRUE(figures.evaluation);
  EXPECT_EQ(figures.weights, "best weights");
  EXPECT_EQ(figures.weights_epoch, 3);
  ASSERT_EQ(figures.filters.size(), 2U);

  const Graph graph = make_graph(model_config(config, 3, 10));
  Parameters parameters(graph);
  parameters.initialise(1);
  EXPECT_EQ(figures.filters.front().png.bytes, draw_filters(parameters).front().png.bytes);
}

TEST_F(RunFiguresTest, SamplesAreThoseOfTheWeightsEpochWithoutHeldOutImages) {
  config.holdout = {.images = 20, .share = 0.0};
  config.augmentation.pad_crop = 2;
  write_run();
  const RunFigures figures = draw_run_figures(run, {.evaluation = EvaluationUse::none, .samples = 7});
  EXPECT_FALSE(figures.evaluation);
  const auto all = make_shapes(Split::train, 60);
  const HoldoutSplit parts = split_holdout(*all, config.holdout, config.seed);
  ThreadPool pool(2);
  const auto expected = training_samples(7, 3, loader_options(config, Split::train), *parts.train, pool);
  EXPECT_EQ(figures.samples_epoch, 3);
  ASSERT_EQ(figures.samples.size(), 7U);
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(figures.samples[i].image.bytes, draw_thumbnail(3, 32, expected[i].image.pixels).bytes);
    EXPECT_EQ(figures.samples[i].target.front().label, expected[i].target.front().label);
  }
}

TEST_F(RunFiguresTest, AreStoredOnesWhereNoTimeIsToBeTaken) {
  write_run();
  const RunFiguresOptions stored{.evaluation = EvaluationUse::stored, .samples = 0};
  EXPECT_THAT(draw_run_figures(run, stored).missing, ElementsAre(HasSubstr("weren't evaluated yet")));
  const RunEvaluation evaluation = evaluate_run(run);
  const RunFigures figures = draw_run_figures(run, stored);
  ASSERT_TRUE(figures.evaluation);
  EXPECT_EQ(figures.evaluation->loss, evaluation.loss);
  EXPECT_THAT(figures.samples, IsEmpty());
}

TEST_F(RunFiguresTest, AreNotOfWeightsThatAreTooLarge) {
  write_run();
  const auto bytes = std::filesystem::file_size(run.best());
  RunFiguresOptions options{.evaluation = EvaluationUse::stored, .samples = 0, .most_bytes = bytes - 1};
  EXPECT_THAT(draw_run_figures(run, options).missing,
              ElementsAre(HasSubstr("too many to be read here: no filters"), HasSubstr("too many to be read here")));
  options.most_bytes = bytes;
  EXPECT_EQ(draw_run_figures(run, options).filters.size(), 2U);
}

TEST_F(RunFiguresTest, WhatIsMissingIsALineAndTheOthersAreThere) {
  write_run();
  config.dataset = "cifar10";
  config.data = "/nowhere/cifar";
  write_run_config(run, config);
  const RunFigures moved = draw_run_figures(run);
  EXPECT_THAT(moved.missing, ElementsAre("test images of /nowhere/cifar aren't there: no confusion matrix, no mistakes",
                                         "training images of /nowhere/cifar aren't there: no contact sheet"));
  EXPECT_EQ(moved.filters.size(), 2U);

  config.dataset = "shapes";
  config.data.clear();
  write_run_config(run, config);
  std::filesystem::resize_file(run.best(), 1000);
  const RunFigures torn = draw_run_figures(run);
  EXPECT_THAT(torn.missing, ElementsAre(HasSubstr("best.safetensors"), HasSubstr("best.safetensors")));
  EXPECT_FALSE(torn.samples.empty());

  std::filesystem::remove(run.best());
  EXPECT_THAT(draw_run_figures(run).missing,
              ElementsAre("no weights are saved yet: no filters",
                          "no epoch's weights are saved yet: no confusion matrix, no mistakes"));
  write_weights(run.last(), 1);
  EXPECT_EQ(draw_run_figures(run).weights, "last weights");

  std::ofstream(run.config(), std::ios::binary) << "\xff = x\n";
  EXPECT_EQ(draw_run_figures(run).missing.size(), 2U);
}

}  // namespace
}  // namespace convmixer
