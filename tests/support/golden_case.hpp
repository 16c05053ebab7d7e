/// A network computed by PyTorch (tests/golden/make_golden.py writes them).
#pragma once

#include "convmixer/graph/parameters.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/model/model_config.hpp"
#include "convmixer/optim/make_optimizer.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace convmixer::testing_support {

struct GoldenCase {
  explicit GoldenCase(const std::filesystem::path& path);

  /// A tensor of f32 values in full.
  [[nodiscard]] std::vector<float> values(const std::string& name) const;
  /// Sets weights and statistics from the tensors `prefix` + name.
  void load(const std::string& prefix, Parameters& parameters) const;

  SafetensorsFile file;
  ModelConfig model;
  std::vector<float> images;         ///< (N, C, H, W)
  std::vector<std::int32_t> labels;  ///< empty when the targets are soft
  std::vector<float> soft;           ///< (N, classes), or empty
  float label_smoothing;
  OptimizerOptions optimizer;
  float learning_rate;
};

}  // namespace convmixer::testing_support
