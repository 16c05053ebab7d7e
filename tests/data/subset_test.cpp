#include "data/subset.hpp"

#include "convmixer/data/open_dataset.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::TemporaryFolder;

/// A packed file with so many images of each class, class after class; an image's pixels are its number.
std::filesystem::path sorted_by_class(const TemporaryFolder& folder, const std::vector<int>& sizes) {
  PackedImages images{.image_size = 1, .class_names = {}, .splits = {}, .source = {}, .left_out = {}};
  std::vector<std::int32_t>& labels = images.splits[0].labels;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    images.class_names.push_back(std::string(1, static_cast<char>('a' + i)));
    labels.insert(labels.end(), static_cast<std::size_t>(sizes[i]), static_cast<std::int32_t>(i));
  }
  std::vector<std::uint8_t> pixels;
  for (std::size_t i = 0; i < labels.size(); ++i) pixels.insert(pixels.end(), 3, static_cast<std::uint8_t>(i));
  images.splits[0].images = pixels;
  for (std::size_t i = 0; i < labels.size(); ++i) images.splits[0].files.push_back(std::to_string(i));
  write_packed(folder.path() / "packed", images);
  return folder.path() / "packed";
}

std::vector<int> counts(const Dataset& dataset) {
  std::vector<int> result(dataset.class_names().size());
  for (std::int64_t i = 0; i < dataset.size(); ++i) ++result[static_cast<std::size_t>(dataset.label(i))];
  return result;
}

class Subset : public testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<Dataset> open(const std::vector<int>& sizes, std::int64_t limit) {
    DatasetOptions options;
    options.path = sorted_by_class(folder_, sizes);
    options.limit = limit;
    options.note = [this](const std::string& note) { notes_.push_back(note); };
    return open_dataset(options, Split::train);
  }
  TemporaryFolder folder_;
  std::vector<std::string> notes_;
};

TEST_F(Subset, OfWhatIsSortedByClassHasAllClasses) {
  EXPECT_THAT(counts(*open({20, 20, 20}, 15)), ElementsAre(5, 5, 5));
  EXPECT_THAT(counts(*open({20, 20, 20}, 16)), ElementsAre(6, 5, 5));
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(Subset, GivesEachClassItsShareButOneAtLeast) {
  EXPECT_THAT(counts(*open({80, 40, 4}, 31)), ElementsAre(20, 10, 1));
  EXPECT_THAT(counts(*open({99, 1, 1}, 10)), ElementsAre(8, 1, 1));
  EXPECT_THAT(counts(*open({50, 30}, 80)), ElementsAre(50, 30));
  EXPECT_THAT(counts(*open({50, 30}, 1000)), ElementsAre(50, 30));
}

TEST_F(Subset, NamesClassesThatItHasNoImagesOf) {
  EXPECT_THAT(counts(*open({20, 20, 20}, 2)), ElementsAre(1, 1, 0));
  EXPECT_THAT(notes_, ElementsAre("1 of 3 classes have no training images: c"));
}

TEST_F(Subset, IsOfTheFirstImagesInTheirOrderAndGrowsByOthers) {
  std::vector<std::uint8_t> before;
  for (int limit = 1; limit <= 20; ++limit) {
    const auto some = open({13, 7}, limit);
    ASSERT_EQ(some->size(), limit);
    std::vector<std::uint8_t> now;
    for (int i = 0; i < limit; ++i) now.push_back(some->image(i)[0]);
    EXPECT_EQ(some->file_name(limit - 1), std::to_string(now.back()));
    EXPECT_TRUE(std::ranges::is_sorted(now));
    EXPECT_TRUE(std::ranges::includes(now, before));
    before = now;
  }
  EXPECT_THAT(counts(*open({13, 7}, 10)), ElementsAre(7, 3));
}

TEST_F(Subset, OfADataSetInRandomOrderIsItsFirstImagesAndNamesEmptyClassesToo) {
  std::vector<std::string> notes;
  DatasetOptions options;
  options.limit = 12;
  options.note = [&](const std::string& note) { notes.push_back(note); };
  const auto some = open_dataset(options, Split::train);
  const auto all = open_dataset({}, Split::train);
  for (int i = 0; i < 12; ++i) EXPECT_EQ(some->label(i), all->label(i));
  EXPECT_THAT(notes, IsEmpty());
  options.limit = 9;
  (void)open_dataset(options, Split::train);
  EXPECT_THAT(notes, ElementsAre(testing::HasSubstr("1 of 10 classes have no training images: ")));
}

}  // namespace
}  // namespace convmixer
