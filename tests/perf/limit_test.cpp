#include "limit.hpp"

#include "convmixer/model/convmixer.hpp"

#include <gtest/gtest.h>

namespace convmixer::perf {
namespace {

TEST(Limit, IsTheTimeOfEitherKindOfWorkAtItsOwnPeak) {
  // 3 images of 2 * 50 FLOP at 10 FLOP/s and 2 * 20 FLOP at 4 FLOP/s: 3 * (10 + 10) seconds.
  EXPECT_DOUBLE_EQ(ideal_seconds({.matrix = 50, .depthwise = 20}, 3, {.matrix = 10.0, .fma = 4.0}), 60.0);
}

TEST(Limit, OfAConvMixerTrainingIsWhatAHandCountGives) {
  // 404,233,728 multiply-adds in products of matrices at 500 GFLOP/s, 39,321,600 in depthwise at 200: 2.010 ms an
  // image.
  const Work work = training_work(make_convmixer({}));
  EXPECT_NEAR(ideal_seconds(work, 64, {.matrix = 500e9, .fma = 200e9}), 64 * 2.010150912e-3, 1e-12);
}

}  // namespace
}  // namespace convmixer::perf
