#include "contact_sheet.hpp"

#include "bitmap_font.hpp"
#include "canvas.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/data/loader.hpp"
#include "heading.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace convmixer::tool {

namespace {

constexpr Colour kPaper{255, 255, 255};
constexpr Colour kInk{20, 20, 20};
constexpr int kSmallestSide = 128;  // of an image on the sheet, in pixels: small images are enlarged to it
constexpr int kGap = 8;
constexpr float kLeastShare = 0.01F;  // of a mixed target that is worth a line: smoothing leaves less everywhere

struct Sample {
  std::vector<std::uint8_t> pixels;    // (C, H, W)
  std::vector<std::uint8_t> original;  // likewise
  std::vector<std::string> lines;      // what stands below
};

std::vector<std::uint8_t> denormalised(std::span<const float> image, const Normalisation& normalisation) {
  std::vector<std::uint8_t> pixels(image.size());
  const std::size_t plane = image.size() / normalisation.mean.size();
  for (std::size_t i = 0; i < image.size(); ++i) {
    const std::size_t colour = i / plane;
    const float value = (image[i] * normalisation.std[colour] + normalisation.mean[colour]) * 255.0F;
    pixels[i] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0F, 255.0F)));
  }
  return pixels;
}

/// The class, or the two that have most of a mixed target.
std::vector<std::string> label_lines(const Batch& batch, std::size_t index, const std::vector<std::string>& names) {
  if (batch.targets.empty()) return {names[static_cast<std::size_t>(batch.labels[index])]};
  const auto target = batch.targets.subspan(index * names.size(), names.size());
  std::vector<std::size_t> classes(names.size());
  for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = i;
  std::ranges::stable_sort(classes, std::ranges::greater(), [&](std::size_t i) { return target[i]; });
  std::vector<std::string> lines;
  for (const std::size_t i : std::span(classes).first(std::min<std::size_t>(classes.size(), 2)))
    if (target[i] >= kLeastShare) lines.push_back(fmt::format("{:.2f} {}", target[i], names[i]));
  return lines;
}

std::vector<Sample> collect(const ContactSheet& sheet, const TrainConfig& config, const Dataset& train,
                            ThreadPool& pool) {
  const LoaderOptions options = loader_options(config, Split::train);
  const auto wanted = static_cast<std::size_t>(sheet.rows) * static_cast<std::size_t>(sheet.columns);
  const std::int64_t epoch = sheet.epoch - 1;
  const std::vector<std::uint32_t> order = epoch_order(train.size(), options.seed, epoch);
  Loader loader(train, options, pool);
  loader.start(epoch);
  std::vector<Sample> samples;
  while (samples.size() < wanted) {
    const Batch* batch = loader.next();
    if (batch == nullptr)
      fail_usage("a sheet of {} and {} needs {}, an epoch has {}", counted(sheet.rows, "row"),
                 counted(sheet.columns, "column"), counted(wanted, "sample"), samples.size());
    const std::size_t elements = batch->images.size() / static_cast<std::size_t>(batch->size);
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch->size) && samples.size() < wanted; ++i) {
      const auto original = train.image(order[samples.size()]);
      samples.push_back({denormalised(batch->images.subspan(i * elements, elements), options.normalisation),
                         {original.begin(), original.end()},
                         label_lines(*batch, i, train.class_names())});
    }
  }
  return samples;
}

/// An image of (C, H, W) bytes, enlarged by whole pixels.
void draw_image(Canvas& canvas, int left, int top, std::span<const std::uint8_t> pixels, int side, int scale) {
  const auto plane = static_cast<std::size_t>(side) * static_cast<std::size_t>(side);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const std::size_t at = static_cast<std::size_t>(y) * static_cast<std::size_t>(side) + static_cast<std::size_t>(x);
      const Colour colour = pixels.size() == plane ? Colour{pixels[at], pixels[at], pixels[at]}
                                                   : Colour{pixels[at], pixels[plane + at], pixels[2 * plane + at]};
      canvas.fill(left + x * scale, top + y * scale, scale, scale, colour);
    }
  }
}

/// As large as fits, and cut off where even the small letters don't.
void draw_line(Canvas& canvas, int left, int top, std::string text, int width) {
  const int scale = text_width(text, 2) <= width ? 2 : 1;
  while (text_width(text, scale) > width) text.pop_back();
  canvas.text(left, top + (2 - scale) * kGlyphHeight / 2, text, scale, kInk);
}

}  // namespace

void draw_contact_sheet(const std::filesystem::path& path, const ContactSheet& sheet, const std::string& title,
                        const TrainConfig& config, const Dataset& train, ThreadPool& pool) {
  const std::vector<Sample> samples = collect(sheet, config, train, pool);
  const int side = train.image_size();
  const int scale = std::max(1, (kSmallestSide + side - 1) / side);
  const int image = side * scale;
  const int cell_width = sheet.originals ? 2 * image + kGap / 2 : image;
  std::size_t lines = 0;
  for (const Sample& sample : samples) lines = std::max(lines, sample.lines.size());
  const int line_height = 2 * kGlyphHeight + 4;
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
    if (sheet.originals) draw_image(canvas, x, y, samples[i].original, side, scale);
    draw_image(canvas, x + cell_width - image, y, samples[i].pixels, side, scale);
    for (std::size_t line = 0; line < samples[i].lines.size(); ++line)
      draw_line(canvas, x, y + image + 4 + static_cast<int>(line) * line_height, samples[i].lines[line], cell_width);
  }
  canvas.write_png(path);
}

}  // namespace convmixer::tool
