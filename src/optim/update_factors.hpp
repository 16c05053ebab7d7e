/// What a rule and a step come to for a group of parameters: the kernels' constants.
#pragma once

#include "convmixer/optim/parameter_groups.hpp"
#include "kernels/optimizer_update.hpp"

#include <variant>

namespace convmixer {

using UpdateFactors = std::variant<kernels::AdamFactors, kernels::SgdFactors>;

/// The learning rate of a group in one step. Throws Error (usage) for one that the group's factor makes too large for
/// an f32.
[[nodiscard]] double learning_rate_of(const ParameterGroup& group, const OptimizerStep& step);

/// For one step of a group with AdamRule or SgdRule. Throws Error (usage) as learning_rate_of() does.
[[nodiscard]] UpdateFactors update_factors(const ParameterGroup& group, const OptimizerStep& step);

}  // namespace convmixer
