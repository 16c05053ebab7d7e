#include "train/schedule_options.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/run_length.hpp"
#include "train/image_size_options.hpp"

#include <string>
#include <string_view>

namespace convmixer {
namespace {

Option schedule_option(ScheduleKind& kind) {
  return choice_option("schedule", kind,
                       {{"constant", ScheduleKind::constant},
                        {"piecewise-linear", ScheduleKind::piecewise_linear},
                        {"cosine", ScheduleKind::cosine},
                        {"linear", ScheduleKind::linear},
                        {"one-cycle", ScheduleKind::one_cycle}},
                       "of the learning rate, after warmup-epochs: constant; cosine or linear, down to min-lr; "
                       "piecewise-linear: 0, lr, lr / 20, 0, which the paper's code calls onecycle; one-cycle: "
                       "PyTorch's OneCycleLR, half cosines from lr / 25 up and down to lr / 250000");
}

std::string name_of(ScheduleKind kind) { return schedule_option(kind).write(); }

void check_bends(const TrainConfig& config) {
  const PiecewiseLinear usual;
  const PiecewiseLinear& bends = config.bends;
  if (config.schedule != ScheduleKind::piecewise_linear) {
    const auto refuse = [](std::string_view key) {
      fail_usage("{} has no effect without schedule = piecewise-linear", key);
    };
    if (bends.peak_at != usual.peak_at) refuse("peak-at");
    if (bends.knee_at != usual.knee_at) refuse("knee-at");
    if (bends.knee_share != usual.knee_share) refuse("knee-share");
    return;
  }
  if (bends.peak_at > bends.knee_at) fail_usage("peak-at {} is after knee-at {}", bends.peak_at, bends.knee_at);
  if (const double knee = bends.knee_share * static_cast<double>(config.lr); config.min_lr > static_cast<float>(knee)) {
    fail_usage("min-lr {} is more than the knee's learning rate {:.4g}, knee-share times lr", config.min_lr, knee);
  }
}

}  // namespace

OptionGroup schedule_options(TrainConfig& config) {
  const Option epochs = integer_option("epochs", config.epochs, 0, 1000000,
                                       "passes over the training images; 0: save the weights of --init as they are");
  return {"Epochs and learning rate",
          {config.schedule == ScheduleKind::constant && config.image_sizes.empty() ? changeable(epochs) : epochs,
           number_option("lr", config.lr, 0.0F, kAnyNumber, "learning rate, the schedule's highest"),
           schedule_option(config.schedule),
           number_option("warmup-epochs", config.warmup_epochs, 0.0F, 1e6F,
                         "all but piecewise-linear: epochs in which the learning rate rises, on a straight line from 0 "
                         "(one-cycle: half a cosine)"),
           number_option("min-lr", config.min_lr, 0.0F, kAnyNumber,
                         "cosine, linear, piecewise-linear: learning rate at the end"),
           number_option("peak-at", config.bends.peak_at, 0.0, 1.0,
                         "piecewise-linear: share of the epochs after which the learning rate is lr"),
           number_option("knee-at", config.bends.knee_at, 0.0, 1.0,
                         "piecewise-linear: share of the epochs after which it falls more slowly"),
           number_option("knee-share", config.bends.knee_share, 0.0, 1.0,
                         "piecewise-linear: learning rate there, in shares of lr"),
           changeable(integer_option("cooldown-epochs", config.cooldown_epochs, 0, 1000000,
                                     "epochs after those of the schedule, at its last learning rate: constant, or "
                                     "any with min-lr")),
           image_sizes_option(config.image_sizes)}};
}

void check_schedule_options(const TrainConfig& config) {
  if (config.warmup_epochs > 0.0F && !has_warmup(config.schedule)) {
    fail_usage("warmup-epochs has no effect with schedule = {}: its rate rises up to peak-at",
               name_of(config.schedule));
  }
  if (config.min_lr > 0.0F && !has_minimum(config.schedule)) {
    fail_usage("min-lr has no effect with schedule = {}", name_of(config.schedule));
  }
  if (config.warmup_epochs > static_cast<float>(config.epochs)) {
    fail_usage("warmup-epochs {} is more than epochs {}", config.warmup_epochs, config.epochs);
  }
  if (config.schedule == ScheduleKind::one_cycle && config.warmup_epochs == 0.0F && config.epochs > 0) {
    fail_usage("schedule = one-cycle: expected warmup-epochs above 0; PyTorch's 0.3 of the epochs are {:.4g}",
               0.3 * config.epochs);
  }
  if (config.min_lr > config.lr) fail_usage("min-lr {} is more than lr {}", config.min_lr, config.lr);
  check_bends(config);
  if (config.cooldown_epochs > 0 && !can_be_extended(config)) {
    fail_usage(
        "cooldown-epochs {}: the learning rate is {} by then; expected schedule = constant, or cosine, linear or "
        "piecewise-linear with min-lr",
        config.cooldown_epochs, final_learning_rate(config));
  }
}

}  // namespace convmixer
