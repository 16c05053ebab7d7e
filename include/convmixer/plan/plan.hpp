/// How a graph runs at one batch size and precision: layouts, memory, forward and backward steps.
#pragma once

#include "convmixer/core/precision.hpp"
#include "convmixer/graph/graph.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/plan/engine.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// Which memory layout activations take.
enum class LayoutPolicy {
  automatic,      ///< asked of oneDNN; reorders only where layouts must differ
  channels_last,  ///< nhwc wherever a primitive can
  blocked,        ///< nChw16c, below AVX-512 nChw8c, wherever a primitive can
};

enum class PlanMode {
  training,   ///< batch statistics; keeps what backward needs
  inference,  ///< running statistics; forward only
};

/// How a graph is run.
enum class PlanKind {
  automatic,  ///< fused where the graph allows it and no layout is asked for, else plain
  plain,      ///< a primitive per node and direction
  fused,  ///< in stages that keep an image in the cache, each by one thread: refused where the graph doesn't allow it
};

/// "automatic", "plain" or "fused".
[[nodiscard]] std::string to_string(PlanKind kind);

/// Throws Error (usage) if they exclude each other.
void check_kind_and_layout(PlanKind kind, LayoutPolicy layout);

/// Which kernels multiply the matrices of fused stages.
enum class ProductKernels {
  automatic,  ///< oneDNN's where the CPU has a matrix unit for the precision (AMX), else own ones
  hand_written,
  onednn,
};

struct PlanOptions {
  std::int64_t batch_size = 1;
  Precision precision = Precision::f32;
  PlanMode mode = PlanMode::training;
  LayoutPolicy layout = LayoutPolicy::automatic;
  PlanKind kind = PlanKind::automatic;
  ProductKernels products = ProductKernels::automatic;  ///< of fused plans
  bool input_gradient = false;                          ///< also compute the gradient of the input image (tests)
};

/// One primitive of a plan, for reports.
struct PlannedStep {
  std::string node;            ///< "blocks.3.0.fn.0"
  std::string operation;       ///< "depthwise convolution", "batch norm", "reorder", ...
  std::string direction;       ///< "forward", "backward data", "backward weights", "backward"
  std::string implementation;  ///< oneDNN's name for it ("jit:avx512_core"), "own" for the project's loops
  std::string layout;          ///< of its main operand: "nhwc"
};

/// What a plan's memory is for, in bytes.
struct PlannedMemory {
  std::int64_t arena = 0;       ///< activations, their gradients and converted weights: shared over their lifetimes
  std::int64_t unshared = 0;    ///< the same if nothing were shared
  std::int64_t scratchpad = 0;  ///< working memory of the primitives, one after the other
  [[nodiscard]] std::int64_t total() const noexcept { return arena + scratchpad; }
};

/// Is told when a plan's steps begin and end, on the thread that executes the plan: profilers.
class PlanObserver {
 public:
  virtual ~PlanObserver() = default;
  /// `step` counts as Plan::steps() does.
  virtual void begin(std::size_t step) = 0;
  virtual void end(std::size_t step) = 0;
};

/// A graph's parameters prepared to run at one batch size. Execution allocates nothing of its own.
/// Not thread-safe; parallel inside.
class Plan {
 public:
  /// `graph`, `parameters` and `engine` must outlive the plan. Throws Error naming the node that can't be planned.
  /// With a `lender` it runs in that plan's memory if it fits in: the two then take turns, and what forward() returned
  /// lasts until either runs.
  Plan(const Graph& graph, Parameters& parameters, Engine& engine, const PlanOptions& options,
       const Plan* lender = nullptr);
  ~Plan();
  Plan(Plan&&) noexcept;
  Plan& operator=(Plan&&) noexcept;

  [[nodiscard]] const PlanOptions& options() const noexcept;

  /// Runs the network on `images`, (N, C, H, W) f32 row-major with N = batch_size, which stay valid and unchanged
  /// until backward is done, and returns the output, f32
  /// (N, features) or (N, C, H, W) row-major, valid until the next call. Reads the parameters as they are now. In
  /// training mode the running statistics move unless `update_statistics` is false.
  std::span<const float> forward(std::span<const float> images, bool update_statistics = true);

  /// Training mode, after forward: takes the gradient of the loss by the output (shaped as forward's result) and
  /// overwrites every gradient in the parameters.
  void backward(std::span<const float> output_gradient);

  /// With PlanOptions::input_gradient: gradient of the loss by the images, (N, C, H, W) f32.
  [[nodiscard]] std::span<const float> input_gradient() const;

  /// What the plan needs, whether it is its own or lent.
  [[nodiscard]] PlannedMemory memory() const;
  [[nodiscard]] bool owns_memory() const noexcept;
  /// Fused or plain: what an automatic kind came to.
  [[nodiscard]] PlanKind kind() const noexcept;
  /// Why an automatic kind is plain: "fused stages have a layout of their own"; else empty.
  [[nodiscard]] const std::string& why_plain() const noexcept;
  /// In the order of execution: forward, then backward.
  [[nodiscard]] std::vector<PlannedStep> steps() const;

  /// From now on `observer`, which must outlive the plan, is told of every step; null: nobody, at no cost.
  void set_observer(PlanObserver* observer) noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convmixer
