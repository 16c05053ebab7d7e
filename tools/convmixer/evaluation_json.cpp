#include "evaluation_json.hpp"

#include "convmixer/core/printable.hpp"

#include <vector>

namespace convmixer::tool {
namespace {

using Json = nlohmann::ordered_json;

Json calibration(const ClassificationScores& scores) {
  Json bins = Json::array();
  constexpr auto kBins = static_cast<double>(ClassificationScores::kBins);
  double above = 0.0;
  for (const CalibrationBin& bin : scores.bins()) {
    const double to = static_cast<double>(bins.size() + 1) / kBins;
    const bool empty = bin.images == 0;
    bins.push_back({{"above", above},
                    {"to", to},
                    {"images", bin.images},
                    {"accuracy", empty ? Json() : Json(bin.accuracy())},
                    {"confidence", empty ? Json() : Json(bin.confidence())}});
    above = to;
  }
  return {{"error", scores.calibration_error()}, {"confidence", scores.confidence()}, {"bins", std::move(bins)}};
}

}  // namespace

void add_evaluation(Json& object, const Evaluation& evaluation, std::span<const std::string> class_names) {
  const ClassificationScores& scores = evaluation.scores;
  object["images"] = evaluation.total.images;
  object["loss"] = evaluation.total.loss();
  object["accuracy"] = evaluation.total.accuracy();
  object["top5"] = evaluation.total.accuracy_top5();
  object["unpredicted"] = scores.unpredicted();
  const ClassificationScores::Means means = scores.means();
  object["macro"] = {
      {"classes", means.classes}, {"precision", means.precision}, {"recall", means.recall}, {"f1", means.f1}};
  object["calibration"] = calibration(scores);
  std::vector<std::string> names;
  for (const std::string& name : class_names) names.push_back(to_utf8(name));
  Json& classes = object["classes"] = Json::array();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const ClassScores& one = scores.of_class(static_cast<std::int64_t>(i));
    classes.push_back({{"name", names[i]},
                       {"images", one.images},
                       {"predicted", one.predicted},
                       {"correct", one.correct},
                       {"precision", one.precision()},
                       {"recall", one.recall()},
                       {"f1", one.f1()}});
  }
  Json& confusions = object["confusions"] = Json::array();
  for (const Confusion& one : scores.confusions()) {
    confusions.push_back({{"label", names[static_cast<std::size_t>(one.label)]},
                          {"prediction", names[static_cast<std::size_t>(one.predicted)]},
                          {"images", one.images}});
  }
}

}  // namespace convmixer::tool
