/// The operations that op_bench measures. To add one: write a function like those in perf/operations/ and name it in
/// the list at the end of its file. Name, FLOP, bytes, check, benchmark and point of the roofline follow from it.
#pragma once

#include "setting.hpp"
#include "trial.hpp"

#include <string>
#include <vector>

namespace convmixer::perf {

struct Operation {
  std::string name;       ///< "pointwise convolution"
  std::string direction;  ///< "forward", "backward", "backward data", "backward weights"
  /// Whose: "oneDNN", "hand-written", a "fused" stage's, the "optimiser"'s, the loader's "pipeline"; those of one name
  /// and direction do the same.
  std::string by;
  /// Makes a trial ready: inputs, outputs, steps, FLOP, expected results.
  void (*prepare)(Trial& trial);
  /// Whether it exists in a setting; empty: in all.
  bool (*applies)(const Setting& setting) = nullptr;
};

/// For operations that are the same in any precision: measured once, among those in f32.
[[nodiscard]] inline bool measured_once(const Setting& setting) { return setting.type == kernels::ElementType::f32; }

/// "256x8/bf16/batch-norm/backward/hand-written".
[[nodiscard]] std::string benchmark_name(const Setting& setting, const Operation& operation);

/// All, in the order of a training step.
[[nodiscard]] std::vector<Operation> all_operations();
/// Those of `setting`.
[[nodiscard]] std::vector<Operation> operations_of(const Setting& setting);

// Parts of the list, a file of perf/operations each.
[[nodiscard]] std::vector<Operation> convolution_operations();
[[nodiscard]] std::vector<Operation> batch_norm_operations();
[[nodiscard]] std::vector<Operation> elementwise_operations();
[[nodiscard]] std::vector<Operation> head_operations();
[[nodiscard]] std::vector<Operation> reorder_operations();
[[nodiscard]] std::vector<Operation> image_operations();
[[nodiscard]] std::vector<Operation> stage_product_operations();
[[nodiscard]] std::vector<Operation> stage_depthwise_operations();
[[nodiscard]] std::vector<Operation> stage_norm_operations();
[[nodiscard]] std::vector<Operation> optimizer_operations();

}  // namespace convmixer::perf
