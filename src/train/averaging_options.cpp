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
                     "step s keeps no more than 1 - s^(-2/3) of the average, as in timm's ModelEmaV3")}};
}

void check_averaging_options(const TrainConfig& config) {
  if (!config.average.is_on() && !config.average.warmup) fail_usage("ema-warmup has no effect without ema-decay");
  if (config.average.is_on() && total_epochs(config) == 0) fail_usage("ema-decay has no effect with epochs = 0");
}

std::string describe_averaging(const WeightAverageOptions& average) {
  return average.is_on() ? fmt::format("ema {}", average.decay) : "";
}

}  // namespace convmixer
