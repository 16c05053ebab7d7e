#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/rng.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/optim/make_optimizer.hpp"
#include "support/error_of.hpp"
#include "support/file_size_limit.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <limits>
#include <ostream>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::FileSizeLimit;
using testing_support::TemporaryFolder;

const std::map<std::string, std::string> kFingerprint{{"model", "convmixer 6x1"}, {"precision", "f32"}, {"seed", "42"}};

ConvMixerConfig small_config() {
  ConvMixerConfig config;
  config.dim = 6;
  config.depth = 1;
  config.image_size = 8;
  return config;
}

Graph small_graph() { return make_convmixer(small_config()); }

OptimizerOptions options_of(OptimizerKind kind, float momentum = 0.9F, bool nesterov = false) {
  OptimizerOptions options;
  options.kind = kind;
  options.momentum = momentum;
  options.nesterov = nesterov;
  options.weight_decay = 0.01F;
  options.clip_norm = 1.0F;
  return options;
}

ThreadPool& test_pool() {
  static ThreadPool pool(2);
  return pool;
}

/// A network in training, without the network: its gradients are random numbers of the step.
struct Training {
  Training(const Graph& graph, const OptimizerOptions& options)
      : parameters(graph), optimizer(make_optimizer(parameters, options, test_pool())) {
    parameters.initialise(3);
  }

  void train(std::uint32_t first_step, std::uint32_t steps) {
    const Graph& graph = parameters.graph();
    for (std::uint32_t step = first_step; step < first_step + steps; ++step) {
      Rng rng(9, RandomStream::synthetic_data, step);
      for (int id = 0; id < static_cast<int>(graph.parameters().size()); ++id) {
        std::ranges::generate(parameters.gradient(id), [&] { return rng.uniform(-1.0F, 1.0F); });
      }
      for (int id = 0; id < static_cast<int>(graph.statistics().size()); ++id) {
        for (float& value : parameters.statistic(id)) value = 0.9F * value + 0.1F * rng.uniform();
      }
      optimizer->step(0.01F / static_cast<float>(step + 1));
    }
  }

  /// Bits of everything that a training carries from step to step.
  std::vector<std::uint32_t> bits() {
    std::vector<std::uint32_t> all{static_cast<std::uint32_t>(optimizer->steps())};
    const auto append = [&](std::span<const float> values) {
      for (const float value : values) all.push_back(std::bit_cast<std::uint32_t>(value));
    };
    for (int id = 0; id < static_cast<int>(parameters.graph().parameters().size()); ++id) append(parameters.value(id));
    for (int id = 0; id < static_cast<int>(parameters.graph().statistics().size()); ++id) {
      append(parameters.statistic(id));
    }
    for (const OptimizerState& state : optimizer->state()) append(state.values);
    return all;
  }

  Parameters parameters;
  std::unique_ptr<Optimizer> optimizer;
};

class TrainingState : public testing::Test {
 protected:
  void save(Training& training, const TrainingPosition& position = {}) {
    save_training_state(path_, training.parameters, *training.optimizer, position, kFingerprint);
  }

  /// Saves after five AdamW updates.
  void save_adamw() {
    Training training(graph_, options_of(OptimizerKind::adamw));
    training.train(0, 5);
    save(training);
  }

  /// Loading into an AdamW training is refused with an Error naming the file, and changes nothing.
  Error refusal(const std::map<std::string, std::string>& fingerprint = kFingerprint) {
    Training training(graph_, options_of(OptimizerKind::adamw));
    training.train(50, 2);
    const std::vector<std::uint32_t> before = training.bits();
    const Error error = error_of(
        [&] { static_cast<void>(load_training_state(path_, training.parameters, *training.optimizer, fingerprint)); });
    EXPECT_THAT(error.what(), HasSubstr(path_.string()));
    EXPECT_EQ(training.bits(), before);
    return error;
  }

