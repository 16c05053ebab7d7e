#include "train/schedule_options.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/run_length.hpp"

#include <limits>

namespace convmixer {
namespace {

constexpr float kAnyNumber = std::numeric_limits<float>::max();

}  // namespace

OptionGroup schedule_options(TrainConfig& config) {
  const Option epochs = integer_option("epochs", config.epochs, 0, 1000000,
                                       "passes over the training images; 0: save the weights of --init as they are");
  return {
      "Epochs and learning rate",
      {config.schedule == ScheduleKind::constant ? changeable(epochs) : epochs,
       number_option("lr", config.lr, 0.0F, kAnyNumber, "learning rate, the schedule's highest"),
       choice_option("schedule", config.schedule,
                     {{"constant", ScheduleKind::constant},
                      {"piecewise-linear", ScheduleKind::piecewise_linear},
                      {"cosine", ScheduleKind::cosine}},
                     "of the learning rate"),
       number_option("warmup-epochs", config.warmup_epochs, 0.0F, 1e6F, "cosine: epochs of rising learning rate"),
       number_option("min-lr", config.min_lr, 0.0F, kAnyNumber, "cosine: learning rate at the end"),
       changeable(integer_option("cooldown-epochs", config.cooldown_epochs, 0, 1000000,
                                 "epochs after those of the schedule, at its last learning rate: constant, or cosine "
                                 "with min-lr"))}};
}

void check_schedule_options(const TrainConfig& config) {
  if (config.schedule != ScheduleKind::cosine && (config.warmup_epochs > 0.0F || config.min_lr > 0.0F)) {
    fail_usage("{} has no effect without schedule = cosine", config.warmup_epochs > 0.0F ? "warmup-epochs" : "min-lr");
  }
  if (config.cooldown_epochs > 0 && !can_be_extended(config)) {
    fail_usage(
        "cooldown-epochs {}: the learning rate is 0 by then; expected schedule = constant, or cosine with min-lr",
        config.cooldown_epochs);
  }
  if (config.warmup_epochs > static_cast<float>(config.epochs)) {
    fail_usage("warmup-epochs {} is more than epochs {}", config.warmup_epochs, config.epochs);
  }
  if (config.min_lr > config.lr) fail_usage("min-lr {} is more than lr {}", config.min_lr, config.lr);
}

}  // namespace convmixer
