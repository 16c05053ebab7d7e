#include "plan/plan_builder.hpp"

#include "convmixer/core/error.hpp"
#include "plan/convolution_choice.hpp"

#include <algorithm>
#include <utility>
#include <variant>

namespace convmixer {

namespace {

using kernels::ConvolutionProblem;
using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::PlannedConvolution;
using kernels::Primitive;
using kernels::Role;

class PlanBuilder {
 public:
  PlanBuilder(const Graph& graph, Parameters& parameters, kernels::Runtime& runtime, const PlanOptions& options)
      : graph_(graph),
        parameters_(parameters),
        runtime_(runtime),
        options_(options),
        type_(options.precision == Precision::bf16 ? ElementType::bf16 : ElementType::f32),
        training_(options.mode == PlanMode::training),
        choice_(runtime, options.layout, type_),
        values_(graph.tensors().size(), -1),
        gradients_(graph.tensors().size(), -1),
        batch_statistics_(graph.nodes().size()) {}

  StepList build() {
    choose_layout();
    values_[0] = add_buffer({Layout(batch_shape(0), ElementType::f32, Format::plain), Home::images});
    for (const Node& node : graph_.nodes()) {
      node_ = &node;
      std::visit([this](const auto& operation) { forward(operation); }, node.operation);
    }
    finish_output();
    list_.forward_steps = list_.steps.size();
    if (training_) build_backward();
    return std::move(list_);
  }

 private:
  // ---- shapes, buffers, steps ----

  [[nodiscard]] Shape batch_shape(TensorId tensor) const {
    Shape shape{options_.batch_size};
    const Shape& image = graph_.tensors()[static_cast<std::size_t>(tensor)];
    for (int axis = 0; axis < image.rank(); ++axis) shape.push_back(image[axis]);
    return shape;
  }

  [[nodiscard]] TensorId input(std::size_t index = 0) const { return node_->inputs[index]; }
  BufferId& value(TensorId tensor) { return values_[static_cast<std::size_t>(tensor)]; }
  [[nodiscard]] const Layout& layout(BufferId buffer) const {
    return list_.buffers[static_cast<std::size_t>(buffer)].layout;
  }

  BufferId add_buffer(Buffer buffer) {
    list_.buffers.push_back(std::move(buffer));
    return static_cast<BufferId>(list_.buffers.size()) - 1;
  }
  BufferId add_buffer(const Layout& layout) { return add_buffer(Buffer{.layout = layout}); }

  /// f32 memory that belongs to the parameters.
  BufferId fixed(std::span<float> values, const Shape& shape) {
    return add_buffer({Layout(shape, ElementType::f32, Format::plain), Home::fixed, values.data()});
  }
  BufferId fixed_vector(std::span<float> values) { return fixed(values, {static_cast<std::int64_t>(values.size())}); }

  /// The same bytes under another shape, both row-major.
  BufferId view(BufferId buffer, const Shape& shape) {
    return add_buffer(Buffer{.layout = Layout(shape, layout(buffer).type(), Format::plain), .view_of = buffer});
  }

  Step& add_step(std::string operation, std::string direction, const Primitive& primitive, const Layout& main,
                 std::vector<Operand> operands) {
    Step step;
    step.report = {node_->name, std::move(operation), std::move(direction), primitive.implementation(),
                   kernels::to_string(main.format())};
    step.primitive = primitive;
    step.operands = std::move(operands);
    list_.steps.push_back(std::move(step));
    return list_.steps.back();
  }

  /// The buffer in another layout or type: itself if it already has it.
  BufferId convert(BufferId from, const Layout& to, const char* direction) {
    if (layout(from) == to) return from;
    const BufferId converted = add_buffer(to);
    add_conversion(from, converted, direction);
    return converted;
  }

  void add_conversion(BufferId from, BufferId to, const char* direction) {
    add_step("reorder", direction, kernels::reorder(runtime_, layout(from), layout(to)), layout(to),
             {{Role::src, from}, {Role::dst, to}});
  }

