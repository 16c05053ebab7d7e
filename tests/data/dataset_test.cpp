#include "convmixer/data/known_class_names.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/data/sources/shapes.hpp"
#include "data/sources/cifar_files.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::TemporaryFolder;

TEST(OpenDataset, RefusesAnUnknownNameAsAUsageError) {
  const Error error = error_of([] { (void)open_dataset({.name = "cifar11"}, Split::train); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("'cifar11'"),
                                  HasSubstr("auto, cifar10, cifar100, cifar100-coarse, folder, packed, shapes")));
}

TEST(OpenDataset, RefusesCifarWithoutAFolderAsAUsageError) {
  for (const char* name : {"cifar10", "cifar100", "cifar100-coarse"}) {
    const Error error = error_of([&] { (void)open_dataset({.name = name}, Split::train); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(name), HasSubstr("--data")));
  }
}

TEST(OpenDataset, RefusesANegativeLimit) {
  const Error error = error_of([] { (void)open_dataset({.name = "shapes", .limit = -3}, Split::train); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), HasSubstr("-3"));
}

TEST(OpenDataset, RefusesANegativeImageSize) {
  const Error error = error_of([] { (void)open_dataset({.name = "shapes", .image_size = -1}, Split::train); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), HasSubstr("image size: found -1"));
}

TEST(OpenDataset, OpensEachDataSetByItsName) {
  const TemporaryFolder folder;
  testing_support::write_cifar10(folder, ".");
  testing_support::write_cifar100(folder, ".");
  EXPECT_EQ(open_dataset({.name = "cifar10", .path = folder.path(), .allow_partial = true}, Split::train)->size(), 10);
  EXPECT_EQ(open_dataset({.name = "cifar10", .path = folder.path(), .allow_partial = true}, Split::test)->size(), 2);
  EXPECT_EQ(open_dataset({.name = "cifar100", .path = folder.path(), .allow_partial = true}, Split::train)->classes(),
            100);
  EXPECT_EQ(
      open_dataset({.name = "cifar100-coarse", .path = folder.path(), .allow_partial = true}, Split::train)->classes(),
      20);
  EXPECT_EQ(open_dataset({.name = "shapes", .limit = 5}, Split::train)->class_names().front(), "circle");
}

TEST(OpenDataset, LimitsToTheFirstImages) {
  const TemporaryFolder folder;
  testing_support::write_cifar10(folder, ".");
  const auto all = open_dataset({.name = "cifar10", .path = folder.path(), .allow_partial = true}, Split::train);
  const auto first =
      open_dataset({.name = "cifar10", .path = folder.path(), .limit = 3, .allow_partial = true}, Split::train);
  ASSERT_EQ(first->size(), 3);
  EXPECT_EQ(first->classes(), 10);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(first->label(i), all->label(i));
    EXPECT_TRUE(std::ranges::equal(first->image(i), all->image(i)));
  }
}

TEST(OpenDataset, ALimitAboveTheSizeChangesNothing) {
  const TemporaryFolder folder;
  testing_support::write_cifar10(folder, ".");
  EXPECT_EQ(open_dataset({.name = "cifar10", .path = folder.path(), .limit = 11, .allow_partial = true}, Split::train)
                ->size(),
            10);
}

TEST(DefaultNormalisation, IsMeanAndDeviationOfTheShapesTrainingSplit) {
  const auto dataset = open_dataset({.name = "shapes"}, Split::train);
  const Normalisation normalisation = default_normalisation("shapes");
  const std::size_t plane = 32 * 32;
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0.0;
    double squares = 0.0;
    for (std::int64_t i = 0; i < dataset->size(); ++i) {
      for (const std::uint8_t pixel : dataset->image(i).subspan(c * plane, plane)) {
        sum += pixel;
        squares += double{1} * pixel * pixel;
      }
    }
    const double count = static_cast<double>(dataset->size()) * plane;
    const double mean = sum / count;
    EXPECT_NEAR(normalisation.mean[c], mean / 255, 1e-4) << "channel " << c;
    EXPECT_NEAR(normalisation.std[c], std::sqrt(squares / count - mean * mean) / 255, 1e-4) << "channel " << c;
  }
}

TEST(DefaultNormalisation, HasThePublishedConstantsOfCifar) {
  EXPECT_EQ(default_normalisation("cifar10").mean, (std::vector{0.4914F, 0.4822F, 0.4465F}));
  EXPECT_EQ(default_normalisation("cifar10").std, (std::vector{0.2471F, 0.2435F, 0.2616F}));
  EXPECT_EQ(default_normalisation("cifar100").mean, (std::vector{0.5071F, 0.4865F, 0.4409F}));
  EXPECT_EQ(default_normalisation("cifar100").std, (std::vector{0.2673F, 0.2564F, 0.2762F}));
  EXPECT_EQ(default_normalisation("cifar100-coarse").mean, default_normalisation("cifar100").mean);
  EXPECT_EQ(default_normalisation("cifar100-coarse").std, default_normalisation("cifar100").std);
}

TEST(KnownClassNames, AreAsManyAsTheDataSetHasClasses) {
  int known = 0;
  for (const std::string_view name : kDatasetNames) {
    const auto classes = static_cast<std::size_t>(known_classes(name).value_or(0));
    EXPECT_EQ(known_class_names(name).size(), classes) << name;
    known += classes > 0 ? 1 : 0;
  }
  EXPECT_EQ(known, 4);
  EXPECT_EQ(known_class_names("cifar10").at(3), "cat");
  EXPECT_EQ(known_class_names("shapes"), make_shapes(Split::train, 1)->class_names());
}

TEST(DefaultNormalisation, RefusesAnUnknownName) {
  EXPECT_EQ(error_of([] { (void)default_normalisation("mnist"); }).kind(), ErrorKind::usage);
}

}  // namespace
}  // namespace convmixer
