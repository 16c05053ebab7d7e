/// What every optimiser is. Those of the library come from make_optimizer.hpp; others derive from Optimizer.
#pragma once

#include "convmixer/core/shape.hpp"
#include "convmixer/graph/parameters.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// One named tensor of optimiser state ("exp_avg.stem.0.weight"), f32.
struct OptimizerState {
  std::string name;  ///< unlike all others of the optimiser: files are read by it
  Shape shape;
  std::span<float> values;  ///< shape.count() numbers
};

/// How much state an optimiser keeps.
struct StateSize {
  std::size_t tensors = 0;
  std::size_t bytes = 0;
};

/// What holds for all parameters in one update.
struct OptimizerStep {
  float learning_rate = 0.0F;   ///< finite, at least 0
  float gradient_scale = 1.0F;  ///< what every gradient counts times: below 1 where clipping holds
  std::int64_t number = 1;      ///< of the update, counted from 1 (Adam's bias correction)
};

/// Updates some or all parameters of a network from their gradients. Used from one thread at a time.
///
/// To write one, derive from it, implement update() and list the tensors that are to survive a restart in state();
/// tests/optim/custom_optimizer_test.cpp is an example.
class Optimizer {
 public:
  /// That steps() may say, so that they can be counted on.
  static constexpr std::int64_t kMostSteps = std::int64_t{1} << 62;

  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update at this learning rate. Returns the joint 2-norm of its parameters' gradients before clipping, which is
  /// torch.nn.utils.clip_grad_norm_'s: every gradient times min(1, clip_norm / (norm + 1e-6)). The gradients themselves
  /// are left as they are. Throws Error (usage), with nothing changed, for a rate that is negative or not finite, on
  /// its own or times a group's factor.
  double step(float learning_rate);

  /// Updates made so far; part of the state.
  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }
  /// Throws Error (usage) for a negative number, and for one beyond kMostSteps.
  void set_steps(std::int64_t steps);

  /// Every state tensor, in a fixed order; writing to the spans restores the state. None for an optimiser without.
  [[nodiscard]] virtual std::vector<OptimizerState> state() = 0;
  /// The sizes of what state() lists.
  [[nodiscard]] StateSize state_size();

  /// The parameters that it updates, in ascending order.
  [[nodiscard]] std::span<const ParameterId> parameter_ids() const noexcept { return ids_; }
  /// The joint 2-norm that gradients are scaled down to; 0: any.
  [[nodiscard]] float clip_norm() const noexcept { return clip_norm_; }

  // What step() is made of, and optimisers that are made of others call.

  /// Updates every parameter of parameter_ids(). Returns the sum of the squares of their gradients, unscaled, in
  /// double, as gradient_squares() gives it: an optimiser that reads its gradients once has it from the same pass, any
  /// other ends with `return gradient_squares();`.
  virtual double update(const OptimizerStep& step) = 0;
  /// Throws Error (usage), with nothing changed, for a step that update() can't make, of a rate that a group's factor
  /// makes too large; called before it. Nothing to do unless overridden.
  virtual void check(const OptimizerStep& step) const;
  /// The sum of the squares of its parameters' gradients, in double, in the parameters' order.
  [[nodiscard]] virtual double gradient_squares();

 protected:
  /// `parameters` must outlive the optimiser. Throws Error (usage) for an id that the network doesn't have or that is
  /// there twice, and for a clip_norm that is negative or not finite.
  Optimizer(Parameters& parameters, std::vector<ParameterId> ids, float clip_norm = 0.0F);

  [[nodiscard]] Parameters& parameters() noexcept { return *parameters_; }
  [[nodiscard]] const Parameters& parameters() const noexcept { return *parameters_; }

 private:
  Parameters* parameters_;
  std::vector<ParameterId> ids_;
  float clip_norm_;
  std::int64_t steps_ = 0;
};

/// The parameters of a graph for which `wanted` is true, in their order.
[[nodiscard]] std::vector<ParameterId> select_parameters(const Graph& graph,
                                                         const std::function<bool(const Parameter&)>& wanted);
/// All parameters of a graph.
[[nodiscard]] std::vector<ParameterId> all_parameters(const Graph& graph);
/// Those that aren't frozen.
[[nodiscard]] std::vector<ParameterId> trained_parameters(const Graph& graph);

}  // namespace convmixer
