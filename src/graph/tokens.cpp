// The builders of operations on tokens.
#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/graph/graph.hpp"
#include "graph/size_limits.hpp"

#include <limits>

namespace convmixer {

TensorId Graph::to_tokens(const std::string& name, TensorId input) {
  const Shape shape = image_shape(name, input);
  return append(name, ToTokens{}, {input}, {shape[1] * shape[2], shape[0]});
}

TensorId Graph::transpose(const std::string& name, TensorId input) {
  const Shape shape = token_shape(name, input);
  return append(name, Transpose{}, {input}, {shape[1], shape[0]});
}

TensorId Graph::token_mean(const std::string& name, TensorId input) {
  const std::int64_t tokens = token_shape(name, input)[0];
  check_product(name, "tokens", {tokens}, std::numeric_limits<int>::max());
  return token_mean(name, input, 0, static_cast<int>(tokens));
}

TensorId Graph::token_mean(const std::string& name, TensorId input, int begin, int end) {
  const Shape shape = token_shape(name, input);
  if (begin < 0 || end <= begin || end > shape[0])
    fail_usage("{}: tokens {} to before {}: expected some of {}", name, begin, end, counted(shape[0], "token"));
  return append(name, TokenMean{begin, end}, {input}, {shape[1]});
}

TensorId Graph::position_embedding(const std::string& name, TensorId input) {
  const Shape shape = token_shape(name, input);
  const ParameterId position = parameter(name, {1, shape[0], shape[1]}, ParameterRole::embedding, 0);
  return append(name, PositionEmbedding{position}, {input}, shape);
}

TensorId Graph::class_token(const std::string& name, TensorId input) {
  const Shape shape = token_shape(name, input);
  check_product(name, "values of its output", {shape[0] + 1, shape[1]}, kMostValues);
  const ParameterId token = parameter(name, {1, 1, shape[1]}, ParameterRole::embedding, 0);
  return append(name, ClassToken{token}, {input}, {shape[0] + 1, shape[1]});
}

TensorId Graph::attention(const std::string& name, TensorId input, int heads) {
  const Shape shape = token_shape(name, input);
  if (heads < 1) fail_usage("{}: {}, expected at least 1", name, counted(heads, "head"));
  if (shape[1] % 3 != 0 || shape[1] / 3 % heads != 0)
    fail_usage("{}: {} features can't be split evenly into queries, keys and values of {}", name, shape[1],
               counted(heads, "head"));
  const std::int64_t features = shape[1] / 3;
  check_product(name, "scores of an image", {heads, shape[0], shape[0]}, kMostValues);
  check_product(name, "multiply-adds for an image", {2, shape[0], shape[0], features}, kMostMultiplyAdds);
  return append(name, Attention{heads}, {input}, {shape[0], features});
}

}  // namespace convmixer
