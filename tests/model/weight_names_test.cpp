#include "model/weight_names.hpp"

#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

TensorFile file_with(const std::vector<std::string>& names) {
  std::map<std::string, TensorFile::Entry> tensors;
  for (const std::string& name : names) tensors[name] = {DType::f32, Shape{0}, {}};
  return {"weights", std::move(tensors), {}, nullptr};
}

/// The weights of a network of two blocks with one parameter per layer.
const std::vector<std::string> kTimmNames{"stem.0.weight",
                                          "stem.2.weight",
                                          "blocks.0.0.fn.0.weight",
                                          "blocks.0.0.fn.2.weight",
                                          "blocks.0.1.weight",
                                          "blocks.0.3.weight",
                                          "blocks.1.0.fn.0.weight",
                                          "blocks.1.0.fn.2.weight",
                                          "blocks.1.1.weight",
                                          "blocks.1.3.weight",
                                          "head.weight"};

std::vector<std::string> with_beginning(const std::string& beginning) {
  std::vector<std::string> names;
  for (const std::string& name : kTimmNames) names.push_back(beginning + name);
  return names;
}

/// What a file's tensors are called after the renaming, which must be timm's names.
void expect_timm_names(const std::vector<std::string>& names) {
  const TensorFile file = file_with(names);
  const TensorFile renamed = file.renamed(names_here(file));
  std::vector<std::string> found;
  for (const auto& [name, entry] : renamed.tensors()) found.push_back(name);
  EXPECT_THAT(found, testing::UnorderedElementsAreArray(kTimmNames));
}

TEST(WeightNames, LeavesTimmsNamesAlone) { EXPECT_THAT(names_here(file_with(kTimmNames)), IsEmpty()); }

TEST(WeightNames, DropsWhatWrappersPutBeforeEveryName) {
  for (const char* beginning : {"module.", "model.", "_orig_mod.", "module._orig_mod.model."}) {
    expect_timm_names(with_beginning(beginning));
  }
}

TEST(WeightNames, KnowsLocuslabsSequential) {
  expect_timm_names({"0.weight", "2.weight", "3.0.fn.0.weight", "3.0.fn.2.weight", "3.1.weight", "3.3.weight",
                     "4.0.fn.0.weight", "4.0.fn.2.weight", "4.1.weight", "4.3.weight", "7.weight"});
}

TEST(WeightNames, KnowsThePapersShortForm) {
  expect_timm_names({"0.0.weight", "0.2.weight", "1.0.0.0.weight", "1.0.0.2.weight", "1.1.0.weight", "1.1.2.weight",
                     "2.0.0.0.weight", "2.0.0.2.weight", "2.1.0.weight", "2.1.2.weight", "5.weight"});
}

TEST(WeightNames, KnowsLabmlsModulesBehindAWrapper) {
  expect_timm_names({"module.patch_emb.conv.weight", "module.patch_emb.norm.weight",
                     "module.conv_mixer_layers.0.depth_wise_conv.weight", "module.conv_mixer_layers.0.norm1.weight",
                     "module.conv_mixer_layers.0.point_wise_conv.weight", "module.conv_mixer_layers.0.norm2.weight",
                     "module.conv_mixer_layers.1.depth_wise_conv.weight", "module.conv_mixer_layers.1.norm1.weight",
                     "module.conv_mixer_layers.1.point_wise_conv.weight", "module.conv_mixer_layers.1.norm2.weight",
                     "module.classification.linear.weight"});
}

TEST(WeightNames, LeavesWhatElseThereIs) {
  std::vector<std::string> names = with_beginning("module.");
  names.insert(names.end(), {"n_averaged", "other.module.x", "ema.x"});
  const TensorFile file = file_with(names);
  const TensorFile renamed = file.renamed(names_here(file));
  EXPECT_EQ(renamed.tensors().size(), names.size());
  for (const char* name : {"stem.0.weight", "head.weight", "n_averaged", "other.module.x", "ema.x"})
    EXPECT_TRUE(renamed.contains(name)) << name;
}

TEST(WeightNames, OfTwoNetworksTakeTheOneWithTheShorterBeginning) {
  std::vector<std::string> names = with_beginning("model.");
  for (const std::string& name : with_beginning("ema_model.")) names.push_back(name);
  const TensorFile file = file_with(names);
  const TensorFile renamed = file.renamed(names_here(file));
  EXPECT_TRUE(renamed.contains("blocks.1.3.weight"));
  EXPECT_TRUE(renamed.contains("ema_model.blocks.1.3.weight"));
}

TEST(WeightNames, RenamesBiasesAndStatisticsLikeTheirLayersWeights) {
  const TensorFile file = file_with({"0.weight", "2.running_var", "2.num_batches_tracked", "3.0.fn.0.weight",
                                     "3.0.fn.2.running_mean", "3.1.bias", "6.bias"});
  EXPECT_THAT(names_here(file),
              UnorderedElementsAre(Pair("0.weight", "stem.0.weight"), Pair("2.running_var", "stem.2.running_var"),
                                   Pair("2.num_batches_tracked", "stem.2.num_batches_tracked"),
                                   Pair("3.0.fn.0.weight", "blocks.0.0.fn.0.weight"),
                                   Pair("3.0.fn.2.running_mean", "blocks.0.0.fn.2.running_mean"),
                                   Pair("3.1.bias", "blocks.0.1.bias"), Pair("6.bias", "head.bias")));
}

TEST(WeightNames, AreGivenBackInEveryWay) {
  EXPECT_THAT(names_there(WeightNaming::timm, kTimmNames), IsEmpty());
  for (const WeightNaming naming : {WeightNaming::locuslab, WeightNaming::paper, WeightNaming::labml}) {
    const auto there = names_there(naming, kTimmNames);
    ASSERT_EQ(there.size(), kTimmNames.size());
    std::vector<std::string> names;
    for (const auto& [here, name] : there) names.push_back(name);
    expect_timm_names(names);
  }
  EXPECT_EQ(names_there(WeightNaming::locuslab, kTimmNames).at("head.weight"), "7.weight");
  EXPECT_EQ(names_there(WeightNaming::paper, kTimmNames).at("blocks.1.0.fn.2.weight"), "2.0.0.2.weight");
  EXPECT_EQ(names_there(WeightNaming::labml, kTimmNames).at("blocks.1.1.weight"),
            "conv_mixer_layers.1.point_wise_conv.weight");
}

TEST(WeightNames, OfOtherNetworksAreNotKnownElsewhere) {
  const std::vector<std::string> names{"stem.0.weight", "fc"};
  EXPECT_STREQ(testing_support::error_of([&] { (void)names_there(WeightNaming::labml, names); }).what(),
               "a tensor \"fc\": other programs' names are known for ConvMixers' tensors alone");
}

TEST(WeightNames, LeavesWhatItDoesntKnow) {
  EXPECT_THAT(names_here(file_with({"conv1.weight", "fc.weight"})), IsEmpty());
  EXPECT_THAT(names_here(file_with({})), IsEmpty());
}

}  // namespace
}  // namespace convmixer
