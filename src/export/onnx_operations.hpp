/// Each operation of a graph as nodes of ONNX.
#pragma once

#include "export/onnx_graph.hpp"

namespace convmixer {

void write(OnnxGraph& graph, const Node& node, const Convolution& operation);
void write(OnnxGraph& graph, const Node& node, const Relu& operation);
void write(OnnxGraph& graph, const Node& node, const MaxPool& operation);
void write(OnnxGraph& graph, const Node& node, const Dropout& operation);
void write(OnnxGraph& graph, const Node& node, const DropPath& operation);
void write(OnnxGraph& graph, const Node& node, const Gelu& operation);
void write(OnnxGraph& graph, const Node& node, const BatchNorm& operation);
void write(OnnxGraph& graph, const Node& node, const GroupNorm& operation);
void write(OnnxGraph& graph, const Node& node, const Add& operation);
void write(OnnxGraph& graph, const Node& node, const GlobalAveragePool& operation);
void write(OnnxGraph& graph, const Node& node, const Linear& operation);
void write(OnnxGraph& graph, const Node& node, const LayerNorm& operation);
void write(OnnxGraph& graph, const Node& node, const ToTokens& operation);
void write(OnnxGraph& graph, const Node& node, const Transpose& operation);
void write(OnnxGraph& graph, const Node& node, const TokenMean& operation);
void write(OnnxGraph& graph, const Node& node, const PositionEmbedding& operation);
void write(OnnxGraph& graph, const Node& node, const ClassToken& operation);
void write(OnnxGraph& graph, const Node& node, const Attention& operation);

}  // namespace convmixer
