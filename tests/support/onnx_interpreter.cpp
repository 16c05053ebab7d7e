#include "support/onnx_interpreter.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <set>
#include <span>
#include <stdexcept>

namespace convmixer::testing_support {
namespace {

std::int64_t count(const std::vector<std::int64_t>& extents) {
  std::int64_t product = 1;
  for (const std::int64_t extent : extents) product *= extent;
  return product;
}

/// Of b's extents, counted from the last, each is a's or 1.
OnnxTensor elementwise(const OnnxTensor& a, const OnnxTensor& b, const std::function<double(double, double)>& f) {
  if (b.extents.size() > a.extents.size()) throw std::runtime_error("an operand of more dimensions than the first");
  OnnxTensor result = a;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    auto rest = static_cast<std::int64_t>(i);
    std::int64_t at = 0;
    std::int64_t stride = 1;
    for (std::size_t back = 1; back <= b.extents.size(); ++back) {
      const std::int64_t mine = a.extents[a.extents.size() - back];
      const std::int64_t its = b.extents[b.extents.size() - back];
      if (its != mine && its != 1) throw std::runtime_error("operands whose extents don't go together");
      at += its == 1 ? 0 : rest % mine * stride;
      rest /= mine;
      stride *= its;
    }
    result.values[i] = f(a.values[i], b.values[static_cast<std::size_t>(at)]);
  }
  return result;
}

OnnxTensor convolution(const OnnxTensor& x, const OnnxTensor& w, const OnnxTensor& b,
                       const std::vector<std::int64_t>& pads, std::int64_t stride, std::int64_t groups) {
  // Without a bias, b holds no value.
  const std::int64_t images = x.extents[0], channels = x.extents[1], height = x.extents[2], width = x.extents[3];
  const std::int64_t outputs = w.extents[0], kernel_h = w.extents[2], kernel_w = w.extents[3];
  const std::int64_t out_h = (height + pads[0] + pads[2] - kernel_h) / stride + 1;
  const std::int64_t out_w = (width + pads[1] + pads[3] - kernel_w) / stride + 1;
  const std::int64_t group_inputs = channels / groups, group_outputs = outputs / groups;
  OnnxTensor y{{images, outputs, out_h, out_w}, {}};
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t o = 0; o < outputs; ++o)
      for (std::int64_t row = 0; row < out_h; ++row)
        for (std::int64_t column = 0; column < out_w; ++column) {
          double sum = b.values.empty() ? 0.0 : b.values[static_cast<std::size_t>(o)];
          for (std::int64_t c = 0; c < group_inputs; ++c)
            for (std::int64_t i = 0; i < kernel_h; ++i)
              for (std::int64_t j = 0; j < kernel_w; ++j) {
                const std::int64_t in_row = row * stride + i - pads[0], in_column = column * stride + j - pads[1];
                if (in_row < 0 || in_row >= height || in_column < 0 || in_column >= width) continue;
                const std::int64_t channel = o / group_outputs * group_inputs + c;
                const std::int64_t from = ((n * channels + channel) * height + in_row) * width + in_column;
                const std::int64_t weight = ((o * group_inputs + c) * kernel_h + i) * kernel_w + j;
                sum += x.values[static_cast<std::size_t>(from)] * w.values[static_cast<std::size_t>(weight)];
              }
          y.values.push_back(sum);
        }
  return y;
}

OnnxTensor batch_norm(const std::vector<const OnnxTensor*>& inputs, double epsilon) {
  OnnxTensor y = *inputs[0];
  const auto pixels = static_cast<std::size_t>(y.extents[2] * y.extents[3]);
  const auto channels = static_cast<std::size_t>(y.extents[1]);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const std::size_t c = i / pixels % channels;
    const double normalised = (y.values[i] - inputs[3]->values[c]) / std::sqrt(inputs[4]->values[c] + epsilon);
    y.values[i] = normalised * inputs[1]->values[c] + inputs[2]->values[c];
  }
  return y;
}

