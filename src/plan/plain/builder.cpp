#include "plan/plain/builder.hpp"

#include "convmixer/core/error.hpp"
#include "kernels/onednn/reorder_check.hpp"

#include <algorithm>

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

namespace {

bool any_frozen(const Graph& graph) { return std::ranges::any_of(graph.parameters(), &Parameter::frozen); }

}  // namespace

Builder::Builder(const Graph& graph, Parameters& parameters, kernels::Runtime& runtime, const PlanOptions& options)
    : graph_(graph),
      parameters_(parameters),
      runtime_(runtime),
      options_(options),
      type_(options.precision == Precision::bf16 ? ElementType::bf16 : ElementType::f32),
      choice_(runtime, options.layout, type_),
      first_trained_(any_frozen(graph) ? first_trained_node(graph) : 0),
      values_(graph.tensors().size(), -1),
      gradients_(graph.tensors().size(), -1),
      batch_statistics_(graph.nodes().size()),
      kept_(graph.nodes().size()) {}

void Builder::begin(const Node& node, const char* direction) {
  node_ = &node;
  direction_ = direction;
  conversions_.clear();
}

BatchStatistics& Builder::batch_statistics() {
  return batch_statistics_[static_cast<std::size_t>(node_ - graph_.nodes().data())];
}

std::vector<BufferId>& Builder::kept() { return kept_[static_cast<std::size_t>(node_ - graph_.nodes().data())]; }

Shape Builder::batch_shape(TensorId tensor) const {
  Shape shape{options_.batch_size};
  const Shape& image = graph_.tensors()[static_cast<std::size_t>(tensor)];
  for (int axis = 0; axis < image.rank(); ++axis) shape.push_back(image[axis]);
  return shape;
}

void Builder::add_gradient(TensorId tensor, BufferId contribution) {
  const BufferId sum = gradient(tensor);
  if (sum < 0) {
    set_gradient(tensor, contribution);
    return;
  }
  const BufferId other = convert(contribution, layout(sum));
  const BufferId total = add_buffer(layout(sum));
  add_step("gradient sum", "backward", kernels::add(runtime_, layout(sum)), layout(sum),
           {{Role::summand0, sum}, {Role::summand1, other}, {Role::dst, total}})
      .may_overwrite = {sum, total};
  set_gradient(tensor, total);
}

BufferId Builder::add_buffer(Buffer buffer) {
  list_.buffers.push_back(std::move(buffer));
  return static_cast<BufferId>(list_.buffers.size()) - 1;
}

BufferId Builder::add_working_memory(std::size_t doubles) {
  const Shape floats{2 * static_cast<std::int64_t>(doubles)};
  return add_buffer(Buffer{.layout = Layout(floats, ElementType::f32, Format::plain), .working = true});
}

BufferId Builder::add_fixed(std::span<float> values, const Shape& shape) {
  return add_buffer({Layout(shape, ElementType::f32, Format::plain), Home::fixed, values.data()});
}

BufferId Builder::add_view(BufferId buffer, const Shape& shape, Format format) {
  return add_view(buffer, Layout(shape, layout(buffer).type(), format));
}

BufferId Builder::add_view(BufferId buffer, const Layout& layout) {
  const BufferId view_of = list_.buffer(buffer).view_of;
  return add_buffer(Buffer{.layout = layout, .view_of = view_of < 0 ? buffer : view_of});
}

BufferId Builder::convert(BufferId from, const Layout& to) {
  if (layout(from) == to) return from;
  for (const auto& [source, converted] : conversions_) {
    if (source == from && layout(converted) == to) return converted;
  }
  const BufferId converted = add_buffer(to);
  add_reorder(from, converted);
  conversions_.emplace_back(from, converted);
  return converted;
}

BufferId Builder::channels_last(BufferId buffer) {
  const Layout have = layout(buffer);
  return convert(buffer, Layout(have.shape(), have.type(), Format::channels_last));
}

BufferId Builder::in_type(BufferId buffer, ElementType type) {
  const Layout have = layout(buffer);
  return convert(buffer, Layout(have.shape(), type, have.format()));
}

BufferId Builder::in_arena(BufferId buffer) {
  const BufferId view_of = list_.buffer(buffer).view_of;
  if (list_.buffer(view_of < 0 ? buffer : view_of).home == Home::arena) return buffer;
  const BufferId copy = add_buffer(layout(buffer));
  add_reorder(buffer, copy);
  return copy;
}

void Builder::check_reorder(BufferId from, BufferId to) {
  const auto holds_weights = [this](BufferId id) {
    return list_.buffer(id).home == Home::fixed && layout(id).format() == Format::plain;
  };
  const std::pair layouts(layout(from), layout(to));
  if (!holds_weights(from) && !holds_weights(to)) return;
  if (std::ranges::find(checked_, layouts) != checked_.end()) return;
  kernels::expect_faithful_reorder(runtime_, layouts.first, layouts.second);
  checked_.push_back(layouts);
}

void Builder::add_reorder(BufferId from, BufferId to) {
  check_reorder(from, to);
  add_step("reorder", direction_, kernels::reorder(runtime_, layout(from), layout(to)), layout(to),
           {{Role::src, from}, {Role::dst, to}});
}

BufferId Builder::begin_weight_gradient(BufferId gradient, const Layout& wanted) {
  return layout(gradient) == wanted ? gradient : add_buffer(wanted);
}

void Builder::finish_weight_gradient(BufferId computed, BufferId gradient) {
  if (computed != gradient) add_reorder(computed, gradient);
}

Step& Builder::add_step(std::string operation, std::string direction, const kernels::Primitive& primitive,
                        const Layout& main, std::vector<PrimitiveStep::Operand> operands) {
  PlannedStep report{node_->name, std::move(operation), std::move(direction), primitive.implementation(),
                     kernels::to_string(main.format())};
  list_.steps.push_back({std::move(report), PrimitiveStep{primitive, std::move(operands)}, {}, false});
  return list_.steps.back();
}

Step& Builder::add_step(std::string operation, std::string direction, const Layout& main, KernelStep kernel) {
  if (onednn_alone()) {
    fail_usage("{}: plan = onednn: oneDNN has no primitive for {} {}; expected plan = automatic or plain", node_->name,
               operation, direction);
  }
  PlannedStep report{node_->name, std::move(operation), std::move(direction), "hand-written",
                     kernels::to_string(main.format())};
  list_.steps.push_back({std::move(report), std::move(kernel), {}, false});
  return list_.steps.back();
}

void Builder::expect_type(BufferId buffer, ElementType type) const {
  if (layout(buffer).type() == type && !list_.buffer(buffer).working) return;
  fail("{}: an argument of its kernel is bound to a buffer of another type, expected f32", node_->name);
}

void Builder::expect_working_memory(BufferId buffer) const {
  if (list_.buffer(buffer).working) return;
  fail("{}: an argument of its kernel is bound to a tensor, expected working memory", node_->name);
}

void Builder::expect_bound(std::ptrdiff_t unbound) const {
  if (unbound == 0) return;
  fail("{}: {} arguments of its kernel are bound to no buffer, expected none", node_->name, unbound);
}

void Builder::end_forward(BufferId output) {
  list_.forward_steps = list_.steps.size();
  list_.output = output;
  list_.buffer(output).kept_to_end = true;
}

void Builder::end_backward(BufferId input_gradient) {
  list_.input_gradient = input_gradient;
  list_.buffer(input_gradient).kept_to_end = true;
}

}  // namespace convmixer
