#include "convmixer/graph/graph.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "graph/size_limits.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace convmixer {

namespace {

void check_epsilon(const std::string& name, float epsilon) {
  if (epsilon > 0.0F && std::isfinite(epsilon)) return;
  fail_usage("{}: epsilon = {}: expected a number above 0", name, epsilon);
}

void check_rate(const std::string& name, float rate) {
  if (!(rate >= 0.0F && rate < 1.0F)) fail_usage("{}: rate = {}: expected a number from 0 to below 1", name, rate);
}

}  // namespace

Graph::Graph(int channels, int height, int width) {
  if (channels < 1 || height < 1 || width < 1) {
    fail_usage("input: an image of shape ({}, {}, {}) has no pixels", channels, height, width);
  }
  check_product("input", "values of an image", {channels, height, width}, kMostValues);
  tensors_.push_back({channels, height, width});
}

TensorId Graph::append(const std::string& name, Operation operation, std::vector<TensorId> inputs, Shape output) {
  names_.insert(name);
  nodes_.push_back({name, operation, std::move(inputs), static_cast<TensorId>(tensors_.size())});
  tensors_.push_back(output);
  return nodes_.back().output;
}

void Graph::check_name(const std::string& name) const {
  if (names_.contains(name)) fail_usage("{}: there is a node of this name already, expected another name", name);
  for (const char* const end : {"", ".weight", ".bias", ".running_mean", ".running_var"}) {
    if (tensor_names_.contains(name + end))
      fail_usage("{}: there is a parameter {} already, expected another name", name, name + end);
  }
}

const Shape& Graph::shape_of(const std::string& name, TensorId input) const {
  check_name(name);
  if (input < 0 || input > output()) fail_usage("{}: no tensor {} to read, expected 0 to {}", name, input, output());
  return tensors_[static_cast<std::size_t>(input)];
}

const Shape& Graph::image_shape(const std::string& name, TensorId input) const {
  const Shape& shape = shape_of(name, input);
  if (shape.rank() != 3) fail_usage("{}: expected an input of shape (C, H, W), found {}", name, shape.to_string());
  return shape;
}

const Shape& Graph::token_shape(const std::string& name, TensorId input) const {
  const Shape& shape = shape_of(name, input);
  if (shape.rank() != 2) fail_usage("{}: expected an input of shape (T, D), found {}", name, shape.to_string());
  return shape;
}

ParameterId Graph::parameter(std::string name, Shape shape, ParameterRole role, std::int64_t fan_in) {
  tensor_names_.insert(name);
  parameters_.push_back({std::move(name), shape, role, fan_in});
  return static_cast<ParameterId>(parameters_.size()) - 1;
}

TensorId Graph::convolution(const std::string& name, TensorId input, int out_channels, int kernel, int stride,
                            int groups, int padding_begin, int padding_end, Bias bias) {
  const Shape shape = image_shape(name, input);
  if (out_channels < 1 || kernel < 1 || stride < 1 || groups < 1 || padding_begin < 0 || padding_end < 0) {
    fail_usage("{}: channels {}, kernel {}, stride {} and groups {} must be at least 1, padding {} and {} at least 0",
               name, out_channels, kernel, stride, groups, padding_begin, padding_end);
  }
  if (shape[0] % groups != 0 || out_channels % groups != 0) {
    fail_usage("{}: {} input and {} output channels can't be split evenly into {} groups", name, shape[0], out_channels,
               groups);
  }
  const std::int64_t height = shape[1] + padding_begin + padding_end - kernel;
  const std::int64_t width = shape[2] + padding_begin + padding_end - kernel;
  if (height < 0 || width < 0) {
    fail_usage("{}: a kernel of {}x{} does not fit into an image of {}x{} with padding {} and {}", name, kernel, kernel,
               shape[1], shape[2], padding_begin, padding_end);
  }
  const std::int64_t out_height = height / stride + 1;
  const std::int64_t out_width = width / stride + 1;
  check_product(name, "weights", {out_channels, shape[0] / groups, kernel, kernel}, kMostValues);
  check_product(name, "values of its output", {out_channels, out_height, out_width}, kMostValues);
  const std::int64_t fan_in = shape[0] / groups * kernel * kernel;
  check_product(name, "multiply-adds for an image", {out_channels, out_height, out_width, fan_in}, kMostMultiplyAdds);
  const ParameterId weight =
      parameter(name + ".weight", {out_channels, shape[0] / groups, kernel, kernel}, ParameterRole::weight, fan_in);
  const ParameterId added =
      bias == Bias::without ? kNoParameter : parameter(name + ".bias", {out_channels}, ParameterRole::bias, fan_in);
  return append(name, Convolution{weight, added, kernel, stride, groups, padding_begin, padding_end}, {input},
                {out_channels, out_height, out_width});
}

TensorId Graph::convolution_same(const std::string& name, TensorId input, int out_channels, int kernel, int groups) {
  const int begin = (std::max(kernel, 1) - 1) / 2;
  return convolution(name, input, out_channels, kernel, 1, groups, begin, std::max(kernel, 1) - 1 - begin);
}

