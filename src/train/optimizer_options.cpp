#include "train/optimizer_options.hpp"

#include "convmixer/core/error.hpp"

#include <limits>

namespace convmixer {
namespace {

constexpr float kAnyNumber = std::numeric_limits<float>::max();

}  // namespace

OptionGroup optimizer_options(TrainConfig& config) {
  OptimizerOptions& o = config.optimizer;
  return {"Optimiser",
          {choice_option("optimizer", o.kind,
                         {{"adamw", OptimizerKind::adamw}, {"adam", OptimizerKind::adam}, {"sgd", OptimizerKind::sgd}},
                         "as PyTorch defines them"),
           number_option("weight-decay", o.weight_decay, 0.0F, kAnyNumber, "adamw: decoupled; adam and sgd: L2"),
           switch_option("decay-norm-and-bias", o.decay_norm_and_bias, "weight decay for biases and norms as well"),
           number_option("beta1", o.beta1, 0.0F, 0.999999F, "adam and adamw: decay of the mean gradient"),
           number_option("beta2", o.beta2, 0.0F, 0.9999999F, "adam and adamw: decay of the mean squared gradient"),
           number_option("epsilon", o.epsilon, 0.0F, 1.0F, "adam and adamw: added to the denominator"),
           number_option("momentum", o.momentum, 0.0F, 0.999999F, "sgd"),
           switch_option("nesterov", o.nesterov, "sgd: Nesterov momentum"),
           number_option("clip-norm", o.clip_norm, 0.0F, kAnyNumber, "largest norm of all gradients together; 0: any"),
           number_option("label-smoothing", config.label_smoothing, 0.0F, 0.999999F,
                         "share of the target spread over classes"),
           integer_option("seed", config.seed, "of weights, order of images, augmentation")}};
}

void check_optimizer_options(const TrainConfig& config) {
  if (config.optimizer.nesterov && config.optimizer.kind != OptimizerKind::sgd) {
    fail_usage("nesterov has no effect without optimizer = sgd");
  }
}

}  // namespace convmixer
