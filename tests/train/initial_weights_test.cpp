#include "convmixer/train/initial_weights.hpp"

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/model/registry.hpp"
#include "support/error_of.hpp"
#include "train/trainer_fixture.hpp"

#include <gmock/gmock.h>

#include <array>
#include <limits>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing_support::error_of;

std::map<std::string, std::string> tensors_of(const fs::path& path) {
  std::map<std::string, std::string> tensors;
  const SafetensorsFile file(path);
  for (const auto& [name, entry] : file.tensors())
    tensors[name] = std::string(reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size());
  return tensors;
}

/// With a file of weights of the fixture's network for three classes of the shapes, in another order.
class InitialWeightsTest : public TrainerFixture {
 protected:
  InitialWeightsTest() {
    names_ = train_->class_names();
    parameters_.initialise(7);
    for (StatisticId id = 0; id < static_cast<StatisticId>(graph_.statistics().size()); ++id)
      for (float& value : parameters_.statistic(id)) value += 0.25F;
  }

  static ConvMixerConfig network(int classes) {
    return {.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 4, .classes = classes};
  }
  fs::path save(const std::vector<std::string>& class_names, const std::string& name = "given.safetensors") {
    CheckpointInfo info;
    info.model = network(static_cast<int>(graph_.parameters().back().shape.count()));
    info.mean = {0.5F, 0.25F, 0.125F};
    info.std = {1.0F, 0.5F, 0.25F};
    info.fit = "stretch";
    info.class_names = class_names;
    info.step = 40;
    info.epoch = 3;
    info.batches_tracked = {{"stem.2.num_batches_tracked", batches_tracked_}};
    save_weights(parent_.path() / name, parameters_, info);
    return parent_.path() / name;
  }
  TrainConfig config_from(const fs::path& init, const std::string& folder = "run") {
    TrainConfig config = small_config(folder);
    config.init = init;
    return config;
  }
  /// What the parameters of a network for the data are after loading.
  Parameters loaded(const TrainConfig& config) {
    Parameters parameters(data_graph_);
    parameters.initialise(config.seed);
    description_ = load_initial_weights(config, names_, parameters).description;
    return parameters;
  }
  std::string refusal(const TrainConfig& config) {
    Parameters parameters(data_graph_);
    const Error error = error_of([&] { (void)load_initial_weights(config, names_, parameters); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }

  const Graph graph_ = make_convmixer(network(10));
  const Graph data_graph_ = make_convmixer(network(10));
  const ParameterId head_ = std::get<Linear>(graph_.nodes().back().operation).weight;
  Parameters parameters_{graph_};
  std::vector<std::string> names_;
  std::string description_;
  std::int64_t batches_tracked_ = 7;  // that the file says, of the stem's norm
};

TEST_F(InitialWeightsTest, ComeOutOfNoEpochsBitForBit) {
  const fs::path given = save(names_);
  TrainConfig config = config_from(given);
  config.epochs = 0;
  EXPECT_EQ(train(config), TrainEnd::finished);
  for (const char* name : {"best.safetensors", "last.safetensors"})
    EXPECT_EQ(tensors_of(parent_.path() / "run" / name), tensors_of(given)) << name;
  EXPECT_GE(read_checkpoint_info(parent_.path() / "run" / "best.safetensors").test_accuracy, 0.0);
  EXPECT_EQ(train(config), TrainEnd::finished);  // again
}

TEST_F(InitialWeightsTest, ComeOutOfNoEpochsThatWereKilledBeforeTheWeightsWereWritten) {
  const fs::path given = save(names_);
  TrainConfig config = config_from(given);
  config.epochs = 0;
  EXPECT_EQ(train(config), TrainEnd::finished);
  for (const char* name : {"best.safetensors", "last.safetensors"}) fs::remove(parent_.path() / "run" / name);
  EXPECT_EQ(train(config), TrainEnd::finished);
  for (const char* name : {"best.safetensors", "last.safetensors"})
    EXPECT_EQ(tensors_of(parent_.path() / "run" / name), tensors_of(given)) << name;
}

TEST_F(InitialWeightsTest, WhoseLossIsNoNumberAreNamed) {
  for (float& value : parameters_.value(head_)) value = value < 0.0F ? -3e38F : 3e38F;
  TrainConfig config = config_from(save(names_));
  config.epochs = 0;
  EXPECT_THAT(error_of([&] { train(config); }).what(),
              AllOf(ContainsRegex("^the test loss became (nan|-?inf) "),
                    EndsWith("before the first step; expected initial weights (init = " + config.init.string() +
                             ") that give a number")));
}

TEST_F(InitialWeightsTest, AreNeededNoMoreByARunThatGoesOn) {
  const fs::path given = save(names_);
  ASSERT_EQ(train(config_from(given, "whole")), TrainEnd::finished);
  const TrainConfig config = config_from(given, "stopped");
  ASSERT_EQ(train(config, stopped_after(3)), TrainEnd::signal);
  fs::remove(given);
  ASSERT_EQ(train(config), TrainEnd::finished);
  expect_equal_runs(parent_.path() / "stopped", parent_.path() / "whole");
  const CheckpointInfo info = read_checkpoint_info(parent_.path() / "stopped" / "last.safetensors");
  EXPECT_EQ(info.step, 12);
  EXPECT_EQ(info.batches_tracked.at("stem.2.num_batches_tracked"), 7 + 12);
  EXPECT_EQ(info.batches_tracked.at("blocks.0.3.num_batches_tracked"), 40 + 12);
}

TEST_F(InitialWeightsTest, MayHaveTrackedAnyNumberOfBatches) {
  batches_tracked_ = std::numeric_limits<std::int64_t>::max();
  ASSERT_EQ(train(config_from(save(names_))), TrainEnd::finished);
  const CheckpointInfo info = read_checkpoint_info(parent_.path() / "run" / "last.safetensors");
  EXPECT_EQ(info.batches_tracked.at("stem.2.num_batches_tracked"), Optimizer::kMostSteps - 1 + 12);
}

TEST_F(InitialWeightsTest, OfOneRunAreNotAnothers) {
  const fs::path given = save(names_);
  ASSERT_EQ(train(config_from(given), stopped_after(1)), TrainEnd::signal);
  fs::copy_file(given, parent_.path() / "copy");
  ASSERT_EQ(train(config_from(parent_.path() / "copy"), stopped_after(1)), TrainEnd::signal);
  parameters_.value(0)[0] += 1.0F;
  const fs::path other = save(names_, "other");
  EXPECT_THAT(
      error_of([&] { train(config_from(other)); }).what(),
      HasSubstr("this run began with the weights of " + given.string() + ", not with init = " + other.string()));
  ASSERT_EQ(train(small_config("random"), stopped_after(1)), TrainEnd::signal);
  EXPECT_THAT(error_of([&] { train(config_from(given, "random")); }).what(),
              HasSubstr("this run began with random weights"));
}

TEST_F(InitialWeightsTest, KeepTheHeadForTheSameClassesInTheDatasOrder) {
  std::vector<std::string> turned(names_.rbegin(), names_.rend());
  const Parameters parameters = loaded(config_from(save(turned)));
  for (std::size_t label = 0; label < 10; ++label) {
    for (std::size_t i = 0; i < 16; ++i)
      EXPECT_EQ(parameters.value(head_)[label * 16 + i], parameters_.value(head_)[(9 - label) * 16 + i]);
  }
  EXPECT_THAT(description_, HasSubstr("the head's classes are put in the data's order"));
  EXPECT_TRUE(std::ranges::equal(parameters.value(0), parameters_.value(0)));
}

TEST_F(InitialWeightsTest, OfOtherClassesAreRefusedWithTheWaysOut) {
  std::vector<std::string> others = names_;
  for (std::size_t i = 2; i < others.size(); ++i) others[i] += "-";
  const fs::path given = save(others);
  EXPECT_THAT(
      refusal(config_from(given)),
      HasSubstr("--init-head new begins with a new head, --init-head match keeps what it knows of the 2 classes "
                "of the same name (" +
                names_[0] + ", " + names_[1] + ")"));
  TrainConfig config = config_from(given);
  config.init_head = InitHead::match;
  const Parameters parameters = loaded(config);
  Parameters random(data_graph_);
  random.initialise(config.seed);
  for (std::size_t i = 0; i < 160; ++i)
    EXPECT_EQ(parameters.value(head_)[i], i < 32 ? parameters_.value(head_)[i] : random.value(head_)[i]) << i;
  EXPECT_THAT(description_, HasSubstr("the head keeps 2 of the data's"));

  config.init_head = InitHead::fresh;
  EXPECT_TRUE(std::ranges::equal(loaded(config).value(head_), random.value(head_)));
  EXPECT_THAT(description_, HasSubstr("a new head for 10 instead of its 10, though 2 have the same name"));
}

TEST_F(InitialWeightsTest, OfAnotherNetworkAreRefusedNamingEverySizeThatDiffers) {
  TrainConfig config = config_from(save(names_));
  std::get<ConvMixerConfig>(config.model).dim = 32;
  std::get<ConvMixerConfig>(config.model).kernel_size = 5;
  EXPECT_THAT(refusal(config),
              HasSubstr("not the configured network: its dim is 16, expected 32, its kernel-size is 3, expected 5"));
}

TEST_F(InitialWeightsTest, ThatAreFrozenStayAsTheyAreToTheBit) {
  const fs::path given = save(names_);
  TrainConfig config = config_from(given, "whole");
  config.freeze = "stem";
  config.optimizer.weight_decay = 0.5F;
  ASSERT_EQ(train(config), TrainEnd::finished);
  const auto before = tensors_of(given);
  for (const auto& [name, bytes] : tensors_of(parent_.path() / "whole" / "last.safetensors"))
    EXPECT_EQ(bytes == before.at(name), name.starts_with("stem.")) << name;

  config.out = parent_.path() / "stopped";
  ASSERT_EQ(train(config, stopped_after(3)), TrainEnd::signal);
  fs::remove(given);
  ASSERT_EQ(train(config), TrainEnd::finished);
  expect_equal_runs(parent_.path() / "stopped", parent_.path() / "whole");
  config.freeze = "blocks";
  EXPECT_THAT(error_of([&] { train(config); }).what(), HasSubstr("\"freeze\" was \"stem\""));
}

TEST_F(InitialWeightsTest, GiveTheSettingsThatArentGiven) {
  TrainConfig config;
  config.dataset = "folder";
  config.init = save(names_);
  const CheckpointInfo info = read_checkpoint_info(config.init);
  take_settings(config, info, {});
  EXPECT_EQ(std::get<ConvMixerConfig>(config.model).dim, 16);
  EXPECT_EQ(config.mean, info.mean);
  EXPECT_EQ(config.image_size, 32);
  EXPECT_EQ(config.fit, Fit::stretch);

  config.mean = {0.0F, 0.0F, 0.0F};
  config.fit = Fit::crop;
  const std::array<Assignment, 3> given{
      {{"mean", "0,0,0", "--mean 0,0,0"}, {"fit", "crop", "--fit crop"}, {"dim", "16", "--dim 16"}}};
  take_settings(config, info, given);
  EXPECT_EQ(config.mean.front(), 0.0F);
  EXPECT_EQ(config.fit, Fit::crop);

  std::get<ConvMixerConfig>(config.model).dim = 8;
  std::get<ConvMixerConfig>(config.model).depth = 2;
  const std::array<Assignment, 2> other{{{"dim", "8", "x.ini:3: dim = 8"}, {"depth", "2", "--depth 2"}}};
  EXPECT_THAT(error_of([&] { take_settings(config, info, other); }).what(),
              HasSubstr("dim = 16, but x.ini:3: dim = 8; depth = 1, but --depth 2"));
  config.model = VitConfig{};
  EXPECT_THAT(error_of([&] { take_settings(config, info, other); }).what(),
              HasSubstr("its model is convmixer, but model = vit"));
}

TEST_F(InitialWeightsTest, GoWithImagesOfTheirOwnSizeWhereTheirShapesDependOnIt) {
  CheckpointInfo info;
  info.model = VitConfig{.dim = 4, .depth = 1, .heads = 1, .mlp_dim = 4};
  const Graph graph = make_graph(info.model);
  const fs::path file = parent_.path() / "vit.safetensors";
  save_weights(file, Parameters(graph), info);
  for (const int size : {16, 48}) {
    VitConfig other = std::get<VitConfig>(info.model);
    other.image_size = size;
    const Graph other_graph = make_vit(other);
    Parameters parameters(other_graph);
    TrainConfig config = config_from(file);
    config.model = other;
    const Error error = error_of([&] { (void)load_initial_weights(config, names_, parameters); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_EQ(std::string(error.what()), "image-size = " + std::to_string(size) + ": " + file.string() +
                                             " is for images of 32 x 32 pixels alone: the shape of vit's pos_embed "
                                             "depends on it");
  }
}

}  // namespace
}  // namespace convmixer