TensorId Graph::gelu(const std::string& name, TensorId input) {
  return append(name, Gelu{}, {input}, shape_of(name, input));
}

TensorId Graph::relu(const std::string& name, TensorId input) {
  return append(name, Relu{}, {input}, shape_of(name, input));
}

TensorId Graph::batch_norm(const std::string& name, TensorId input, float epsilon, float momentum) {
  const Shape shape = image_shape(name, input);
  check_epsilon(name, epsilon);
  if (!(momentum >= 0.0F && momentum <= 1.0F)) {
    fail_usage("{}: momentum = {}: expected a number from 0 to 1", name, momentum);
  }
  const ParameterId scale = parameter(name + ".weight", {shape[0]}, ParameterRole::norm_scale, 0);
  const ParameterId shift = parameter(name + ".bias", {shape[0]}, ParameterRole::norm_shift, 0);
  const auto mean = static_cast<StatisticId>(statistics_.size());
  for (const auto& [end, initial] : {std::pair(".running_mean", 0.0F), std::pair(".running_var", 1.0F)}) {
    tensor_names_.insert(name + end);
    statistics_.push_back({name + end, {shape[0]}, initial});
  }
  return append(name, BatchNorm{scale, shift, mean, mean + 1, epsilon, momentum}, {input}, shape);
}

TensorId Graph::layer_norm(const std::string& name, TensorId input, float epsilon) {
  const Shape shape = shape_of(name, input);
  check_epsilon(name, epsilon);
  const std::int64_t features = shape.rank() == 3 ? shape[0] : shape[shape.rank() - 1];
  const ParameterId scale = parameter(name + ".weight", {features}, ParameterRole::norm_scale, 0);
  const ParameterId shift = parameter(name + ".bias", {features}, ParameterRole::norm_shift, 0);
  return append(name, LayerNorm{scale, shift, epsilon}, {input}, shape);
}

TensorId Graph::group_norm(const std::string& name, TensorId input, int groups, float epsilon) {
  const Shape shape = image_shape(name, input);
  check_epsilon(name, epsilon);
  if (groups < 1 || shape[0] % groups != 0) {
    fail_usage("{}: {} channels can't be split evenly into {}", name, shape[0], counted(groups, "group"));
  }
  const ParameterId scale = parameter(name + ".weight", {shape[0]}, ParameterRole::norm_scale, 0);
  const ParameterId shift = parameter(name + ".bias", {shape[0]}, ParameterRole::norm_shift, 0);
  return append(name, GroupNorm{scale, shift, groups, epsilon}, {input}, shape);
}

TensorId Graph::add(const std::string& name, TensorId a, TensorId b) {
  const Shape shape = shape_of(name, a);
  const Shape& other = shape_of(name, b);
  if (shape != other) {
    fail_usage("{}: the shapes {} and {} can't be added", name, shape.to_string(), other.to_string());
  }
  return append(name, Add{}, {a, b}, shape);
}

TensorId Graph::global_average_pool(const std::string& name, TensorId input) {
  const Shape shape = image_shape(name, input);
  return append(name, GlobalAveragePool{}, {input}, {shape[0]});
}

TensorId Graph::max_pool(const std::string& name, TensorId input, int kernel, int stride, int padding) {
  const Shape shape = image_shape(name, input);
  if (kernel < 1 || stride < 1 || padding < 0 || padding > kernel / 2) {
    fail_usage("{}: kernel {} and stride {} must be at least 1, padding {} from 0 to half of the kernel", name, kernel,
               stride, padding);
  }
  const std::int64_t height = shape[1] + 2 * std::int64_t{padding} - kernel;
  const std::int64_t width = shape[2] + 2 * std::int64_t{padding} - kernel;
  if (height < 0 || width < 0) {
    fail_usage("{}: a window of {}x{} does not fit into an image of {}x{} with padding {}", name, kernel, kernel,
               shape[1], shape[2], padding);
  }
  return append(name, MaxPool{kernel, stride, padding}, {input}, {shape[0], height / stride + 1, width / stride + 1});
}

TensorId Graph::dropout(const std::string& name, TensorId input, float rate) {
  const Shape shape = shape_of(name, input);
  check_rate(name, rate);
  return append(name, Dropout{rate}, {input}, shape);
}

TensorId Graph::drop_path(const std::string& name, TensorId input, float rate) {
  const Shape shape = shape_of(name, input);
  check_rate(name, rate);
  return append(name, DropPath{rate}, {input}, shape);
}