  /// Writes the saved file again, changed.
  void edit(const std::function<void(std::vector<TensorView>&, std::map<std::string, std::string>&)>& change) {
    const SafetensorsFile file(path_);
    std::vector<TensorView> tensors;
    for (const auto& [name, entry] : file.tensors()) tensors.push_back({name, entry.dtype, entry.shape, entry.bytes});
    std::map<std::string, std::string> metadata = file.metadata();
    change(tensors, metadata);
    write_safetensors(path_, tensors, metadata);
  }

  const TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "state.safetensors";
  const Graph graph_ = small_graph();
};

struct Resumed {
  const char* name;
  OptimizerOptions options;
};
void PrintTo(const Resumed& one, std::ostream* out) { *out << one.name; }

class ResumedTraining : public TrainingState, public testing::WithParamInterface<Resumed> {};

TEST_P(ResumedTraining, GoesOnBitForBit) {
  Training whole(graph_, GetParam().options);
  whole.train(0, 10);

  Training first(graph_, GetParam().options);
  first.train(0, 5);
  save(first);
  Training second(graph_, GetParam().options);
  second.train(77, 3);  // whatever it holds is replaced
  static_cast<void>(load_training_state(path_, second.parameters, *second.optimizer, kFingerprint));
  EXPECT_EQ(second.bits(), first.bits());
  second.train(5, 5);
  EXPECT_EQ(second.bits(), whole.bits());
}

