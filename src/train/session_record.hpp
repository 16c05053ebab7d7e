/// What metrics.jsonl has of a training's start and of its end.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/plan/plan.hpp"
#include "convmixer/train/metrics_file.hpp"
#include "convmixer/train/train_config.hpp"

#include <string>

namespace convmixer {

/// Of a training that begins now, at this position.
[[nodiscard]] SessionRecord session_record(const TrainConfig& config, const Plan& training_plan, int threads, int ranks,
                                           const TrainingPosition& position);
/// Of one that ends now, for this reason.
[[nodiscard]] EndRecord end_record(const std::string& end, const TrainingPosition& position);
/// Of a session that this error ended.
[[nodiscard]] EndRecord end_record(const Error& error, const TrainingPosition& position);

}  // namespace convmixer
