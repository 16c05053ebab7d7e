/// AdamW, Adam and SGD: every value is updated from its own gradient and state alone.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/optim/parameter_groups.hpp"
#include "optim/moments.hpp"
#include "optim/update_factors.hpp"
#include "optim/update_parts.hpp"

#include <cstddef>
#include <vector>

namespace convmixer {

/// Updates groups with rules of the library in one pass over all of their values, in tasks on a pool's threads. Sums
/// run over the tasks in their order: results are the same for any number of threads.
class ElementwiseOptimizer final : public Optimizer {
 public:
  /// Groups that check_groups (group_checks.hpp) accepts, but for parameters in none of them.
  ElementwiseOptimizer(Parameters& parameters, std::vector<ParameterGroup> groups, float clip_norm, ThreadPool& pool);

  [[nodiscard]] std::vector<OptimizerState> state() override;
  double update(const OptimizerStep& step) override;
  void check(const OptimizerStep& step) const override;
  [[nodiscard]] double gradient_squares() override;

 private:
  double update_part(const UpdatePart& part);
  template <typename Body>
  double sum_over_parts(const Body& body);

  std::vector<ParameterGroup> groups_;
  std::vector<std::size_t> group_of_;   // by parameter
  std::vector<UpdateFactors> factors_;  // by group: of the step that runs
  Moments exp_avg_;                     // named as in PyTorch
  Moments exp_avg_sq_;
  Moments momentum_buffer_;
  ThreadPool& pool_;
  UpdateParts parts_;
  std::vector<double> sums_;  // by task
};

}  // namespace convmixer
