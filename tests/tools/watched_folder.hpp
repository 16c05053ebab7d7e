/// A folder of runs that a test writes as trainings would.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/train/run_folder.hpp"
#include "support/temporary_folder.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace convmixer::testing_support {

inline std::string step_line(int epoch, int step, double loss) {
  return fmt::format(
      R"({{"type":"step","epoch":{},"step":{},"loss":{},"accuracy":0.3,"learning_rate":0.01,"gradient_norm":1.5,"images_per_s":900,"data_wait_s":0,"total_s":{}}})"
      "\n",
      epoch, step, loss, step);
}

inline std::string epoch_line(int epoch, int step, double accuracy) {
  return fmt::format(
      R"({{"type":"epoch","epoch":{},"step":{},"loss":1.5,"accuracy":0.5,"test_loss":1.4,"test_accuracy":{},"best_test_accuracy":{},"train_s":9,"test_s":1,"total_s":{}}})"
      "\n",
      epoch, step, accuracy, accuracy, 10 * epoch);
}

inline std::string session_line(int epoch = 0, int step = 0) {
  return fmt::format(
      R"({{"type":"session","epoch":{},"step":{},"schema":1,"unix_s":1760000000,"version":"0.1.0","cpu":"a CPU","instruction_set":"AVX2","onednn":"2.6","threads":2,"precision":"f32","plan":"fused"}})"
      "\n",
      epoch, step);
}

inline std::string end_line(int epoch, int step, const std::string& end) {
  return fmt::format(R"({{"type":"end","epoch":{},"step":{},"unix_s":1760000100,"end":"{}"}})"
                     "\n",
                     epoch, step, end);
}

inline std::string error_line(int epoch, int step, const std::string& error) {
  return nlohmann::json{{"type", "end"},          {"epoch", epoch}, {"step", step},
                        {"unix_s", 1760000100.0}, {"end", "error"}, {"error", error}}
             .dump() +
         "\n";
}

class WatchedFolder {
 public:
  [[nodiscard]] std::filesystem::path path() const { return folder_.path(); }

  /// A run of four epochs, the first of which is through.
  void add_run(const std::string& name, const std::string& config = "model = convmixer\ndim = 16\nepochs = 4\n") const {
    folder_.write(name + "/config.ini", config);
    folder_.write(name + "/metrics.jsonl", session_line() + step_line(1, 5, 2.0) + epoch_line(1, 10, 0.25));
  }
  void append(const std::string& name, const std::string& text) const {
    std::ofstream(path() / name / "metrics.jsonl", std::ios::app) << text;
  }
  /// The best ones of a run after so many epochs.
  void save_weights(const std::string& name, std::int64_t epoch) const {
    const ConvMixerConfig model{.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 2, .image_size = 8};
    const Graph graph = make_convmixer(model);
    Parameters parameters(graph);
    parameters.initialise(static_cast<std::uint64_t>(epoch));
    CheckpointInfo info;
    info.model = model;
    info.dataset = "shapes";
    info.mean = {0, 0, 0};
    info.std = {1, 1, 1};
    info.epoch = epoch;
    convmixer::save_weights(RunFolder{path() / name}.best(), parameters, info);
  }
  /// As a process that trains into it does.
  [[nodiscard]] RunFolderLock lock(const std::string& name) const { return RunFolderLock({path() / name}); }

 private:
  TemporaryFolder folder_;
};

}  // namespace convmixer::testing_support
