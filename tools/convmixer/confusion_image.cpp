#include "confusion_image.hpp"

#include "confusion_table.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/figures/canvas.hpp"
#include "convmixer/figures/heading.hpp"
#include "convmixer/figures/letters.hpp"
#include "output.hpp"
#include "text_columns.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace convmixer::tool {
namespace {

constexpr Colour kPaper{255, 255, 255};
constexpr Colour kInk{20, 20, 20};
constexpr Colour kPaleInk{175, 175, 175};
constexpr Colour kLines{226, 226, 226};
constexpr Colour kNothing{250, 250, 250};  // a count of 0
constexpr Colour kNoImages{238, 238, 238};
constexpr Colour kFewRight{222, 240, 222};
constexpr Colour kAllRight{0, 100, 55};
constexpr Colour kFewWrong{255, 232, 220};
constexpr Colour kAllWrong{165, 15, 20};
constexpr std::string_view kAcross = "predicted class";
constexpr std::string_view kDown = "true class";
constexpr int kMargin = 12;
constexpr int kGap = 6;
constexpr int kMostPixels = 3'000;        // along a side of the matrix; cells have one at least
constexpr int kFewClasses = 24;           // that get large letters
constexpr std::size_t kLongestName = 28;  // letters of an axis's label
constexpr int kNarrowestWithGrid = 8;
constexpr std::array<double, 5> kRightShares{0.2, 0.4, 0.6, 0.8, 1.0};  // that the legend shows
constexpr std::array<double, 5> kWrongShares{0.01, 0.05, 0.1, 0.25, 0.5};

/// Where things are and how large.
struct ImageLayout {
  int letters = 1;     // scale of the letters
  int cell = 1;        // a cell's side, its line included
  int every = 1;       // so many classes have one label
  bool counts = true;  // in the cells
  int names = 0;       // pixels of the longest label
  int left = 0;        // of the matrix
  int top = 0;
  int side = 0;  // of the matrix

  [[nodiscard]] int text_height() const { return kLetterHeight * letters; }
};

Colour between(const Colour& from, const Colour& to, double share) {
  Colour colour{};
  for (std::size_t i = 0; i < colour.size(); ++i)
    colour[i] = static_cast<std::uint8_t>(std::lround(from[i] + share * (to[i] - from[i])));
  return colour;
}

/// Small shares of wrong ones are what one looks for: the root spreads them.
Colour cell_colour(double share, bool right) {
  return right ? between(kFewRight, kAllRight, share) : between(kFewWrong, kAllWrong, std::sqrt(share));
}

/// What is read on a colour, by its luminance (Rec. 601).
const Colour& ink_on(const Colour& colour) {
  return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 140.0 ? kPaper : kInk;
}

std::vector<std::string> labels_of(std::span<const std::string> class_names) {
  std::vector<std::string> labels;
  for (const std::string& name : class_names) labels.push_back(cut_to_columns(printable(name), kLongestName));
  return labels;
}

ImageLayout lay_out(const ClassificationScores& scores, std::span<const std::string> labels) {
  const int classes = static_cast<int>(scores.classes());
  ImageLayout layout;
  layout.letters = classes <= kFewClasses ? 2 : 1;
  const int with_counts =
      std::max(text_width(fmt::format("{}", largest_count(scores)), layout.letters) + 4 * layout.letters,
               layout.text_height() + 4 * layout.letters);
  const int with_labels = kLetterHeight + 2;
  // Few classes have cells large enough for the axes' names beside them.
  const int for_axes = std::max(text_width(kAcross, layout.letters), text_width(kDown, layout.letters)) / classes + 1;
  layout.counts = with_counts * classes <= kMostPixels;
  layout.cell = layout.counts ? std::max(with_counts, for_axes) : std::clamp(kMostPixels / classes, 1, with_labels);
  for (const int step : {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}) {
    layout.every = step;
    if (step * layout.cell >= with_labels) break;
  }
  for (int i = 0; i < classes; i += layout.every)
    layout.names = std::max(layout.names, text_width(labels[static_cast<std::size_t>(i)], layout.letters));
  layout.side = classes * layout.cell;
  return layout;
}

void draw_cells(Canvas& canvas, const ClassificationScores& scores, const ImageLayout& layout) {
  const int line = layout.cell >= kNarrowestWithGrid ? 1 : 0;
  const int size = layout.cell - line;
  canvas.fill(layout.left - line, layout.top - line, layout.side + line, layout.side + line,
              line > 0 ? kLines : kNothing);
  for (std::int64_t label = 0; label < scores.classes(); ++label) {
    const std::int64_t images = scores.of_class(label).images;
    const int y = layout.top + static_cast<int>(label) * layout.cell;
    const std::vector<std::int64_t> counts = scores.row(label);
    for (std::int64_t predicted = 0; predicted < scores.classes(); ++predicted) {
      const int x = layout.left + static_cast<int>(predicted) * layout.cell;
      const std::int64_t count = counts[static_cast<std::size_t>(predicted)];
      const double share = count == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(images);
      const Colour colour = images == 0 ? kNoImages : count == 0 ? kNothing : cell_colour(share, label == predicted);
      canvas.fill(x, y, size, size, colour);
      if (!layout.counts || images == 0 || (count == 0 && layout.letters == 1)) continue;
      const std::string text = fmt::format("{}", count);
      canvas.text(x + (size - text_width(text, layout.letters)) / 2, y + (size - layout.text_height()) / 2, text,
                  layout.letters, count == 0 ? kPaleInk : ink_on(colour));
    }
  }
}

/// The names of the classes, at the left and, upright, above the matrix; what the axes are beside them.
void draw_axes(Canvas& canvas, std::span<const std::string> labels, const ImageLayout& layout) {
  const int middle = (layout.cell * layout.every - layout.text_height()) / 2;
  for (std::size_t i = 0; i < labels.size(); i += static_cast<std::size_t>(layout.every)) {
    const int at = static_cast<int>(i) * layout.cell + std::max(layout.every == 1 ? middle : 0, 0);
    const int width = text_width(labels[i], layout.letters);
    canvas.text(layout.left - kGap - width, layout.top + at, labels[i], layout.letters, kInk);
    canvas.text_upwards(layout.left + at, layout.top - kGap, labels[i], layout.letters, kInk);
  }
  const int beside = kGap + layout.names + kGap + layout.text_height();
  const auto centred = [&](std::string_view text) { return (layout.side - text_width(text, layout.letters)) / 2; };
  canvas.text(layout.left + centred(kAcross), layout.top - beside, kAcross, layout.letters, kInk);
  canvas.text_upwards(layout.left - beside, layout.top + layout.side - centred(kDown), kDown, layout.letters, kInk);
}

/// What the colours mean, in two lines.
struct Legend {
  int letters;
  int name;    // pixels of "right" and "wrong"
  int box;     // width of a colour
  int height;  // of a line

