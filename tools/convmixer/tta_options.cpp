#include "tta_options.hpp"

#include "convmixer/core/plural.hpp"
#include "output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace convmixer::tool {
namespace {

using Tta = TestTimeAugmentation;

const std::vector<std::pair<std::string, Tta>>& names() {
  static const std::vector<std::pair<std::string, Tta>> all{
      {"none", Tta::none}, {"flip", Tta::flip}, {"flip-shift", Tta::flip_shift}};
  return all;
}

}  // namespace

TestTimeViews TtaOptions::views() const { return {.augmentation = augmentation, .below = below}; }

std::vector<Option> tta_options(TtaOptions& options) {
  Option views = choice_option("tta", options.augmentation, names(),
                               "test-time augmentation, the mean of the probabilities of several views of an image: "
                               "flip, it and its mirror image; flip-shift, these (1/4 each) and the same moved by a "
                               "pixel up and left, and down and right (1/8 each)");
  views.is_read_first = true;
  Option below = number_option("tta-below", options.below, 0.0, 1.0,
                               "further views only of images whose most probable class, by the image itself alone, has "
                               "a probability below this; 1: of all");
  below.condition = "tta = flip or flip-shift";
  below.applies_now = [&options] { return options.augmentation != Tta::none; };
  return {std::move(views), std::move(below)};
}

std::string name_of(TestTimeAugmentation augmentation) {
  return std::ranges::find(names(), augmentation, &std::pair<std::string, Tta>::second)->first;
}

std::string describe_views(const TtaOptions& options) {
  if (options.augmentation == Tta::none) return "";
  std::string text = options.augmentation == Tta::flip
                         ? ", with their mirror images"
                         : ", with their mirror images and both moved diagonally by a pixel, six views";
  if (options.views().are_of_some_images())
    text += fmt::format(", where the first look gives less than {}", options.below);
  return text;
}

std::string describe_looks(std::int64_t looked_again, std::int64_t images) {
  return fmt::format("further views of {} of {} {} ({:.1f}%)", with_commas(looked_again), with_commas(images),
                     plural(images, "image"),
                     images == 0 ? 0.0 : 100.0 * static_cast<double>(looked_again) / static_cast<double>(images));
}

}  // namespace convmixer::tool
