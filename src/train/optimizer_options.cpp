#include "train/optimizer_options.hpp"

#include "convmixer/core/error.hpp"

namespace convmixer {
namespace {

void check_muon_options(const TrainConfig& config) {
  const MuonRule& muon = config.optimizer.muon;
  if (config.optimizer.kind == OptimizerKind::muon) {
    if (config.muon_lr > 0.0F && config.lr == 0.0F) {
      fail_usage("muon-lr = {} has no effect with lr = 0: the schedule's rates count in parts of lr", config.muon_lr);
    }
    return;
  }
  const MuonRule usual;
  const char* const given = config.muon_lr != 0.0F            ? "muon-lr"
                            : muon.momentum != usual.momentum ? "muon-momentum"
                            : muon.steps != usual.steps       ? "muon-steps"
                            : muon.scaling != usual.scaling   ? "muon-scaling"
                                                              : nullptr;
  if (given != nullptr) fail_usage("{} has no effect without optimizer = muon", given);
}

}  // namespace

OptionGroup optimizer_options(TrainConfig& config) {
  OptimizerOptions& o = config.optimizer;
  return {
      "Optimiser",
      {choice_option("optimizer", o.kind,
                     {{"adamw", OptimizerKind::adamw},
                      {"adam", OptimizerKind::adam},
                      {"sgd", OptimizerKind::sgd},
                      {"muon", OptimizerKind::muon}},
                     "as PyTorch defines them; muon: of pointwise convolutions and other hidden matrices, adamw of "
                     "all else"),
       number_option("weight-decay", o.weight_decay, 0.0F, kAnyNumber, "adamw and muon: decoupled; adam and sgd: L2"),
       switch_option("decay-norm-and-bias", o.decay_norm_and_bias, "weight decay for biases and norms as well"),
       number_option("beta1", o.beta1, 0.0F, 0.999999F, "adam, adamw, muon's adamw: decay of the mean gradient"),
       number_option("beta2", o.beta2, 0.0F, 0.9999999F,
                     "adam, adamw, muon's adamw: decay of the mean squared gradient"),
       number_option("epsilon", o.epsilon, 0.0F, 1.0F, "adam, adamw, muon's adamw: added to the denominator"),
       number_option("momentum", o.momentum, 0.0F, 0.999999F, "sgd"),
       switch_option("nesterov", o.nesterov, "sgd: Nesterov momentum"),
       number_option("muon-lr", config.muon_lr, 0.0F, kAnyNumber,
                     "muon: learning rate of the matrices, the schedule's highest; 0: lr's"),
       number_option("muon-momentum", o.muon.momentum, 0.0F, 0.999999F, "muon: Nesterov momentum of the matrices"),
       integer_option("muon-steps", o.muon.steps, 1, 100, "muon: Newton-Schulz steps of an update"),
       choice_option("muon-scaling", o.muon.scaling,
                     {{"original", MuonScaling::original},
                      {"match-rms-adamw", MuonScaling::match_rms_adamw},
                      {"renewed-norms", MuonScaling::renewed_norms}},
                     "muon: update times sqrt(max(1, rows / columns)); times 0.2 sqrt(max(rows, columns)), for "
                     "adamw's rates and decays; or weights of a fixed norm instead of decay"),
       number_option("clip-norm", o.clip_norm, 0.0F, kAnyNumber, "largest norm of all gradients together; 0: any"),
       number_option("label-smoothing", config.label_smoothing, 0.0F, 0.999999F,
                     "share of the target spread over classes"),
       integer_option("seed", config.seed, "of weights, order of images, augmentation")}};
}

void check_optimizer_options(const TrainConfig& config) {
  if (config.optimizer.nesterov && config.optimizer.kind != OptimizerKind::sgd) {
    fail_usage("nesterov has no effect without optimizer = sgd{}",
               config.optimizer.kind == OptimizerKind::muon ? ": muon always has it" : "");
  }
  check_muon_options(config);
}

OptimizerOptions optimizer_settings(const TrainConfig& config, Precision precision) {
  OptimizerOptions options = config.optimizer;
  options.muon.precision = precision;
  if (config.muon_lr > 0.0F) options.muon_rate_factor = config.muon_lr / config.lr;
  return options;
}

}  // namespace convmixer