  // ---- layouts ----

  [[nodiscard]] ConvolutionProblem problem(const Node& node, const Convolution& convolution) const {
    return {batch_shape(node.inputs[0]), batch_shape(node.output),  convolution.kernel,      convolution.stride,
            convolution.groups,          convolution.padding_begin, convolution.padding_end, training_};
  }

  void choose_layout() {
    const Node* heaviest = nullptr;
    for (const Node& node : graph_.nodes()) {
      if (!std::holds_alternative<Convolution>(node.operation)) continue;
      if (heaviest == nullptr || multiply_adds(graph_, node) > multiply_adds(graph_, *heaviest)) heaviest = &node;
    }
    if (heaviest != nullptr) choice_.set_heaviest(problem(*heaviest, std::get<Convolution>(heaviest->operation)));
  }

  // ---- forward ----

  /// The node's input for an operation that takes any layout, in the plan's element type.
  BufferId activation(TensorId tensor) {
    const Layout& have = layout(value(tensor));
    if (have.type() == type_) return value(tensor);
    value(tensor) = convert(value(tensor), Layout(have.shape(), type_, have.format()), "forward");
    return value(tensor);
  }

  void forward(const Convolution& convolution) {
    const bool is_image = input() == graph_.input();
    const ConvolutionProblem conv = problem(*node_, convolution);
    const PlannedConvolution planned =
        choice_.forward(node_->name, conv, layout(value(input())), /*fixed_src=*/!is_image);
    const BufferId src = convert(value(input()), planned.src, "forward");
    if (is_image) value(input()) = src;  // the weight gradient then finds it converted
    const BufferId weights =
        convert(fixed(parameters_.value(convolution.weight), conv.weights()), planned.weights, "forward");
    const BufferId bias = fixed_vector(parameters_.value(convolution.bias));
    value(node_->output) = add_buffer(planned.dst);
    add_step(convolution_name(convolution), "forward", planned.primitive, planned.src,
             {{Role::src, src}, {Role::weights, weights}, {Role::bias, bias}, {Role::dst, value(node_->output)}});
  }

  static std::string convolution_name(const Convolution& convolution) {
    if (convolution.groups > 1) return "depthwise convolution";
    return convolution.kernel == 1 ? "pointwise convolution" : "convolution";
  }

  void forward(const Gelu& /*gelu*/) {
    const BufferId src = activation(input());
    value(node_->output) = add_buffer(layout(src));
    add_step("GELU", "forward", kernels::gelu_forward(runtime_, layout(src), training_), layout(src),
             {{Role::src, src}, {Role::dst, value(node_->output)}})
        .may_overwrite = src;
  }

  void forward(const BatchNorm& norm) {
    const BufferId src = activation(input());
    const Shape shape = layout(src).shape();
    const Shape channels{shape[1]};
    const std::int64_t values_per_channel = shape.count() / shape[1];
    if (training_ && values_per_channel < 2) {
      fail_usage(
          "{}: batch norm in training needs more than one value per channel, found a batch of {} with {}x{} "
          "pixels: use a larger batch-size (or drop-last)",
          node_->name, shape[0], shape[2], shape[3]);
    }
    BatchStatistics statistics{};
    if (training_) {
      const Layout per_channel(channels, ElementType::f32, Format::plain);
      statistics = {add_buffer(per_channel), add_buffer(per_channel)};
    } else {
      statistics = {fixed_vector(parameters_.statistic(norm.running_mean)),
                    fixed_vector(parameters_.statistic(norm.running_var))};
    }
    batch_statistics_[node_index()] = statistics;
    value(node_->output) = add_buffer(layout(src));
    add_step("batch norm", "forward", kernels::batch_norm_forward(runtime_, layout(src), norm.epsilon, training_),
             layout(src),
             {{Role::src, src},
              {Role::dst, value(node_->output)},
              {Role::mean, statistics.mean},
              {Role::variance, statistics.variance},
              {Role::scale, fixed_vector(parameters_.value(norm.scale))},
              {Role::shift, fixed_vector(parameters_.value(norm.shift))}})
        .may_overwrite = src;
    if (training_) add_running_statistics(norm, statistics, values_per_channel);
  }

