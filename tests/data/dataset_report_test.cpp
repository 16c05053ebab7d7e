#include "convmixer/data/dataset_report.hpp"

#include "convmixer/data/sources/packed.hpp"
#include "data/pixel_dataset.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::TemporaryFolder;

TEST(DatasetReport, CountsTheImagesOfEachClass) {
  const DatasetReport report = examine(Pixels({{1, 0}, {2, 1}, {3, 1}}), Pixels({{4, 0}}));
  EXPECT_THAT(report.train_counts, ElementsAre(1, 2));
  EXPECT_THAT(report.test_counts, ElementsAre(1, 0));
  EXPECT_EQ(report.repeated_in_train + report.repeated_in_test + report.test_in_train + report.contradicting, 0);
}

TEST(DatasetReport, MeasuresTheTrainingImages) {
  const DatasetReport report = examine(Pixels({{10, 0}, {20, 1}}), Pixels({{200, 0}}));
  EXPECT_FLOAT_EQ(report.measured.mean[0], 15.0F / 255.0F);
  EXPECT_FLOAT_EQ(report.measured.mean[1], 16.0F / 255.0F);
  EXPECT_FLOAT_EQ(report.measured.std[0], 5.0F / 255.0F);
}

TEST(DatasetReport, FindsRepeatedImagesWithinAndBetweenTheSplits) {
  const DatasetReport report =
      examine(Pixels({{1, 0}, {1, 0}, {1, 1}, {2, 1}}), Pixels({{5, 0}, {5, 0}, {2, 1}, {1, 1}, {6, 0}}));
  EXPECT_EQ(report.repeated_in_train, 2);
  EXPECT_EQ(report.repeated_in_test, 1);
  EXPECT_EQ(report.test_in_train, 2);
  EXPECT_EQ(report.contradicting, 2);  // the third training image, and the test's copy of the first
}

TEST(DatasetReport, RefusesSplitsThatDontBelongTogether) {
  EXPECT_THAT(error_of([] {
                (void)examine(Pixels({{1, 0}}), Pixels({{1, 0}}, {"a", "c"}));
              }).what(),
              HasSubstr("other classes or sizes"));
}

TEST(Pack, KeepsBothSplitsOfAnyDataSet) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "packed";
  pack(path, Pixels({{1, 0}, {2, 1}, {3, 1}}), Pixels({{9, 1}}));
  const auto train = open_packed(path, Split::train);
  ASSERT_EQ(train->size(), 3);
  EXPECT_THAT(train->image(2), ElementsAre(3, 4, 7));
  EXPECT_EQ(train->label(2), 1);
  EXPECT_THAT(open_packed(path, Split::test)->image(0), ElementsAre(9, 10, 7));
  EXPECT_THAT(train->class_names(), ElementsAre("a", "b"));
  EXPECT_THAT(folder.names(), ElementsAre("packed"));
}

TEST(Pack, RefusesSplitsThatDontBelongTogether) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] {
                pack(folder.path() / "x", Pixels({{1, 0}}), Pixels({{1, 0}}, {"a"}));
              }).what(),
              HasSubstr("other classes or sizes"));
}

}  // namespace
}  // namespace convmixer
