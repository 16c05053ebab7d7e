#include "support/reference_network.hpp"

#include "convmixer/core/rng.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <utility>
#include <variant>

namespace convmixer::testing_support {

namespace {

using Values = std::vector<double>;

struct Evaluator {
  const ReferenceNetwork& network;
  bool training;
  std::vector<Values>* moved;
  TensorId output;  // of the node

  [[nodiscard]] const Values& parameter(ParameterId id) const { return network.values[static_cast<std::size_t>(id)]; }

  [[nodiscard]] Values operator()(const Convolution& conv, const Values& x, const Extents& in,
                                  const Extents& out) const {
    const Values& weight = parameter(conv.weight);
    const std::int64_t in_group = in.c / conv.groups;
    const std::int64_t out_group = out.c / conv.groups;
    Values y(out.count());
    for (std::int64_t n = 0; n < out.n; ++n)
      for (std::int64_t o = 0; o < out.c; ++o)
        for (std::int64_t h = 0; h < out.h; ++h)
          for (std::int64_t w = 0; w < out.w; ++w) {
            double sum = conv.bias == kNoParameter ? 0.0 : parameter(conv.bias)[static_cast<std::size_t>(o)];
            for (std::int64_t i = 0; i < in_group; ++i)
              for (std::int64_t kh = 0; kh < conv.kernel; ++kh)
                for (std::int64_t kw = 0; kw < conv.kernel; ++kw) {
                  const std::int64_t ih = h * conv.stride + kh - conv.padding_begin;
                  const std::int64_t iw = w * conv.stride + kw - conv.padding_begin;
                  if (ih < 0 || ih >= in.h || iw < 0 || iw >= in.w) continue;
                  const auto k = static_cast<std::size_t>(((o * in_group + i) * conv.kernel + kh) * conv.kernel + kw);
                  sum += weight[k] * x[in.at(n, o / out_group * in_group + i, ih, iw)];
                }
            y[out.at(n, o, h, w)] = sum;
          }
    return y;
  }

  [[nodiscard]] Values operator()(const Gelu& /*gelu*/, const Values& x, const Extents& /*in*/,
                                  const Extents& /*out*/) const {
    Values y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = 0.5 * x[i] * (1.0 + std::erf(x[i] / std::numbers::sqrt2));
    return y;
  }

  [[nodiscard]] Values operator()(const BatchNorm& norm, const Values& x, const Extents& in,
                                  const Extents& /*out*/) const {
    Values y(x.size());
    const auto count = static_cast<double>(in.n * in.h * in.w);
    for (std::int64_t c = 0; c < in.c; ++c) {
      const auto channel = static_cast<std::size_t>(c);
      double mean = network.statistics[static_cast<std::size_t>(norm.running_mean)][channel];
      double variance = network.statistics[static_cast<std::size_t>(norm.running_var)][channel];
      const auto for_each = [&](const auto& body) {
        for (std::int64_t n = 0; n < in.n; ++n)
          for (std::int64_t h = 0; h < in.h; ++h)
            for (std::int64_t w = 0; w < in.w; ++w) body(in.at(n, c, h, w));
      };
      if (training) {
        const auto moves = [&](StatisticId id, double batch) {
          if (moved == nullptr) return;
          const double momentum = static_cast<double>(norm.momentum);
          double& running = (*moved)[static_cast<std::size_t>(id)][channel];
          running = (1.0 - momentum) * running + momentum * batch;
        };
        mean = variance = 0.0;
        for_each([&](std::size_t i) { mean += x[i] / count; });
        for_each([&](std::size_t i) { variance += (x[i] - mean) * (x[i] - mean) / count; });
        moves(norm.running_mean, mean);
        moves(norm.running_var, variance * count / (count - 1.0));
      }
      const double scale = parameter(norm.scale)[channel] / std::sqrt(variance + static_cast<double>(norm.epsilon));
      for_each([&](std::size_t i) { y[i] = (x[i] - mean) * scale + parameter(norm.shift)[channel]; });
    }
    return y;
  }

  [[nodiscard]] Values operator()(const Relu& /*relu*/, const Values& x, const Extents& /*in*/,
                                  const Extents& /*out*/) const {
    Values y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = std::max(x[i], 0.0);
    return y;
  }

