#include "convmixer/train/run_evaluation.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/data/holdout.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/model/prediction.hpp"
#include "convmixer/train/evaluate.hpp"
#include "data/decode/image_file.hpp"
#include "support/error_of.hpp"
#include "train/evaluated_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;
using RunEvaluationTest = testing_support::EvaluatedRun;
using Json = nlohmann::ordered_json;

std::int64_t sum(const std::vector<std::vector<std::int64_t>>& matrix) {
  std::int64_t total = 0;
  for (const auto& row : matrix)
    for (const std::int64_t count : row) total += count;
  return total;
}

void expect_equal(const RunEvaluation& a, const RunEvaluation& b) {
  EXPECT_EQ(a.split, b.split);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.images, b.images);
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(a.accuracy, b.accuracy);
  EXPECT_EQ(a.accuracy_top5, b.accuracy_top5);
  EXPECT_EQ(a.class_names, b.class_names);
  EXPECT_EQ(confusion_matrix(a), confusion_matrix(b));
  ASSERT_EQ(a.mistakes.size(), b.mistakes.size());
  for (std::size_t i = 0; i < a.mistakes.size(); ++i) {
    EXPECT_EQ(a.mistakes[i].mistake.index, b.mistakes[i].mistake.index);
    EXPECT_EQ(a.mistakes[i].mistake.predicted, b.mistakes[i].mistake.predicted);
    EXPECT_EQ(a.mistakes[i].mistake.probability, b.mistakes[i].mistake.probability);
    EXPECT_EQ(a.mistakes[i].image.bytes, b.mistakes[i].image.bytes);
    EXPECT_EQ(a.mistakes[i].image.width, b.mistakes[i].image.width);
  }
}

TEST_F(RunEvaluationTest, IsThatOfTheBestWeightsOnTheTestImages) {
  write_run();
  std::vector<std::int64_t> seen;
  const RunEvaluation result =
      evaluate_run(run, {.mistakes = 5, .progress = [&](std::int64_t done, std::int64_t) { seen.push_back(done); }});
  EXPECT_EQ(seen, (std::vector<std::int64_t>{20, 40}));
  EXPECT_EQ(result.split, EvaluatedSplit::test);
  EXPECT_EQ(result.epoch, 3);

  const auto images = make_shapes(Split::test, kTestImages);
  ThreadPool pool(2);
  Engine engine(pool);
  Network network(make_graph(model_config(config, 3, 10)), Precision::f32, engine);
  load_weights(run.best(), network.parameters());
  Loader loader(*images, loader_options(config, Split::test), pool);
  const Evaluation expected = evaluate(network, loader);
  EXPECT_EQ(result.images, kTestImages);
  EXPECT_EQ(result.accuracy, expected.total.accuracy());
  EXPECT_EQ(result.loss, expected.total.loss());
  const auto matrix = confusion_matrix(result);
  for (std::int64_t label = 0; label < 10; ++label)
    EXPECT_EQ(matrix[static_cast<std::size_t>(label)], expected.scores.row(label)) << label;
  EXPECT_EQ(sum(matrix), kTestImages);

  ASSERT_EQ(result.mistakes.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    const MistakenImage& one = result.mistakes[i];
    EXPECT_EQ(one.mistake.label, images->label(one.mistake.index));
    EXPECT_NE(one.mistake.label, one.mistake.predicted);
    EXPECT_LE(one.mistake.probability, result.mistakes[i == 0 ? 0 : i - 1].mistake.probability);
    const auto pixels = images->image(one.mistake.index);
    EXPECT_EQ(decode_image(std::as_bytes(std::span(one.image.bytes))).pixels,
              std::vector<std::uint8_t>(pixels.begin(), pixels.end()));
  }
}

