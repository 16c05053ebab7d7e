#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/precision.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/model/registry.hpp"
#include "support/error_of.hpp"
#include "support/file_size_limit.hpp"
#include "support/temporary_folder.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <set>
#include <utility>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::FileSizeLimit;
using testing_support::TemporaryFolder;

ConvMixerConfig small_config() {
  ConvMixerConfig config;
  config.dim = 6;
  config.depth = 2;
  config.kernel_size = 4;
  config.patch_size = 3;
  config.image_size = 12;
  config.channels = 2;
  config.classes = 5;
  return config;
}

CheckpointInfo info_of(const ConvMixerConfig& config) {
  CheckpointInfo info;
  info.model = config;
  info.dataset = "shapes";
  info.mean = {0.4914F, 1.0F / 3.0F};
  info.std = {0.2471F, 1e-3F};
  info.fit = "stretch";
  info.class_names = {"apple", "f\xC3\xBC", "\"", "d", ""};
  info.data = {{"train.fingerprint", "0123"}, {"test_choice", "name"}};
  info.epoch = 7;
  info.step = 1234567890123;
  info.test_accuracy = 2.0 / 3.0;
  return info;
}

/// A small network whose every value differs, weights and statistics alike.
class Weights : public testing::Test {
 protected:
  Weights() { fill(parameters_, 0.0F); }

  static void fill(Parameters& parameters, float start) {
    float next = start;
    const Graph& graph = parameters.graph();
    for (int id = 0; id < static_cast<int>(graph.parameters().size()); ++id) {
      for (float& value : parameters.value(id)) value = next += 0.125F;
    }
    for (int id = 0; id < static_cast<int>(graph.statistics().size()); ++id) {
      for (float& value : parameters.statistic(id)) value = next += 0.125F;
    }
  }

  static std::vector<float> values_of(const Parameters& parameters) {
    std::vector<float> all;
    const auto append = [&](std::span<const float> values) { all.insert(all.end(), values.begin(), values.end()); };
    for (int id = 0; id < static_cast<int>(parameters.graph().parameters().size()); ++id) append(parameters.value(id));
    for (int id = 0; id < static_cast<int>(parameters.graph().statistics().size()); ++id) {
      append(parameters.statistic(id));
    }
    return all;
  }

  /// Saves, lets `edit` change what the file holds, and writes it again.
  void save_edited(const std::function<void(std::vector<TensorView>&, std::map<std::string, std::string>&)>& edit) {
    save_weights(path_, parameters_, info_of(config_));
    const SafetensorsFile file(path_);
    std::vector<TensorView> tensors;
    for (const auto& [name, entry] : file.tensors()) tensors.push_back({name, entry.dtype, entry.shape, entry.bytes});
    std::map<std::string, std::string> metadata = file.metadata();
    edit(tensors, metadata);
    write_safetensors(path_, tensors, metadata);
  }

  /// load_weights refuses the file, naming it, and changes nothing.
  std::string refusal_to_load() {
    Parameters other(graph_);
    fill(other, 1000.0F);
    const std::vector<float> before = values_of(other);
    const std::string message = error_of([&] { load_weights(path_, other); }).what();
    EXPECT_THAT(message, HasSubstr(path_.string()));
    EXPECT_EQ(values_of(other), before);
    return message;
  }

  static TensorView& named(std::vector<TensorView>& tensors, const std::string& name) {
    return *std::ranges::find(tensors, name, &TensorView::name);
  }

  const TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "best.safetensors";
  const ConvMixerConfig config_ = small_config();
  const Graph graph_ = make_convmixer(config_);
  Parameters parameters_{graph_};
};

TEST_F(Weights, LoadAsTheyWereSaved) {
  save_weights(path_, parameters_, info_of(config_));
  Parameters other(graph_);
  load_weights(path_, other);
  EXPECT_EQ(values_of(other), values_of(parameters_));
}