  [[nodiscard]] Values operator()(const GroupNorm& norm, const Values& x, const Extents& in,
                                  const Extents& /*out*/) const {
    Values y(x.size());
    const std::int64_t channels = in.c / norm.groups;
    const auto count = static_cast<double>(channels * in.h * in.w);
    for (std::int64_t n = 0; n < in.n; ++n)
      for (std::int64_t group = 0; group < norm.groups; ++group) {
        const auto for_each = [&](const auto& body) {
          for (std::int64_t c = group * channels; c < (group + 1) * channels; ++c)
            for (std::int64_t h = 0; h < in.h; ++h)
              for (std::int64_t w = 0; w < in.w; ++w) body(in.at(n, c, h, w), static_cast<std::size_t>(c));
        };
        double mean = 0.0;
        double variance = 0.0;
        for_each([&](std::size_t i, std::size_t /*c*/) { mean += x[i] / count; });
        for_each([&](std::size_t i, std::size_t /*c*/) { variance += (x[i] - mean) * (x[i] - mean) / count; });
        const double deviation = std::sqrt(variance + static_cast<double>(norm.epsilon));
        for_each([&](std::size_t i, std::size_t c) {
          y[i] = (x[i] - mean) / deviation * parameter(norm.scale)[c] + parameter(norm.shift)[c];
        });
      }
    return y;
  }

  [[nodiscard]] Values operator()(const MaxPool& pool, const Values& x, const Extents& in, const Extents& out) const {
    Values y(out.count(), -std::numeric_limits<double>::infinity());
    for (std::int64_t n = 0; n < out.n; ++n)
      for (std::int64_t c = 0; c < out.c; ++c)
        for (std::int64_t h = 0; h < out.h; ++h)
          for (std::int64_t w = 0; w < out.w; ++w)
            for (std::int64_t kh = 0; kh < pool.kernel; ++kh)
              for (std::int64_t kw = 0; kw < pool.kernel; ++kw) {
                const std::int64_t ih = h * pool.stride + kh - pool.padding;
                const std::int64_t iw = w * pool.stride + kw - pool.padding;
                if (ih < 0 || ih >= in.h || iw < 0 || iw >= in.w) continue;
                double& largest = y[out.at(n, c, h, w)];
                largest = std::max(largest, x[in.at(n, c, ih, iw)]);
              }
    return y;
  }

  /// The numbers that an image takes: DropoutDraws says so.
  [[nodiscard]] Rng numbers(std::int64_t image) const {
    const DropoutDraws& draws = network.draws;
    Rng of_node(draws.seed, RandomStream::dropout, static_cast<std::uint32_t>(output));
    const std::uint64_t upper = of_node.next();
    return {upper << 32 | of_node.next(), RandomStream::dropout, static_cast<std::uint32_t>(draws.update),
            static_cast<std::uint32_t>(draws.first_image + image)};
  }
  [[nodiscard]] static double kept(Rng& rng, float rate) {
    const bool drops = static_cast<double>(rng.next()) < std::floor(static_cast<double>(rate) * 0x1p32);
    return drops ? 0.0 : 1.0 / (1.0 - static_cast<double>(rate));
  }

  [[nodiscard]] Values operator()(const Dropout& dropout, const Values& x, const Extents& in,
                                  const Extents& /*out*/) const {
    Values y = x;
    if (!training || !network.draws.drops) return y;
    const std::size_t size = x.size() / static_cast<std::size_t>(in.n);
    for (std::int64_t n = 0; n < in.n; ++n) {
      Rng rng = numbers(n);
      for (std::size_t i = 0; i < size; ++i) y[static_cast<std::size_t>(n) * size + i] *= kept(rng, dropout.rate);
    }
    return y;
  }

  [[nodiscard]] Values operator()(const DropPath& path, const Values& x, const Extents& in,
                                  const Extents& /*out*/) const {
    Values y = x;
    if (!training || !network.draws.drops) return y;
    const std::size_t size = x.size() / static_cast<std::size_t>(in.n);
    for (std::int64_t n = 0; n < in.n; ++n) {
      Rng rng = numbers(n);
      const double factor = kept(rng, path.rate);
      for (std::size_t i = 0; i < size; ++i) y[static_cast<std::size_t>(n) * size + i] *= factor;
    }
    return y;
  }

