#include "convmixer/model/selective_inference.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/prediction.hpp"
#include "support/error_of.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;
using testing_support::test_engine;

class SelectiveInferenceTest : public testing::TestWithParam<TestTimeAugmentation> {
 protected:
  static constexpr std::size_t kImages = 11;
  static constexpr std::size_t kImageSize = std::size_t{3} * 8 * 8;
  static constexpr std::size_t kClasses = 10;

  SelectiveInferenceTest() {
    network_.parameters().initialise(3);
    Rng rng(1, RandomStream::synthetic_data);
    std::ranges::generate(images_, [&] { return rng.normal(); });
  }

  struct Inferred {
    std::vector<std::vector<float>> logits;  // of each image
    std::vector<std::uint8_t> looked_again;
    std::vector<std::size_t> batches;
  };

  /// All images, in batches of so many.
  Inferred inferred(const TestTimeViews& views, std::size_t batch) {
    Inferred result;
    SelectiveInference inference(network_, views, [&](const InferredBatch& done) {
      for (std::size_t begin = 0; begin < done.logits.size(); begin += kClasses) {
        const std::span<const float> own = done.logits.subspan(begin, kClasses);
        result.logits.emplace_back(own.begin(), own.end());
      }
      result.looked_again.insert(result.looked_again.end(), done.looked_again.begin(), done.looked_again.end());
      result.batches.push_back(done.looked_again.size());
    });
    for (std::size_t at = 0; at < kImages; at += batch)
      inference.add(std::span(images_).subspan(at * kImageSize, std::min(batch, kImages - at) * kImageSize));
    inference.finish();
    return result;
  }
  /// A probability that half of the images are below.
  double median() {
    std::vector<double> probabilities;
    for (const std::vector<float>& logits : inferred({}, kImages).logits)
      probabilities.push_back(predict(logits).probability);
    std::ranges::sort(probabilities);
    return probabilities[kImages / 2];
  }

  Network network_{make_convmixer({.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 2, .image_size = 8}),
                   Precision::f32, test_engine()};
  std::vector<float> images_ = std::vector<float>(kImages * kImageSize);
};

TEST_P(SelectiveInferenceTest, LooksAgainAtThoseInDoubtWhateverTheBatch) {
  const double below = median();
  const Inferred plain = inferred({}, 1);
  const Inferred augmented = inferred({GetParam()}, 1);
  for (const std::size_t batch : {1U, 2U, 4U, 11U}) {
    const Inferred some = inferred({GetParam(), below}, batch);
    ASSERT_EQ(some.logits.size(), kImages);
    EXPECT_EQ(std::accumulate(some.looked_again.begin(), some.looked_again.end(), std::size_t{0}), kImages / 2);
    for (std::size_t i = 0; i < kImages; ++i) {
      const bool in_doubt = predict(plain.logits[i]).probability < below;
      EXPECT_EQ(some.looked_again[i], in_doubt ? 1 : 0) << i;
      EXPECT_EQ(some.logits[i], in_doubt ? augmented.logits[i] : plain.logits[i]) << i;
    }
    for (std::size_t i = 0; i < some.batches.size(); ++i)
      EXPECT_EQ(some.batches[i], std::min(batch, kImages - i * batch)) << i;
  }
}

TEST_P(SelectiveInferenceTest, LeavesAnImageAloneWhoseOwnLogitsAreNoNumbers) {
  std::fill_n(images_.begin(), kImageSize, std::numeric_limits<float>::quiet_NaN());
  const Inferred some = inferred({GetParam(), 0.99}, 3);
  EXPECT_TRUE(std::isnan(some.logits[0][0]));
  EXPECT_EQ(some.looked_again[0], 0);
  EXPECT_EQ(some.looked_again[1], 1);
  EXPECT_FALSE(std::isnan(some.logits[1][0]));
}

INSTANTIATE_TEST_SUITE_P(Views, SelectiveInferenceTest,
                         testing::Values(TestTimeAugmentation::flip, TestTimeAugmentation::flip_shift),
                         [](const auto& instance) {
                           return instance.param == TestTimeAugmentation::flip ? "Flip" : "FlipShift";
                         });

using SelectiveInferenceLimits = SelectiveInferenceTest;

TEST_F(SelectiveInferenceLimits, LooksAtNoneBelowZeroAndAtAllBelowOne) {
  const Inferred none = inferred({TestTimeAugmentation::flip, 0.0}, 4);
  EXPECT_EQ(none.logits, inferred({}, 4).logits);
  const Inferred all = inferred({TestTimeAugmentation::flip, 1.0}, 4);
  EXPECT_EQ(all.looked_again, std::vector<std::uint8_t>(kImages, 1));
  for (const double wrong : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_EQ(error_of([&] { inferred({TestTimeAugmentation::flip, wrong}, 4); }).kind(), ErrorKind::usage);
}

}  // namespace
}  // namespace convmixer
