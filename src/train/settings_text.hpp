/// Settings that stand as text in a run's config.ini, which another release may have written, as a configuration.
#pragma once

#include "convmixer/train/config.hpp"
#include "convmixer/train/run_history.hpp"

#include <span>
#include <vector>

namespace convmixer {

/// Sets those of `config`'s options that this release knows, and what a run of an earlier one did where its file has no
/// word of it. False, and the configuration is anything, for a value that isn't as expected.
[[nodiscard]] bool assign_known(std::span<const OptionGroup> options, std::span<const RunSetting> settings,
                                TrainConfig& config);

}  // namespace convmixer
