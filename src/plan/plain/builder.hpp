/// Builds the steps of a plain plan, node by node. What a node needs is said by its operation (operations.hpp), which
/// gets the builder by reference.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/plan/plan_options.hpp"
#include "plan/plain/convolution_choice.hpp"
#include "plan/plain/step_list.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {

/// Mean and variance by channel, f32 (C).
struct BatchStatistics {
  BufferId mean = -1;
  BufferId variance = -1;
};

/// The buffers and steps so far, and what the tensors of the graph are at this point: each has a value (a buffer), and
/// in backward a gradient, whose contributions are added up as they come.
class Builder {
 public:
  Builder(const Graph& graph, Parameters& parameters, kernels::Runtime& runtime, const PlanOptions& options);

  // What the plan is for.
  [[nodiscard]] const Graph& graph() const noexcept { return graph_; }
  [[nodiscard]] Parameters& parameters() const noexcept { return parameters_; }
  [[nodiscard]] kernels::Runtime& runtime() const noexcept { return runtime_; }
  [[nodiscard]] bool training() const noexcept { return options_.mode == PlanMode::training; }
  /// Whether every step must be a primitive of oneDNN's: an operation then takes the primitive where it has a
  /// hand-written kernel of its own, which add_step() would refuse.
  [[nodiscard]] bool onednn_alone() const noexcept { return options_.kind == PlanKind::onednn; }
  /// What convolutions read: f32 or bf16.
  [[nodiscard]] kernels::ElementType type() const noexcept { return type_; }
  [[nodiscard]] ConvolutionChoice& choice() noexcept { return choice_; }

  // The node that is planned now.
  void begin_forward(const Node& node) { begin(node, "forward"); }
  void begin_backward(const Node& node) { begin(node, "backward"); }
  [[nodiscard]] const Node& node() const noexcept { return *node_; }
  [[nodiscard]] TensorId input(std::size_t index = 0) const { return node_->inputs[index]; }
  [[nodiscard]] TensorId output() const { return node_->output; }
  /// What a batch norm's forward leaves for its backward.
  [[nodiscard]] BatchStatistics& batch_statistics();
  /// The buffers that forward leaves for backward, in an order that is the operation's own.
  [[nodiscard]] std::vector<BufferId>& kept();

  // Tensors.
  /// (N, C, H, W) or (N, C).
  [[nodiscard]] Shape batch_shape(TensorId tensor) const;
  [[nodiscard]] BufferId value(TensorId tensor) const { return values_[static_cast<std::size_t>(tensor)]; }
  /// Nodes after this one, and backward, then find the tensor there.
  void set_value(TensorId tensor, BufferId buffer) { values_[static_cast<std::size_t>(tensor)] = buffer; }
  /// -1: none yet.
  [[nodiscard]] BufferId gradient(TensorId tensor) const { return gradients_[static_cast<std::size_t>(tensor)]; }
  void set_gradient(TensorId tensor, BufferId buffer) { gradients_[static_cast<std::size_t>(tensor)] = buffer; }
  /// Of the node's output.
  [[nodiscard]] BufferId output_gradient() const { return gradient(output()); }
  /// Whether anything reads the gradient of a tensor: the images' is the caller's to ask for; without it, all that
  /// comes before the first one to train need none.
  [[nodiscard]] bool wants_gradient(TensorId tensor) const {
    return options_.input_gradient || static_cast<std::size_t>(tensor) > first_trained_;
  }
  /// Adds a contribution to a tensor's gradient.
  void add_gradient(TensorId tensor, BufferId contribution);

  // Buffers.
  [[nodiscard]] const kernels::Layout& layout(BufferId buffer) const { return list_.buffer(buffer).layout; }
  BufferId add_buffer(Buffer buffer);
  BufferId add_buffer(const kernels::Layout& layout) { return add_buffer(Buffer{.layout = layout}); }
  BufferId add_working_memory(std::size_t doubles);
  /// f32 memory that belongs to the parameters, row-major.
  BufferId add_fixed(std::span<float> values, const Shape& shape);
  BufferId add_fixed(std::span<float> values) { return add_fixed(values, {static_cast<std::int64_t>(values.size())}); }
  /// The same bytes under another shape, both row-major.
  BufferId add_view(BufferId buffer, const Shape& shape) { return add_view(buffer, shape, kernels::Format::plain); }
  /// The same bytes under another shape and order.
  BufferId add_view(BufferId buffer, const Shape& shape, kernels::Format format);
  /// The same bytes as a layout of them or of some of them says.
  BufferId add_view(BufferId buffer, const kernels::Layout& layout);

  // Conversions.
  /// In channels-last order, in the type that it has.
  BufferId channels_last(BufferId buffer);
  /// The buffer in another layout or type: itself if it already has it, or what this node has converted it to before.
  BufferId convert(BufferId from, const kernels::Layout& to);
  BufferId in_type(BufferId buffer, kernels::ElementType type);
  /// A copy of what the caller gives, who can't be given it back; any other buffer itself.
  BufferId in_arena(BufferId buffer);
  void add_reorder(BufferId from, BufferId to);
  /// Where a primitive that wants `layout` for a gradient of weights should leave it: in `gradient` itself if that has
  /// the layout, else in a buffer that finish_weight_gradient() brings there.
  [[nodiscard]] BufferId begin_weight_gradient(BufferId gradient, const kernels::Layout& layout);
  void finish_weight_gradient(BufferId computed, BufferId gradient);

  /// What the plan's caller sets between two passes.
  [[nodiscard]] std::shared_ptr<const DropoutDraws> dropout_draws() const { return list_.dropout_draws; }

  // Steps. `main` is the layout that reports name. With a hand-written kernel: throws Error naming the node where every
  // step must be oneDNN's.
  Step& add_step(std::string operation, std::string direction, const kernels::Primitive& primitive,
                 const kernels::Layout& main, std::vector<PrimitiveStep::Operand> operands);
  Step& add_step(std::string operation, std::string direction, const kernels::Layout& main, KernelStep kernel);

  // What KernelOperands checks: each throws Error naming the node.
  void expect_type(BufferId buffer, kernels::ElementType type) const;
  void expect_working_memory(BufferId buffer) const;
  void expect_bound(std::ptrdiff_t unbound) const;

  // The ends, which build_steps() ties up.
  /// Forward is complete; the caller reads `output` from then on.
  void end_forward(BufferId output);
  /// Backward is complete; the caller reads `input_gradient`.
  void end_backward(BufferId input_gradient);
  [[nodiscard]] StepList take() { return std::move(list_); }

 private:
  void begin(const Node& node, const char* direction);
  /// If one of them holds weights or their gradient: tries the reorder, once for each pair of layouts.
  void check_reorder(BufferId from, BufferId to);

  const Graph& graph_;
  Parameters& parameters_;
  kernels::Runtime& runtime_;
  const PlanOptions& options_;
  kernels::ElementType type_;
  ConvolutionChoice choice_;
  std::size_t first_trained_;  // node, whose number is that of its output less one; 0 where nothing is frozen
  const Node* node_ = nullptr;
  const char* direction_ = "forward";
  std::vector<BufferId> values_;                                      // of tensors, as they are now
  std::vector<BufferId> gradients_;                                   // of tensors; -1: none yet
  std::vector<BatchStatistics> batch_statistics_;                     // of nodes
  std::vector<std::vector<BufferId>> kept_;                           // of nodes
  std::vector<std::pair<kernels::Layout, kernels::Layout>> checked_;  // by check_reorder()
  std::vector<std::pair<BufferId, BufferId>> conversions_;            // of this node: from, to
  StepList list_;
};

}  // namespace convmixer
