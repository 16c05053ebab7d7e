/// What a network is: operations, tensors and parameters, checked for shape; no word of how it runs.
#pragma once

#include "convmixer/core/shape.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace convmixer {

/// Index into Graph::tensors(), Graph::parameters(), Graph::statistics().
using TensorId = int;
using ParameterId = int;
using StatisticId = int;

/// Of a node that hasn't the parameter.
inline constexpr ParameterId kNoParameter = -1;

/// 2-d convolution (cross-correlation), with or without bias. Input (N, C, H, W), weight (O, C / groups, KH, KW),
/// output (N, O, H', W') with H' = floor((H + top + bottom - KH) / stride) + 1.
struct Convolution {
  ParameterId weight;
  ParameterId bias;       ///< kNoParameter: none
  int kernel;             ///< height and width
  int stride;             ///< both directions
  int groups;             ///< C for depthwise
  int padding_begin = 0;  ///< zero rows above and columns left
  int padding_end = 0;    ///< zero rows below and columns right

  bool operator==(const Convolution&) const = default;
};

/// x * Phi(x) with the exact Gaussian distribution function (erf).
struct Gelu {
  bool operator==(const Gelu&) const = default;
};

/// max(x, 0). The gradient at 0 is 0, as PyTorch's.
struct Relu {
  bool operator==(const Relu&) const = default;
};

/// Batch normalisation over N, H, W as torch.nn.BatchNorm2d: training normalises with the batch's biased
/// variance and moves running = (1 - momentum) * running + momentum * batch, with the unbiased variance;
/// evaluation normalises with the running statistics, and so does the training of a frozen one, which leaves them.
struct BatchNorm {
  ParameterId scale;
  ParameterId shift;
  StatisticId running_mean;
  StatisticId running_var;
  float epsilon = 1e-5F;
  float momentum = 0.1F;
  bool frozen = false;

  bool operator==(const BatchNorm&) const = default;
};

/// Layer normalisation as torch.nn.LayerNorm, with the biased variance, in training as in evaluation: over the channels
/// of each pixel of (C, H, W) (timm's LayerNorm2d), over the last dimension of (T, D), over all of (D).
struct LayerNorm {
  ParameterId scale;
  ParameterId shift;
  float epsilon = 1e-6F;

  bool operator==(const LayerNorm&) const = default;
};

/// Group normalisation (Wu & He, arXiv 1803.08494) as torch.nn.GroupNorm: each image's channels are normalised in
/// `groups` groups of neighbours, each with the mean and the biased variance over its channels, H and W; then scale and
/// shift by channel. The same in training and evaluation.
struct GroupNorm {
  ParameterId scale;
  ParameterId shift;
  int groups;
  float epsilon = 1e-5F;

  bool operator==(const GroupNorm&) const = default;
};

/// Sum of two tensors of one shape.
struct Add {
  bool operator==(const Add&) const = default;
};

/// The largest value of each window, as torch.nn.MaxPool2d: (N, C, H, W) to (N, C, H', W') with
/// H' = floor((H + 2 padding - kernel) / stride) + 1. Padding never is the largest. Of several largest values in a
/// window the first, row by row, gets the gradient.
struct MaxPool {
  int kernel;   ///< height and width
  int stride;   ///< both directions
  int padding;  ///< rows above and below, columns left and right

  bool operator==(const MaxPool&) const = default;
};

/// Mean over H and W: (N, C, H, W) to (N, C).
struct GlobalAveragePool {
  bool operator==(const GlobalAveragePool&) const = default;
};

/// y = x W^T + b of the last dimension; input (N, I) or (N, T, I), weight (O, I), output (N, O) or (N, T, O).
struct Linear {
  ParameterId weight;
  ParameterId bias;  ///< kNoParameter: none

  bool operator==(const Linear&) const = default;
};

/// The pixels of an image as tokens, row by row: (N, C, H, W) to (N, H W, C).
struct ToTokens {
  bool operator==(const ToTokens&) const = default;
};

/// (N, T, D) to (N, D, T).
struct Transpose {
  bool operator==(const Transpose&) const = default;
};

/// Mean over the tokens from `begin` to before `end`, one of which is that token: (N, T, D) to (N, D).
struct TokenMean {
  int begin;
  int end;

  bool operator==(const TokenMean&) const = default;
};

/// A learnt vector added to each token, the same in every image: (N, T, D) plus (1, T, D).
struct PositionEmbedding {
  ParameterId position;

  bool operator==(const PositionEmbedding&) const = default;
};

/// A learnt token before those of every image: (N, T, D) to (N, T + 1, D).
struct ClassToken {
  ParameterId token;