/// Of (N, G, M), each row by itself.
OnnxTensor instance_norm(const std::vector<const OnnxTensor*>& inputs, double epsilon) {
  OnnxTensor y = *inputs[0];
  const auto groups = static_cast<std::size_t>(y.extents.at(1));
  const auto size = static_cast<std::size_t>(count(y.extents)) / static_cast<std::size_t>(y.extents[0]) / groups;
  for (std::size_t row = 0; row * size < y.values.size(); ++row) {
    const std::span<double> values = std::span(y.values).subspan(row * size, size);
    double mean = 0.0;
    double variance = 0.0;
    for (const double value : values) mean += value / static_cast<double>(size);
    for (const double value : values) variance += (value - mean) * (value - mean) / static_cast<double>(size);
    for (double& value : values)
      value = (value - mean) / std::sqrt(variance + epsilon) * inputs[1]->values[row % groups] +
              inputs[2]->values[row % groups];
  }
  return y;
}

OnnxTensor max_pool(const OnnxTensor& x, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  const std::int64_t height = x.extents[2], width = x.extents[3];
  const std::int64_t out_h = (height + 2 * pad - kernel) / stride + 1, out_w = (width + 2 * pad - kernel) / stride + 1;
  OnnxTensor y{{x.extents[0], x.extents[1], out_h, out_w}, {}};
  for (std::int64_t plane = 0; plane < x.extents[0] * x.extents[1]; ++plane)
    for (std::int64_t row = 0; row < out_h; ++row)
      for (std::int64_t column = 0; column < out_w; ++column) {
        double largest = -std::numeric_limits<double>::infinity();
        for (std::int64_t i = row * stride - pad; i < row * stride - pad + kernel; ++i)
          for (std::int64_t j = column * stride - pad; j < column * stride - pad + kernel; ++j)
            if (i >= 0 && i < height && j >= 0 && j < width)
              largest = std::max(largest, x.values[static_cast<std::size_t>((plane * height + i) * width + j)]);
        y.values.push_back(largest);
      }
  return y;
}

OnnxTensor average_pool(const OnnxTensor& x) {
  OnnxTensor y{{x.extents[0], x.extents[1], 1, 1}, {}};
  const std::int64_t pixels = x.extents[2] * x.extents[3];
  for (std::int64_t i = 0; i < x.extents[0] * x.extents[1]; ++i) {
    double sum = 0.0;
    for (std::int64_t p = 0; p < pixels; ++p) sum += x.values[static_cast<std::size_t>(i * pixels + p)];
    y.values.push_back(sum / static_cast<double>(pixels));
  }
  return y;
}

/// x W^T + b, or without b.
OnnxTensor gemm(const OnnxTensor& x, const OnnxTensor& w, const OnnxTensor* b) {
  OnnxTensor y{{x.extents[0], w.extents[0]}, {}};
  const auto inputs = static_cast<std::size_t>(x.extents[1]);
  for (std::size_t n = 0; n < static_cast<std::size_t>(x.extents[0]); ++n)
    for (std::size_t o = 0; o < static_cast<std::size_t>(w.extents[0]); ++o) {
      double sum = b == nullptr ? 0.0 : b->values[o];
      for (std::size_t i = 0; i < inputs; ++i) sum += x.values[n * inputs + i] * w.values[o * inputs + i];
      y.values.push_back(sum);
    }
  return y;
}

/// Of the last two dimensions; b's others are a's, or it has none.
OnnxTensor matrix_product(const OnnxTensor& a, const OnnxTensor& b) {
  const auto extent = [](const OnnxTensor& of, std::size_t back) {
    return static_cast<std::size_t>(of.extents.at(of.extents.size() - back));
  };
  const std::size_t rows = extent(a, 2), inner = extent(a, 1), columns = extent(b, 1);
  if (extent(b, 2) != inner) throw std::runtime_error("a product of matrices that don't go together");
  OnnxTensor y{a.extents, {}};
  y.extents.back() = static_cast<std::int64_t>(columns);
  for (std::size_t matrix = 0; matrix < a.values.size() / (rows * inner); ++matrix) {
    const std::size_t other = b.extents.size() == 2 ? 0 : matrix * inner * columns;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) {
        double sum = 0.0;
        for (std::size_t k = 0; k < inner; ++k)
          sum += a.values[(matrix * rows + i) * inner + k] * b.values.at(other + k * columns + j);
        y.values.push_back(sum);
      }
  }
  return y;
}

