/// Several optimisers of one network's parameters as one.
#pragma once

#include "convmixer/optim/optimizer.hpp"

#include <memory>
#include <vector>

namespace convmixer {

/// Updates with each member in turn; clips the gradients of all together.
class CombinedOptimizer final : public Optimizer {
 public:
  /// The members, which have no parameter in common, and don't clip.
  CombinedOptimizer(Parameters& parameters, std::vector<std::unique_ptr<Optimizer>> members, float clip_norm);

  [[nodiscard]] std::vector<OptimizerState> state() override;
  double update(const OptimizerStep& step) override;
  void check(const OptimizerStep& step) const override;
  [[nodiscard]] double gradient_squares() override;

 private:
  std::vector<std::unique_ptr<Optimizer>> members_;
};

}  // namespace convmixer