  struct BatchStatistics {
    BufferId mean;
    BufferId variance;
  };

  void add_running_statistics(const BatchNorm& norm, const BatchStatistics& batch, std::int64_t values_per_channel) {
    const auto n = static_cast<double>(values_per_channel);
    Step step;
    step.report = {node_->name, "running statistics", "forward", "own", "plain"};
    step.operands = {{Role::mean, batch.mean}, {Role::variance, batch.variance}};
    step.statistics = RunningStatistics{batch.mean,
                                        batch.variance,
                                        parameters_.statistic(norm.running_mean),
                                        parameters_.statistic(norm.running_var),
                                        norm.momentum,
                                        static_cast<float>(n / (n - 1.0))};
    list_.steps.push_back(std::move(step));
  }

  void forward(const Add& /*add*/) {
    const BufferId a = activation(input(0));
    const BufferId b = convert(value(input(1)), layout(a), "forward");
    value(node_->output) = add_buffer(layout(a));
    add_step("residual add", "forward", kernels::add(runtime_, layout(a)), layout(a),
             {{Role::summand0, a}, {Role::summand1, b}, {Role::dst, value(node_->output)}})
        .may_overwrite = a;
  }

  /// (N, C, 1, 1) in the order of an image tensor. Its bytes are those of a plain (N, C) unless channels are padded.
  [[nodiscard]] Layout pooled_like(const Layout& image) const {
    const Shape shape{image.shape()[0], image.shape()[1], 1, 1};
    return {shape, image.type(), image.format() == Format::other ? Format::channels_last : image.format()};
  }

  void forward(const GlobalAveragePool& /*pool*/) {
    const BufferId src = activation(input());
    const Layout pooled = pooled_like(layout(src));
    const BufferId dst = add_buffer(pooled);
    add_step("average pool", "forward", kernels::average_pool_forward(runtime_, layout(src), pooled, training_),
             layout(src), {{Role::src, src}, {Role::dst, dst}});
    value(node_->output) =
        view(convert(dst, Layout(pooled.shape(), type_, Format::plain), "forward"), batch_shape(node_->output));
  }

  void forward(const Linear& linear) {
    const BufferId src = activation(input());
    const Layout dst(batch_shape(node_->output), ElementType::f32, Format::plain);
    const auto planned = kernels::linear_forward(runtime_, layout(src), dst, training_);
    const BufferId weights = convert(linear_weights(linear), planned.weights, "forward");
    value(node_->output) = add_buffer(dst);
    add_step("linear", "forward", planned.primitive, layout(src),
             {{Role::src, src},
              {Role::weights, weights},
              {Role::bias, fixed_vector(parameters_.value(linear.bias))},
              {Role::dst, value(node_->output)}});
  }

  BufferId linear_weights(const Linear& linear) {
    return fixed(parameters_.value(linear.weight), graph_.parameters()[static_cast<std::size_t>(linear.weight)].shape);
  }

  void finish_output() {
    const Layout plain(batch_shape(graph_.output()), ElementType::f32, Format::plain);
    list_.output = convert(value(graph_.output()), plain, "forward");
    list_.buffers[static_cast<std::size_t>(list_.output)].kept_to_end = true;
  }

  [[nodiscard]] std::size_t node_index() const { return static_cast<std::size_t>(node_ - graph_.nodes().data()); }

  // ---- backward ----

  BufferId& gradient(TensorId tensor) { return gradients_[static_cast<std::size_t>(tensor)]; }

