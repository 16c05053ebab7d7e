/// A graph prepared to run: its layouts, its memory, its forward and backward steps.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/plan/dropout_draws.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/plan/plan_options.hpp"
#include "convmixer/plan/plan_report.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

struct ExecutionOptions;

/// A graph's parameters prepared to run at one batch size and precision. Running it allocates nothing. Not thread-safe;
/// parallel inside.
class Plan {
 public:
  /// `graph`, `parameters` and `engine` must outlive the plan. With a `lender` it runs in that plan's memory if it fits
  /// in: the two then take turns, and what forward() returned lasts until either runs. Throws Error for options that
  /// check() refuses, for a graph without operations, for parameters of another graph, for a batch that there is no
  /// memory for, and naming the node that can't be planned.
  Plan(const Graph& graph, Parameters& parameters, Engine& engine, const PlanOptions& options,
       const Plan* lender = nullptr);
  ~Plan();
  /// Whether one for training can be computed in the precision here: bf16 without instructions for it if it is fused.
  [[nodiscard]] static bool supports(const Graph& graph, Precision precision);
  Plan(Plan&&) noexcept;
  Plan& operator=(Plan&&) noexcept;

  [[nodiscard]] const PlanOptions& options() const noexcept;

  /// Runs the network on `images`, (N, C, H, W) f32 row-major with N = batch_size, which must stay valid and unchanged
  /// until backward is done, and returns the output, f32 (N, features) or (N, C, H, W) row-major, valid until the next
  /// call. Reads the parameters as they are now. In training mode the running statistics move unless
  /// `update_statistics` is false. Throws Error if `images` has another size.
  std::span<const float> forward(std::span<const float> images, bool update_statistics = true);

  /// What forward and backward drop from now on, in training mode; those of DropoutDraws{} until then.
  void set_dropout_draws(const DropoutDraws& draws);

  /// Training mode, after a forward of its own: takes the gradient of the loss by the output (shaped as forward's
  /// result) and overwrites the gradients of all parameters that aren't frozen. Throws Error if `output_gradient` has
  /// another size, in inference mode, and if what forward left is gone: after a backward, or after a plan that shares
  /// the memory ran.
  void backward(std::span<const float> output_gradient);

  /// With PlanOptions::input_gradient, after backward: gradient of the loss by the images, (N, C, H, W) f32. Else
  /// empty.
  [[nodiscard]] std::span<const float> input_gradient() const;

  /// What the plan needs, whether it is its own or lent.
  [[nodiscard]] PlannedMemory memory() const;
  [[nodiscard]] bool owns_memory() const noexcept;
  /// How it runs: fused, plain or onednn, never automatic.
  [[nodiscard]] PlanKind kind() const noexcept;
  /// Why a plan that may be fused (PlanKind::automatic) is plain: "fused stages have a layout of their own"; else
  /// empty.
  [[nodiscard]] const std::string& why_plain() const noexcept;
  /// In the order of execution: forward, then backward.
  [[nodiscard]] std::vector<PlannedStep> steps() const;

  /// From now on `observer`, which must outlive the plan, is told of every step; null: nobody, at no cost.
  void set_observer(PlanObserver* observer) noexcept;

 private:
  struct Impl;
  explicit Plan(std::unique_ptr<Impl> impl);
  friend Plan make_plan(const Graph& graph, Parameters& parameters, Engine& engine, const ExecutionOptions& options);

  std::unique_ptr<Impl> impl_;
};

}  // namespace convmixer
