#include "train/evaluation_file.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "convmixer-evaluation";
constexpr int kVersion = 1;
constexpr std::uintmax_t kMostBytes = std::uintmax_t{64} << 20U;
constexpr std::size_t kMostMistakes = 1000;

Json mistake_json(const MistakenImage& one) {
  return {{"index", one.mistake.index},
          {"file", to_utf8(one.file)},
          {"label", one.mistake.label},
          {"predicted", one.mistake.predicted},
          {"probability", one.mistake.probability},
          {"label_probability", one.mistake.label_probability},
          {"image", data_uri(one.image)}};
}

double number(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

std::int64_t count(const Json& json) {
  const auto value = json.get<std::int64_t>();
  if (value < 0) fail("below 0");
  return value;
}

std::int32_t label(const Json& json, std::size_t classes) {
  const auto value = json.get<std::int64_t>();
  if (value < 0 || std::cmp_greater_equal(value, classes)) fail("no class");
  return static_cast<std::int32_t>(value);
}

MistakenImage read_mistake(const Json& json, std::size_t classes) {
  auto image = png_of_data_uri(json.at("image").get<std::string>());
  if (!image) fail("no image");
  return {.mistake = {.index = count(json.at("index")),
                      .label = label(json.at("label"), classes),
                      .predicted = label(json.at("predicted"), classes),
                      .probability = number(json.at("probability")),
                      .label_probability = number(json.at("label_probability"))},
          .file = json.at("file").get<std::string>(),
          .image = std::move(*image)};
}

/// What isn't as it should be throws.
RunEvaluation read(const Json& json) {
  RunEvaluation result;
  result.split = json.at("split").get<std::string>() == "holdout" ? EvaluatedSplit::holdout : EvaluatedSplit::test;
  result.epoch = count(json.at("epoch"));
  result.images = count(json.at("images"));
  result.loss = number(json.at("loss"));
  result.accuracy = number(json.at("accuracy"));
  result.accuracy_top5 = number(json.at("top5"));
  result.unpredicted = count(json.at("unpredicted"));
  for (const Json& one : json.at("classes")) {
    result.class_names.push_back(one.at("name").get<std::string>());
    result.classes.push_back({.images = count(one.at("images")),
                              .predicted = count(one.at("predicted")),
                              .correct = count(one.at("correct"))});
  }
  const std::size_t classes = result.classes.size();
  for (const Json& one : json.at("confusions"))
    result.confusions.push_back(
        {.label = label(one.at(0), classes), .predicted = label(one.at(1), classes), .images = count(one.at(2))});
  for (const Json& one : json.at("mistakes")) {
    if (result.mistakes.size() == kMostMistakes) fail("too many");
    result.mistakes.push_back(read_mistake(one, classes));
  }
  return result;
}

}  // namespace

void write_evaluation_file(const fs::path& path, const std::string& key, const RunEvaluation& evaluation) {
  Json json{{"format", kFormat},
            {"version", kVersion},
            {"key", key},
            {"split", name_of(evaluation.split)},
            {"epoch", evaluation.epoch},
            {"images", evaluation.images},
            {"loss", evaluation.loss},
            {"accuracy", evaluation.accuracy},
            {"top5", evaluation.accuracy_top5},
            {"unpredicted", evaluation.unpredicted}};
  Json& classes = json["classes"] = Json::array();
  for (std::size_t i = 0; i < evaluation.classes.size(); ++i) {
    const ClassScores& one = evaluation.classes[i];
    classes.push_back({{"name", to_utf8(evaluation.class_names[i])},
                       {"images", one.images},
                       {"predicted", one.predicted},
                       {"correct", one.correct}});
  }
  Json& confusions = json["confusions"] = Json::array();
  for (const Confusion& one : evaluation.confusions)
    confusions.push_back(Json::array({one.label, one.predicted, one.images}));
  Json& mistakes = json["mistakes"] = Json::array();
  for (const MistakenImage& one : evaluation.mistakes) mistakes.push_back(mistake_json(one));
  write_file_atomically(path, json.dump() + "\n");
}

std::optional<RunEvaluation> read_evaluation_file(const fs::path& path, const std::string& key) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > kMostBytes || error) return std::nullopt;
  try {
    const Json json = Json::parse(read_text_file(path));
    if (json.at("format") != kFormat || json.at("version") != kVersion || json.at("key") != key) return std::nullopt;
    return read(json);
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace convmixer
