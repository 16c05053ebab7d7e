#include "support/reference_gradients.hpp"

#include <cmath>
#include <cstddef>
#include <numbers>
#include <stdexcept>
#include <utility>
#include <variant>

namespace convmixer::testing_support {

namespace {

using Values = std::vector<double>;

/// Adds the gradients of one node's parameters, and returns that of its first input.
struct Differentiator {
  const ReferenceNetwork& network;
  ReferenceGradients& gradients;

  [[nodiscard]] const Values& parameter(ParameterId id) const { return network.values[static_cast<std::size_t>(id)]; }

  void add(ParameterId id, std::size_t at, double part) const {
    gradients.values[static_cast<std::size_t>(id)][at] += part;
    gradients.sizes[static_cast<std::size_t>(id)][at] += std::abs(part);
  }

  [[nodiscard]] Values operator()(const Convolution& conv, const Values& x, const Values& dy, const Extents& in,
                                  const Extents& out) const {
    const Values& weight = parameter(conv.weight);
    const std::int64_t in_group = in.c / conv.groups;
    const std::int64_t out_group = out.c / conv.groups;
    Values dx(x.size());
    for (std::int64_t n = 0; n < out.n; ++n)
      for (std::int64_t o = 0; o < out.c; ++o)
        for (std::int64_t h = 0; h < out.h; ++h)
          for (std::int64_t w = 0; w < out.w; ++w) {
            const double gradient = dy[out.at(n, o, h, w)];
            add(conv.bias, static_cast<std::size_t>(o), gradient);
            for (std::int64_t i = 0; i < in_group; ++i)
              for (std::int64_t kh = 0; kh < conv.kernel; ++kh)
                for (std::int64_t kw = 0; kw < conv.kernel; ++kw) {
                  const std::int64_t ih = h * conv.stride + kh - conv.padding_begin;
                  const std::int64_t iw = w * conv.stride + kw - conv.padding_begin;
                  if (ih < 0 || ih >= in.h || iw < 0 || iw >= in.w) continue;
                  const auto k = static_cast<std::size_t>(((o * in_group + i) * conv.kernel + kh) * conv.kernel + kw);
                  const std::size_t at = in.at(n, o / out_group * in_group + i, ih, iw);
                  add(conv.weight, k, gradient * x[at]);
                  dx[at] += gradient * weight[k];
                }
          }
    return dx;
  }

  [[nodiscard]] Values operator()(const Gelu& /*gelu*/, const Values& x, const Values& dy, const Extents& /*in*/,
                                  const Extents& /*out*/) const {
    Values dx(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double density = std::exp(-0.5 * x[i] * x[i]) / std::sqrt(2.0 * std::numbers::pi);
      dx[i] = dy[i] * (0.5 * std::erfc(-x[i] / std::numbers::sqrt2) + x[i] * density);
    }
    return dx;
  }

  [[nodiscard]] Values operator()(const Relu& /*relu*/, const Values& x, const Values& dy, const Extents& /*in*/,
                                  const Extents& /*out*/) const {
    Values dx(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) dx[i] = x[i] > 0.0 ? dy[i] : 0.0;
    return dx;
  }

  /// With n = (x - mean) / deviation: dx = scale / deviation (dy - mean(dy) - n mean(dy n)).
  [[nodiscard]] Values operator()(const BatchNorm& norm, const Values& x, const Values& dy, const Extents& in,
                                  const Extents& /*out*/) const {
    Values dx(x.size());
    const auto count = static_cast<double>(in.n * in.h * in.w);
    for (std::int64_t c = 0; c < in.c; ++c) {
      const auto channel = static_cast<std::size_t>(c);
      const auto for_each = [&](const auto& body) {
        for (std::int64_t n = 0; n < in.n; ++n)
          for (std::int64_t h = 0; h < in.h; ++h)
            for (std::int64_t w = 0; w < in.w; ++w) body(in.at(n, c, h, w));
      };
      double mean = 0.0;
      double variance = 0.0;
      for_each([&](std::size_t i) { mean += x[i] / count; });
      for_each([&](std::size_t i) { variance += (x[i] - mean) * (x[i] - mean) / count; });
      const double deviation = std::sqrt(variance + static_cast<double>(norm.epsilon));
      double first = 0.0;
      double second = 0.0;
      for_each([&](std::size_t i) {
        const double normalised = (x[i] - mean) / deviation;
        first += dy[i];
        second += dy[i] * normalised;
        add(norm.shift, channel, dy[i]);
        add(norm.scale, channel, dy[i] * normalised);
      });
      const double scale = parameter(norm.scale)[channel] / deviation;
      for_each(
          [&](std::size_t i) { dx[i] = scale * (dy[i] - first / count - (x[i] - mean) / deviation * second / count); });
    }
    return dx;
  }

