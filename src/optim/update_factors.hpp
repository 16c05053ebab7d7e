/// What a rule and a step come to for a group of parameters: the kernels' constants.
#pragma once

#include "convmixer/optim/parameter_groups.hpp"
#include "kernels/optimizer_update.hpp"

#include <variant>

namespace convmixer {

using UpdateFactors = std::variant<kernels::AdamFactors, kernels::SgdFactors>;

/// For one step of a group whose rule is one of the library's. Throws Error (usage) for a learning rate that the
/// group's factor makes too large for an f32.
[[nodiscard]] UpdateFactors update_factors(const ParameterGroup& group, const OptimizerStep& step);

}  // namespace convmixer
