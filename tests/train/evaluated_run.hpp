/// A run folder with weights that were never trained, for what is made of one.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/data/sources/shapes.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/run_config.hpp"
#include "convmixer/train/run_folder.hpp"
#include "support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>

namespace convmixer::testing_support {

class EvaluatedRun : public testing::Test {
 protected:
  static constexpr int kTestImages = 40;

  EvaluatedRun() {
    config.model = ConvMixerConfig{.dim = 8, .depth = 1, .kernel_size = 3, .patch_size = 8};
    config.dataset = "shapes";
    config.train_images = 60;
    config.test_images = kTestImages;
    config.batch_size = 16;
    config.eval_batch_size = 20;
    config.precision = "f32";
    config.threads = 2;
    config.log_interval = 0;
  }

  /// Writes config.ini, and random weights as the best.
  void write_run(std::uint64_t seed = 1) {
    std::filesystem::create_directories(run.path);
    const auto train = make_shapes(Split::train, 10);
    resolve(config, *train);
    write_run_config(run, config);
    write_weights(run.best(), seed);
  }

  void write_weights(const std::filesystem::path& path, std::uint64_t seed) const {
    const ModelConfig model = model_config(config, 3, 10);
    const Graph graph = make_graph(model);
    Parameters parameters(graph);
    parameters.initialise(seed);
    CheckpointInfo info;
    info.model = model;
    info.dataset = "shapes";
    info.mean = config.mean;
    info.std = config.std;
    info.epoch = 3;
    save_weights(path, parameters, info);
  }

  TemporaryFolder parent;
  RunFolder run{parent.path() / "run"};
  TrainConfig config;
};

}  // namespace convmixer::testing_support
