#include "figures_json.hpp"

#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace convmixer::tool {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostInMatrix = 100;  // classes: a table of more is no table, and takes megabytes
constexpr std::size_t kMostPairs = 50;
constexpr int kShownSide = 480;  // of an image of filters, in CSS pixels

/// Shown with every pixel as a square of the same size.
Json image_json(const PngImage& image, int shown_side) {
  const int scale = std::max(1, shown_side / std::max(image.width, image.height));
  return {{"src", data_uri(image)}, {"width", scale * image.width}, {"height", scale * image.height}};
}

Json image_json(const PngImage& image) { return image_json(image, 1); }

/// What isn't a number becomes null; six digits are more than anybody reads.
Json share_json(double share) { return std::isfinite(share) ? Json(std::round(share * 1e6) / 1e6) : Json(); }

std::string after_epoch(std::int64_t epoch) { return epoch > 0 ? fmt::format(" after epoch {}", epoch) : ""; }

std::string describe(const RunEvaluation& evaluation) {
  std::string text =
      fmt::format("best weights{}, {} {}: {:.2f}% right", after_epoch(evaluation.epoch), with_commas(evaluation.images),
                  images_of(evaluation.split), 100.0 * evaluation.accuracy);
  if (evaluation.unpredicted > 0)
    text += fmt::format(", {} without a prediction (their logits aren't numbers)", with_commas(evaluation.unpredicted));
  return text;
}

Json confusion_json(const RunEvaluation& evaluation) {
  Json names = Json::array();
  for (const std::string& name : evaluation.class_names) names.push_back(to_utf8(name));
  Json scores = Json::array();
  for (const ClassScores& one : evaluation.classes)
    scores.push_back({{"images", one.images}, {"predicted", one.predicted}, {"correct", one.correct}});
  Json pairs = Json::array();
  for (const Confusion& one :
       std::span(evaluation.confusions).first(std::min(kMostPairs, evaluation.confusions.size())))
    pairs.push_back(Json::array({one.label, one.predicted, one.images}));
  Json result{{"classes", std::move(names)}, {"scores", std::move(scores)}, {"pairs", std::move(pairs)}};
  if (std::ssize(evaluation.classes) <= kMostInMatrix) result["counts"] = confusion_matrix(evaluation);
  return result;
}

Json mistakes_json(const RunEvaluation& evaluation) {
  const auto name = [&](std::int32_t label) {
    return to_utf8(evaluation.class_names[static_cast<std::size_t>(label)]);
  };
  Json mistakes = Json::array();
  for (const MistakenImage& one : evaluation.mistakes) {
    Json json{{"image", image_json(one.image)},
              {"label", name(one.mistake.label)},
              {"predicted", name(one.mistake.predicted)},
              {"confidence", share_json(one.mistake.probability)},
              {"label_confidence", share_json(one.mistake.label_probability)},
              {"index", one.mistake.index}};
    if (!one.file.empty()) json["file"] = to_utf8(one.file);
    mistakes.push_back(std::move(json));
  }
  return mistakes;
}

std::string title_of(FilterKind kind) {
  switch (kind) {
    case FilterKind::patch_embedding:
      return "Patch embedding";
    case FilterKind::first_convolution:
      return "First convolution";
    case FilterKind::depthwise:
      break;
  }
  return "Depthwise filters";
}

Json filters_json(const RunFigures& figures) {
  const auto count = [&](FilterKind kind) { return std::ranges::count(figures.filters, kind, &FilterImage::kind); };
  Json list = Json::array();
  for (const FilterImage& one : figures.filters) {
    const bool is_stem = one.kind != FilterKind::depthwise;
    std::string title = title_of(one.kind);
    if (!is_stem || count(one.kind) > 1) title += fmt::format(", {} {}", is_stem ? "layer" : "block", one.number);
    std::string note = one.shown < one.filters ? fmt::format("the first {} of ", one.shown) : "";
    note += fmt::format("{} of {} x {} weights", counted(one.filters, "filter"), one.kernel, one.kernel);
    if (one.channels != 3 && one.channels != 1)
      note += fmt::format(", {} side by side for each filter", counted(one.channels, "channel"));
    Json image = image_json(one.png, kShownSide);
    image["alt"] = title + ": " + note;
    list.push_back({{"title", title}, {"note", note}, {"colours", one.channels == 3}, {"image", std::move(image)}});
  }
  return list;
}

/// "cat", or "0.70 cat, 0.30 dog".
std::string label_of(const SampleImage& sample, std::span<const std::string> names) {
  const auto name = [&](const TargetShare& one) { return to_utf8(names[static_cast<std::size_t>(one.label)]); };
  const bool is_mixed = sample.target.size() > 1;
  std::string text;
  for (const TargetShare& one : sample.target) {
    if (!text.empty()) text += ", ";
    text += is_mixed ? fmt::format("{:.2f} {}", one.share, name(one)) : name(one);
  }
  return text;
}

Json sheet_json(const RunFigures& figures) {
  Json samples = Json::array();
  for (const SampleImage& one : figures.samples)
    samples.push_back({{"image", image_json(one.image)}, {"label", label_of(one, figures.sample_classes)}});
  return {{"note", fmt::format("the first {} of epoch {}, as the network got them",
                               counted(figures.samples.size(), "image"), figures.samples_epoch)},
          {"samples", std::move(samples)}};
}

}  // namespace

Json figures_json(const RunFigures& figures) {
  Json result = Json::object();
  if (figures.evaluation) {
    result["of"] = describe(*figures.evaluation);
    result["confusion"] = confusion_json(*figures.evaluation);
    result["mistakes"] = mistakes_json(*figures.evaluation);
  }
  if (!figures.filters.empty()) {
    result["filters_of"] = figures.weights + after_epoch(figures.weights_epoch);
    result["filters"] = filters_json(figures);
  }
  if (!figures.samples.empty()) result["contact_sheet"] = sheet_json(figures);
  if (!figures.missing.empty()) {
    Json missing = Json::array();
    for (const std::string& line : figures.missing) missing.push_back(to_utf8(line));
    result["missing"] = std::move(missing);
  }
  return result;
}

}  // namespace convmixer::tool