  [[nodiscard]] Values operator()(const Add& /*add*/, const Values& x, const Extents& /*in*/,
                                  const Extents& /*out*/) const {
    return x;  // the caller adds the second input
  }

  [[nodiscard]] Values operator()(const GlobalAveragePool& /*pool*/, const Values& x, const Extents& in,
                                  const Extents& out) const {
    Values y(out.count());
    for (std::int64_t n = 0; n < in.n; ++n)
      for (std::int64_t c = 0; c < in.c; ++c)
        for (std::int64_t h = 0; h < in.h; ++h)
          for (std::int64_t w = 0; w < in.w; ++w)
            y[out.at(n, c, 0, 0)] += x[in.at(n, c, h, w)] / static_cast<double>(in.h * in.w);
    return y;
  }

  /// Of (N, I), or of the rows of (N, T, I).
  [[nodiscard]] Values operator()(const Linear& linear, const Values& x, const Extents& in, const Extents& out) const {
    const auto inputs = static_cast<std::size_t>(in.rank == 2 ? in.h : in.c);
    const auto outputs = static_cast<std::size_t>(out.rank == 2 ? out.h : out.c);
    Values y(out.count());
    for (std::size_t row = 0; row < x.size() / inputs; ++row)
      for (std::size_t o = 0; o < outputs; ++o) {
        double sum = linear.bias == kNoParameter ? 0.0 : parameter(linear.bias)[o];
        for (std::size_t i = 0; i < inputs; ++i) sum += parameter(linear.weight)[o * inputs + i] * x[row * inputs + i];
        y[row * outputs + o] = sum;
      }
    return y;
  }

  [[nodiscard]] Values operator()(const LayerNorm& norm, const Values& x, const Extents& in,
                                  const Extents& /*out*/) const {
    // Of the features of a row, `stride` values apart; the rows' first ones likewise within an image.
    const bool is_image = in.rank == 3;
    const std::int64_t features = is_image ? in.c : in.rank == 2 ? in.h : in.c;
    const std::int64_t stride = is_image ? in.h * in.w : 1;
    const auto rows = static_cast<std::int64_t>(x.size()) / features;
    Values y(x.size());
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t first = row / stride * stride * features + row % stride;
      const auto at = [&](std::int64_t feature) { return static_cast<std::size_t>(first + feature * stride); };
      const auto count = static_cast<double>(features);
      double mean = 0.0;
      double variance = 0.0;
      for (std::int64_t f = 0; f < features; ++f) mean += x[at(f)] / count;
      for (std::int64_t f = 0; f < features; ++f) variance += (x[at(f)] - mean) * (x[at(f)] - mean) / count;
      const double deviation = std::sqrt(variance + static_cast<double>(norm.epsilon));
      for (std::int64_t f = 0; f < features; ++f)
        y[at(f)] = (x[at(f)] - mean) / deviation * parameter(norm.scale)[static_cast<std::size_t>(f)] +
                   parameter(norm.shift)[static_cast<std::size_t>(f)];
    }
    return y;
  }

  [[nodiscard]] Values operator()(const ToTokens& /*tokens*/, const Values& x, const Extents& in,
                                  const Extents& out) const {
    Values y(x.size());
    for (std::int64_t n = 0; n < in.n; ++n)
      for (std::int64_t c = 0; c < in.c; ++c)
        for (std::int64_t h = 0; h < in.h; ++h)
          for (std::int64_t w = 0; w < in.w; ++w) y[out.at(n, h * in.w + w, c, 0)] = x[in.at(n, c, h, w)];
    return y;
  }

  [[nodiscard]] Values operator()(const Transpose& /*transpose*/, const Values& x, const Extents& in,
                                  const Extents& out) const {
    Values y(x.size());
    for (std::int64_t n = 0; n < in.n; ++n)
      for (std::int64_t t = 0; t < in.c; ++t)
        for (std::int64_t d = 0; d < in.h; ++d) y[out.at(n, d, t, 0)] = x[in.at(n, t, d, 0)];
    return y;
  }

  [[nodiscard]] Values operator()(const TokenMean& mean, const Values& x, const Extents& in, const Extents& out) const {
    Values y(out.count());
    for (std::int64_t n = 0; n < in.n; ++n)
      for (std::int64_t t = mean.begin; t < mean.end; ++t)
        for (std::int64_t d = 0; d < in.h; ++d)
          y[out.at(n, d, 0, 0)] += x[in.at(n, t, d, 0)] / static_cast<double>(mean.end - mean.begin);
    return y;
  }

