/// Rows about a run and the machine it runs on, as `train` prints them before its first step and `info` on request.
#pragma once

#include "convmixer/core/threads.hpp"
#include "convmixer/graph/graph.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/plan/plan.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/run_images.hpp"
#include "output.hpp"

#include <cstdint>
#include <string>

namespace convmixer::tool {

/// Sizes, parameters and FLOPs.
[[nodiscard]] Rows model_rows(const ModelConfig& model, const Graph& graph);
[[nodiscard]] Rows data_rows(const TrainConfig& config, const RunImages& images);
/// Which image size in which epochs, and what that saves; none where images keep theirs. `model` is for images of the
/// data set's size.
[[nodiscard]] Rows image_size_rows(const TrainConfig& config, const ModelConfig& model);
[[nodiscard]] Rows optimizer_rows(const TrainConfig& config, std::int64_t steps_per_epoch, std::int64_t train_images);
/// How a step's batch is cut into micro-batches, and an epoch's last; nothing if it isn't.
[[nodiscard]] Rows micro_batch_rows(const TrainConfig& config, std::int64_t train_images);
/// CPU, threads and the CPUs they are pinned to, oneDNN.
[[nodiscard]] Rows machine_rows(const ThreadCount& threads, Engine& engine);

/// Values kept for the parameters in training: themselves, their gradients, these summed up over micro-batches, the
/// optimiser's, their averages.
[[nodiscard]] std::int64_t values_in_training(const Graph& graph, const TrainConfig& config);
/// "f32"; of a bf16 that f32's instructions compute, what that means.
[[nodiscard]] std::string describe_precision(Precision precision);
/// "fused", or "plain: fused stages have a layout of their own".
[[nodiscard]] std::string describe_plan(const Plan& plan);
/// What the optimiser has besides such values.
[[nodiscard]] std::int64_t optimizer_bytes(const Network& network, const TrainConfig& config, int threads);
/// Planned memory, that of so many values of parameters and that of an optimiser, in a phrase.
[[nodiscard]] std::string describe(const PlannedMemory& memory, std::int64_t values, std::int64_t optimizer_bytes = 0);

}  // namespace convmixer::tool