/// Elements [begin, end) along an axis.
OnnxTensor slice(const OnnxTensor& x, std::int64_t begin, std::int64_t end, std::size_t axis) {
  OnnxTensor y{x.extents, {}};
  y.extents.at(axis) = end - begin;
  std::int64_t inner = 1;
  for (std::size_t i = axis + 1; i < x.extents.size(); ++i) inner *= x.extents[i];
  for (std::int64_t i = 0; i < std::ssize(x.values); ++i) {
    const std::int64_t place = i / inner % x.extents[axis];
    if (place >= begin && place < end) y.values.push_back(x.values[static_cast<std::size_t>(i)]);
  }
  return y;
}

/// Along axis 1.
OnnxTensor concatenate(const OnnxTensor& a, const OnnxTensor& b) {
  OnnxTensor y{a.extents, {}};
  y.extents[1] += b.extents[1];
  const auto part = [&](const OnnxTensor& of, std::int64_t n) {
    const std::int64_t size = std::ssize(of.values) / of.extents[0];
    y.values.insert(y.values.end(), of.values.begin() + n * size, of.values.begin() + (n + 1) * size);
  };
  for (std::int64_t n = 0; n < a.extents[0]; ++n) {
    part(a, n);
    part(b, n);
  }
  return y;
}

/// Over axis 1 of (N, T, D).
OnnxTensor reduce_mean(const OnnxTensor& x) {
  const std::int64_t tokens = x.extents[1], features = x.extents[2];
  OnnxTensor y{{x.extents[0], features}, {}};
  y.values.resize(static_cast<std::size_t>(x.extents[0] * features));
  for (std::int64_t i = 0; i < std::ssize(x.values); ++i) {
    const std::int64_t to = i / (tokens * features) * features + i % features;
    y.values[static_cast<std::size_t>(to)] += x.values[static_cast<std::size_t>(i)] / static_cast<double>(tokens);
  }
  return y;
}

/// Over the last axis.
OnnxTensor softmax(const OnnxTensor& x) {
  OnnxTensor y = x;
  const auto classes = static_cast<std::size_t>(x.extents.back());
  for (std::size_t begin = 0; begin < y.values.size(); begin += classes) {
    double sum = 0.0;
    for (std::size_t i = begin; i < begin + classes; ++i) sum += y.values[i] = std::exp(x.values[i]);
    for (std::size_t i = begin; i < begin + classes; ++i) y.values[i] /= sum;
  }
  return y;
}

/// Over the last axis.
OnnxTensor layer_norm(const std::vector<const OnnxTensor*>& inputs, double epsilon) {
  OnnxTensor y = *inputs[0];
  const auto features = static_cast<std::size_t>(y.extents.back());
  for (std::size_t begin = 0; begin < y.values.size(); begin += features) {
    double mean = 0.0;
    double variance = 0.0;
    for (std::size_t i = 0; i < features; ++i) mean += y.values[begin + i] / static_cast<double>(features);
    for (std::size_t i = 0; i < features; ++i)
      variance += (y.values[begin + i] - mean) * (y.values[begin + i] - mean) / static_cast<double>(features);
    for (std::size_t i = 0; i < features; ++i) {
      const double normalised = (y.values[begin + i] - mean) / std::sqrt(variance + epsilon);
      y.values[begin + i] = normalised * inputs[1]->values.at(i) + inputs[2]->values.at(i);
    }
  }
  return y;
}

