/// Settings that are given but do nothing beside the others: whoever gives one means something else.
#pragma once

#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/train_config.hpp"

#include <span>

namespace convmixer {

/// Throws Error (usage) for the first setting given that is idle with the rest of `config`, what it needs, and where it
/// was given. One that is at its default is no wish and may stand; what is for one kind of data may as long as the data
/// set is "auto". It is for command lines: files of settings, a run's own among them, say more than one run has use
/// for.
void refuse_idle_settings(const TrainConfig& config, std::span<const Assignment> given);

}  // namespace convmixer
