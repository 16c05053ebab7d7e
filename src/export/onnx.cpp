#include "convmixer/export/onnx.hpp"

#include "checkpoint/weights_content.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "export/onnx_graph.hpp"
#include "export/onnx_messages.hpp"
#include "export/onnx_operations.hpp"
#include "io/quoted.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <variant>
#include <vector>

namespace convmixer {
namespace {

// Of ModelProto and what it holds: see onnx_messages.hpp.
namespace model_field {
constexpr int kIrVersion = 1, kProducerName = 2, kProducerVersion = 3, kGraph = 7, kOpsetImport = 8, kMetadata = 14;
}
namespace opset_field {
constexpr int kVersion = 2;
}
namespace entry_field {
constexpr int kKey = 1, kValue = 2;
}

constexpr std::int64_t kIrVersion = 8;  // what opset 17 came with
constexpr std::int64_t kOpset = 17;
constexpr const char* kProbabilitiesName = "probabilities";

/// Images are normalised first.
void normalise(OnnxGraph& graph, const Normalisation& normalisation) {
  const std::int64_t channels = graph.graph().tensors().front()[0];
  const std::array<std::int64_t, 3> extents{channels, 1, 1};
  for (const std::vector<float>* values : {&normalisation.mean, &normalisation.std}) {
    if (static_cast<std::int64_t>(values->size()) != channels)
      fail_usage("a normalisation of {} channels: the network takes images of {}", values->size(), channels);
  }
  for (const float std : normalisation.std) {
    if (!(std > 0.0F)) fail_usage("a normalisation by the standard deviation {}: expected a number above 0", std);
  }
  graph.add_node("Sub", "normalisation.sub",
                 {OnnxGraph::kInputName, graph.add_constant("normalisation.mean", extents, normalisation.mean)},
                 "centred");
  graph.add_node("Div", "normalisation.div",
                 {"centred", graph.add_constant("normalisation.std", extents, normalisation.std)}, "normalised");
  graph.replace_images("normalised");
}

/// A graph's nodes become ONNX's, in the same order.
OnnxGraph graph_of(const Parameters& parameters, const OnnxOptions& options) {
  OnnxGraph graph(parameters);
  if (options.normalisation) normalise(graph, *options.normalisation);
  for (const Node& node : parameters.graph().nodes()) {
    std::visit([&](const auto& operation) { write(graph, node, operation); }, node.operation);
  }
  const std::vector<Shape>& tensors = parameters.graph().tensors();
  graph.set_input(OnnxGraph::kInputName, tensors.front());
  if (options.probabilities) {
    const std::array<ProtobufMessage, 1> attributes{onnx_attribute("axis", std::int64_t{1})};
    graph.add_node("Softmax", "softmax", {OnnxGraph::kLogitsName}, kProbabilitiesName, attributes);
  }
  graph.set_output(options.probabilities ? kProbabilitiesName : OnnxGraph::kLogitsName, tensors.back());
  return graph;
}

void add_metadata(ProtobufMessage& model, const std::string& key, const std::string& value) {
  try {
    (void)nlohmann::json{key, value}.dump();
  } catch (const nlohmann::json::exception&) {
    fail_usage("ONNX metadata {}: expected UTF-8", quoted(key));
  }
  ProtobufMessage entry;
  entry.add_text(entry_field::kKey, key);
  entry.add_text(entry_field::kValue, value);
  model.add_message(model_field::kMetadata, entry);
}

/// Parsers of protocol buffers refuse longer messages.
void check_size(std::size_t bytes) {
  constexpr std::size_t kMost = std::numeric_limits<std::int32_t>::max();
  if (bytes > kMost) fail_usage("{} bytes of weights and graph: an ONNX file holds {} at most", bytes, kMost);
}

}  // namespace

std::map<std::string, std::string> onnx_metadata(const CheckpointInfo& info, bool normalises) {
  std::map<std::string, std::string> metadata = weights_metadata(info);
  metadata.erase("format");  // of tensors in files for PyTorch
  metadata["input"] = normalises          ? "pixels scaled to 0..1"
                      : info.mean.empty() ? "pixels scaled to 0..1, normalised as in its training"
                                          : "pixels scaled to 0..1, less mean, divided by std";
  return metadata;
}

std::string onnx_bytes(const Parameters& parameters, const OnnxOptions& options) {
  const OnnxGraph graph = graph_of(parameters, options);
  check_size(graph.message().bytes().size());
  ProtobufMessage opset;
  opset.add_int(opset_field::kVersion, kOpset);
  ProtobufMessage model;
  model.add_int(model_field::kIrVersion, kIrVersion);
  model.add_text(model_field::kProducerName, "convmixer");
  model.add_text(model_field::kProducerVersion, CONVMIXER_VERSION);
  model.add_message(model_field::kGraph, graph.message());
  model.add_message(model_field::kOpsetImport, opset);
  for (const auto& [key, value] : options.metadata) add_metadata(model, key, value);
  check_size(model.bytes().size());
  return model.bytes();
}

void write_onnx(const std::filesystem::path& path, const Parameters& parameters, const OnnxOptions& options) {
  write_file_atomically(path, onnx_bytes(parameters, options));
}

}  // namespace convmixer
