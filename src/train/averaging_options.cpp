#include "train/averaging_options.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/run_length.hpp"

#include <fmt/format.h>

namespace convmixer {

OptionGroup averaging_options(TrainConfig& config) {
  WeightAverageOptions& average = config.average;
  return {
      "Averaged weights",
      {number_option("ema-decay", average.decay, 0.0F, 0.999999F,
                     "evaluate and save an exponential moving average of the weights, of which each step keeps this "
                     "share, say 0.998; 0: no average"),
       switch_option("ema-warmup", average.warmup,
                     "step s keeps no more than 1 - s^(-2/3) of the average, as in timm's ModelEmaV3"),
       choice_option("ema-statistics", average.statistics,
                     {{"averaged", AverageStatistics::averaged}, {"recomputed", AverageStatistics::recomputed}},
                     "the average's running statistics: averaged, or the mean over batches of training images, "
                     "augmented as in training, that it is run on after each epoch"),
       integer_option("ema-statistics-images", config.average_statistics_images, std::int64_t{1}, kAnyInteger,
                      "recomputed: so many training images, in whole batches")}};
}

void check_averaging_options(const TrainConfig& config) {
  const bool is_recomputed = config.average.statistics == AverageStatistics::recomputed;
  if (!config.average.is_on() && (!config.average.warmup || is_recomputed)) {
    fail_usage("{} has no effect without ema-decay", is_recomputed ? "ema-statistics" : "ema-warmup");
  }
  if (!is_recomputed && config.average_statistics_images != TrainConfig{}.average_statistics_images) {
    fail_usage("ema-statistics-images has no effect without ema-statistics = recomputed");
  }
  if (config.average.is_on() && total_epochs(config) == 0) fail_usage("ema-decay has no effect with epochs = 0");
}

std::string describe_averaging(const WeightAverageOptions& average) {
  if (!average.is_on()) return "";
  const bool is_recomputed = average.statistics == AverageStatistics::recomputed;
  return fmt::format("ema {}{}", average.decay, is_recomputed ? ", statistics recomputed" : "");
}

}  // namespace convmixer
