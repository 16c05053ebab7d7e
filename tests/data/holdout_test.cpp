#include "convmixer/data/holdout.hpp"

#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;

/// Images of one pixel, whose value is their index, of classes in turn until each has its number of them.
class Sizes : public Dataset {
 public:
  explicit Sizes(std::vector<int> sizes) {
    for (bool more = true; more;) {
      more = false;
      for (std::size_t label = 0; label < sizes.size(); ++label) {
        if (sizes[label]-- <= 0) continue;
        labels_.push_back(static_cast<std::int32_t>(label));
        more = true;
      }
    }
    for (std::size_t i = 0; i < sizes.size(); ++i) names_.push_back(std::string(1, static_cast<char>('a' + i)));
    for (std::size_t i = 0; i < labels_.size(); ++i) pixels_.push_back({static_cast<std::uint8_t>(i)});
  }
  [[nodiscard]] std::int64_t size() const override { return std::ssize(labels_); }
  [[nodiscard]] int channels() const override { return 1; }
  [[nodiscard]] int image_size() const override { return 1; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return names_; }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    check_index(index);
    return pixels_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    check_index(index);
    return labels_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] Normalisation normalisation() const override { return {{0.25F}, {0.5F}}; }

 private:
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_;
  std::vector<std::array<std::uint8_t, 1>> pixels_;
};

std::vector<int> counts(const Dataset& dataset) {
  std::vector<int> result(dataset.class_names().size());
  for (std::int64_t i = 0; i < dataset.size(); ++i) ++result[static_cast<std::size_t>(dataset.label(i))];
  return result;
}

/// Indices in the whole data set.
std::vector<int> images(const Dataset& dataset) {
  std::vector<int> result;
  for (std::int64_t i = 0; i < dataset.size(); ++i) result.push_back(dataset.image(i)[0]);
  return result;
}

TEST(Holdout, IsANumberOfImagesOrAShare) {
  EXPECT_EQ(holdout_images({}, 100), 0);
  EXPECT_EQ(holdout_images({.images = 30}, 100), 30);
  EXPECT_EQ(holdout_images({.share = 0.1}, 50000), 5000);
  EXPECT_EQ(holdout_images({.share = 0.25}, 10), 3) << "the nearest whole number, halves upwards";
  EXPECT_EQ(holdout_images({.share = 0.001}, 100), 1) << "one at least";
}

TEST(Holdout, LeavesImagesToTrainOn) {
  EXPECT_THAT(error_of([] { (void)holdout_images({.images = 100}, 100); }).what(),
              HasSubstr("holdout of 100 of 100 images: none is left to train on"));
  EXPECT_THROW((void)holdout_images({.share = 1.0}, 100), Error);
  EXPECT_THROW((void)holdout_images({.images = -1}, 100), Error);
  EXPECT_THROW((void)holdout_images({.images = 5, .share = 0.1}, 100), Error);
  const Error error = error_of([] { (void)split_holdout(Sizes({4, 2, 1}), {.images = 5}, 1); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), HasSubstr("expected at most 4, so that one of each class is left to train on"));
}

TEST(Holdout, TakesEachClassesShareButNeverItsLastImage) {
  const Sizes all({80, 40, 4, 1});
  const HoldoutSplit split = split_holdout(all, {.images = 31}, 1);
  EXPECT_THAT(counts(*split.holdout), ElementsAre(20, 10, 1, 0));
  EXPECT_THAT(counts(*split.train), ElementsAre(60, 30, 3, 1));
  EXPECT_THAT(counts(*split_holdout(Sizes({4, 2, 1}), {.images = 4}, 1).train), ElementsAre(1, 1, 1));
}

TEST(Holdout, SplitsTheDataSetInTwoInItsOrder) {
  const Sizes all({20, 20, 20});
  const HoldoutSplit split = split_holdout(all, {.share = 0.25}, 1);
  EXPECT_EQ(split.holdout->size(), 15);
  std::vector<int> both = images(*split.train);
  EXPECT_TRUE(std::ranges::is_sorted(both));
  const std::vector<int> held_out = images(*split.holdout);
  EXPECT_TRUE(std::ranges::is_sorted(held_out));
  both.insert(both.end(), held_out.begin(), held_out.end());
  std::ranges::sort(both);
  EXPECT_EQ(both, images(all));
  EXPECT_EQ(split.train->normalisation().mean, all.normalisation().mean);
  EXPECT_EQ(split.holdout->class_names(), all.class_names());
}

TEST(Holdout, IsAFunctionOfTheSeed) {
  const Sizes all({50, 50});
  const auto held_out = [&](std::uint64_t seed) { return images(*split_holdout(all, {.images = 20}, seed).holdout); };
  EXPECT_EQ(held_out(1), held_out(1));
  EXPECT_NE(held_out(1), held_out(2));
  // No run may come to other images in a later release.
  EXPECT_THAT(images(*split_holdout(all, {.images = 4}, 7).holdout), ElementsAre(16, 19, 81, 84));
}

TEST(Holdout, OfFewerImagesIsPartOfALargerOne) {
  const Sizes all({30, 20, 5});
  const std::vector<int> few = images(*split_holdout(all, {.images = 11}, 3).holdout);
  EXPECT_TRUE(std::ranges::includes(images(*split_holdout(all, {.images = 22}, 3).holdout), few));
}

}  // namespace
}  // namespace convmixer