/// Axis i of the result is axis order[i] of x.
OnnxTensor transpose(const OnnxTensor& x, const std::vector<std::int64_t>& order) {
  std::vector<std::int64_t> strides(x.extents.size(), 1);
  for (std::size_t axis = x.extents.size() - 1; axis-- > 0;) strides[axis] = strides[axis + 1] * x.extents[axis + 1];
  OnnxTensor y;
  for (const std::int64_t axis : order) y.extents.push_back(x.extents.at(static_cast<std::size_t>(axis)));
  for (std::int64_t i = 0; i < count(y.extents); ++i) {
    std::int64_t from = 0;
    std::int64_t rest = i;
    for (std::size_t axis = order.size(); axis-- > 0;) {
      from += rest % y.extents[axis] * strides[static_cast<std::size_t>(order[axis])];
      rest /= y.extents[axis];
    }
    y.values.push_back(x.values[static_cast<std::size_t>(from)]);
  }
  return y;
}

/// 0 stands for x's extent, one -1 for what is left.
OnnxTensor reshape(const OnnxTensor& x, const std::vector<double>& extents) {
  OnnxTensor y{{}, x.values};
  for (std::size_t axis = 0; axis < extents.size(); ++axis)
    y.extents.push_back(extents[axis] == 0.0 ? x.extents.at(axis) : static_cast<std::int64_t>(extents[axis]));
  for (std::int64_t& extent : y.extents)
    if (extent == -1) extent = -count(x.extents) / count(y.extents);
  if (count(y.extents) != count(x.extents)) throw std::runtime_error("a reshape that changes the number of values");
  return y;
}

template <typename Element>
std::vector<double> read_values(const std::string& raw) {
  std::vector<Element> values(raw.size() / sizeof(Element));
  std::memcpy(values.data(), raw.data(), raw.size());
  return {values.begin(), values.end()};
}

OnnxTensor read_tensor(const ProtobufReader& message) {
  const std::int64_t type = message.number(2);
  if (type != 1 && type != 7) throw std::runtime_error("an initializer that is neither f32 nor int64");
  const std::string& raw = message.text(9);
  OnnxTensor tensor{message.numbers(1), type == 1 ? read_values<float>(raw) : read_values<std::int64_t>(raw)};
  if (count(tensor.extents) != std::ssize(tensor.values))
    throw std::runtime_error("an initializer whose extents and bytes don't agree");
  return tensor;
}

void give(std::set<std::string>& given, const std::string& name) {
  if (!given.insert(name).second) throw std::runtime_error("given twice: " + name);
}

}  // namespace

OnnxInterpreter::Node::Node(const ProtobufReader& message)
    : name(message.text(3)), type(message.text(4)), inputs(message.texts(1)), output(message.text(2)) {
  for (const ProtobufReader& attribute : message.messages(5)) {
    const std::string& key = attribute.text(1);
    switch (attribute.number(20)) {
      case 1:
        floats[key] = attribute.floats(2).at(0);
        break;
      case 2:
        integers[key] = {attribute.number(3)};
        break;
      case 7:
        integers[key] = attribute.numbers(8);
        break;
      default:
        throw std::runtime_error("an attribute of a type that isn't read");
    }
  }
}

OnnxInterpreter::OnnxInterpreter(std::string_view bytes) : model_(bytes), graph_(model_.message(7)) {
  std::set<std::string> given;
  for (const ProtobufReader& tensor : graph_.messages(5)) {
    give(given, tensor.text(8));
    initializers_[tensor.text(8)] = read_tensor(tensor);
  }
  for (const ProtobufReader& input : graph_.messages(11)) give(given, input.text(1));
  for (const ProtobufReader& message : graph_.messages(1)) {
    const Node& node = nodes_.emplace_back(message);
    for (const std::string& input : node.inputs)
      if (!given.contains(input)) throw std::runtime_error("read before it is given: " + input);
    give(given, node.output);
  }
}

std::vector<std::string> OnnxInterpreter::operators() const {
  std::vector<std::string> types;
  for (const Node& node : nodes_) types.push_back(node.type);
  return types;
}

const OnnxInterpreter::Node& OnnxInterpreter::named(const std::string& node) const {
  for (const Node& candidate : nodes_)
    if (candidate.name == node) return candidate;
  throw std::runtime_error("no node " + node);
}

