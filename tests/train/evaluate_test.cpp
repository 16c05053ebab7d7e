#include "convmixer/train/evaluate.hpp"

#include "convmixer/data/dataset.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/prediction.hpp"
#include "convmixer/plan/engine.hpp"
#include "support/error_of.hpp"
#include "support/thread_ranks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

class EvaluateTest : public testing::Test {
 protected:
  EvaluateTest() { network_.parameters().initialise(7); }

  Evaluation evaluated(std::int64_t batch_size, const EvaluationOptions& options = {}) {
    Loader loader(*data_,
                  {.batch_size = batch_size, .augmentation = {}, .normalisation = default_normalisation("shapes")},
                  pool_);
    return evaluate(network_, loader, options);
  }

  /// The same by so many ranks, by rank.
  std::vector<Evaluation> evaluated_by(int ranks, std::int64_t batch_size, const EvaluationOptions& options = {},
                                       std::int64_t micro_batch = 0) {
    std::mutex mutex;
    std::vector<Evaluation> evaluations;
    testing_support::run_ranks(ranks, [&](Communicator& communicator) {
      ThreadPool pool(1);
      Engine engine(pool, &communicator);
      Network network(network_.graph(), Precision::f32, engine);
      network.parameters().initialise(7);
      Loader loader(*data_,
                    {.batch_size = batch_size,
                     .augmentation = {},
                     .normalisation = default_normalisation("shapes"),
                     .rank = communicator.rank(),
                     .ranks = communicator.size(),
                     .micro_batch = micro_batch},
                    pool);
      Evaluation evaluation = evaluate(network, loader, options);
      const std::lock_guard lock(mutex);
      evaluations.push_back(std::move(evaluation));
    });
    return evaluations;
  }

  std::unique_ptr<Dataset> data_ = open_dataset({.name = "shapes", .path = {}, .limit = 50}, Split::test);
  ThreadPool pool_{2};
  Engine engine_{pool_};
  Network network_{make_convmixer({.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 4}), Precision::f32, engine_};
};

TEST_F(EvaluateTest, CountsEveryImageOnceInItsClass) {
  const Evaluation evaluation = evaluated(16);
  EXPECT_TRUE(evaluation.complete);
  EXPECT_EQ(evaluation.total.images, 50);
  std::vector<std::int64_t> expected(10, 0);
  for (std::int64_t i = 0; i < data_->size(); ++i) ++expected[static_cast<std::size_t>(data_->label(i))];
  for (std::int64_t i = 0; i < 10; ++i)
    EXPECT_EQ(evaluation.scores.of_class(i).images, expected[static_cast<std::size_t>(i)]);
}

TEST_F(EvaluateTest, GivesClassesThatAddUpToTheWhole) {
  const Evaluation evaluation = evaluated(16);
  std::int64_t correct = 0;
  std::int64_t predicted = 0;
  for (std::int64_t i = 0; i < 10; ++i) {
    correct += evaluation.scores.of_class(i).correct;
    predicted += evaluation.scores.of_class(i).predicted;
  }
  EXPECT_EQ(correct, evaluation.total.correct);
  EXPECT_EQ(evaluation.scores.correct(), evaluation.total.correct);
  EXPECT_EQ(predicted, 50);
  EXPECT_GE(evaluation.total.correct_top5, evaluation.total.correct);
}

// Sizes that are cut into chunks of several images, and last batches in which not all ranks have a part.
TEST_F(EvaluateTest, HasTheBitsOfOneProcessOnEachOfSeveralRanks) {
  for (const std::int64_t batch_size : {50, 40, 23, 7}) {
    const BatchResult expected = evaluated(batch_size).total;
    for (const int ranks : {2, 4}) {
      for (const Evaluation& evaluation : evaluated_by(ranks, batch_size)) {
        EXPECT_EQ(evaluation.total.images, 50);
        EXPECT_EQ(evaluation.total.loss_sum, expected.loss_sum) << batch_size << " by " << ranks;
        EXPECT_EQ(evaluation.total.correct, expected.correct);
        EXPECT_EQ(evaluation.total.correct_top5, expected.correct_top5);
      }
    }
  }
}

