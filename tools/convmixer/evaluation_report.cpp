#include "evaluation_report.hpp"

#include "confusion_table.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/unsigned_nan.hpp"
#include "convmixer/train/duration.hpp"
#include "output.hpp"
#include "text_columns.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace convmixer::tool {
namespace {

constexpr std::size_t kMostClasses = 100;   // of which the table has all
constexpr std::size_t kLowestClasses = 20;  // of more, so many with the lowest F1
constexpr std::size_t kShortestName = 12;   // names aren't cut further
constexpr std::size_t kConfusions = 5;      // below a matrix
constexpr std::size_t kConfusionsAlone = 10;

std::string bold(std::string_view text, bool colour) {
  return colour ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
}

/// Names as they may be printed, of at most `columns`.
std::vector<std::string> shown(std::span<const std::string> names, std::size_t columns) {
  std::vector<std::string> cut;
  for (const std::string& name : names)
    cut.push_back(cut_to_columns(printable(name), std::max(columns, kShortestName)));
  return cut;
}

/// What a terminal leaves for names beside so many columns; without one, all that they need.
std::size_t room_for_names(const Terminal& terminal, std::size_t others) {
  if (!terminal.live) return std::numeric_limits<std::size_t>::max();
  const auto columns = static_cast<std::size_t>(terminal.columns);
  return columns > others ? columns - others : 0;
}

std::string format_total(const Evaluation& evaluation, double seconds) {
  const BatchResult& total = evaluation.total;
  return fmt::format("  loss {:.4f}  top-1 {:.2f}%  top-5 {:.2f}%  ({} {}, {}, {:.0f} images/s)\n",
                     unsigned_nan(total.loss()), 100.0 * total.accuracy(), 100.0 * total.accuracy_top5(),
                     with_commas(total.images), plural(total.images, "image"), format_time_left(seconds),
                     static_cast<double>(total.images) / std::max(seconds, 1e-9));
}

std::string format_calibration(const Evaluation& evaluation) {
  const ClassificationScores& scores = evaluation.scores;
  if (scores.unpredicted() > 0) {
    return fmt::format("  {} of {} {} got no prediction: {} logits are not numbers\n",
                       with_commas(scores.unpredicted()), with_commas(scores.images()),
                       plural(scores.images(), "image"), plural(scores.unpredicted(), "its", "their"));
  }
  const double above = 100.0 * (scores.confidence() - evaluation.total.accuracy());
  return fmt::format("  mean confidence {:.2f}%, {:.2f} points {} the accuracy; expected calibration error {:.2f}%\n",
                     100.0 * scores.confidence(), std::abs(above), above < 0.0 ? "below" : "above",
                     100.0 * scores.calibration_error());
}

/// The classes that the table has, in its order.
std::vector<std::int64_t> listed_classes(const ClassificationScores& scores) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(scores.classes()));
  std::iota(labels.begin(), labels.end(), 0);
  if (labels.size() <= kMostClasses) return labels;
  std::erase_if(labels, [&](std::int64_t label) { return !scores.of_class(label).occurs(); });
  std::ranges::stable_sort(labels, {}, [&](std::int64_t label) {
    const ClassScores& one = scores.of_class(label);
    return std::pair(one.f1(), -one.images);
  });
  labels.resize(std::min(labels.size(), kLowestClasses));
  return labels;
}

std::string format_classes(const ClassificationScores& scores, std::span<const std::string> class_names,
                           const Terminal& terminal) {
  constexpr std::size_t kNumbers = 50;  // columns of all but the name
  const std::vector<std::string> names = shown(class_names, room_for_names(terminal, kNumbers));
  const std::vector<std::int64_t> labels = listed_classes(scores);
  const ClassificationScores::Means means = scores.means();
  const std::string mean =
      means.classes == scores.classes()
          ? "mean"
          : fmt::format("mean of {} that {}", with_commas(means.classes), plural(means.classes, "occurs", "occur"));
  std::size_t width = columns_of(mean);
  for (const std::int64_t label : labels) width = std::max(width, columns_of(names[static_cast<std::size_t>(label)]));
  const auto line = [&](std::string_view name, std::string_view images, std::string_view correct,
                        const std::string& precision, const std::string& recall, const std::string& f1) {
    return fmt::format("  {}  {:>7}  {:>7}  {:>9}  {:>7}  {:>7}", padded_to_columns(name, width), images, correct,
                       precision, recall, f1);
  };
  const auto percent = [](double share) { return fmt::format("{:.2f}%", 100.0 * share); };
  std::string text;
  if (labels.size() < static_cast<std::size_t>(scores.classes())) {
    text += fmt::format("  the {} of {} classes with the lowest F1 (--json writes all):\n\n", labels.size(),
                        with_commas(scores.classes()));
  }
  text += bold(line("class", "images", "correct", "precision", "recall", "F1"), terminal.colour) + '\n';
  for (const std::int64_t label : labels) {
    const ClassScores& one = scores.of_class(label);
    text += line(names[static_cast<std::size_t>(label)], with_commas(one.images), with_commas(one.correct),
                 percent(one.precision()), percent(one.recall()), percent(one.f1())) +
            '\n';
  }
  text += line(mean, with_commas(scores.images()), with_commas(scores.correct()), percent(means.precision),
               percent(means.recall), percent(means.f1)) +
          '\n';
  return text;
}

std::string format_confusions(const ClassificationScores& scores, std::span<const std::string> class_names,
                              std::size_t most, const Terminal& terminal) {
  const std::vector<Confusion> confusions = scores.confusions();
  if (confusions.empty()) return {};
  constexpr std::size_t kOthers = 48;  // "taken for", counts
  const std::vector<std::string> names = shown(class_names, room_for_names(terminal, kOthers) / 2);
  std::string text = "  " + bold("most frequent confusions", terminal.colour) + '\n';
  for (const Confusion& one : std::span(confusions).first(std::min(most, confusions.size()))) {
    const std::int64_t images = scores.of_class(one.label).images;
    text += fmt::format("    {} taken for {}: {} of {} ({:.1f}%)\n", names[static_cast<std::size_t>(one.label)],
                        names[static_cast<std::size_t>(one.predicted)], with_commas(one.images), with_commas(images),
                        100.0 * static_cast<double>(one.images) / static_cast<double>(images));
  }
  return text;
}

}  // namespace

std::string format_evaluation(const Evaluation& evaluation, std::span<const std::string> class_names, double seconds,
                              const Terminal& terminal) {
  const ClassificationScores& scores = evaluation.scores;
  std::string text = format_total(evaluation, seconds) + format_calibration(evaluation) + '\n' +
                     format_classes(scores, class_names, terminal);
  // A character in the last column would make some terminals begin a new line.
  const auto columns = static_cast<std::size_t>(std::max(terminal.columns - 1, 0));
  const std::string matrix = format_confusion_matrix(scores, class_names, columns, terminal.colour);
  if (!matrix.empty()) {
    text += "\n  " + bold("confusion matrix", terminal.colour) + ": a row's class was taken for a column's\n" + matrix;
  }
  const std::string confusions =
      format_confusions(scores, class_names, matrix.empty() ? kConfusionsAlone : kConfusions, terminal);
  return confusions.empty() ? text : text + '\n' + confusions;
}

}  // namespace convmixer::tool