  explicit Legend(const ImageLayout& layout)
      : letters(layout.letters),
        name(text_width("right", letters) + kGap),
        box(text_width("100%", letters) + 4 * letters),
        height(layout.text_height() + 4 * letters) {}

  [[nodiscard]] int width() const { return name + box * static_cast<int>(kRightShares.size()); }

  void draw(Canvas& canvas, int left, int top) const {
    for (const bool right : {true, false}) {
      canvas.text(left, top + 2 * letters, right ? "right" : "wrong", letters, kInk);
      int x = left + name;
      for (const double share : right ? kRightShares : kWrongShares) {
        const Colour colour = cell_colour(share, right);
        const std::string text = fmt::format("{:.0f}%", 100.0 * share);
        canvas.fill(x, top, box, height, colour);
        canvas.text(x + (box - text_width(text, letters)) / 2, top + 2 * letters, text, letters, ink_on(colour));
        x += box;
      }
      top += height + kGap;
    }
    canvas.text(left, top + 2 * letters, "of a class's images", letters, kInk);
  }
};

}  // namespace

void check_drawable(std::int64_t classes) {
  if (classes > kMostClassesDrawn)
    fail_usage("a drawn confusion matrix of {} classes: expected {} at most; --confusion-csv writes it", classes,
               kMostClassesDrawn);
}

void draw_confusion_matrix(const std::filesystem::path& path, const ClassificationScores& scores,
                           std::span<const std::string> class_names, const std::string& title) {
  check_drawable(scores.classes());
  const std::vector<std::string> labels = labels_of(class_names);
  ImageLayout layout = lay_out(scores, labels);
  const Legend legend(layout);
  // Beside the matrix: what the axis is, the names.
  const int axis = layout.text_height() + kGap + layout.names + kGap;
  layout.left = kMargin + axis;
  const int width = std::max(layout.left + layout.side, kMargin + legend.width()) + kMargin;
  const Heading heading(title, width - 2 * kMargin);
  layout.top = kMargin + heading.height() + kGap + axis;
  const int below = layout.top + layout.side + 2 * kGap;
  Canvas canvas(width, below + 3 * (legend.height + kGap) + kMargin, kPaper);
  heading.draw(canvas, kMargin, kMargin, kInk);
  draw_cells(canvas, scores, layout);
  draw_axes(canvas, labels, layout);
  legend.draw(canvas, kMargin, below);
  canvas.write_png(path);
}

}  // namespace convmixer::tool
