#include "seeds_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer::tool {
namespace {

using testing::HasSubstr;

/// A run that a time limit ended after an epoch that wasn't evaluated, as --eval-interval has them.
SeedResult without_last_accuracy() {
  SeedResult one{.seed = 3, .folder = "all/seed-3", .run = {}};
  one.run = {.ended = true, .epochs = 5, .best_epoch = 4, .best_accuracy = 0.75, .seconds = 65.0};
  return one;
}

TEST(SeedsReport, SaysNothingOfALastEpochThatWasNotEvaluated) {
  const SeedResult one = without_last_accuracy();
  EXPECT_EQ(describe_seed({}, one, {&one, 1}), "seed 3: best test accuracy 75.00% in epoch 4, 1m05s");
  EXPECT_THAT(format_seeds({}, {&one, 1}, false), HasSubstr("75.00%           -       1m05s"));
  const auto json = seeds_json({}, {&one, 1}, 3, 1);
  EXPECT_TRUE(json["runs"][0]["last_accuracy"].is_null());
  EXPECT_TRUE(json["last_accuracy"]["mean"].is_null());
  EXPECT_EQ(json["best_accuracy"]["mean"], 0.75);
}

TEST(SeedsReport, TakesTheMeanOfThoseWhoseLastEpochWasEvaluated) {
  std::vector<SeedResult> results{without_last_accuracy(), without_last_accuracy()};
  results[1].seed = 4;
  results[1].run.last_accuracy = 0.5;
  EXPECT_EQ(describe_seed({}, results[1], results),
            "seed 4: best test accuracy 75.00% in epoch 4, last 50.00%, 1m05s; best of 2 runs: mean 75.00%, standard "
            "error 0.00%");
  EXPECT_EQ(seeds_json({}, results, 3, 2)["last_accuracy"]["mean"], 0.5);
}

}  // namespace
}  // namespace convmixer::tool
