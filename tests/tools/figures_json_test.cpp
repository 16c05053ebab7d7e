#include "run_page/figures_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace convmixer::tool {
namespace {

using testing::ElementsAre;
using Json = nlohmann::ordered_json;

/// Of 4 cats three are right; of 2 dogs, one.
RunFigures figures_of(const std::string& cat, const std::string& dog) {
  RunEvaluation evaluation;
  evaluation.epoch = 7;
  evaluation.images = 6;
  evaluation.accuracy = 4.0 / 6.0;
  evaluation.class_names = {cat, dog};
  evaluation.classes = {{.images = 4, .predicted = 4, .correct = 3}, {.images = 2, .predicted = 2, .correct = 1}};
  evaluation.confusions = {{.label = 0, .predicted = 1, .images = 1}, {.label = 1, .predicted = 0, .images = 1}};
  const PngImage dot{.width = 32, .height = 32, .bytes = "Man"};
  evaluation.mistakes = {
      {.mistake = {.index = 5, .label = 1, .predicted = 0, .probability = 0.91234567, .label_probability = 0.08},
       .file = "",
       .image = dot}};
  RunFigures figures;
  figures.evaluation = evaluation;
  figures.sample_classes = {cat, dog};
  figures.samples_epoch = 7;
  figures.samples = {{.image = dot, .target = {{.label = 0, .share = 1.0}}},
                     {.image = dot, .target = {{.label = 1, .share = 0.7}, {.label = 0, .share = 0.3}}}};
  return figures;
}

TEST(FiguresJson, HasTheConfusionMatrixByTrueAndPredictedClass) {
  const Json json = figures_json(figures_of("cat", "dog"));
  EXPECT_EQ(json["of"], "best weights after epoch 7, 6 test images: 66.67% right");
  EXPECT_EQ(json["confusion"].dump(),
            R"({"classes":["cat","dog"],"scores":[{"images":4,"predicted":4,"correct":3},)"
            R"({"images":2,"predicted":2,"correct":1}],"pairs":[[0,1,1],[1,0,1]],"counts":[[3,1],[1,1]]})");
  EXPECT_EQ(json["mistakes"].dump(),
            R"([{"image":{"src":"data:image/png;base64,TWFu","width":32,"height":32},"label":"dog","predicted":"cat",)"
            R"("confidence":0.912346,"label_confidence":0.08,"index":5}])");
  EXPECT_EQ(json["contact_sheet"]["note"], "the first 2 images of epoch 7, as the network got them");
  EXPECT_EQ(json["contact_sheet"]["samples"][0]["label"], "cat");
  EXPECT_EQ(json["contact_sheet"]["samples"][1]["label"], "0.70 dog, 0.30 cat");
  EXPECT_FALSE(json.contains("filters"));
  EXPECT_FALSE(json.contains("missing"));
}

TEST(FiguresJson, HasNamesAsTheyAreAndAsUtf8) {
  const std::string hostile = "</script><img src=x onerror=alert(1)>";
  const Json json = figures_json(figures_of(hostile, "\xff&"));
  EXPECT_EQ(json["confusion"]["classes"][0], hostile);
  EXPECT_EQ(json["confusion"]["classes"][1], "\\xff&");
  EXPECT_EQ(json["mistakes"][0]["predicted"], hostile);
  EXPECT_NO_THROW(static_cast<void>(json.dump()));  // which it does of text that is no UTF-8
}

TEST(FiguresJson, OfManyClassesHasNoMatrix) {
  RunFigures figures = figures_of("cat", "dog");
  RunEvaluation& evaluation = *figures.evaluation;
  evaluation.class_names.resize(100);
  evaluation.classes.resize(100);
  EXPECT_EQ(figures_json(figures)["confusion"]["counts"].size(), 100U);
  evaluation.class_names.resize(101);
  evaluation.classes.resize(101);
  evaluation.confusions.resize(70);
  const Json json = figures_json(figures)["confusion"];
  EXPECT_FALSE(json.contains("counts"));
  EXPECT_EQ(json["scores"].size(), 101U);
  EXPECT_EQ(json["pairs"].size(), 50U);
}

TEST(FiguresJson, SaysWhatFiltersAreAndShowsThemLarge) {
  RunFigures figures;
  figures.weights = "last weights";
  figures.weights_epoch = 2;
  const PngImage image{.width = 100, .height = 50, .bytes = "x"};
  figures.filters = {{.node = "stem.0",
                      .kind = FilterKind::patch_embedding,
                      .filters = 256,
                      .shown = 256,
                      .channels = 3,
                      .kernel = 2,
                      .png = image},
                     {.node = "b",
                      .kind = FilterKind::depthwise,
                      .number = 4,
                      .filters = 384,
                      .shown = 256,
                      .kernel = 9,
                      .png = image},
                     {.node = "s",
                      .kind = FilterKind::depthwise,
                      .number = 5,
                      .filters = 1,
                      .shown = 1,
                      .channels = 4,
                      .kernel = 9,
                      .png = image}};
  const Json json = figures_json(figures);
  EXPECT_EQ(json["filters_of"], "last weights after epoch 2");
  EXPECT_EQ(json["filters"][0]["title"], "Patch embedding");
  EXPECT_EQ(json["filters"][0]["note"], "256 filters of 2 x 2 weights");
  EXPECT_EQ(json["filters"][0]["image"]["width"], 400);  // every pixel a square of four
  EXPECT_EQ(json["filters"][0]["image"]["height"], 200);
  EXPECT_EQ(json["filters"][1]["title"], "Depthwise filters, block 4");
  EXPECT_EQ(json["filters"][1]["note"], "the first 256 of 384 filters of 9 x 9 weights");
  EXPECT_EQ(json["filters"][2]["note"], "1 filter of 9 x 9 weights, 4 channels side by side for each filter");
}

TEST(FiguresJson, SaysWhatIsMissing) {
  RunFigures figures;
  figures.missing = {"test images of /x\xff aren't there: no confusion matrix"};
  EXPECT_EQ(figures_json(figures).dump(),
            R"({"missing":["test images of /x\\xff aren't there: no confusion matrix"]})");
  figures = figures_of("cat", "dog");
  figures.evaluation->unpredicted = 1;
  figures.evaluation->mistakes[0].mistake.label_probability = std::numeric_limits<double>::quiet_NaN();
  const Json json = figures_json(figures);
  EXPECT_TRUE(json["mistakes"][0]["label_confidence"].is_null());
  EXPECT_EQ(
      json["of"],
      "best weights after epoch 7, 6 test images: 66.67% right, 1 without a prediction (their logits aren't numbers)");
}

}  // namespace
}  // namespace convmixer::tool
