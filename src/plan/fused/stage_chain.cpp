#include "plan/fused/stage_chain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

namespace convmixer {

namespace {

/// Reads the nodes one after the other; a chain's nodes can stand in no other order but for a sum's operands.
class Reader {
 public:
  explicit Reader(const Graph& graph) : graph_(graph) {}

  [[nodiscard]] bool at_end() const { return next_ == graph_.nodes().size(); }

  /// Why the graph is no chain, found at the node that is next.
  [[nodiscard]] std::string missing(const std::string& what) const {
    if (at_end()) return fmt::format("the network ends where fused stages need {}", what);
    return fmt::format("at node '{}' fused stages need {}", graph_.nodes()[next_].name, what);
  }

  /// The next node if it is an `Operation` on `input`.
  template <typename Operation>
  const Node* take(TensorId input) {
    if (at_end()) return nullptr;
    const Node& node = graph_.nodes()[next_];
    if (!std::holds_alternative<Operation>(node.operation) || node.inputs.front() != input) return nullptr;
    ++next_;
    return &node;
  }

  /// Convolution with bias, GELU and norm; the norm's output replaces `tensor`.
  std::optional<ConvolutionStage> take_stage(TensorId& tensor) {
    if (!at_end() && lacks_bias(graph_.nodes()[next_])) return std::nullopt;
    const Node* const convolution = take<Convolution>(tensor);
    const Node* const gelu = convolution == nullptr ? nullptr : take<Gelu>(convolution->output);
    const Node* const norm = gelu == nullptr ? nullptr : take<BatchNorm>(gelu->output);
    if (norm == nullptr) return std::nullopt;
    ConvolutionStage stage{convolution->name,
                           norm->name,
                           std::get<Convolution>(convolution->operation),
                           std::get<BatchNorm>(norm->operation),
                           channels(tensor),
                           channels(norm->output)};
    tensor = norm->output;
    return stage;
  }

  /// The sum of two tensors, in either order.
  bool take_sum(TensorId a, TensorId& b) {
    if (at_end()) return false;
    const Node& node = graph_.nodes()[next_];
    if (!std::holds_alternative<Add>(node.operation)) return false;
    const std::vector<TensorId> one{a, b};
    const std::vector<TensorId> other{b, a};
    if (node.inputs != one && node.inputs != other) return false;
    ++next_;
    b = node.output;
    return true;
  }

  [[nodiscard]] static bool lacks_bias(const Node& node) {
    const auto* const convolution = std::get_if<Convolution>(&node.operation);
    return convolution != nullptr && convolution->bias == kNoParameter;
  }

  [[nodiscard]] const Shape& shape(TensorId tensor) const { return graph_.tensors()[static_cast<std::size_t>(tensor)]; }
  [[nodiscard]] std::size_t channels(TensorId tensor) const { return static_cast<std::size_t>(shape(tensor)[0]); }

 private:
  const Graph& graph_;
  std::size_t next_ = 0;
};

bool is_depthwise(const ConvolutionStage& stage) {
  const Convolution& convolution = stage.convolution;
  return stage.in_channels == stage.out_channels && static_cast<std::size_t>(convolution.groups) == stage.in_channels &&
         convolution.stride == 1 && convolution.padding_begin + convolution.padding_end == convolution.kernel - 1;
}

bool is_pointwise(const ConvolutionStage& stage) {
  const Convolution& convolution = stage.convolution;
  return convolution.kernel == 1 && convolution.stride == 1 && convolution.groups == 1 &&
         convolution.padding_begin == 0 && convolution.padding_end == 0;
}

/// Reads blocks up to the pooling; says what is missing where a block breaks off.
std::string read_blocks(Reader& reader, TensorId& tensor, StageChain& chain) {
  while (true) {
    if (const Node* const pool = reader.take<GlobalAveragePool>(tensor)) {
      chain.pool_name = pool->name;
      tensor = pool->output;
      return chain.blocks.empty() ? "fused stages need at least one block" : "";
    }
    MixerBlock block;
    TensorId branch = tensor;
    const auto depthwise = reader.take_stage(branch);
    if (!depthwise) return reader.missing("depthwise convolution, GELU and batch norm, or the average pooling");
    if (!is_depthwise(*depthwise)) {
      return fmt::format("'{}' is no depthwise convolution that keeps the image's size", depthwise->name);
    }
    if (!reader.take_sum(tensor, branch)) return reader.missing("the sum of the block's input and its depthwise half");
    const auto pointwise = reader.take_stage(branch);
    if (!pointwise) return reader.missing("pointwise convolution, GELU and batch norm");
    if (!is_pointwise(*pointwise)) return fmt::format("'{}' is no pointwise convolution", pointwise->name);
    if (pointwise->in_channels != pointwise->out_channels) {
      return fmt::format("'{}' makes {} channels of {}; fused stages need the same number in all blocks",
                         pointwise->name, pointwise->out_channels, pointwise->in_channels);
    }
    tensor = branch;
    chain.blocks.push_back({*depthwise, *pointwise});
  }
}

/// Fills `chain`; says what the graph lacks to be one.
std::string read_chain(const Graph& graph, StageChain& chain) {
  Reader reader(graph);
  chain.image = reader.shape(graph.input());
  TensorId tensor = graph.input();
  const auto stem = reader.take_stage(tensor);
  if (!stem) return reader.missing("convolution, GELU and batch norm");
  if (stem->convolution.groups != 1) return fmt::format("the first convolution, '{}', has groups", stem->name);
  chain.stem = *stem;
  chain.height = static_cast<std::size_t>(reader.shape(tensor)[1]);
  chain.width = static_cast<std::size_t>(reader.shape(tensor)[2]);
  if (std::string missing = read_blocks(reader, tensor, chain); !missing.empty()) return missing;
  const Node* const head = reader.take<Linear>(tensor);
  if (head == nullptr) return reader.missing("a linear layer");
  if (!reader.at_end()) return reader.missing("the end of the network");
  chain.head_name = head->name;
  chain.head = std::get<Linear>(head->operation);
  chain.classes = reader.channels(head->output);
  return "";
}

}  // namespace

std::optional<StageChain> find_stage_chain(const Graph& graph, std::string* why_not) {
  StageChain chain;
  const std::string missing = read_chain(graph, chain);
  if (why_not != nullptr) *why_not = missing;
  if (!missing.empty()) return std::nullopt;
  return chain;
}

}  // namespace convmixer
