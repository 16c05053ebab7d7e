/// A training small enough for a test: two epochs of six steps on drawn shapes.
#pragma once

#include "convmixer/core/file.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/train/trainer.hpp"
#include "support/temporary_folder.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {

class TrainerFixture : public testing::Test {
 protected:
  static constexpr std::int64_t kTrainImages = 92;  // the last batch of six isn't full
  static constexpr std::int64_t kTestImages = 40;

  [[nodiscard]] TrainConfig small_config(const std::string& folder, const std::string& precision = "f32") const {
    TrainConfig config;
    config.model = ConvMixerConfig{.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 4};
    config.dataset = "shapes";
    config.train_images = kTrainImages;
    config.test_images = kTestImages;
    config.batch_size = 16;
    config.eval_batch_size = 20;
    config.epochs = 2;
    config.log_interval = 1;
    config.precision = precision;
    config.out = parent_.path() / folder;
    resolve(config, *train_);
    return config;
  }

  /// Never stopped, by a clock that moves on its own.
  [[nodiscard]] static TrainControls undisturbed() {
    TrainControls controls = default_controls();
    controls.stop_signal = [] { return 0; };
    return controls;
  }
  /// Stopped when it looks for a signal for the time after `looks`: after a step, an evaluated batch, an epoch.
  [[nodiscard]] static TrainControls stopped_after(int looks) {
    TrainControls controls = default_controls();
    controls.stop_signal = [looks, asked = std::make_shared<int>(0)] { return (*asked)++ >= looks ? SIGTERM : 0; };
    return controls;
  }

  TrainEnd train(const TrainConfig& config, TrainControls controls = undisturbed()) {
    Progress progress(nullptr, {}, controls.clock);
    Trainer trainer(config, *train_, *test_, engine_, progress, std::move(controls));
    const TrainEnd end = trainer.run();
    position_ = trainer.position();
    return end;
  }

  testing_support::TemporaryFolder parent_;
  std::unique_ptr<Dataset> train_ = open_dataset({.name = "shapes", .path = {}, .limit = kTrainImages}, Split::train);
  std::unique_ptr<Dataset> test_ = open_dataset({.name = "shapes", .path = {}, .limit = kTestImages}, Split::test);
  ThreadPool pool_{2};
  Engine engine_{pool_};
  TrainingPosition position_;  // of the last training
};

/// The records of a run, without what depends on the clock, on how often it was started and by how many ranks.
inline std::vector<nlohmann::json> timeless_metrics(const std::filesystem::path& run) {
  std::vector<nlohmann::json> records;
  std::istringstream text(read_text_file(RunFolder{run}.metrics()));
  for (std::string line; std::getline(text, line);) {
    nlohmann::json record = nlohmann::json::parse(line);
    if (record["type"] == "session" || record["type"] == "end") continue;
    for (const char* key :
         {"images_per_s", "data_wait_s", "data_wait_share", "data_supply_images_per_s", "data_cpu_share",
          "communication_s", "communication_bytes", "train_s", "test_s", "holdout_s", "total_s", "left_s"}) {
      record.erase(key);
    }
    records.push_back(std::move(record));
  }
  return records;
}

/// Every tensor's bytes and all metadata of a state, without what depends on the clock and on the number of ranks.
inline std::map<std::string, std::string> timeless_state(const std::filesystem::path& run) {
  const SafetensorsFile file(RunFolder{run}.state());
  std::map<std::string, std::string> content(file.metadata());
  std::erase_if(content, [](const auto& entry) {
    return entry.first.find("seconds") != std::string::npos || entry.first.find("communication") != std::string::npos;
  });
  for (const auto& [name, entry] : file.tensors()) {
    content["tensor " + name] = std::string(reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size());
  }
  return content;
}

/// Writes a file again without a key of its metadata.
inline void remove_metadata(const std::filesystem::path& path, const std::string& key) {
  const SafetensorsFile file(path);
  std::map<std::string, std::string> metadata = file.metadata();
  ASSERT_EQ(metadata.erase(key), 1U);
  std::vector<TensorView> tensors;
  for (const auto& [name, entry] : file.tensors()) tensors.push_back({name, entry.dtype, entry.shape, entry.bytes});
  write_safetensors(path, tensors, metadata);
}

/// Expects two runs to have written the same, bit for bit.
inline void expect_equal_runs(const std::filesystem::path& run, const std::filesystem::path& expected) {
  EXPECT_EQ(timeless_metrics(run), timeless_metrics(expected));
  EXPECT_TRUE(timeless_state(run) == timeless_state(expected));
  EXPECT_TRUE(read_text_file(RunFolder{run}.last()) == read_text_file(RunFolder{expected}.last()));
  EXPECT_TRUE(read_text_file(RunFolder{run}.best()) == read_text_file(RunFolder{expected}.best()));
}

}  // namespace convmixer