  [[nodiscard]] Values operator()(const Add& /*add*/, const Values& /*x*/, const Values& dy, const Extents& /*in*/,
                                  const Extents& /*out*/) const {
    return dy;  // the caller gives it to the second input as well
  }

  [[nodiscard]] Values operator()(const GlobalAveragePool& /*pool*/, const Values& x, const Values& dy,
                                  const Extents& in, const Extents& out) const {
    Values dx(x.size());
    for (std::int64_t n = 0; n < in.n; ++n)
      for (std::int64_t c = 0; c < in.c; ++c)
        for (std::int64_t h = 0; h < in.h; ++h)
          for (std::int64_t w = 0; w < in.w; ++w)
            dx[in.at(n, c, h, w)] = dy[out.at(n, c, 0, 0)] / static_cast<double>(in.h * in.w);
    return dx;
  }

  [[nodiscard]] Values operator()(const Linear& linear, const Values& x, const Values& dy, const Extents& in,
                                  const Extents& out) const {
    Values dx(x.size());
    for (std::int64_t n = 0; n < in.n; ++n)
      for (std::int64_t o = 0; o < out.c; ++o) {
        const double gradient = dy[out.at(n, o, 0, 0)];
        add(linear.bias, static_cast<std::size_t>(o), gradient);
        for (std::int64_t i = 0; i < in.c; ++i) {
          const auto k = static_cast<std::size_t>(o * in.c + i);
          add(linear.weight, k, gradient * x[in.at(n, i, 0, 0)]);
          dx[in.at(n, i, 0, 0)] += gradient * parameter(linear.weight)[k];
        }
      }
    return dx;
  }

  /// For operations that no fused plan has.
  template <typename Operation>
  [[nodiscard]] Values operator()(const Operation& /*operation*/, const Values& /*x*/, const Values& /*dy*/,
                                  const Extents& /*in*/, const Extents& /*out*/) const {
    throw std::logic_error("an operation whose gradient has no plain twin: finite differences stand for it");
  }
};

}  // namespace

ReferenceGradients reference_gradients(const ReferenceNetwork& network, const std::vector<double>& images,
                                       std::int64_t batch, const std::vector<double>& output_gradient) {
  ReferenceGradients gradients;
  for (const Values& values : network.values) {
    gradients.values.emplace_back(values.size());
    gradients.sizes.emplace_back(values.size());
  }
  const Graph& graph = *network.graph;
  const auto shape = [&](TensorId id) { return extents(graph.tensors()[static_cast<std::size_t>(id)], batch); };
  const std::vector<Values> tensors = network.tensors(images, batch, /*training=*/true);
  std::vector<Values> tensor_gradients;
  for (const Values& tensor : tensors) tensor_gradients.emplace_back(tensor.size());
  tensor_gradients.back() = output_gradient;
  const Differentiator differentiate{network, gradients};
  for (std::size_t i = graph.nodes().size(); i-- > 0;) {
    const Node& node = graph.nodes()[i];
    const Values& x = tensors[static_cast<std::size_t>(node.inputs[0])];
    const Values& dy = tensor_gradients[static_cast<std::size_t>(node.output)];
    const Values dx = std::visit(
        [&](const auto& operation) {
          return differentiate(operation, x, dy, shape(node.inputs[0]), shape(node.output));
        },
        node.operation);
    for (const TensorId input : node.inputs) {  // a sum gives all of them the same
      Values& to = tensor_gradients[static_cast<std::size_t>(input)];
      for (std::size_t at = 0; at < dx.size(); ++at) to[at] += dx[at];
    }
  }
  return gradients;
}

}  // namespace convmixer::testing_support