  void build_backward() {
    gradient(graph_.output()) =
        add_buffer({Layout(batch_shape(graph_.output()), ElementType::f32, Format::plain), Home::output_gradient});
    for (auto node = graph_.nodes().rbegin(); node != graph_.nodes().rend(); ++node) {
      node_ = &*node;
      if (gradient(node->output) < 0) fail("{}: its output is used by nothing", node->name);
      std::visit([this](const auto& operation) { backward(operation); }, node->operation);
    }
    if (!options_.input_gradient) return;
    list_.input_gradient = convert(gradient(graph_.input()),
                                   Layout(batch_shape(graph_.input()), ElementType::f32, Format::plain), "backward");
    list_.buffers[static_cast<std::size_t>(*list_.input_gradient)].kept_to_end = true;
  }

  /// Whether anybody wants the gradient of a tensor.
  [[nodiscard]] bool wanted(TensorId tensor) const { return tensor != graph_.input() || options_.input_gradient; }

  /// Adds a contribution to a tensor's gradient.
  void accumulate(TensorId tensor, BufferId contribution) {
    BufferId& sum = gradient(tensor);
    if (sum < 0) {
      sum = contribution;
      return;
    }
    const BufferId other = convert(contribution, layout(sum), "backward");
    const BufferId total = add_buffer(layout(sum));
    add_step("gradient sum", "backward", kernels::add(runtime_, layout(sum)), layout(sum),
             {{Role::summand0, sum}, {Role::summand1, other}, {Role::dst, total}})
        .may_overwrite = sum;
    sum = total;
  }

  void backward(const Convolution& convolution) {
    const ConvolutionProblem conv = problem(*node_, convolution);
    const BufferId src = value(input());
    const Layout dst = layout(value(node_->output));
    backward_weights(convolution, conv, src, dst);
    if (!wanted(input())) return;
    const PlannedConvolution planned = choice_.backward_data(node_->name, conv, layout(src), dst);
    const BufferId diff_dst = convert(gradient(node_->output), planned.dst, "backward");
    const BufferId weights =
        convert(fixed(parameters_.value(convolution.weight), conv.weights()), planned.weights, "backward");
    const BufferId diff_src = add_buffer(planned.src);
    add_step(convolution_name(convolution), "backward data", planned.primitive, planned.src,
             {{Role::diff_src, diff_src}, {Role::weights, weights}, {Role::diff_dst, diff_dst}});
    accumulate(input(), diff_src);
  }

  void backward_weights(const Convolution& convolution, const ConvolutionProblem& conv, BufferId src,
                        const Layout& dst) {
    const PlannedConvolution planned = choice_.backward_weights(node_->name, conv, layout(src), dst);
    const BufferId converted = convert(src, planned.src, "backward");
    const BufferId diff_dst = convert(gradient(node_->output), planned.dst, "backward");
    const BufferId gradient_of_weights = fixed(parameters_.gradient(convolution.weight), conv.weights());
    const bool direct = layout(gradient_of_weights) == planned.weights;
    const BufferId diff_weights = direct ? gradient_of_weights : add_buffer(planned.weights);
    add_step(convolution_name(convolution), "backward weights", planned.primitive, planned.src,
             {{Role::src, converted},
              {Role::diff_weights, diff_weights},
              {Role::diff_bias, fixed_vector(parameters_.gradient(convolution.bias))},
              {Role::diff_dst, diff_dst}});
    if (!direct) add_conversion(diff_weights, gradient_of_weights, "backward");
  }

  void backward(const Gelu& /*gelu*/) {
    const BufferId src = value(input());
    const BufferId diff_dst = convert(gradient(node_->output), layout(src), "backward");
    const BufferId diff_src = add_buffer(layout(src));
    add_step("GELU", "backward", kernels::gelu_backward(runtime_, layout(src)), layout(src),
             {{Role::src, src}, {Role::diff_dst, diff_dst}, {Role::diff_src, diff_src}})
        .may_overwrite = diff_dst;
    accumulate(input(), diff_src);
  }

