#include "convmixer/train/run_length.hpp"

#include <gtest/gtest.h>

namespace convmixer {
namespace {

TrainConfig averaging(AverageStatistics statistics) {
  TrainConfig config;
  config.batch_size = 32;
  config.average.decay = 0.9F;
  config.average.statistics = statistics;
  config.average_statistics_images = 100;
  return config;
}

TEST(EvaluatedImages, AreTheTestImagesWithoutAnAverage) { EXPECT_EQ(evaluated_images({}, 1000, 200), 200); }

TEST(EvaluatedImages, AreTheTestImagesTwiceWithOne) {
  EXPECT_EQ(evaluated_images(averaging(AverageStatistics::averaged), 1000, 200), 400);
}

TEST(EvaluatedImages, AreThoseOfRecomputedStatisticsAsWell) {
  EXPECT_EQ(evaluated_images(averaging(AverageStatistics::recomputed), 1000, 200), 400 + 128);
}

TEST(StatisticsImages, AreWholeBatchesOfTheEpoch) {
  TrainConfig config = averaging(AverageStatistics::recomputed);
  EXPECT_EQ(statistics_images(config, 1000), 128);
  EXPECT_EQ(statistics_images(config, 110), 110) << "the epoch's last batch isn't full";
  config.drop_last = true;
  EXPECT_EQ(statistics_images(config, 110), 96) << "nor part of the epoch";
}

}  // namespace
}  // namespace convmixer