  bool operator==(const ClassToken&) const = default;
};

/// Scaled dot-product attention (Vaswani et al., arXiv 1706.03762) of `heads` heads of F = D / heads features, between
/// the tokens of an image. Input (N, T, 3 D): queries, keys and values of all heads, as timm's `qkv` lays them out; for
/// each head softmax(q k^T / sqrt(F)) v; output (N, T, D).
struct Attention {
  int heads;

  bool operator==(const Attention&) const = default;
};

/// In training each value is 0 with probability `rate`, and else x / (1 - rate); the identity in evaluation: Srivastava
/// et al., JMLR 15 (2014). Which ones: a function of DropoutDraws, the node and the value's image and place.
struct Dropout {
  float rate;

  bool operator==(const Dropout&) const = default;
};

/// The same for all values of an image together: stochastic depth (Huang et al., arXiv 1603.09382) where it stands at
/// the end of a residual branch, as timm's DropPath.
struct DropPath {
  float rate;

  bool operator==(const DropPath&) const = default;
};

using Operation =
    std::variant<Convolution, Gelu, BatchNorm, Add, GlobalAveragePool, Linear, LayerNorm, ToTokens, Relu, GroupNorm,
                 MaxPool, Dropout, DropPath, Transpose, TokenMean, PositionEmbedding, ClassToken, Attention>;

/// One operation applied. Nodes stand in an order in which they can run.
struct Node {
  std::string name;  ///< "blocks.3.1": in reports, and where its parameters' names begin; no two have the same
  Operation operation;
  std::vector<TensorId> inputs;
  TensorId output;
};

/// What a parameter is, for initialisation and weight decay.
enum class ParameterRole { weight, bias, norm_scale, norm_shift, embedding };

/// What a parameter's values are before training, if not what torch.nn has for its role (Parameters::initialise).
struct Initialisation {
  enum class Distribution {
    of_role,           ///< torch.nn's
    constant,          ///< `scale` itself
    uniform,           ///< from -scale to scale
    normal,            ///< of standard deviation `scale`
    truncated_normal,  ///< the same without what lies further from 0 than two of them
  };
  Distribution distribution = Distribution::of_role;
  float scale = 0.0F;
};

struct Parameter {
  std::string name;  ///< as in timm's state dict: "stem.0.weight"
  Shape shape;
  ParameterRole role;
  std::int64_t fan_in;  ///< inputs of one output: C / groups * KH * KW or I; 0 for norms
  bool frozen = false;  ///< not trained: optimisers leave it as it is, and its gradient may not be computed
  Initialisation initialisation{};
};

/// Whether a convolution or a linear layer adds a number for each channel.
enum class Bias { with, without };

/// A running statistic of a batch norm: saved with the weights, not trained. Initial value 0 or 1.
struct Statistic {
  std::string name;  ///< "stem.2.running_mean"
  Shape shape;
  float initial;
};

/// A network with one image input (C, H, W) and one output, built front to back. Shapes are per image: (C, H, W),
/// (T, D) for T tokens of D features, or (C).
///
/// Every builder function appends an operation, and the parameters `name`.weight and `name`.bias where it has any, and
/// returns its output, an input for those that follow. It throws Error (usage) naming the node, with nothing changed,
/// for a name that another node has or by which a parameter could be called as another is, for an input that the graph
/// doesn't have, for one whose shape doesn't fit, for settings out of range, and for sizes that no computer has room
/// for.
class Graph {
 public:
  /// The input image's shape. Throws Error (usage) for one without pixels, or of too many.
  explicit Graph(int channels, int height, int width);