std::vector<std::int64_t> OnnxInterpreter::integers(const std::string& node, const std::string& attribute) const {
  return named(node).integers.at(attribute);
}

double OnnxInterpreter::real(const std::string& node, const std::string& attribute) const {
  return named(node).floats.at(attribute);
}

OnnxTensor OnnxInterpreter::apply(const Node& node, const std::vector<const OnnxTensor*>& inputs) {
  const std::string& type = node.type;
  if (type == "Conv")
    return convolution(*inputs[0], *inputs[1], inputs.size() > 2 ? *inputs[2] : OnnxTensor{}, node.integers.at("pads"),
                       node.integers.at("strides")[0], node.integers.at("group")[0]);
  if (type == "BatchNormalization") return batch_norm(inputs, node.floats.at("epsilon"));
  if (type == "InstanceNormalization") return instance_norm(inputs, node.floats.at("epsilon"));
  if (type == "MaxPool")
    return max_pool(*inputs[0], node.integers.at("kernel_shape")[0], node.integers.at("strides")[0],
                    node.integers.at("pads")[0]);
  if (type == "Identity") return *inputs[0];
  if (type == "Relu")
    return elementwise(*inputs[0], *inputs[0], [](double a, double /*b*/) { return std::max(a, 0.0); });
  if (type == "GlobalAveragePool") return average_pool(*inputs[0]);
  if (type == "Flatten") return {{inputs[0]->extents[0], inputs[0]->extents[1]}, inputs[0]->values};
  if (type == "Gemm" && node.integers.at("transB")[0] == 1)
    return gemm(*inputs[0], *inputs[1], inputs.size() > 2 ? inputs[2] : nullptr);
  if (type == "MatMul") return matrix_product(*inputs[0], *inputs[1]);
  if (type == "Slice")
    return slice(*inputs[0], static_cast<std::int64_t>(inputs[1]->values[0]),
                 static_cast<std::int64_t>(inputs[2]->values[0]), static_cast<std::size_t>(inputs[3]->values[0]));
  if (type == "Concat" && node.integers.at("axis")[0] == 1) return concatenate(*inputs[0], *inputs[1]);
  if (type == "ReduceMean" && node.integers.at("axes")[0] == 1 && node.integers.at("keepdims")[0] == 0)
    return reduce_mean(*inputs[0]);
  if (type == "LayerNormalization" && node.integers.at("axis")[0] + 1 == std::ssize(inputs[0]->extents))
    return layer_norm(inputs, node.floats.at("epsilon"));
  if (type == "Transpose") return transpose(*inputs[0], node.integers.at("perm"));
  if (type == "Reshape") return reshape(*inputs[0], inputs[1]->values);
  if (type == "Softmax" && node.integers.at("axis")[0] + 1 == std::ssize(inputs[0]->extents))
    return softmax(*inputs[0]);
  if (type == "Erf") return elementwise(*inputs[0], *inputs[0], [](double a, double /*b*/) { return std::erf(a); });
  if (type == "Add") return elementwise(*inputs[0], *inputs[1], std::plus<>());
  if (type == "Sub") return elementwise(*inputs[0], *inputs[1], std::minus<>());
  if (type == "Mul") return elementwise(*inputs[0], *inputs[1], std::multiplies<>());
  if (type == "Div") return elementwise(*inputs[0], *inputs[1], std::divides<>());
  throw std::runtime_error("an operator that isn't run: " + type);
}

OnnxTensor OnnxInterpreter::run(const OnnxTensor& input) const {
  std::map<std::string, OnnxTensor> values = initializers_;
  values[graph_.message(11).text(1)] = input;
  for (const Node& node : nodes_) {
    std::vector<const OnnxTensor*> inputs;
    for (const std::string& name : node.inputs) inputs.push_back(&values.at(name));
    values[node.output] = apply(node, inputs);
  }
  return values.at(graph_.message(12).text(1));
}

}  // namespace convmixer::testing_support
