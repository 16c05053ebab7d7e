/// Which precision a training computes in where `precision = auto` leaves it open: bf16 where that is the faster one.
#pragma once

#include "convmixer/core/precision.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/train/config.hpp"

#include <string>

namespace convmixer {

struct PrecisionChoice {
  Precision precision = Precision::f32;
  std::string reason;  ///< "as given", "this CPU has no instructions for bf16", ...
};

/// The precision of a training with these settings, of images of config.image_size. What config.precision names is
/// taken as it is. For "auto":
///   - without instructions for bf16 (AVX-512 BF16 or AMX, as far as ONEDNN_MAX_CPU_ISA allows them): f32;
///   - in fused plans bf16, without measuring: 1.4 to 3.2 times as fast as f32 in every network tried, with 8 to 256
///     channels and in batches of 1 to 64;
///   - in plain plans what is faster in a few steps of either, f32 only if it is so by more than a tenth: noise is less
///     than that, so a machine doesn't answer now this, now that.
/// Throws Error (usage) as choose_precision(name), and for a network that can't be made.
[[nodiscard]] PrecisionChoice choose_precision(const TrainConfig& config, int channels, int classes, Engine& engine);

/// What the seconds of the same step say: bf16, or f32 if it is faster by more than a tenth.
[[nodiscard]] Precision faster_precision(double f32_seconds, double bf16_seconds);

/// As resolve(config, dataset) for a training that is to begin: precision = auto becomes what is chosen here. Returns
/// the choice.
PrecisionChoice resolve(TrainConfig& config, const Dataset& dataset, Engine& engine);

}  // namespace convmixer
