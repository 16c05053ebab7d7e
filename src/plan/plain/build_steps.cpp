#include "plan/plain/build_steps.hpp"

#include "convmixer/core/error.hpp"
#include "plan/plain/operations.hpp"

#include <variant>

namespace convmixer {

namespace {

/// f32 in the order of the caller's memory.
kernels::Layout as_callers(const Builder& builder, TensorId tensor) {
  return {builder.batch_shape(tensor), kernels::ElementType::f32, kernels::Format::plain};
}

/// Activations take the layout that suits the convolution with the most work.
void choose_layout(Builder& builder) {
  const Graph& graph = builder.graph();
  const Node* heaviest = nullptr;
  for (const Node& node : graph.nodes()) {
    if (!std::holds_alternative<Convolution>(node.operation)) continue;
    if (heaviest == nullptr || multiply_adds(graph, node) > multiply_adds(graph, *heaviest)) heaviest = &node;
  }
  if (heaviest == nullptr) return;
  builder.choice().set_heaviest(convolution_problem(builder, *heaviest, std::get<Convolution>(heaviest->operation)));
}

void build_forward(Builder& builder) {
  const Graph& graph = builder.graph();
  builder.set_value(graph.input(), builder.add_buffer({as_callers(builder, graph.input()), Home::images}));
  for (const Node& node : graph.nodes()) {
    builder.begin_forward(node);
    std::visit([&](const auto& operation) { forward(builder, operation); }, node.operation);
  }
  const TensorId output = graph.output();
  builder.end_forward(builder.in_arena(builder.convert(builder.value(output), as_callers(builder, output))));
}

void build_backward(Builder& builder) {
  const Graph& graph = builder.graph();
  builder.set_gradient(graph.output(),
                       builder.add_buffer({as_callers(builder, graph.output()), Home::output_gradient}));
  for (auto node = graph.nodes().rbegin(); node != graph.nodes().rend() && builder.wants_gradient(node->output);
       ++node) {
    builder.begin_backward(*node);
    if (builder.output_gradient() < 0) fail("{}: its output is used by nothing", node->name);
    std::visit([&](const auto& operation) { backward(builder, operation); }, node->operation);
  }
  const TensorId input = graph.input();
  if (!builder.wants_gradient(input)) return;
  builder.end_backward(builder.in_arena(builder.convert(builder.gradient(input), as_callers(builder, input))));
}

}  // namespace

StepList build_steps(const Graph& graph, Parameters& parameters, kernels::Runtime& runtime,
                     const PlanOptions& options) {
  Builder builder(graph, parameters, runtime, options);
  choose_layout(builder);
  build_forward(builder);
  if (builder.training()) build_backward(builder);
  return builder.take();
}

}  // namespace convmixer
