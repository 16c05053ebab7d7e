#include "convmixer/export/weights.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/core/precision.hpp"
#include "convmixer/io/pytorch_file.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/model/convmixer.hpp"
#include "io/half_precision.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <variant>
#include <vector>

namespace convmixer {
namespace {

using testing::IsEmpty;
using testing_support::error_of;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr ParameterId kStem{0};

/// A small network after some training.
class ExportWeights : public testing::Test {
 protected:
  ExportWeights() {
    parameters_.initialise(3);
    for (float& value : parameters_.statistic(StatisticId{1})) value = 0.3F;
    info_.model = config_;
    info_.dataset = "shapes";
    info_.mean = {0.5F, 0.4F, 0.3F};
    info_.std = {0.25F, 0.25F, 1.0F / 3.0F};
    info_.fit = "stretch";
    info_.class_names = {"a", "b", "Löwe", "d", "e"};
    info_.epoch = 7;
    info_.step = 1234567890123;
    info_.batches_tracked = {{"blocks.0.3.num_batches_tracked", 5}};
  }

  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  std::filesystem::path exported(const WeightsFormat& format, const std::string& name = "exported") const {
    export_weights(path(name), parameters_, info_, format);
    return path(name);
  }
  /// The bytes of what save_weights makes of a file's content.
  [[nodiscard]] std::string saved_again(const std::filesystem::path& file) const {
    Parameters parameters(graph_);
    load_weights(file, parameters);
    save_weights(path("again"), parameters, read_checkpoint_info(file));
    return read_text_file(path("again"));
  }
  [[nodiscard]] std::string saved() const {
    save_weights(path("saved"), parameters_, info_);
    return read_text_file(path("saved"));
  }
  [[nodiscard]] std::string refusal(const WeightsFormat& format) const {
    const std::string message = error_of([&] { exported(format); }).what();
    EXPECT_THAT(folder_.names(), IsEmpty());
    return message;
  }

  ConvMixerConfig config_{.dim = 12, .depth = 2, .kernel_size = 4, .patch_size = 2, .image_size = 8, .classes = 5};
  Graph graph_ = make_convmixer(config_);
  Parameters parameters_{graph_};
  CheckpointInfo info_;
  testing_support::TemporaryFolder folder_;
};

TEST_F(ExportWeights, AsSafetensorsIsTheFileThatTrainingsSave) { EXPECT_EQ(read_text_file(exported({})), saved()); }

TEST_F(ExportWeights, ComeBackBitForBitFromEveryFormatAndNaming) {
  for (const WeightsContainer container : {WeightsContainer::safetensors, WeightsContainer::pytorch}) {
    for (const WeightNaming names :
         {WeightNaming::timm, WeightNaming::locuslab, WeightNaming::paper, WeightNaming::labml}) {
      EXPECT_TRUE(saved_again(exported({.container = container, .names = names})) == saved())
          << static_cast<int>(container) << ' ' << static_cast<int>(names);
    }
  }
}

TEST_F(ExportWeights, HaveTheNamesAskedFor) {
  const SafetensorsFile file(exported({.names = WeightNaming::locuslab}));
  for (const char* name : {"0.weight", "2.num_batches_tracked", "3.0.fn.0.weight", "4.3.running_var", "7.bias"})
    EXPECT_TRUE(file.contains(name)) << name;
  EXPECT_EQ(file.metadata("names"), "locuslab");
  const PytorchFile labml(exported({.container = WeightsContainer::pytorch, .names = WeightNaming::labml}));
  EXPECT_TRUE(labml.contains("classification.linear.weight"));
}

TEST_F(ExportWeights, KeepTheCountersOfNormsThatCountedOtherBatches) {
  const SafetensorsFile file(exported({}));
  EXPECT_EQ(file.read_int64("blocks.0.3.num_batches_tracked").front(), 5);
  EXPECT_EQ(file.read_int64("stem.2.num_batches_tracked").front(), info_.step);
}

TEST_F(ExportWeights, AreRoundedTo16Bits) {
  for (const DType elements : {DType::f16, DType::bf16}) {
    const SafetensorsFile file(exported({.elements = elements}));
    const auto weights = std::as_const(parameters_).value(kStem);
    std::vector<float> found(weights.size());
    EXPECT_EQ(file.tensor("stem.0.weight").dtype, elements);
    EXPECT_EQ(file.tensor("stem.2.running_var").dtype, elements);
    EXPECT_EQ(file.tensor("stem.2.num_batches_tracked").dtype, DType::i64);
    file.read("stem.0.weight", graph_.parameters()[0].shape, found);
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_EQ(found[i], elements == DType::f16 ? from_f16(to_f16(weights[i])) : from_bf16(to_bf16(weights[i])));
    EXPECT_EQ(read_checkpoint_info(file.path()).class_names, info_.class_names);
  }
}

TEST_F(ExportWeights, BeyondTheFormatsRangeAreRefusedByTheTensorsName) {
  parameters_.value(kStem)[3] = -65520.0F;
  EXPECT_EQ(
      refusal({.elements = DType::f16}),
      path("exported").string() +
          ": tensor \"stem.0.weight\": can't be written: -65520 is beyond the range of f16, 65504; bf16 has f32's");
  parameters_.value(kStem)[3] = std::numeric_limits<float>::max();
  EXPECT_THAT(refusal({.elements = DType::bf16}), testing::HasSubstr("3.4028235e+38 is beyond the range of bf16"));
  EXPECT_TRUE(std::filesystem::exists(exported({})));
}

TEST_F(ExportWeights, ThatArentFiniteAreRefused) {
  parameters_.value(kStem)[3] = kInfinity;
  EXPECT_EQ(refusal({}),
            path("exported").string() + ": tensor \"stem.0.weight\": element 3 of 144 is inf: expected finite numbers");
  parameters_.value(kStem)[3] = 0.0F;
  parameters_.statistic(StatisticId{1})[0] = std::nanf("");
  EXPECT_THAT(refusal({.container = WeightsContainer::pytorch}),
              testing::HasSubstr("\"stem.2.running_var\": element 0"));
}

TEST_F(ExportWeights, ThatCouldNotBeReadAgainAreRefused) {
  const auto message = [&](const WeightsFormat& format) {
    const Error error = error_of([&] { exported(format); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(folder_.names(), IsEmpty());
    return std::string(error.what());
  };
  const CheckpointInfo good = info_;
  info_.class_names.pop_back();
  EXPECT_EQ(message({}),
            path("exported").string() + ": can't be written: 4 names for 5 classes, expected one for each or none");
  info_ = good;
  info_.std[1] = 0.0F;
  EXPECT_THAT(message({.container = WeightsContainer::pytorch}),
              testing::HasSubstr("std = 0.25 0 0.33333334: expected 3 finite numbers each, std above 0, or none"));
  info_ = good;
  std::get<ConvMixerConfig>(info_.model).dim = 16;
  EXPECT_THAT(message({}), testing::HasSubstr("the parameters aren't those of ConvMixer-16/2"));
}

TEST_F(ExportWeights, OfOtherTypesAreRefused) {
  EXPECT_EQ(refusal({.elements = DType::i64}),
            path("exported").string() + ": weights can be written as f32, f16 and bf16");
}

}  // namespace
}  // namespace convmixer