TEST_F(EvaluateTest, OfSeveralViewsIsRefusedToSeveralRanks) {
  const Error error =
      error_of([&] { (void)evaluated_by(2, 16, {.views = {.augmentation = TestTimeAugmentation::flip}}); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_STREQ(error.what(), "evaluation with several views: expected one rank, found 2");
}

TEST_F(EvaluateTest, OfMicroBatchesIsRefusedToSeveralRanks) {
  const Error error = error_of([&] { (void)evaluated_by(2, 23, {}, 9); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_STREQ(error.what(),
               "evaluation by 2 ranks: the loader cuts its batches into micro-batches of at most 9 images, expected "
               "none");
  EXPECT_EQ(evaluated_by(2, 23, {}, 23).at(0).total.images, 50) << "all at once";
}

TEST_F(EvaluateTest, RefusesALoaderOfAnotherRank) {
  for (const int rank : {0, 1}) {
    Loader loader(*data_,
                  {.batch_size = 20,
                   .augmentation = {},
                   .normalisation = default_normalisation("shapes"),
                   .rank = rank,
                   .ranks = 2},
                  pool_);
    const Error error = error_of([&] { (void)evaluate(network_, loader); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_EQ(std::string(error.what()), "evaluation: the loader is that of rank " + std::to_string(rank) +
                                             " of 2, expected the network's, rank 0 of 1");
  }
}

TEST_F(EvaluateTest, IsTheSameEveryTime) {
  const Evaluation first = evaluated(16);
  const Evaluation second = evaluated(16);
  EXPECT_EQ(first.total.loss_sum, second.total.loss_sum);
  EXPECT_EQ(first.scores.confidence(), second.scores.confidence());
}

TEST_F(EvaluateTest, HandsOverTheLogitsOfEveryBatchInTheOrderOfTheImages) {
  std::vector<std::int32_t> labels;
  std::int64_t correct = 0;
  const Evaluation evaluation =
      evaluated(16, {.each_batch = [&](std::span<const float> logits, std::span<const std::int32_t> batch_labels) {
                  labels.insert(labels.end(), batch_labels.begin(), batch_labels.end());
                  correct += count_in_top(logits, 10, batch_labels, 1);
                }});
  ASSERT_EQ(labels.size(), 50U);
  for (std::int64_t i = 0; i < 50; ++i) EXPECT_EQ(labels[static_cast<std::size_t>(i)], data_->label(i));
  EXPECT_EQ(correct, evaluation.total.correct);
}

TEST_F(EvaluateTest, LooksAtMirrorImagesTooOnRequest) {
  std::vector<float> one;
  const auto keep = [&](std::span<const float> logits, std::span<const std::int32_t>) {
    one.insert(one.end(), logits.begin(), logits.end());
  };
  const Evaluation plain = evaluated(16, {.each_batch = keep});
  const std::vector<float> plain_logits = std::exchange(one, {});
  const Evaluation flipped = evaluated(16, {.views = {TestTimeAugmentation::flip}, .each_batch = keep});
  EXPECT_EQ(one.size(), plain_logits.size());
  EXPECT_NE(one, plain_logits);
  EXPECT_NE(flipped.total.loss(), plain.total.loss());
  EXPECT_EQ(flipped.total.images, 50);
}

TEST_F(EvaluateTest, CountsImagesThatGetFurtherViewsAndKeepsTheirOrder) {
  std::vector<double> probabilities;
  std::vector<std::int32_t> labels;
  const auto keep = [&](std::span<const float> logits, std::span<const std::int32_t> own) {
    for (std::size_t i = 0; i < own.size(); ++i)
      probabilities.push_back(predict(logits.subspan(i * 10, 10)).probability);
    labels.insert(labels.end(), own.begin(), own.end());
  };
  EXPECT_EQ(evaluated(8, {.each_batch = keep}).looked_again, 0);
  const std::vector<std::int32_t> expected = std::exchange(labels, {});
  std::ranges::sort(probabilities);
  const std::vector<double> sorted = probabilities;
  const Evaluation some = evaluated(8, {.views = {TestTimeAugmentation::flip_shift, sorted[25]}, .each_batch = keep});
  EXPECT_EQ(some.looked_again, std::ranges::lower_bound(sorted, sorted[25]) - sorted.begin());
  EXPECT_EQ(some.total.images, 50);
  EXPECT_EQ(labels, expected);
}

/// A broken network looks right nowhere.
TEST_F(EvaluateTest, FindsNothingRightInANetworkThatGivesNoNumbers) {
  for (float& value : network_.parameters().value(0)) value = std::numeric_limits<float>::quiet_NaN();
  for (const auto augmentation : {TestTimeAugmentation::none, TestTimeAugmentation::flip}) {
    const Evaluation evaluation = evaluated(16, {.views = {augmentation}});
    EXPECT_TRUE(std::isnan(evaluation.total.loss()));
    EXPECT_EQ(evaluation.total.correct, 0);
    EXPECT_EQ(evaluation.total.correct_top5, 0);
    EXPECT_EQ(evaluation.scores.correct(), 0);
    EXPECT_EQ(evaluation.scores.unpredicted(), 50);
    EXPECT_TRUE(std::isnan(evaluation.scores.calibration_error()));
    EXPECT_EQ(evaluation.scores.means().f1, 0.0);
  }
}

TEST_F(EvaluateTest, HardlyDependsOnTheBatchSize) {
  EXPECT_NEAR(evaluated(16).total.loss(), evaluated(50).total.loss(), 1e-5);
}

TEST_F(EvaluateTest, EndsEarlyOnRequest) {
  Loader loader(*data_, {.batch_size = 20, .augmentation = {}, .normalisation = default_normalisation("shapes")},
                pool_);
  std::vector<std::int64_t> done;
  const Evaluation evaluation = evaluate(network_, loader, {.go_on = [&](std::int64_t images) {
                                           done.push_back(images);
                                           return images < 40;
                                         }});
  EXPECT_FALSE(evaluation.complete);
  EXPECT_EQ(evaluation.total.images, 40);
  EXPECT_EQ(done, (std::vector<std::int64_t>{20, 40}));
}

TEST_F(EvaluateTest, RefusesImagesOfAnotherSizeThanTheNetworks) {
  Network other(make_convmixer({.dim = 8, .depth = 1, .kernel_size = 3, .patch_size = 4, .image_size = 16}),
                Precision::f32, engine_);
  Loader loader(*data_, {.batch_size = 20, .augmentation = {}, .normalisation = default_normalisation("shapes")},
                pool_);
  const Error error = error_of([&] { (void)evaluate(other, loader); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_STREQ(error.what(), "images of shape (3, 32, 32): the network expects (3, 16, 16)");
}

TEST_F(EvaluateTest, RefusesMoreClassesThanTheNetworkTellsApart) {
  Network other(make_convmixer({.dim = 8, .depth = 1, .kernel_size = 3, .patch_size = 4, .classes = 9}), Precision::f32,
                engine_);
  Loader loader(*data_, {.batch_size = 20, .augmentation = {}, .normalisation = default_normalisation("shapes")},
                pool_);
  EXPECT_STREQ(error_of([&] { (void)evaluate(other, loader); }).what(),
               "data of 10 classes: the network tells 9 apart");
}

}  // namespace
}  // namespace convmixer