INSTANTIATE_TEST_SUITE_P(AllOptimizers, ResumedTraining,
                         testing::Values(Resumed{"adamw", options_of(OptimizerKind::adamw)},
                                         Resumed{"adam", options_of(OptimizerKind::adam)},
                                         Resumed{"sgd", options_of(OptimizerKind::sgd, 0.0F)},
                                         Resumed{"sgd_momentum", options_of(OptimizerKind::sgd)},
                                         Resumed{"sgd_nesterov", options_of(OptimizerKind::sgd, 0.9F, true)},
                                         Resumed{"muon", options_of(OptimizerKind::muon)}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(TrainingState, BringsThePositionBackExactly) {
  TrainingPosition saved;
  saved.epoch = 3;
  saved.step_in_epoch = 17;
  saved.step = std::numeric_limits<std::int64_t>::max();
  saved.best_accuracy = 2.0 / 3.0;
  saved.best_epoch = 2;
  saved.epochs_without_improvement = 1;
  saved.seconds = 0.1 + 0.2;
  saved.sums.images = 1088;
  saved.sums.loss_sum = 1e300 / 7.0;
  saved.sums.correct = 512;
  saved.sums.seconds = std::numeric_limits<double>::denorm_min();
  saved.sums.wait_seconds = -0.0;
  saved.sums.communication_seconds = 1.0 / 3.0;
  saved.sums.communication_bytes = std::numeric_limits<std::int64_t>::max() - 1;
  saved.last_test_accuracy = std::numeric_limits<double>::infinity();
  Training training(graph_, options_of(OptimizerKind::adamw));
  save(training, saved);

  const TrainingPosition read = load_training_state(path_, training.parameters, *training.optimizer, kFingerprint);
  EXPECT_EQ(read.epoch, saved.epoch);
  EXPECT_EQ(read.step_in_epoch, saved.step_in_epoch);
  EXPECT_EQ(read.step, saved.step);
  EXPECT_EQ(read.best_accuracy, saved.best_accuracy);
  EXPECT_EQ(read.best_epoch, saved.best_epoch);
  EXPECT_EQ(read.epochs_without_improvement, saved.epochs_without_improvement);
  EXPECT_EQ(read.seconds, saved.seconds);
  EXPECT_EQ(read.sums.images, saved.sums.images);
  EXPECT_EQ(read.sums.loss_sum, saved.sums.loss_sum);
  EXPECT_EQ(read.sums.correct, saved.sums.correct);
  EXPECT_EQ(read.sums.seconds, saved.sums.seconds);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(read.sums.wait_seconds), std::bit_cast<std::uint64_t>(-0.0));
  EXPECT_EQ(read.sums.communication_seconds, saved.sums.communication_seconds);
  EXPECT_EQ(read.sums.communication_bytes, saved.sums.communication_bytes);
  EXPECT_EQ(read.last_test_accuracy, saved.last_test_accuracy);
}

TEST_F(TrainingState, OfOneRankSaysNothingOfExchanges) {
  save_adamw();
  const SafetensorsFile file(path_);
  for (const auto& [key, value] : file.metadata()) EXPECT_THAT(key, Not(HasSubstr("communication")));
  const TrainingPosition read = read_training_position(path_);
  EXPECT_EQ(read.sums.communication_seconds, 0.0);
  EXPECT_EQ(read.sums.communication_bytes, 0);
}

TEST(TrainingPosition, KeepsTheBestOfTheEpochsThatItCounts) {
  TrainingPosition position{.step_in_epoch = 3, .step = 3, .sums = {.images = 5, .seconds = 2.0}};
  EXPECT_TRUE(position.finish_epoch(0.25));
  EXPECT_EQ(position.sums.images, 5) << "the epoch's record is still to be written";
  EXPECT_EQ(position.step_in_epoch, 3);
  EXPECT_FALSE(position.finish_epoch(0.25)) << "as good is not better";
  EXPECT_TRUE(position.finish_epoch(0.5));
  EXPECT_FALSE(position.finish_epoch(0.125));
  EXPECT_FALSE(position.finish_epoch(0.375));
  EXPECT_EQ(position.epoch, 5);
  EXPECT_EQ(position.best_epoch, 3);
  EXPECT_EQ(position.best_accuracy, 0.5);
  EXPECT_EQ(position.last_test_accuracy, 0.375);
  EXPECT_FALSE(position.finish_epoch(std::nullopt));
  EXPECT_EQ(position.last_test_accuracy, -1.0) << "it is not that of an earlier epoch";
  EXPECT_EQ(position.epochs_without_improvement, 3);
  position.begin_epoch();
  EXPECT_EQ(position.step, 3);
  EXPECT_EQ(position.step_in_epoch, 0);
  EXPECT_EQ(position.sums.images, 0);
  EXPECT_EQ(position.sums.seconds, 0.0);
}

TEST(EpochSums, AreMeansOverTheirImages) {
  EXPECT_EQ(EpochSums{}.loss(), 0.0);
  EXPECT_EQ(EpochSums{}.accuracy(), 0.0);
  const EpochSums sums{.images = 8, .loss_sum = 4.0, .correct = 2};
  EXPECT_EQ(sums.loss(), 0.5);
  EXPECT_EQ(sums.accuracy(), 0.25);
}

TEST_F(TrainingState, RefusesOtherSettingsWithKeyAndBothValues) {
  save_adamw();
  std::map<std::string, std::string> other = kFingerprint;
  other["precision"] = "bf16";
  other["seed"] = "43";
  const Error changed = refusal(other);
  EXPECT_EQ(changed.kind(), ErrorKind::usage);
  EXPECT_THAT(changed.what(), EndsWith("\"precision\" was \"f32\" when it was saved and is \"bf16\" now, "
                                       "\"seed\" was \"42\" when it was saved and is \"43\" now"));
  for (const char* key : {"dim", "depth", "kernel"}) other[key] = "1";
  EXPECT_THAT(refusal(other).what(), EndsWith(", and 2 more"));

  other = kFingerprint;
  other.erase("seed");
  EXPECT_THAT(refusal(other).what(), HasSubstr("\"seed\" was \"42\" when it was saved and is nothing now"));
  other = kFingerprint;
  other["batch-size"] = "64";
  EXPECT_THAT(refusal(other).what(), HasSubstr("\"batch-size\" was nothing when it was saved and is \"64\" now"));
}

TEST_F(TrainingState, RefusesAnotherOptimisersState) {
  Training training(graph_, options_of(OptimizerKind::sgd));
  save(training);
  const Error error = refusal();
  EXPECT_EQ(error.kind(), ErrorKind::failure);
  EXPECT_THAT(error.what(), HasSubstr("missing: optimizer.exp_avg.stem.0,2.weight, "));
}

TEST_F(TrainingState, RefusesFilesOfAnotherKindOrVersion) {
  Training training(graph_, options_of(OptimizerKind::adamw));
  CheckpointInfo info;
  info.model = small_config();
  save_weights(path_, training.parameters, info);
  EXPECT_THAT(refusal().what(), HasSubstr("not a saved training state"));
  save_adamw();
  edit([](auto&, auto& metadata) { metadata["training_state_version"] = "2"; });
  EXPECT_THAT(refusal().what(), HasSubstr("version 2, expected 1"));
}

TEST_F(TrainingState, RefusesATensorMissingTooManyOrOfAnotherShape) {
  save_adamw();
  edit([](auto& tensors, auto&) {
    std::erase_if(tensors, [](const TensorView& tensor) { return tensor.name == "statistics.stem.2.running_var"; });
  });
  EXPECT_THAT(refusal().what(), HasSubstr("missing: statistics.stem.2.running_var"));

  const std::array<float, 6> extra{};
  save_adamw();
  edit([&](auto& tensors, auto&) {
    tensors.push_back({"weights.more", DType::f32, {6}, std::as_bytes(std::span(extra))});
  });
  EXPECT_THAT(refusal().what(), HasSubstr("unexpected: weights.more (6)"));

  save_adamw();
  edit([&](auto& tensors, auto&) {
    std::ranges::find(tensors, "optimizer.exp_avg_sq.head.bias", &TensorView::name)->shape = {5, 2};
  });
  EXPECT_THAT(refusal().what(), HasSubstr("optimizer.exp_avg_sq.head.bias (found (5, 2), expected (10))"));
}

TEST_F(TrainingState, RefusesAPositionThatIsMissingOrNoNumber) {
  for (const char* key : {"position.epoch", "position.seconds", "optimizer.steps"}) {
    save_adamw();
    edit([&](auto&, auto& metadata) { metadata.erase(key); });
    EXPECT_THAT(refusal().what(), HasSubstr(key));
    for (const char* bad : {"", "x", "1x", "0x1p3"}) {
      save_adamw();
      edit([&](auto&, auto& metadata) { metadata[key] = bad; });
      EXPECT_THAT(refusal().what(), HasSubstr(key)) << bad;
    }
  }
  save_adamw();
  edit([](auto&, auto& metadata) { metadata["position.step"] = "-1"; });
  EXPECT_THAT(refusal().what(), HasSubstr("position.step = \"-1\""));
}

TEST_F(TrainingState, RefusesMoreUpdatesThanAnOptimiserCounts) {
  save_adamw();
  edit([](auto&, auto& metadata) { metadata["optimizer.steps"] = "4611686018427387905"; });
  const Error error = refusal();
  EXPECT_EQ(error.kind(), ErrorKind::failure);
  EXPECT_THAT(error.what(),
              HasSubstr("metadata optimizer.steps = \"4611686018427387905\": expected a whole number from "
                        "0 to 4611686018427387904"));
}

TEST_F(TrainingState, RefusesAFileCutOff) {
  save_adamw();
  const std::string whole = read_text_file(path_);
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
    folder_.write("state.safetensors", whole.substr(0, size));
    static_cast<void>(refusal());
  }
}

TEST_F(TrainingState, SurvivesAFullDisk) {
  save_adamw();
  const std::string before = read_text_file(path_);
  Training training(graph_, options_of(OptimizerKind::adamw));
  {
    const FileSizeLimit disk_full(before.size() / 2);
    EXPECT_THAT(error_of([&] { save(training); }).what(), HasSubstr(path_.string()));
  }
  EXPECT_EQ(read_text_file(path_), before);
  EXPECT_THAT(folder_.names(), testing::ElementsAre("state.safetensors"));
}

}  // namespace
}  // namespace convmixer
