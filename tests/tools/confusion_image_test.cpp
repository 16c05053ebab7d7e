#include "confusion_image.hpp"

#include "convmixer/core/file.hpp"
#include "data/decode/image_file.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace convmixer::tool {
namespace {

using testing_support::error_of;

/// `images` of each class, the last of them taken for class 0.
ClassificationScores scores_of(int classes, int images) {
  ClassificationScores scores(classes);
  for (std::int32_t label = 0; label < classes; ++label) {
    for (int i = 0; i < images; ++i) {
      std::vector<float> logits(static_cast<std::size_t>(classes), 0.0F);
      logits[static_cast<std::size_t>(i + 1 == images ? 0 : label)] = 1.0F;
      scores.add(logits, std::vector<std::int32_t>{label});
    }
  }
  return scores;
}

std::vector<std::string> names_of(int classes) {
  std::vector<std::string> names;
  for (int i = 0; i < classes; ++i) names.push_back("class " + std::to_string(i));
  return names;
}

class ConfusionImage : public testing::Test {
 protected:
  DecodedImage drawn(const ClassificationScores& scores) {
    const std::filesystem::path file = folder_.path() / "matrix.png";
    draw_confusion_matrix(file, scores, names_of(static_cast<int>(scores.classes())), "title");
    return decode_image(MappedFile(file).bytes());
  }
  /// Red, green and blue of a pixel.
  static std::vector<int> pixel(const DecodedImage& image, int x, int y) {
    const auto plane = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
    const auto at = static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x);
    return {image.pixels[at], image.pixels[plane + at], image.pixels[2 * plane + at]};
  }

  testing_support::TemporaryFolder folder_;
};

/// All of class 0 is right, all of class 1 is taken for it.
TEST_F(ConfusionImage, HasARowForEachClassGreenWhereItIsRightAndRedWhereItIsWrong) {
  const DecodedImage image = drawn(scores_of(2, 1));
  const std::vector<int> all_right{0, 100, 55};
  int x = 0;
  int y = 0;
  while (y < image.height && pixel(image, x, y) != all_right) {
    x = (x + 1) % image.width;
    if (x == 0) ++y;
  }
  ASSERT_LT(y, image.height);
  int cell = 1;
  while (pixel(image, x, y + cell) == all_right) ++cell;
  EXPECT_GT(cell, 20);
  const int next = cell + 3;  // beyond the line between them
  EXPECT_EQ(pixel(image, x + next, y + 2), (std::vector<int>{250, 250, 250}));
  EXPECT_EQ(pixel(image, x + 2, y + next), (std::vector<int>{165, 15, 20}));
  EXPECT_EQ(pixel(image, x + next, y + next), (std::vector<int>{250, 250, 250}));
}

TEST_F(ConfusionImage, GrowsWithTheClassesAsFarAsItCanBeOpened) {
  const DecodedImage two = drawn(scores_of(2, 2));
  const DecodedImage hundred = drawn(scores_of(100, 2));
  const DecodedImage many = drawn(scores_of(600, 2));
  EXPECT_LT(two.width, 500);
  EXPECT_GT(hundred.width, 1000);
  EXPECT_LT(hundred.width, 4500);
  EXPECT_GT(many.width, 600);
  EXPECT_LT(many.width, 4500);
  EXPECT_LT(many.height, 4500);
}

TEST_F(ConfusionImage, IsRefusedForMoreClassesThanHaveRoom) {
  EXPECT_STREQ(error_of([] { check_drawable(8'001); }).what(),
               "a drawn confusion matrix of 8001 classes: expected 8000 at most; --confusion-csv writes it");
  check_drawable(8'000);
}

}  // namespace
}  // namespace convmixer::tool