  /// (C, H, W) to (out_channels, H', W'), see Convolution; `groups` divides C and out_channels.
  TensorId convolution(const std::string& name, TensorId input, int out_channels, int kernel, int stride, int groups,
                       int padding_begin, int padding_end, Bias bias = Bias::with);
  /// Convolution of stride 1 that keeps H and W: k - 1 zeros split with the odd one at the end, as PyTorch.
  TensorId convolution_same(const std::string& name, TensorId input, int out_channels, int kernel, int groups);
  /// Of any shape, which stays.
  TensorId gelu(const std::string& name, TensorId input);
  TensorId relu(const std::string& name, TensorId input);
  /// (C, H, W), which stays. `epsilon` is above 0, `momentum` from 0 to 1.
  TensorId batch_norm(const std::string& name, TensorId input, float epsilon = 1e-5F, float momentum = 0.1F);
  /// Of any shape, which stays. `epsilon` is above 0.
  TensorId layer_norm(const std::string& name, TensorId input, float epsilon = 1e-6F);
  /// (C, H, W), which stays. `groups` divides C, `epsilon` is above 0.
  TensorId group_norm(const std::string& name, TensorId input, int groups, float epsilon = 1e-5F);
  /// Two of one shape, which stays.
  TensorId add(const std::string& name, TensorId a, TensorId b);
  /// (C, H, W) to (C).
  TensorId global_average_pool(const std::string& name, TensorId input);
  /// (C, H, W) to (C, H', W'), see MaxPool; `padding` is at most half of the kernel.
  TensorId max_pool(const std::string& name, TensorId input, int kernel, int stride, int padding);
  /// Of any shape, which stays. `rate` is from 0 to below 1.
  TensorId dropout(const std::string& name, TensorId input, float rate);
  TensorId drop_path(const std::string& name, TensorId input, float rate);
  /// (C) to (out_features), (T, D) to (T, out_features).
  TensorId linear(const std::string& name, TensorId input, int out_features, Bias bias = Bias::with);
  /// (C, H, W) to (H W, C).
  TensorId to_tokens(const std::string& name, TensorId input);
  /// (T, D) to (D, T).
  TensorId transpose(const std::string& name, TensorId input);
  /// (T, D) to (D): over all tokens, or from `begin` to before `end`.
  TensorId token_mean(const std::string& name, TensorId input);
  TensorId token_mean(const std::string& name, TensorId input, int begin, int end);
  /// (T, D), which stays. The parameter (1, T, D) has the node's name.
  TensorId position_embedding(const std::string& name, TensorId input);
  /// (T, D) to (T + 1, D). The parameter (1, 1, D) has the node's name.
  TensorId class_token(const std::string& name, TensorId input);
  /// (T, 3 D) to (T, D); `heads` divides D.
  TensorId attention(const std::string& name, TensorId input, int heads);

  /// How Parameters::initialise draws a parameter. Throws Error (usage) for a name that no parameter has, and for a
  /// scale that isn't a number of at least 0 (a constant: any).
  void set_initialisation(const std::string& parameter, const Initialisation& initialisation);

  /// The parameters and norms of a node are not trained from now on, for plans and optimisers made after it: a frozen
  /// norm keeps its running statistics and normalises with them. Throws Error (usage) for a name that no node has.
  void freeze(const std::string& name);

  [[nodiscard]] TensorId input() const noexcept { return 0; }
  /// Output of the last node added.
  [[nodiscard]] TensorId output() const noexcept { return static_cast<TensorId>(tensors_.size()) - 1; }

  /// Per-image shape of every tensor, by id; 0 is the input.
  [[nodiscard]] const std::vector<Shape>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] const std::vector<Node>& nodes() const noexcept { return nodes_; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const noexcept { return parameters_; }
  [[nodiscard]] const std::vector<Statistic>& statistics() const noexcept { return statistics_; }

 private:
  TensorId append(const std::string& name, Operation operation, std::vector<TensorId> inputs, Shape output);
  void check_name(const std::string& name) const;
  const Shape& shape_of(const std::string& name, TensorId input) const;
  const Shape& image_shape(const std::string& name, TensorId input) const;
  const Shape& token_shape(const std::string& name, TensorId input) const;
  ParameterId parameter(std::string name, Shape shape, ParameterRole role, std::int64_t fan_in);

  std::vector<Shape> tensors_;
  std::vector<Node> nodes_;
  std::set<std::string> names_;         // of the nodes
  std::set<std::string> tensor_names_;  // of parameters and statistics
  std::vector<Parameter> parameters_;
  std::vector<Statistic> statistics_;
};

/// Number of values in all parameters.
[[nodiscard]] std::int64_t parameter_count(const Graph& graph);
/// The same without those that are frozen.
[[nodiscard]] std::int64_t trained_parameter_count(const Graph& graph);

/// The parameters of a node; none for operations without.
[[nodiscard]] std::vector<ParameterId> parameters_of(const Node& node);
/// The index of the first node that has parameters to train, to which backward goes back; the number of nodes if there
/// is none.
[[nodiscard]] std::size_t first_trained_node(const Graph& graph);

/// Multiply-adds of one image's forward pass in convolutions, linear layers and attention (2 FLOP each).
/// A training step costs three times as many, less the first convolution's data gradient.
[[nodiscard]] std::int64_t multiply_adds(const Graph& graph);
/// The same for one node of this graph; 0 for nodes that are none of these. Throws Error (usage) for a node of another
/// graph.
[[nodiscard]] std::int64_t multiply_adds(const Graph& graph, const Node& node);

}  // namespace convmixer