  [[nodiscard]] Values operator()(const PositionEmbedding& embedding, const Values& x, const Extents& /*in*/,
                                  const Extents& /*out*/) const {
    const Values& position = parameter(embedding.position);
    Values y = x;
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += position[i % position.size()];
    return y;
  }

  [[nodiscard]] Values operator()(const ClassToken& token, const Values& x, const Extents& in,
                                  const Extents& out) const {
    Values y(out.count());
    for (std::int64_t n = 0; n < in.n; ++n)
      for (std::int64_t d = 0; d < in.h; ++d) {
        y[out.at(n, 0, d, 0)] = parameter(token.token)[static_cast<std::size_t>(d)];
        for (std::int64_t t = 0; t < in.c; ++t) y[out.at(n, t + 1, d, 0)] = x[in.at(n, t, d, 0)];
      }
    return y;
  }

  [[nodiscard]] Values operator()(const Attention& attention, const Values& x, const Extents& in,
                                  const Extents& out) const {
    const std::int64_t tokens = in.c;
    const std::int64_t features = out.h / attention.heads;
    Values y(out.count());
    Values scores(static_cast<std::size_t>(tokens));
    for (std::int64_t n = 0; n < in.n; ++n)
      for (std::int64_t head = 0; head < attention.heads; ++head)
        for (std::int64_t i = 0; i < tokens; ++i) {
          const auto at = [&](std::int64_t token, std::int64_t part, std::int64_t f) {
            return x[in.at(n, token, (part * attention.heads + head) * features + f, 0)];
          };
          double sum = 0.0;
          for (std::int64_t j = 0; j < tokens; ++j) {
            double product = 0.0;
            for (std::int64_t f = 0; f < features; ++f) product += at(i, 0, f) * at(j, 1, f);
            sum += scores[static_cast<std::size_t>(j)] = std::exp(product / std::sqrt(static_cast<double>(features)));
          }
          for (std::int64_t j = 0; j < tokens; ++j)
            for (std::int64_t f = 0; f < features; ++f)
              y[out.at(n, i, head * features + f, 0)] += scores[static_cast<std::size_t>(j)] / sum * at(j, 2, f);
        }
    return y;
  }
};

}  // namespace

ReferenceNetwork::ReferenceNetwork(const Graph& of, const Parameters& parameters) : graph(&of) {
  for (std::size_t id = 0; id < of.parameters().size(); ++id) {
    const auto span = parameters.value(static_cast<ParameterId>(id));
    values.emplace_back(span.begin(), span.end());
  }
  for (std::size_t id = 0; id < of.statistics().size(); ++id) {
    const auto span = parameters.statistic(static_cast<StatisticId>(id));
    statistics.emplace_back(span.begin(), span.end());
  }
}

std::vector<double> ReferenceNetwork::forward(const std::vector<double>& images, std::int64_t batch, bool training,
                                              std::vector<std::vector<double>>* moved) const {
  return std::move(tensors(images, batch, training, moved).back());
}

std::vector<std::vector<double>> ReferenceNetwork::tensors(const std::vector<double>& images, std::int64_t batch,
                                                           bool training,
                                                           std::vector<std::vector<double>>* moved) const {
  if (moved != nullptr) *moved = statistics;
  const auto shape = [&](TensorId id) { return extents(graph->tensors()[static_cast<std::size_t>(id)], batch); };
  std::vector<Values> tensors(graph->tensors().size());
  tensors[0] = images;
  for (const Node& node : graph->nodes()) {
    const Evaluator evaluate{*this, training, moved, node.output};
    const Values& x = tensors[static_cast<std::size_t>(node.inputs[0])];
    Values y = std::visit(
        [&](const auto& operation) { return evaluate(operation, x, shape(node.inputs[0]), shape(node.output)); },
        node.operation);
    for (std::size_t other = 1; other < node.inputs.size(); ++other) {
      const Values& b = tensors[static_cast<std::size_t>(node.inputs[other])];
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += b[i];
    }
    tensors[static_cast<std::size_t>(node.output)] = std::move(y);
  }
  return tensors;
}

}  // namespace convmixer::testing_support