TensorId Graph::linear(const std::string& name, TensorId input, int out_features, Bias bias) {
  Shape shape = shape_of(name, input);
  if (shape.rank() != 1 && shape.rank() != 2)
    fail_usage("{}: expected an input of shape (C) or (T, D), found {}", name, shape.to_string());
  if (out_features < 1) fail_usage("{}: {}, expected at least 1", name, counted(out_features, "output feature"));
  const std::int64_t in_features = shape[shape.rank() - 1];
  const std::int64_t rows = shape.count() / in_features;
  check_product(name, "weights", {out_features, in_features}, kMostValues);
  check_product(name, "values of its output", {rows, out_features}, kMostValues);
  check_product(name, "multiply-adds for an image", {rows, out_features, in_features}, kMostMultiplyAdds);
  const ParameterId weight =
      parameter(name + ".weight", {out_features, in_features}, ParameterRole::weight, in_features);
  const ParameterId added = bias == Bias::without
                                ? kNoParameter
                                : parameter(name + ".bias", {out_features}, ParameterRole::bias, in_features);
  const Shape output = shape.rank() == 1 ? Shape{out_features} : Shape{shape[0], out_features};
  return append(name, Linear{weight, added}, {input}, output);
}

void Graph::set_initialisation(const std::string& name, const Initialisation& initialisation) {
  const auto found = std::ranges::find(parameters_, name, &Parameter::name);
  if (found == parameters_.end()) fail_usage("initialisation: {}: no parameter of this name", name);
  const bool is_constant = initialisation.distribution == Initialisation::Distribution::constant;
  if (!std::isfinite(initialisation.scale) || (initialisation.scale < 0.0F && !is_constant)) {
    fail_usage("initialisation: {}: scale {}, expected a number of at least 0", name, initialisation.scale);
  }
  found->initialisation = initialisation;
}

void Graph::freeze(const std::string& name) {
  const auto node = std::ranges::find(nodes_, name, &Node::name);
  if (node == nodes_.end()) fail_usage("freeze: {}: no node of this name", name);
  for (const ParameterId id : parameters_of(*node)) parameters_[static_cast<std::size_t>(id)].frozen = true;
  if (auto* norm = std::get_if<BatchNorm>(&node->operation)) norm->frozen = true;
}

std::vector<ParameterId> parameters_of(const Node& node) {
  if (const auto* convolution = std::get_if<Convolution>(&node.operation)) {
    if (convolution->bias == kNoParameter) return {convolution->weight};
    return {convolution->weight, convolution->bias};
  }
  if (const auto* norm = std::get_if<BatchNorm>(&node.operation)) return {norm->scale, norm->shift};
  if (const auto* norm = std::get_if<GroupNorm>(&node.operation)) return {norm->scale, norm->shift};
  if (const auto* linear = std::get_if<Linear>(&node.operation)) {
    if (linear->bias == kNoParameter) return {linear->weight};
    return {linear->weight, linear->bias};
  }
  if (const auto* norm = std::get_if<LayerNorm>(&node.operation)) return {norm->scale, norm->shift};
  if (const auto* embedding = std::get_if<PositionEmbedding>(&node.operation)) return {embedding->position};
  if (const auto* token = std::get_if<ClassToken>(&node.operation)) return {token->token};
  return {};
}

std::size_t first_trained_node(const Graph& graph) {
  const auto is_trained = [&](const Node& node) {
    return std::ranges::any_of(
        parameters_of(node), [&](ParameterId id) { return !graph.parameters()[static_cast<std::size_t>(id)].frozen; });
  };
  return static_cast<std::size_t>(std::ranges::find_if(graph.nodes(), is_trained) - graph.nodes().begin());
}

std::int64_t trained_parameter_count(const Graph& graph) {
  std::int64_t count = 0;
  for (const Parameter& parameter : graph.parameters()) {
    if (!parameter.frozen) count += parameter.shape.count();
  }
  return count;
}

std::int64_t parameter_count(const Graph& graph) {
  std::int64_t count = 0;
  for (const Parameter& parameter : graph.parameters()) count += parameter.shape.count();
  return count;
}

std::int64_t multiply_adds(const Graph& graph, const Node& node) {
  if (node.output < 1 || node.output > static_cast<TensorId>(graph.nodes().size()) ||
      graph.nodes()[static_cast<std::size_t>(node.output) - 1].name != node.name) {
    fail_usage("{}: a node of another graph", node.name);
  }
  const auto outputs = [&] { return graph.tensors()[static_cast<std::size_t>(node.output)].count(); };
  const auto inputs_of = [&](ParameterId weight) {
    return graph.parameters()[static_cast<std::size_t>(weight)].fan_in;
  };
  if (const auto* convolution = std::get_if<Convolution>(&node.operation)) {
    return outputs() * inputs_of(convolution->weight);
  }
  if (const auto* linear = std::get_if<Linear>(&node.operation)) return outputs() * inputs_of(linear->weight);
  // Each query with each key, each score with its value.
  if (std::holds_alternative<Attention>(node.operation))
    return 2 * outputs() * graph.tensors()[static_cast<std::size_t>(node.output)][0];
  return 0;
}

std::int64_t multiply_adds(const Graph& graph) {
  std::int64_t count = 0;
  for (const Node& node : graph.nodes()) count += multiply_adds(graph, node);
  return count;
}

}  // namespace convmixer