  void backward(const BatchNorm& norm) {
    const BufferId src = value(input());
    const BufferId diff_dst = convert(gradient(node_->output), layout(src), "backward");
    const BufferId diff_src = add_buffer(layout(src));
    const BatchStatistics& batch = batch_statistics_[node_index()];
    add_step("batch norm", "backward", kernels::batch_norm_backward(runtime_, layout(src), norm.epsilon), layout(src),
             {{Role::src, src},
              {Role::mean, batch.mean},
              {Role::variance, batch.variance},
              {Role::scale, fixed_vector(parameters_.value(norm.scale))},
              {Role::diff_dst, diff_dst},
              {Role::diff_src, diff_src},
              {Role::diff_scale, fixed_vector(parameters_.gradient(norm.scale))},
              {Role::diff_shift, fixed_vector(parameters_.gradient(norm.shift))}})
        .may_overwrite = diff_dst;
    accumulate(input(), diff_src);
  }

  void backward(const Add& /*add*/) {
    const BufferId sum = gradient(node_->output);
    accumulate(input(0), sum);
    accumulate(input(1), sum);
  }

  void backward(const GlobalAveragePool& /*pool*/) {
    const Layout src = layout(value(input()));
    const Layout pooled = pooled_like(src);
    const BufferId given =
        convert(gradient(node_->output), Layout(batch_shape(node_->output), type_, Format::plain), "backward");
    const BufferId diff_dst = convert(view(given, pooled.shape()), pooled, "backward");
    const BufferId diff_src = add_buffer(src);
    add_step("average pool", "backward", kernels::average_pool_backward(runtime_, src, pooled), src,
             {{Role::diff_src, diff_src}, {Role::diff_dst, diff_dst}});
    accumulate(input(), diff_src);
  }

  void backward(const Linear& linear) {
    const BufferId src = value(input());
    const Layout plain(batch_shape(node_->output), type_, Format::plain);
    const BufferId diff_dst = convert(gradient(node_->output), plain, "backward");
    const auto for_weights = kernels::linear_backward_weights(runtime_, layout(src), plain);
    const BufferId gradient_of_weights =
        fixed(parameters_.gradient(linear.weight), graph_.parameters()[static_cast<std::size_t>(linear.weight)].shape);
    const bool direct = layout(gradient_of_weights) == for_weights.weights;
    const BufferId diff_weights = direct ? gradient_of_weights : add_buffer(for_weights.weights);
    add_step("linear", "backward weights", for_weights.primitive, layout(src),
             {{Role::src, src},
              {Role::diff_weights, diff_weights},
              {Role::diff_bias, fixed_vector(parameters_.gradient(linear.bias))},
              {Role::diff_dst, diff_dst}});
    if (!direct) add_conversion(diff_weights, gradient_of_weights, "backward");

    if (!wanted(input())) return;
    const auto for_data = kernels::linear_backward_data(runtime_, layout(src), plain);
    const BufferId weights = convert(linear_weights(linear), for_data.weights, "backward");
    const BufferId diff_src = add_buffer(layout(src));
    add_step("linear", "backward data", for_data.primitive, layout(src),
             {{Role::diff_src, diff_src}, {Role::weights, weights}, {Role::diff_dst, diff_dst}});
    accumulate(input(), diff_src);
  }

  const Graph& graph_;
  Parameters& parameters_;
  kernels::Runtime& runtime_;
  const PlanOptions& options_;
  ElementType type_;
  bool training_;
  ConvolutionChoice choice_;
  const Node* node_ = nullptr;
  std::vector<BufferId> values_;     // of tensors, as they are now
  std::vector<BufferId> gradients_;  // of tensors; -1: none yet
  std::vector<BatchStatistics> batch_statistics_;
  StepList list_;
};

}  // namespace

StepList build_plain_plan(const Graph& graph, Parameters& parameters, kernels::Runtime& runtime,
                          const PlanOptions& options) {
  return PlanBuilder(graph, parameters, runtime, options).build();
}

}  // namespace convmixer
