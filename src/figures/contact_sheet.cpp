#include "convmixer/figures/contact_sheet.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/figures/canvas.hpp"
#include "convmixer/figures/heading.hpp"
#include "convmixer/figures/letters.hpp"
#include "convmixer/figures/training_samples.hpp"

#include <algorithm>
#include <vector>

namespace convmixer {

namespace {

constexpr Colour kPaper{255, 255, 255};
constexpr Colour kInk{20, 20, 20};
constexpr int kSmallestSide = 128;  // of an image on the sheet, in pixels: small images are enlarged to it
constexpr int kGap = 8;

std::vector<TrainingSample> collect(const ContactSheet& sheet, const LoaderOptions& options, const Dataset& train,
                                    ThreadPool& pool) {
  const auto wanted = std::int64_t{sheet.rows} * sheet.columns;
  std::vector<TrainingSample> samples = training_samples(wanted, sheet.epoch, options, train, pool);
  if (std::ssize(samples) < wanted)
    fail_usage("a sheet of {} and {} needs {}, an epoch has {}", counted(sheet.rows, "row"),
               counted(sheet.columns, "column"), counted(wanted, "sample"), samples.size());
  return samples;
}

/// The class, or those of a mixed target with their shares.
std::vector<std::string> label_lines(const TrainingSample& sample, const std::vector<std::string>& names, bool mixed) {
  std::vector<std::string> lines;
  for (const TargetShare& one : sample.target) {
    const std::string name = printable(names[static_cast<std::size_t>(one.label)]);
    lines.push_back(mixed ? fmt::format("{:.2f} {}", one.share, name) : name);
  }
  return lines;
}

/// In a square of `size` pixels, whatever the image's own: each of the square's pixels is that of the image below it.
void draw_image(Canvas& canvas, int left, int top, const ImagePlanes& image, int size) {
  const auto side = static_cast<std::size_t>(image.side);
  const std::size_t plane = side * side;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const std::size_t at = static_cast<std::size_t>(y) * side / static_cast<std::size_t>(size) * side +
                             static_cast<std::size_t>(x) * side / static_cast<std::size_t>(size);
      const auto value = [&](std::size_t colour) {
        return image.pixels[image.channels == 3 ? colour * plane + at : at];
      };
      canvas.set(left + x, top + y, {value(0), value(1), value(2)});
    }
  }
}

/// As large as fits, and cut off where even the small letters don't.
void draw_line(Canvas& canvas, int left, int top, std::string text, int width) {
  const int scale = text_width(text, 2) <= width ? 2 : 1;
  while (text_width(text, scale) > width) text.pop_back();
  canvas.text(left, top + (2 - scale) * kLetterHeight / 2, text, scale, kInk);
}

}  // namespace

PngImage draw_contact_sheet(const ContactSheet& sheet, const std::string& title, const LoaderOptions& options,
                            const Dataset& train, ThreadPool& pool) {
  const std::vector<TrainingSample> samples = collect(sheet, options, train, pool);
  const int side = train.image_size();
  const int image = side * std::max(1, (kSmallestSide + side - 1) / side);
  const int cell_width = sheet.originals ? 2 * image + kGap / 2 : image;
  std::size_t lines = 0;
  for (const TrainingSample& sample : samples) lines = std::max(lines, sample.target.size());
  const int line_height = 2 * kLetterHeight + 4;
  const int cell_height = image + 4 + static_cast<int>(lines) * line_height;
  const int width = sheet.columns * (cell_width + 2 * kGap);
  const Heading heading(title, width - 2 * kGap);
  const int top = kGap + heading.height() + kGap / 2;
  Canvas canvas(width, top + sheet.rows * (cell_height + kGap), kPaper);

  heading.draw(canvas, kGap, kGap, kInk);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const int row = static_cast<int>(i) / sheet.columns;
    const int x = kGap + static_cast<int>(i) % sheet.columns * (cell_width + 2 * kGap);
    const int y = top + row * (cell_height + kGap);
    if (sheet.originals) draw_image(canvas, x, y, samples[i].original, image);
    draw_image(canvas, x + cell_width - image, y, samples[i].image, image);
    const std::vector<std::string> text = label_lines(samples[i], train.class_names(), options.mix.is_on());
    for (std::size_t line = 0; line < text.size(); ++line)
      draw_line(canvas, x, y + image + 4 + static_cast<int>(line) * line_height, text[line], cell_width);
  }
  return canvas.to_png();
}

}  // namespace convmixer