TEST_F(RunEvaluationTest, IsKeptUntilTheBestWeightsAreOthers) {
  write_run();
  EXPECT_FALSE(stored_evaluation(run));
  const RunEvaluation result = evaluate_run(run);
  const auto stored = stored_evaluation(run);
  ASSERT_TRUE(stored);
  expect_equal(*stored, result);

  write_weights(run.best(), 2);
  EXPECT_FALSE(stored_evaluation(run));
  const RunEvaluation other = evaluate_run(run);
  EXPECT_NE(other.loss, result.loss);
  EXPECT_EQ(stored_evaluation(run)->loss, other.loss);
  // Nor are they others' images, or of other arithmetic.
  const TrainConfig evaluated = config;
  const auto is_stored_with = [&](const auto& change) {
    config = evaluated;
    change(config);
    write_run_config(run, config);
    return stored_evaluation(run).has_value();
  };
  EXPECT_FALSE(is_stored_with([](TrainConfig& changed) { changed.test_images = 30; }));
  EXPECT_FALSE(is_stored_with([](TrainConfig& changed) { changed.holdout = {.images = 20, .share = 0.0}; }));
  EXPECT_FALSE(is_stored_with([](TrainConfig& changed) { changed.precision = "bf16"; }));
  EXPECT_FALSE(is_stored_with([](TrainConfig& changed) { changed.dataset = "cifar10"; }));
  EXPECT_TRUE(is_stored_with([](const TrainConfig&) {}));
}

TEST_F(RunEvaluationTest, OfARunWithHeldOutImagesIsOfThese) {
  config.holdout = {.images = 20, .share = 0.0};
  write_run();
  const RunEvaluation result = evaluate_run(run);
  EXPECT_EQ(result.split, EvaluatedSplit::holdout);
  EXPECT_EQ(result.images, 20);
  const auto train = make_shapes(Split::train, 60);
  const HoldoutSplit parts = split_holdout(*train, config.holdout, config.seed);
  for (const MistakenImage& one : result.mistakes)
    EXPECT_EQ(one.mistake.label, parts.holdout->label(one.mistake.index));
}

TEST_F(RunEvaluationTest, FilesThatAreNoneOrWereDamagedAreTakenForNone) {
  write_run();
  ASSERT_FALSE(evaluate_run(run).mistakes.empty());
  const std::string good = read_text_file(evaluation_file(run));
  const Json json = Json::parse(good);
  std::vector<std::string> bad{"", "{}", "[]", "null", good.substr(0, good.size() / 2), std::string(100, '\0')};
  const auto damaged = [&](const char* pointer, const Json& value) {
    Json copy = json;
    copy[Json::json_pointer(pointer)] = value;
    bad.push_back(copy.dump());
  };
  damaged("/version", 2);
  damaged("/key", "weights");
  damaged("/images", -1);
  damaged("/images", "many");
  damaged("/classes", "none");
  damaged("/confusions/0", {0, 10, 1});
  damaged("/confusions/0", {-1, 0, 1});
  damaged("/confusions/0", {0});
  damaged("/mistakes/0/predicted", 10);
  damaged("/mistakes/0/image", "https://example.org/x.png");
  damaged("/mistakes/0/image", "data:image/png;base64,PHN2Zz4=");
  damaged("/mistakes/0/image", json["mistakes"][0]["image"].get<std::string>() + "\"><script>");
  for (const std::string& text : bad) {
    std::ofstream(evaluation_file(run), std::ios::binary) << text;
    EXPECT_FALSE(stored_evaluation(run)) << text.substr(0, 300);
  }
  std::ofstream(evaluation_file(run), std::ios::binary) << good;
  EXPECT_TRUE(stored_evaluation(run));
}

TEST_F(RunEvaluationTest, IsGivenWhereItCantBeKept) {
  write_run();
  std::filesystem::create_directory(evaluation_file(run));
  std::vector<std::string> notes;
  const RunEvaluation result = evaluate_run(run, {.note = [&](const std::string& line) { notes.push_back(line); }});
  EXPECT_EQ(result.images, kTestImages);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_THAT(notes.front(), HasSubstr("the evaluation isn't kept: "));
}

TEST_F(RunEvaluationTest, SaysWhichDataIsNotThere) {
  write_run();
  config.dataset = "cifar10";
  config.data = "/nowhere/cifar";
  write_run_config(run, config);
  EXPECT_STREQ(error_of([&] { return evaluate_run(run); }).what(), "test images of /nowhere/cifar aren't there");
  std::filesystem::remove(run.best());
  EXPECT_THAT(error_of([&] { return evaluate_run(run); }).what(), HasSubstr("best.safetensors"));
}

}  // namespace
}  // namespace convmixer
