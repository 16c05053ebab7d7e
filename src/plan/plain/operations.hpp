/// What the operations of a graph come to in a plain plan. Each has a file of its own with its formula, its forward and
/// its backward: these add the node's steps to the builder's.
///
/// A bf16 plan has in bf16 what products read, of convolutions, of linear layers on tokens and of attention:
/// activations, weights and the gradients of outputs. Their results, the pre-activations, stay f32 through GELU and
/// into the norm: rounding them too brought gradients up to 5% away from f32's (2.6% so), and costs no conversion.
#pragma once

#include "plan/plain/builder.hpp"

namespace convmixer {

/// forward: reads the values of the node's inputs, sets the value of its output.
/// backward: reads the gradient of its output, adds to those of its inputs, writes those of its parameters.
void forward(Builder& builder, const Convolution& convolution);
void backward(Builder& builder, const Convolution& convolution);

void forward(Builder& builder, const Gelu& gelu);
void backward(Builder& builder, const Gelu& gelu);

void forward(Builder& builder, const BatchNorm& norm);
void backward(Builder& builder, const BatchNorm& norm);

void forward(Builder& builder, const Add& add);
void backward(Builder& builder, const Add& add);

void forward(Builder& builder, const GlobalAveragePool& pool);
void backward(Builder& builder, const GlobalAveragePool& pool);

void forward(Builder& builder, const Linear& linear);
void backward(Builder& builder, const Linear& linear);

void forward(Builder& builder, const LayerNorm& norm);
void backward(Builder& builder, const LayerNorm& norm);

void forward(Builder& builder, const ToTokens& tokens);
void backward(Builder& builder, const ToTokens& tokens);

void forward(Builder& builder, const Relu& relu);
void backward(Builder& builder, const Relu& relu);

void forward(Builder& builder, const GroupNorm& norm);
void backward(Builder& builder, const GroupNorm& norm);

void forward(Builder& builder, const MaxPool& pool);
void backward(Builder& builder, const MaxPool& pool);

void forward(Builder& builder, const Dropout& dropout);
void backward(Builder& builder, const Dropout& dropout);

void forward(Builder& builder, const DropPath& path);
void backward(Builder& builder, const DropPath& path);

void forward(Builder& builder, const Transpose& transpose);
void backward(Builder& builder, const Transpose& transpose);

void forward(Builder& builder, const TokenMean& mean);
void backward(Builder& builder, const TokenMean& mean);

void forward(Builder& builder, const PositionEmbedding& embedding);
void backward(Builder& builder, const PositionEmbedding& embedding);

void forward(Builder& builder, const ClassToken& token);
void backward(Builder& builder, const ClassToken& token);

void forward(Builder& builder, const Attention& attention);
void backward(Builder& builder, const Attention& attention);

/// The shapes of a convolution of this plan.
[[nodiscard]] kernels::ConvolutionProblem convolution_problem(const Builder& builder, const Node& node,
                                                              const Convolution& convolution);

}  // namespace convmixer
