#include "plan/plain/plan_builder.hpp"

#include "convmixer/core/error.hpp"
#include "kernels/plain/batch_norm.hpp"
#include "kernels/plain/depthwise_weight_gradient.hpp"
#include "plan/plain/convolution_choice.hpp"

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
      begin(node);
      std::visit([this](const auto& operation) { forward(operation); }, node.operation);
    }
    finish_output();
    list_.forward_steps = list_.steps.size();
    if (training_) build_backward();
    return std::move(list_);
  }

 private:
  // ---- shapes, buffers, steps ----

  void begin(const Node& node) {
    node_ = &node;
    conversions_.clear();
  }

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

  Step& add_hand_written_step(std::string operation, std::string direction, const Layout& main,
                              std::vector<Operand> operands, HandWrittenKernel kernel) {
    Step step;
    step.report = {node_->name, std::move(operation), std::move(direction), "own", kernels::to_string(main.format())};
    step.operands = std::move(operands);
    step.own = std::move(kernel);
    list_.steps.push_back(std::move(step));
    return list_.steps.back();
  }

  /// The buffer in another layout or type: itself if it already has it, or what this node has converted it to before.
  BufferId convert(BufferId from, const Layout& to, const char* direction) {
    if (layout(from) == to) return from;
    for (const auto& [source, converted] : conversions_) {
      if (source == from && layout(converted) == to) return converted;
    }
    const BufferId converted = add_buffer(to);
    add_conversion(from, converted, direction);
    conversions_.emplace_back(from, converted);
    return converted;
  }

  BufferId in_type(BufferId buffer, ElementType type, const char* direction) {
    const Layout have = layout(buffer);
    return convert(buffer, Layout(have.shape(), type, have.format()), direction);
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

  // A bf16 plan has in bf16 what convolutions read: activations, weights and the gradients of outputs. Their results,
  // the pre-activations, stay f32 through GELU and into the norm: rounding them too brought gradients up to 5% away
  // from f32's (2.6% so), and costs no conversion.

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
    const BufferId src = in_type(value(input()), ElementType::f32, "forward");
    value(input()) = src;
    value(node_->output) = add_buffer(layout(src));
    add_step("GELU", "forward", kernels::gelu_forward(runtime_, layout(src), training_), layout(src),
             {{Role::src, src}, {Role::dst, value(node_->output)}})
        .may_overwrite = src;
  }

  void forward(const BatchNorm& norm) {
    const BufferId src = in_type(value(input()), ElementType::f32, "forward");
    value(input()) = src;
    const Layout as = layout(src);
    const std::int64_t values_per_channel = as.shape().count() / as.shape()[1];
    if (training_ && values_per_channel < 2) {
      fail_usage(
          "{}: batch norm in training needs more than one value per channel, found a batch of {} with {}x{} pixels: "
          "use a "
          "larger batch-size (or drop-last)",
          node_->name, as.shape()[0], as.shape()[2], as.shape()[3]);
    }
    const BatchStatistics statistics = add_statistics(norm, as.shape()[1]);
    batch_statistics_[node_index()] = statistics;
    value(node_->output) = add_buffer(Layout(as.shape(), type_, as.format()));
    add_hand_written_step("batch norm", "forward", as,
                          {{Role::dst, value(node_->output)},
                           {Role::src, src},
                           {Role::src, statistics.mean},
                           {Role::src, statistics.variance},
                           {Role::src, add_working_memory(as)}},
                          [runtime = &runtime_, as, type = type_, training = training_, epsilon = norm.epsilon,
                           scale = parameters_.value(norm.scale).data(),
                           shift = parameters_.value(norm.shift).data()](const std::vector<void*>& operands) {
                            const kernels::BatchNormForward memory{.src = static_cast<const float*>(operands[1]),
                                                                   .dst = operands[0],
                                                                   .mean = static_cast<float*>(operands[2]),
                                                                   .variance = static_cast<float*>(operands[3]),
                                                                   .scale = scale,
                                                                   .shift = shift,
                                                                   .working = static_cast<double*>(operands[4])};
                            if (training) {
                              kernels::batch_norm_training(*runtime, as, type, epsilon, memory);
                            } else {
                              kernels::batch_norm_inference(*runtime, as, type, epsilon, memory);
                            }
                          })
        .may_overwrite = src;
    if (training_) add_running_statistics(norm, statistics, values_per_channel);
  }

  BufferId add_working_memory(const Layout& norm) {
    const auto floats = 2 * static_cast<std::int64_t>(kernels::batch_norm_doubles(norm));
    return add_buffer(Layout(Shape{floats}, ElementType::f32, Format::plain));
  }

  struct BatchStatistics {
    BufferId mean;
    BufferId variance;
  };

  /// Of the batch in training, the running ones in inference.
  BatchStatistics add_statistics(const BatchNorm& norm, std::int64_t channels) {
    if (training_) {
      const Layout per_channel(Shape{channels}, ElementType::f32, Format::plain);
      return {add_buffer(per_channel), add_buffer(per_channel)};
    }
    return {fixed_vector(parameters_.statistic(norm.running_mean)),
            fixed_vector(parameters_.statistic(norm.running_var))};
  }

  /// running = (1 - momentum) * running + momentum * batch, with the unbiased variance.
  void add_running_statistics(const BatchNorm& norm, const BatchStatistics& batch, std::int64_t values_per_channel) {
    const auto n = static_cast<double>(values_per_channel);
    const auto unbiased = static_cast<float>(n / (n - 1.0));
    const auto add = [&](BufferId statistic, std::span<float> running, float correction) {
      Step& step =
          add_hand_written_step("running statistics", "forward", layout(statistic), {{Role::src, statistic}},
                                [running, correction, momentum = norm.momentum](const std::vector<void*>& operands) {
                                  const auto* values = static_cast<const float*>(operands[0]);
                                  for (std::size_t c = 0; c < running.size(); ++c) {
                                    running[c] = (1.0F - momentum) * running[c] + momentum * (values[c] * correction);
                                  }
                                });
      step.moves_statistics = true;
    };
    add(batch.mean, parameters_.statistic(norm.running_mean), 1.0F);
    add(batch.variance, parameters_.statistic(norm.running_var), unbiased);
  }

  void forward(const Add& /*add*/) {
    const BufferId a = value(input(0));
    const BufferId b = convert(value(input(1)), layout(a), "forward");
    value(node_->output) = add_buffer(layout(a));
    add_step("residual add", "forward", kernels::add(runtime_, layout(a)), layout(a),
             {{Role::summand0, a}, {Role::summand1, b}, {Role::dst, value(node_->output)}})
        .may_overwrite = a;
  }

  // Pooling and the classifier are f32 in every plan, up to the last norm's gradient. They are 1/10,000 of the work,
  // and the gradient is constant over an image's pixels: rounded to bf16, its error would be too, and would not average
  // out.

  /// (N, C, 1, 1) f32 in the order of an image tensor.
  [[nodiscard]] static Layout pooled_like(const Layout& image) {
    const Shape shape{image.shape()[0], image.shape()[1], 1, 1};
    return {shape, ElementType::f32, image.format()};
  }

  void forward(const GlobalAveragePool& /*pool*/) {
    const BufferId src = in_type(value(input()), ElementType::f32, "forward");
    const Layout pooled = pooled_like(layout(src));
    const BufferId dst = add_buffer(pooled);
    add_step("average pool", "forward", kernels::average_pool_forward(runtime_, layout(src), pooled, training_),
             layout(src), {{Role::src, src}, {Role::dst, dst}});
    value(node_->output) = view(convert(dst, Layout(pooled.shape(), ElementType::f32, Format::plain), "forward"),
                                batch_shape(node_->output));
  }

  void forward(const Linear& linear) {
    const BufferId src = value(input());
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
      begin(*node);
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
    if (kernels::has_depthwise_weight_gradient(conv, layout(src), dst)) {
      depthwise_backward_weights(convolution, conv, src, dst);
    } else {
      backward_weights(convolution, conv, src, dst);
    }
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

  void depthwise_backward_weights(const Convolution& convolution, const ConvolutionProblem& conv, BufferId src,
                                  const Layout& dst) {
    const Layout as = layout(src);
    const BufferId given = gradient(node_->output);
    const BufferId diff_dst = convert(given, Layout(dst.shape(), layout(given).type(), dst.format()), "backward");
    const Layout diff_dst_as = layout(diff_dst);
    const auto doubles = static_cast<std::int64_t>(kernels::depthwise_weight_gradient_doubles(runtime_, conv));
    const BufferId working = add_buffer(Layout(Shape{2 * doubles}, ElementType::f32, Format::plain));
    add_hand_written_step(
        convolution_name(convolution), "backward weights", as,
        {{Role::src, src}, {Role::src, diff_dst}, {Role::src, working}},
        [runtime = &runtime_, conv, as, diff_dst_as, diff_weights = parameters_.gradient(convolution.weight).data(),
         diff_bias = parameters_.gradient(convolution.bias).data()](const std::vector<void*>& operands) {
          kernels::depthwise_weight_gradient(*runtime, conv, as, diff_dst_as,
                                             {.src = operands[0],
                                              .diff_dst = operands[1],
                                              .diff_weights = diff_weights,
                                              .diff_bias = diff_bias,
                                              .working = static_cast<double*>(operands[2])});
        });
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
    const Layout as = layout(src);
    const BufferId given = gradient(node_->output);
    const ElementType given_type = layout(given).type();  // either will do
    const BufferId diff_dst = convert(given, Layout(as.shape(), given_type, as.format()), "backward");
    const BufferId diff_src = add_buffer(as);
    const BatchStatistics& batch = batch_statistics_[node_index()];
    add_hand_written_step(
        "batch norm", "backward", as,
        {{Role::diff_src, diff_src},
         {Role::src, src},
         {Role::src, batch.mean},
         {Role::src, batch.variance},
         {Role::src, diff_dst},
         {Role::src, add_working_memory(as)}},
        [runtime = &runtime_, as, given_type, epsilon = norm.epsilon, scale = parameters_.value(norm.scale).data(),
         diff_scale = parameters_.gradient(norm.scale).data(),
         diff_shift = parameters_.gradient(norm.shift).data()](const std::vector<void*>& operands) {
          kernels::batch_norm_backward(*runtime, as, given_type, epsilon,
                                       {.src = static_cast<const float*>(operands[1]),
                                        .mean = static_cast<const float*>(operands[2]),
                                        .variance = static_cast<const float*>(operands[3]),
                                        .scale = scale,
                                        .diff_dst = operands[4],
                                        .diff_src = static_cast<float*>(operands[0]),
                                        .diff_scale = diff_scale,
                                        .diff_shift = diff_shift,
                                        .working = static_cast<double*>(operands[5])});
        })
        .may_overwrite = diff_dst;
    accumulate(input(), diff_src);
  }

  void backward(const Add& /*add*/) {
    const BufferId sum = gradient(node_->output);
    accumulate(input(0), sum);
    accumulate(input(1), sum);
  }

  void backward(const GlobalAveragePool& /*pool*/) {
    const Layout image = layout(value(input()));
    const Layout src(image.shape(), ElementType::f32, image.format());
    const Layout pooled = pooled_like(src);
    const BufferId diff_dst = convert(view(gradient(node_->output), pooled.shape()), pooled, "backward");
    const BufferId diff_src = add_buffer(src);
    add_step("average pool", "backward", kernels::average_pool_backward(runtime_, src, pooled), src,
             {{Role::diff_src, diff_src}, {Role::diff_dst, diff_dst}});
    accumulate(input(), diff_src);
  }

  void backward(const Linear& linear) {
    const BufferId src = value(input());
    const BufferId diff_dst = gradient(node_->output);
    const Layout plain = layout(diff_dst);
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
  std::vector<std::pair<BufferId, BufferId>> conversions_;  // of this node: from, to
  StepList list_;
};

}  // namespace

StepList build_plain_plan(const Graph& graph, Parameters& parameters, kernels::Runtime& runtime,
                          const PlanOptions& options) {
  return PlanBuilder(graph, parameters, runtime, options).build();
}

}  // namespace convmixer