TEST_F(Weights, OfAnotherProgramLoadUnderItsNames) {
  // locuslab's Sequential of two blocks, in DataParallel.
  const std::map<std::string, std::string> layers{{"stem.0", "0"},
                                                  {"stem.2", "2"},
                                                  {"blocks.0.0.fn.0", "3.0.fn.0"},
                                                  {"blocks.0.0.fn.2", "3.0.fn.2"},
                                                  {"blocks.0.1", "3.1"},
                                                  {"blocks.0.3", "3.3"},
                                                  {"blocks.1.0.fn.0", "4.0.fn.0"},
                                                  {"blocks.1.0.fn.2", "4.0.fn.2"},
                                                  {"blocks.1.1", "4.1"},
                                                  {"blocks.1.3", "4.3"},
                                                  {"head", "7"}};
  save_edited([&](auto& tensors, auto& metadata) {
    metadata.clear();
    for (TensorView& tensor : tensors) {
      const std::size_t dot = tensor.name.rfind('.');
      tensor.name = fmt::format("module.{}{}", layers.at(tensor.name.substr(0, dot)), tensor.name.substr(dot));
    }
  });
  const ModelConfig found = read_checkpoint_info(path_).model;
  EXPECT_EQ(std::get<ConvMixerConfig>(found).depth, 2);
  EXPECT_EQ(std::get<ConvMixerConfig>(found).kernel_size, 4);
  Parameters other(graph_);
  load_weights(path_, other);
  EXPECT_EQ(values_of(other), values_of(parameters_));
}

