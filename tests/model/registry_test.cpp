#include "convmixer/model/registry.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/io/safetensors.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "support/two_models.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;
using testing_support::two_models;

TEST(Registry, FindsModelsByName) {
  EXPECT_EQ(find_model("convmixer"), &models().front());
  EXPECT_EQ(find_model("ConvMixer"), nullptr);
  EXPECT_EQ(find_model("twin", two_models()), &two_models().back());
}

TEST(Registry, KnowsWhichModelAConfigurationIsOf) {
  for (const ModelEntry& entry : models()) EXPECT_EQ(&entry_of(entry.defaults), &entry);
  for (const ModelEntry& entry : two_models()) EXPECT_EQ(&entry_of(entry.defaults, two_models()), &entry);
}

TEST(Registry, HasModelsThatAreBuiltWithTheirDefaults) {
  for (const ModelEntry& entry : models()) {
    const ClassificationTask task{.image_size = 24, .channels = 2, .classes = 7};
    const Graph graph = make_graph(with_task(entry.defaults, task));
    EXPECT_EQ(graph.tensors().front(), Shape({2, 24, 24})) << entry.name;
    EXPECT_EQ(graph.tensors().back(), Shape({7})) << entry.name;
  }
}

TEST(Registry, HasSettingsOfDifferentNamesWithinTheirLimits) {
  for (const ModelEntry& entry : models()) {
    std::set<std::string> names;
    for (const ModelSetting& setting : entry.settings) EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    std::set<const int*> places;
    ModelConfig model = entry.defaults;
    for (const ModelSetting& setting : entry.settings) {
      const auto* const size = std::get_if<SizeSetting>(&setting.kind);
      if (size == nullptr) continue;
      int& value = size->value(model);
      EXPECT_TRUE(places.insert(&value).second) << setting.name;
      EXPECT_GE(value, size->least) << setting.name;
      EXPECT_LE(value, size->most) << setting.name;
      value = -1;
      EXPECT_EQ(error_of([&] { entry.check(model); }).kind(), ErrorKind::usage) << setting.name;
      model = entry.defaults;
    }
  }
}

/// The shapes of everything that a weights file has of a model.
std::map<std::string, Shape> tensor_shapes(const ModelConfig& model) {
  std::map<std::string, Shape> shapes;
  const Graph graph = make_graph(model);
  for (const Parameter& parameter : graph.parameters()) shapes.emplace(parameter.name, parameter.shape);
  for (const Statistic& statistic : graph.statistics()) shapes.emplace(statistic.name, statistic.shape);
  return shapes;
}

/// A file with these tensors and nothing that says whose they are.
SafetensorsFile write_tensors(const std::filesystem::path& path, const std::map<std::string, Shape>& shapes) {
  std::size_t most = 0;
  for (const auto& [name, shape] : shapes) most = std::max(most, static_cast<std::size_t>(shape.count()));
  const std::vector<float> zeros(most);
  std::vector<TensorView> tensors;
  for (const auto& [name, shape] : shapes) {
    const auto values = std::span(zeros).first(static_cast<std::size_t>(shape.count()));
    tensors.push_back({name, DType::f32, shape, std::as_bytes(values)});
  }
  write_safetensors(path, tensors, {});
  return SafetensorsFile(path);
}

/// The model with its defaults for another task, and again with each of its sizes a little larger than that.
std::vector<ModelConfig> variations(const ModelEntry& entry) {
  std::vector<ModelConfig> variants{with_task(entry.defaults, {.image_size = 48, .channels = 2, .classes = 7})};
  for (const ModelSetting& setting : entry.settings) {
    const auto* const size = std::get_if<SizeSetting>(&setting.kind);
    if (size == nullptr) continue;
    for (int more = 1; more <= 100; ++more) {  // some go by multiples
      ModelConfig model = variants.front();
      size->value(model) += more;
      try {
        entry.check(model);
      } catch (const Error&) {
        continue;
      }
      variants.push_back(model);
      break;
    }
  }
  return variants;
}

TEST(Registry, HasModelsWhoseWeightsAreKnownByTheirTensors) {
  const testing_support::TemporaryFolder folder;
  for (const ModelEntry& entry : models()) {
    for (const ModelConfig& model : variations(entry)) {
      SCOPED_TRACE(describe(model));
      const std::map<std::string, Shape> shapes = tensor_shapes(model);
      const SafetensorsFile file = write_tensors(folder.path() / "weights.safetensors", shapes);
      for (const ModelEntry& other : models())
        EXPECT_EQ(other.recognises(file), other.name == entry.name) << other.name;
      ModelConfig read = entry.defaults;
      entry.read_sizes(file, read);
      EXPECT_EQ(tensor_shapes(read), shapes);
    }
  }
}

TEST(Registry, RefusesAModelThatIsNoneOfThose) {
  EXPECT_STREQ(error_of([] { (void)entry_of(ConvMixerConfig{}, {}); }).what(), "a model that is none of no models");
}

TEST(Registry, DescribesAModelInOneLine) {
  const ModelConfig model = ConvMixerConfig{.dim = 64, .depth = 4, .kernel_size = 7, .patch_size = 3, .image_size = 30};
  EXPECT_EQ(describe(model), "ConvMixer-64/4, kernel 7, patch 3");
  EXPECT_EQ(describe(ResNetConfig{.layers = 8, .width = 8, .dropout = 0.25F, .drop_path = 0.5F}),
            describe(ResNetConfig{.layers = 8, .width = 8}) + ", dropout 0.25, drop-path 0.5");
  EXPECT_EQ(describe_with_task(model), "ConvMixer-64/4, kernel 7, patch 3, images 30 x 30, 10 classes");
}

TEST(ClassificationTask, IsWhatAModelIsConfiguredFor) {
  const ModelConfig model = ConvMixerConfig{.dim = 8, .image_size = 5, .channels = 4, .classes = 3};
  EXPECT_EQ(task_of(model).image_size, 5);
  EXPECT_EQ(task_of(model).channels, 4);
  EXPECT_EQ(task_of(model).classes, 3);
  const auto other = std::get<ConvMixerConfig>(with_task(model, {.image_size = 9, .channels = 1, .classes = 2}));
  EXPECT_EQ(other.image_size, 9);
  EXPECT_EQ(other.channels, 1);
  EXPECT_EQ(other.classes, 2);
  EXPECT_EQ(other.dim, 8);
}

}  // namespace
}  // namespace convmixer
