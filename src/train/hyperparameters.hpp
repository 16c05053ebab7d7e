/// The settings that a run's result depends on, for programs that compare runs by them.
#pragma once

#include "convmixer/train/train_config.hpp"
#include "io/event_messages.hpp"

#include <map>
#include <string>

namespace convmixer {

/// By name: those that apply and that a run that goes on can't have changed, without those that are empty. Switches are
/// true or false, numbers numbers, all others text (UTF-8).
[[nodiscard]] std::map<std::string, Hyperparameter> hyperparameters(const TrainConfig& config);

}  // namespace convmixer