TEST_F(Weights, HaveTheNamesOfTimm) {
  ConvMixerConfig config = config_;
  config.depth = 1;
  const Graph graph = make_convmixer(config);
  save_weights(path_, Parameters(graph), info_of(config));
  const SafetensorsFile file(path_);
  std::vector<std::string> names;
  for (const auto& [name, entry] : file.tensors()) names.push_back(name);
  // list(timm.models.convmixer.ConvMixer(dim=6, depth=1, ...).state_dict())
  EXPECT_THAT(names,
              testing::UnorderedElementsAre(
                  "stem.0.weight", "stem.0.bias", "stem.2.weight", "stem.2.bias", "stem.2.running_mean",
                  "stem.2.running_var", "stem.2.num_batches_tracked", "blocks.0.0.fn.0.weight", "blocks.0.0.fn.0.bias",
                  "blocks.0.0.fn.2.weight", "blocks.0.0.fn.2.bias", "blocks.0.0.fn.2.running_mean",
                  "blocks.0.0.fn.2.running_var", "blocks.0.0.fn.2.num_batches_tracked", "blocks.0.1.weight",
                  "blocks.0.1.bias", "blocks.0.3.weight", "blocks.0.3.bias", "blocks.0.3.running_mean",
                  "blocks.0.3.running_var", "blocks.0.3.num_batches_tracked", "head.weight", "head.bias"));
  EXPECT_EQ(file.tensor("blocks.0.0.fn.0.weight").shape, (Shape{6, 1, 4, 4}));
  EXPECT_EQ(file.tensor("blocks.0.3.num_batches_tracked").shape, Shape{});
  EXPECT_THAT(file.read_int64("blocks.0.3.num_batches_tracked"), testing::ElementsAre(1234567890123));
  EXPECT_EQ(file.metadata("format"), "pt");
  EXPECT_THAT(file.metadata("generator"), testing::MatchesRegex("convmixer [0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST_F(Weights, AreAlignedForReadersThatMapTheFile) {
  save_weights(path_, parameters_, info_of(config_));
  const SafetensorsFile file(path_);
  for (const auto& [name, entry] : file.tensors()) {
    const std::size_t size = entry.dtype == DType::i64 ? 8 : 4;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(entry.bytes.data()) % size, 0U) << name;
  }
}

TEST_F(Weights, HaveTheNamesAndShapesOfTheGoldenModel) {
  const SafetensorsFile golden(std::filesystem::path(CONVMIXER_SOURCE_DIR) / "tests" / "golden" /
                               "convmixer_d32x2_k5_p2.safetensors");
  std::vector<TensorView> tensors;
  for (const auto& [name, entry] : golden.tensors()) {
    if (name.starts_with("init.")) tensors.push_back({name.substr(5), entry.dtype, entry.shape, entry.bytes});
  }
  write_safetensors(path_, tensors, {});

  const CheckpointInfo info = read_checkpoint_info(path_);
  const auto& model = std::get<ConvMixerConfig>(info.model);
  EXPECT_EQ(model.dim, 32);
  EXPECT_EQ(model.depth, 2);
  const Graph graph = make_graph(info.model);
  Parameters parameters(graph);
  load_weights(path_, parameters);
  std::vector<float> stem(32 * 3 * 2 * 2);
  golden.read("init.stem.0.weight", {32, 3, 2, 2}, stem);
  EXPECT_TRUE(std::ranges::equal(parameters.value(0), stem));
}

TEST_F(Weights, SayWhatTheyAre) {
  const CheckpointInfo saved = info_of(config_);
  save_weights(path_, parameters_, saved);
  const CheckpointInfo read = read_checkpoint_info(path_);
  const auto& model = std::get<ConvMixerConfig>(read.model);
  EXPECT_EQ(model.dim, 6);
  EXPECT_EQ(model.depth, 2);
  EXPECT_EQ(model.kernel_size, 4);
  EXPECT_EQ(model.patch_size, 3);
  EXPECT_EQ(model.image_size, 12);
  EXPECT_EQ(model.channels, 2);
  EXPECT_EQ(model.classes, 5);
  EXPECT_EQ(read.dataset, "shapes");
  EXPECT_EQ(read.mean, saved.mean);
  EXPECT_EQ(read.std, saved.std);
  EXPECT_EQ(read.fit, saved.fit);
  EXPECT_EQ(read.class_names, saved.class_names);
  EXPECT_EQ(read.data, saved.data);
  EXPECT_EQ(read.epoch, 7);
  EXPECT_EQ(read.step, 1234567890123);
  EXPECT_EQ(read.test_accuracy, 2.0 / 3.0);
}

TEST_F(Weights, OfAnEarlierReleaseDoNotKnowTheirClasses) {
  save_edited([](auto&, auto& metadata) {
    metadata.erase("class_names");
    metadata.erase("fit");
    metadata.erase("data.train.fingerprint");
    metadata.erase("data.test_choice");
  });
  const CheckpointInfo read = read_checkpoint_info(path_);
  EXPECT_TRUE(read.class_names.empty());
  EXPECT_TRUE(read.data.empty());
  EXPECT_EQ(read.fit, "");
}

TEST_F(Weights, WithOtherNamesThanClassesAreRefused) {
  for (const auto& [names, expected] :
       std::map<std::string, std::string>{{R"(["a","b"])", "class_names: found 2 names for 5 classes"},
                                          {"a,b,c,d,e", "expected a JSON array of texts"}}) {
    save_edited([&](auto&, auto& metadata) { metadata["class_names"] = names; });
    EXPECT_THAT(error_of([&] { (void)read_checkpoint_info(path_); }).what(), HasSubstr(expected));
  }
}

TEST_F(Weights, WithoutNormalisationReadBackWithoutIt) {
  CheckpointInfo info;
  info.model = config_;
  save_weights(path_, parameters_, info);
  const CheckpointInfo read = read_checkpoint_info(path_);
  EXPECT_TRUE(read.mean.empty());
  EXPECT_TRUE(read.std.empty());
  EXPECT_EQ(read.test_accuracy, -1.0);
}

/// What is saved is read again: so save_weights refuses what read_checkpoint_info would.
TEST_F(Weights, AreNotWrittenWithWhatWouldBeRefusedWhenTheyAreRead) {
  const auto refusal = [&](const std::function<void(CheckpointInfo&)>& edit) {
    CheckpointInfo info = info_of(config_);
    edit(info);
    const Error error = error_of([&] { save_weights(path_, parameters_, info); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_FALSE(std::filesystem::exists(path_));
    const std::string beginning = path_.string() + ": can't be written: ";
    EXPECT_THAT(error.what(), testing::StartsWith(beginning));
    return std::string(error.what()).substr(std::min(beginning.size(), std::string(error.what()).size()));
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(refusal([](CheckpointInfo& info) { info.mean = {0.5F}; }),
            "mean = 0.5, std = 0.2471 0.001: expected 2 finite numbers each, std above 0, or none");
  for (const std::vector<float>& wrong :
       std::vector<std::vector<float>>{{}, {1.0F}, {1.0F, 0.0F}, {1.0F, -1.0F}, {1.0F, kNan}})
    EXPECT_THAT(refusal([&](CheckpointInfo& info) { info.std = wrong; }), HasSubstr("expected 2 finite numbers each"));
  EXPECT_THAT(refusal([](CheckpointInfo& info) { info.mean.clear(); }), HasSubstr("expected 2 finite numbers each"));
  EXPECT_THAT(refusal([&](CheckpointInfo& info) { info.mean[1] = kNan; }), HasSubstr("expected 2 finite numbers each"));
  EXPECT_EQ(refusal([](CheckpointInfo& info) { info.class_names.pop_back(); }),
            "4 names for 5 classes, expected one for each or none");
  EXPECT_EQ(refusal([](CheckpointInfo& info) { info.epoch = -1; }),
            "epoch = -1, step = 1234567890123: expected at least 0");
  EXPECT_EQ(refusal([](CheckpointInfo& info) { info.step = -2; }), "epoch = 7, step = -2: expected at least 0");
}

TEST_F(Weights, AreNotWrittenAsThoseOfAnotherModel) {
  const auto refusal = [&](const std::function<void(ConvMixerConfig&)>& edit) {
    ConvMixerConfig other = config_;
    edit(other);
    const Error error = error_of([&] { save_weights(path_, parameters_, info_of(other)); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_FALSE(std::filesystem::exists(path_));
    return std::string(error.what());
  };
  EXPECT_EQ(
      refusal([](ConvMixerConfig& other) { other.kernel_size = 5; }),
      path_.string() +
          ": can't be written: the parameters aren't those of ConvMixer-6/2, kernel 5, patch 3, images 12 x 12, 5 "
          "classes: of another shape: blocks.0-1.0.fn.0.weight (found (6, 1, 4, 4), expected (6, 1, 5, 5))");
  EXPECT_THAT(refusal([](ConvMixerConfig& other) { other.depth = 3; }), HasSubstr("missing: blocks.2."));
  EXPECT_THAT(refusal([](ConvMixerConfig& other) { other.depth = 1; }), HasSubstr("unexpected: blocks.1."));
  EXPECT_THAT(refusal([](ConvMixerConfig& other) { other.classes = 4; }),
              HasSubstr("head.weight (found (5, 6), expected (4, 6))"));
  EXPECT_THAT(refusal([](ConvMixerConfig& other) { other.image_size = 2; }),
              HasSubstr("patch-size = 3: a patch does not fit"));
}

TEST_F(Weights, OfAnotherProgramGiveTheModelByTheirShapes) {
  for (const std::map<std::string, std::string>& foreign :
       {std::map<std::string, std::string>{}, {{"format", "pt"}, {"dim", "999"}}}) {
    save_edited([&](auto&, auto& metadata) { metadata = foreign; });
    const CheckpointInfo read = read_checkpoint_info(path_);
    const auto& model = std::get<ConvMixerConfig>(read.model);
    EXPECT_EQ(model.dim, 6);
    EXPECT_EQ(model.depth, 2);
    EXPECT_EQ(model.kernel_size, 4);
    EXPECT_EQ(model.patch_size, 3);
    EXPECT_EQ(model.image_size, 32);
    EXPECT_EQ(model.channels, 2);
    EXPECT_EQ(model.classes, 5);
    EXPECT_EQ(read.dataset, "");
    EXPECT_EQ(read.step, 0);
  }
}

TEST_F(Weights, AreRefusedWhenTheirMetadataIsWrong) {
  const auto refused = [&](const std::string& key, const std::string& value) -> std::string {
    save_edited([&](auto&, auto& metadata) { metadata[key] = value; });
    return error_of([&] { static_cast<void>(read_checkpoint_info(path_)); }).what();
  };
  EXPECT_THAT(refused("dim", "8"), AllOf(HasSubstr(path_.string()), HasSubstr("dim = 8, but its tensors have 6")));
  EXPECT_THAT(refused("depth", "3"), HasSubstr("depth = 3, but its tensors have 2"));
  EXPECT_THAT(refused("kernel_size", "5"), HasSubstr("kernel_size = 5, but its tensors have 4"));
  EXPECT_THAT(refused("dim", "six\n"), AllOf(HasSubstr(path_.string()), HasSubstr(R"(dim = "six\n")")));
  EXPECT_THAT(refused("image_size", "2"),
              AllOf(HasSubstr(path_.string()), HasSubstr("patch-size = 3: a patch does not")));
  EXPECT_THAT(refused("image_size", "99999999999"), HasSubstr("image_size"));
  EXPECT_THAT(refused("step", "-1"), HasSubstr("step"));
  EXPECT_THAT(refused("epoch", "1.5"), HasSubstr("epoch"));
  EXPECT_THAT(refused("test_accuracy", ""), HasSubstr("test_accuracy"));
  EXPECT_THAT(refused("mean", "0.5"), HasSubstr("expected 2 numbers each"));
  EXPECT_THAT(refused("mean", "0.5 x"), HasSubstr("mean = \"0.5 x\""));
  EXPECT_THAT(refused("std", "0.5 0"), HasSubstr("std above 0"));
  EXPECT_THAT(refused("std", "0.5 inf"), HasSubstr("std = \"0.5 inf\""));
}

TEST_F(Weights, OfAModelThatIsNotKnownAreRefused) {
  save_edited([&](auto&, auto& metadata) { metadata["model"] = "vit\n"; });
  EXPECT_THAT(error_of([&] { static_cast<void>(read_checkpoint_info(path_)); }).what(),
              HasSubstr(path_.string() + R"(: metadata model = "vit\n": expected one of convmixer, )"));
}

TEST_F(Weights, ThatDoNotNameTheirModelAreKnownByTheirTensors) {
  save_edited([&](auto&, auto& metadata) { metadata.erase("model"); });
  const CheckpointInfo info = read_checkpoint_info(path_);
  EXPECT_EQ(std::get<ConvMixerConfig>(info.model).image_size, 12);
  EXPECT_EQ(info.epoch, 7);
}

TEST_F(Weights, OfNoConvMixerAreRefused) {
  save_edited([&](auto& tensors, auto&) { named(tensors, "head.weight").shape = {30}; });
  EXPECT_THAT(error_of([&] { static_cast<void>(read_checkpoint_info(path_)); }).what(),
              AllOf(HasSubstr(path_.string()), HasSubstr("head.weight"), HasSubstr("(30)")));
  write_safetensors(path_, {}, {});
  EXPECT_THAT(
      error_of([&] { static_cast<void>(read_checkpoint_info(path_)); }).what(),
      AllOf(HasSubstr(path_.string()), HasSubstr("no weights of convmixer or "), HasSubstr(": found no tensor")));
  const std::array<float, 6> values{};
  write_safetensors(path_, std::array{TensorView{"layer.1.fc", DType::f32, {6}, std::as_bytes(std::span(values))}}, {});
  EXPECT_THAT(error_of([&] { static_cast<void>(read_checkpoint_info(path_)); }).what(),
              AllOf(HasSubstr("no weights of convmixer or "), HasSubstr(": found fc")));
}

TEST_F(Weights, WithoutTheirHeadSaySo) {
  save_edited([](auto& tensors, auto&) {
    std::erase_if(tensors, [](const TensorView& tensor) { return tensor.name.starts_with("head"); });
  });
  EXPECT_THAT(error_of([&] { static_cast<void>(read_checkpoint_info(path_)); }).what(),
              HasSubstr("no tensor \"head.weight\""));
}

TEST_F(Weights, MayLackTheCountersOfBatches) {
  save_edited([&](auto& tensors, auto&) {
    std::erase_if(tensors, [](const TensorView& tensor) { return tensor.name.ends_with("num_batches_tracked"); });
  });
  Parameters other(graph_);
  load_weights(path_, other);
  EXPECT_EQ(values_of(other), values_of(parameters_));
}

TEST_F(Weights, InBfloat16AreWidened) {
  std::vector<std::uint16_t> rounded;
  std::ranges::transform(parameters_.value(0), std::back_inserter(rounded), to_bf16);
  save_edited([&](auto& tensors, auto&) {
    TensorView& stem = named(tensors, "stem.0.weight");
    stem.dtype = DType::bf16;
    stem.bytes = std::as_bytes(std::span(rounded));
  });
  Parameters other(graph_);
  load_weights(path_, other);
  for (std::size_t i = 0; i < rounded.size(); ++i) EXPECT_EQ(other.value(0)[i], from_bf16(rounded[i]));
}

TEST_F(Weights, AreRefusedNamingEveryTensorThatDiffers) {
  const std::array<float, 6> extra{};
  save_edited([&](auto& tensors, auto&) {
    std::erase_if(tensors, [](const TensorView& tensor) {
      return tensor.name == "head.bias" || tensor.name == "stem.2.running_var" || tensor.name == "blocks.0.1.bias" ||
             tensor.name == "blocks.1.1.bias";
    });
    named(tensors, "head.weight").shape = {6, 5};
    named(tensors, "blocks.1.3.running_var").dtype = DType::i32;
    tensors.push_back({"fc.weight", DType::f32, {6}, std::as_bytes(std::span(extra))});
    tensors.push_back({"stem.1.num_batches_tracked", DType::f32, {}, std::as_bytes(std::span(extra)).first(4)});
  });
  const std::string differences = path_.string() +
                                  ": doesn't fit its model: missing: blocks.0-1.1.bias, head.bias, stem.2.running_var; "
                                  "unexpected: fc.weight (6), stem.1.num_batches_tracked (); "
                                  "of another shape: head.weight (found (6, 5), expected (5, 6)); "
                                  "of another type than F32, F16 and BF16: blocks.1.3.running_var";
  EXPECT_EQ(refusal_to_load(), differences);
}

TEST_F(Weights, OfAnotherModelThanTheyStateAreRefusedBeforeTheirValuesAreRead) {
  save_edited([&](auto& tensors, auto&) {
    std::erase_if(tensors, [](const TensorView& tensor) { return tensor.name == "head.bias"; });
  });
  EXPECT_THAT(error_of([&] { static_cast<void>(read_checkpoint_info(path_)); }).what(),
              HasSubstr("missing: head.bias"));
}

TEST_F(Weights, AreRefusedWhenABlockIsMissing) {
  save_edited([&](auto& tensors, auto& metadata) {
    std::erase_if(tensors, [](const TensorView& tensor) { return tensor.name.starts_with("blocks.0."); });
    metadata.clear();
  });
  EXPECT_THAT(refusal_to_load(), HasSubstr("missing: blocks.0.0.fn.0.weight, blocks.0.0.fn.0.bias, "));
}

TEST_F(Weights, AreRefusedWhenAnyAreNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  parameters_.value(1)[2] = -kInfinity;
  parameters_.statistic(0)[0] = std::numeric_limits<float>::quiet_NaN();
  parameters_.statistic(0)[1] = kInfinity;
  save_weights(path_, parameters_, info_of(config_));
  EXPECT_THAT(refusal_to_load(),
              HasSubstr("not finite numbers: stem.0.bias (1 of 6 values), stem.2.running_mean (2 of 6 values)"));
}

TEST_F(Weights, OfTwoBytesAreRefusedWhenAnyAreNotFinite) {
  std::vector<std::uint16_t> values(parameters_.value(1).size(), 0);
  for (const auto& [dtype, infinity] : {std::pair(DType::f16, 0x7C00), std::pair(DType::bf16, 0xFF80)}) {
    values[3] = static_cast<std::uint16_t>(infinity);
    save_edited([&, type = dtype](auto& tensors, auto&) {
      TensorView& bias = named(tensors, "stem.0.bias");
      bias.dtype = type;
      bias.bytes = std::as_bytes(std::span(values));
    });
    EXPECT_THAT(refusal_to_load(), HasSubstr("not finite numbers: stem.0.bias (1 of 6 values)"));
  }
}

TEST_F(Weights, AreRefusedWhenAVarianceIsNegative) {
  parameters_.statistic(1)[4] = -0.5F;
  save_weights(path_, parameters_, info_of(config_));
  EXPECT_THAT(refusal_to_load(), HasSubstr("variances below 0, expected at least 0: stem.2.running_var"));
}

TEST_F(Weights, AreRefusedWhenACounterOfBatchesIsNotOne64BitNumber) {
  const std::array<std::int64_t, 2> data{};
  const auto bytes = std::as_bytes(std::span(data));
  const std::string name = "stem.2.num_batches_tracked";
  for (const TensorView& bad :
       {TensorView{name, DType::f32, {}, bytes.first(4)}, TensorView{name, DType::i64, {2}, bytes}}) {
    save_edited([&](auto& tensors, auto&) { named(tensors, name) = bad; });
    EXPECT_THAT(refusal_to_load(), HasSubstr("unexpected: " + name));
  }
}

TEST_F(Weights, OfAnotherModelAreRefused) {
  ConvMixerConfig deeper = config_;
  deeper.depth = 4;
  const Graph graph = make_convmixer(deeper);
  save_weights(path_, Parameters(graph), info_of(deeper));
  EXPECT_THAT(refusal_to_load(), HasSubstr("unexpected: blocks.2-3."));
}

/// What tests/golden/make_pytorch_files.py puts into every tensor of this name.
float pytorch_value(const std::string& name, std::size_t index) {
  std::size_t sum = index;
  for (const char letter : name) sum += static_cast<unsigned char>(letter);
  return static_cast<float>(sum % 64) / 8.0F;
}

TEST(WeightsOfPytorch, LoadAsTheyWereSavedWhateverTheirNamesAndTypes) {
  for (const char* name :
       {"timm", "timm_f16", "locuslab_checkpoint", "labml_bf16", "averaged", "views", "parameters", "zip64"}) {
    const std::filesystem::path path = fmt::format(CONVMIXER_SOURCE_DIR "/tests/golden/pytorch/{}.pth", name);
    const CheckpointInfo info = read_checkpoint_info(path);
    const auto& model = std::get<ConvMixerConfig>(info.model);
    EXPECT_EQ((std::array{model.dim, model.depth, model.kernel_size, model.patch_size, model.channels, model.classes}),
              (std::array{2, 1, 3, 2, 3, 3}))
        << name;
    const Graph graph = make_graph(info.model);
    Parameters parameters(graph);
    load_weights(path, parameters);
    const auto expect = [&](const std::string& tensor, std::span<const float> values) {
      for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], pytorch_value(tensor, i)) << name << tensor;
    };
    for (std::size_t id = 0; id < graph.parameters().size(); ++id)
      expect(graph.parameters()[id].name, parameters.value(static_cast<ParameterId>(id)));
    for (std::size_t id = 0; id < graph.statistics().size(); ++id)
      expect(graph.statistics()[id].name, parameters.statistic(static_cast<StatisticId>(id)));
  }
}

TEST_F(Weights, SurviveAFullDisk) {
  save_weights(path_, parameters_, info_of(config_));
  const std::string before = read_text_file(path_);
  Parameters other(graph_);
  {
    const FileSizeLimit disk_full(before.size() - 1);
    EXPECT_THAT(error_of([&] { save_weights(path_, other, info_of(config_)); }).what(), HasSubstr(path_.string()));
  }
  EXPECT_EQ(read_text_file(path_), before);
  EXPECT_THAT(folder_.names(), testing::ElementsAre("best.safetensors"));
}

}  // namespace
}  // namespace convmixer
