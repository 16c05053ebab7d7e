#include "convmixer/train/run_curves.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "train/earlier_curves.hpp"
#include "train/sparkline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing::DoubleNear;
using testing::Each;
using testing::ElementsAre;

TEST(Curve, HasItsFirstValuesAsTheyAre) {
  Curve curve;
  EXPECT_THAT(curve.points(40), ElementsAre());
  curve.add(0, 3.0);
  curve.add(1, 5.0);
  curve.add(1, 7.0);
  EXPECT_THAT(curve.points(40), ElementsAre(3.0, 6.0));
  EXPECT_THAT(curve.points(1), ElementsAre(5.0)) << "the mean of the values";
}

TEST(Curve, HasMeansOverEqualSharesOfALongRun) {
  Curve curve;
  constexpr int kPositions = 100'000;
  for (int i = 0; i < kPositions; ++i) curve.add(i, i);
  const std::vector<double> points = curve.points(10);
  ASSERT_EQ(points.size(), 10U);
  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_NEAR(points[i], kPositions * (static_cast<double>(i) + 0.5) / 10.0, kPositions / 100.0);
}

/// As of a run whose records are of every fourth step, and whose first half has none.
TEST(Curve, FillsWhatIsNotKnown) {
  Curve curve;
  for (int i = 10; i < 20; i += 4) curve.add(i, 2.0);
  curve.fill(0, 10, 6.0);
  curve.fill(10, 20, 100.0);
  const std::vector<double> points = curve.points(2);
  EXPECT_THAT(points, ElementsAre(6.0, DoubleNear((3 * 2.0 + 7 * 100.0) / 10.0, 1e-9)));
  Curve empty;
  empty.fill(5, 5, 1.0);
  EXPECT_THAT(empty.points(8), ElementsAre());
}

TEST(Curve, RefusesPositionsBelow0) {
  Curve curve;
  EXPECT_EQ(testing_support::error_of([&] { curve.add(-1, 1.0); }).kind(), ErrorKind::usage);
  EXPECT_STREQ(testing_support::error_of([&] { curve.fill(-200, 3, 1.0); }).what(),
               "curve: values from -200 on, expected a position from 0 on");
  RunCurves curves("test acc");
  EXPECT_STREQ(testing_support::error_of([&] { curves.add_loss(0, 1.0); }).what(),
               "curve: a value at -1, expected a position from 0 on");
  EXPECT_THAT(curve.points(4), ElementsAre());
}

TEST(Curve, ShowsTheValueBeforeWhereThereIsNone) {
  Curve curve;
  curve.add(0, 1.0);
  curve.add(3, 4.0);
  EXPECT_THAT(curve.points(4), ElementsAre(1.0, 1.0, 1.0, 4.0));
}

TEST(RunCurves, KnowTheFirstAccuracyAndTheLast) {
  RunCurves curves("holdout acc");
  for (int i = 0; i < 1000; ++i) curves.add_accuracy(i / 1000.0);
  EXPECT_EQ(curves.evaluations(), 1000);
  EXPECT_EQ(curves.first_accuracy(), 0.0);
  EXPECT_EQ(curves.last_accuracy(), 0.999);
}

/// Of two epochs of four steps, the first without step records, and one that was trained again after step 8.
TEST(EarlierCurves, AreThoseOfTheStepsThatCount) {
  const testing_support::TemporaryFolder parent;
  const RunFolder folder{parent.path() / "run"};
  std::filesystem::create_directory(folder.path);
  write_file_atomically(folder.config(), "epochs = 3\n");
  write_file_atomically(
      folder.metrics(),
      R"({"type":"epoch","epoch":1,"step":4,"loss":3.0,"accuracy":0.1,"test_accuracy":0.2,"ema_test_accuracy":0.3}
{"type":"step","epoch":2,"step":6,"loss":2.0}
{"type":"step","epoch":2,"step":-6,"loss":1e9}
{"type":"step","epoch":2,"step":8,"loss":1.0}
no record
{"type":"epoch","epoch":2,"step":8,"loss":9.0,"accuracy":0.1}
{"type":"step","epoch":3,"step":10,"loss":1e9}
{"type":"epoch","epoch":3,"step":12,"loss":9.0,"accuracy":0.1,"test_accuracy":0.9}
)");
  RunCurves curves("test acc");
  add_earlier_curves(folder, 8, curves);
  EXPECT_THAT(curves.loss().points(40), ElementsAre(3.0, 3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 1.0));
  EXPECT_THAT(curves.accuracy().points(40), ElementsAre(0.3));
  RunCurves none("test acc");
  add_earlier_curves({parent.path() / "no run"}, 8, none);
  EXPECT_THAT(none.loss().points(40), ElementsAre());
}

TEST(Sparkline, SpansEightLevels) {
  const std::vector<double> rising{0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0};
  EXPECT_EQ(sparkline(rising, true), "▁▂▃▄▅▆▇██");
  EXPECT_EQ(sparkline(rising, false), ".:-=+*#@@");
  EXPECT_EQ(sparkline(std::vector<double>{-1e300, 1e300, -1.0}, false), ".@+");
  EXPECT_EQ(sparkline(std::vector<double>{5.0, 5.0}, true), "▄▄") << "one level is the middle";
  EXPECT_EQ(sparkline({}, true), "");
}

}  // namespace
}  // namespace convmixer
