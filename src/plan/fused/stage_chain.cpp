#include "plan/fused/stage_chain.hpp"

#include <fmt/format.h>

#include <numeric>
#include <utility>
#include <variant>

namespace convmixer {

namespace {

/// Reads the nodes one after the other; a chain's nodes can stand in no other order but for a sum's operands.
class Reader {
 public:
  Reader(const Graph& graph, PlanMode mode) : graph_(graph), mode_(mode), same_as_(graph.tensors().size()) {
    std::iota(same_as_.begin(), same_as_.end(), 0);
    leave_out_drops();
  }

  [[nodiscard]] bool at_end() const { return next_ == graph_.nodes().size(); }

  /// Why the graph is no chain, found at the node that is next.
  [[nodiscard]] std::string missing(const std::string& what) const {
    if (at_end()) return fmt::format("the network ends where fused stages need {}", what);
    const Node& node = graph_.nodes()[next_];
    if (drops(node)) return fmt::format("node '{}' drops values in training, which fused stages can't", node.name);
    return fmt::format("at node '{}' fused stages need {}", node.name, what);
  }

  /// The same after take_stage has found none; `first` is what it could have begun with.
  [[nodiscard]] std::string missing_stage(const std::string& first) const {
    const std::string what = part_ == Part::convolution  ? first
                             : part_ == Part::activation ? "GELU or ReLU"
                                                         : "batch norm";
    return missing(what + ": each stage is convolution, GELU or ReLU, batch norm, in this order");
  }

  /// The next node if it is an `Operation` on `input`.
  template <typename Operation>
  const Node* take(TensorId input) {
    if (at_end()) return nullptr;
    const Node& node = graph_.nodes()[next_];
    if (!std::holds_alternative<Operation>(node.operation) || same(node.inputs.front()) != same(input)) return nullptr;
    advance();
    return &node;
  }

  /// Convolution with bias, GELU or ReLU, and norm; the norm's output replaces `tensor`.
  std::optional<ConvolutionStage> take_stage(TensorId& tensor) {
    part_ = Part::convolution;
    if (!at_end() && lacks_bias(graph_.nodes()[next_])) return std::nullopt;
    const Node* const convolution = take<Convolution>(tensor);
    if (convolution == nullptr) return std::nullopt;
    part_ = Part::activation;
    const Node* activation = take<Gelu>(convolution->output);
    if (activation == nullptr) activation = take<Relu>(convolution->output);
    if (activation == nullptr) return std::nullopt;
    part_ = Part::norm;
    const Node* const norm = take<BatchNorm>(activation->output);
    if (norm == nullptr) return std::nullopt;
    ConvolutionStage stage{convolution->name,
                           norm->name,
                           std::get<Convolution>(convolution->operation),
                           std::get<BatchNorm>(norm->operation),
                           std::holds_alternative<Relu>(activation->operation) ? kernels::StageActivation::relu
                                                                               : kernels::StageActivation::gelu,
                           channels(tensor),
                           channels(norm->output)};
    tensor = norm->output;
    return stage;
  }

  /// Whether the next node adds a tensor to another.
  [[nodiscard]] bool is_at_sum() const {
    return !at_end() && std::holds_alternative<Add>(graph_.nodes()[next_].operation);
  }

  /// The sum of two tensors, in either order.
  bool take_sum(TensorId a, TensorId& b) {
    if (at_end()) return false;
    const Node& node = graph_.nodes()[next_];
    if (!std::holds_alternative<Add>(node.operation)) return false;
    const std::pair found(same(node.inputs[0]), same(node.inputs[1]));
    if (found != std::pair(same(a), same(b)) && found != std::pair(same(b), same(a))) return false;
    advance();
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
  enum class Part { convolution, activation, norm };

  [[nodiscard]] static bool drops(const Node& node) {
    return std::holds_alternative<Dropout>(node.operation) || std::holds_alternative<DropPath>(node.operation);
  }
  void advance() {
    ++next_;
    leave_out_drops();
  }
  /// Past nodes that only hand on what they read.
  void leave_out_drops() {
    for (; mode_ == PlanMode::inference && !at_end(); ++next_) {
      const Node& node = graph_.nodes()[next_];
      if (!drops(node)) return;
      same_as_[static_cast<std::size_t>(node.output)] = same(node.inputs.front());
    }
  }
  /// The tensor that has a tensor's values.
  [[nodiscard]] TensorId same(TensorId tensor) const { return same_as_[static_cast<std::size_t>(tensor)]; }

  const Graph& graph_;
  PlanMode mode_;
  std::size_t next_ = 0;
  Part part_ = Part::convolution;  ///< of a stage, the one that take_stage has come to
  std::vector<TensorId> same_as_;
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
    TensorId branch = tensor;
    const auto depthwise = reader.take_stage(branch);
    if (!depthwise) return reader.missing_stage("a depthwise convolution with bias, or the average pooling");
    if (!is_depthwise(*depthwise)) {
      return fmt::format("'{}' is no depthwise convolution that keeps the image's size", depthwise->name);
    }
    const bool depthwise_residual = reader.is_at_sum();
    if (depthwise_residual && !reader.take_sum(tensor, branch))
      return reader.missing("the sum of the block's input and its depthwise half");
    tensor = branch;
    const auto pointwise = reader.take_stage(branch);
    if (!pointwise) return reader.missing_stage("a pointwise convolution with bias");
    if (!is_pointwise(*pointwise)) return fmt::format("'{}' is no pointwise convolution", pointwise->name);
    if (pointwise->in_channels != pointwise->out_channels) {
      return fmt::format("'{}' makes {} channels of {}; fused stages need the same number in all blocks",
                         pointwise->name, pointwise->out_channels, pointwise->in_channels);
    }
    const bool pointwise_residual = reader.is_at_sum();
    if (pointwise_residual && !reader.take_sum(tensor, branch))
      return reader.missing("the sum of the pointwise half's input and its output");
    tensor = branch;
    chain.blocks.push_back({*depthwise, *pointwise, depthwise_residual, pointwise_residual});
  }
}

/// Fills `chain`; says what the graph lacks to be one.
std::string read_chain(const Graph& graph, PlanMode mode, StageChain& chain) {
  Reader reader(graph, mode);
  chain.image = reader.shape(graph.input());
  TensorId tensor = graph.input();
  const auto stem = reader.take_stage(tensor);
  if (!stem) return reader.missing_stage("a convolution with bias");
  if (stem->convolution.groups != 1) return fmt::format("the first convolution, '{}', has groups", stem->name);
  chain.stem = *stem;
  chain.height = static_cast<std::size_t>(reader.shape(tensor)[1]);
  chain.width = static_cast<std::size_t>(reader.shape(tensor)[2]);
  if (std::string missing = read_blocks(reader, tensor, chain); !missing.empty()) return missing;
  const Node* const head = reader.take<Linear>(tensor);
  if (head == nullptr) return reader.missing("a linear layer");
  if (std::get<Linear>(head->operation).bias == kNoParameter)
    return fmt::format("the linear layer, '{}', has no bias", head->name);
  if (!reader.at_end()) return reader.missing("the end of the network");
  chain.head_name = head->name;
  chain.head = std::get<Linear>(head->operation);
  chain.classes = reader.channels(head->output);
  return "";
}

}  // namespace

std::optional<StageChain> find_stage_chain(const Graph& graph, std::string* why_not, PlanMode mode) {
  StageChain chain;
  const std::string missing = read_chain(graph, mode, chain);
  if (why_not != nullptr) *why_not = missing;
  if (!missing.empty()) return std::nullopt;
  return chain;
}

}  // namespace convmixer
