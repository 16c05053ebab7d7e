#include "train/augmentation_options.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>

namespace convmixer {
namespace {

/// A setting that is parsed whole: `parse` gives a value or nothing, to_string its text.
template <typename Value>
Option parsed_option(const std::string& name, const std::string& value_name, Value& variable,
                     std::optional<Value> (*parse)(const std::string&), const std::string& help,
                     const std::string& expected) {
  return {name,
          value_name,
          help,
          expected,
          [&variable, parse](const std::string& text) {
            const std::optional<Value> value = parse(text);
            if (value) variable = *value;
            return value.has_value();
          },
          [&variable] { return to_string(variable); }};
}

/// "off", or the range of areas.
Option resized_crop_option(ResizedCropOptions& crop) {
  Option option = range_option("resized-crop", crop.scale_low, crop.scale_high, 1e-4F, 1.0F,
                               "random parts of such areas, resized to the whole; off: none");
  option.expected = "off or " + option.expected;
  option.read = [&crop, read = option.read](const std::string& text) {
    if (text != "off") return read(text);
    crop.scale_low = crop.scale_high = 0.0F;
    return true;
  };
  option.write = [&crop, write = option.write] { return crop.is_on() ? write() : std::string("off"); };
  return option;
}

/// One strength for all three, or one for each.
Option jitter_option(JitterOptions& jitter) {
  return {"jitter",
          "X",
          "change brightness, contrast and saturation by up to X, in random order; or one X for each: X,X,X; 0: off",
          "one number of at least 0, or three with commas between them",
          [&jitter](const std::string& text) {
            std::vector<float> strengths;
            if (!list_option("jitter", strengths, 0.0F, "").read(text)) return false;
            if (strengths.size() == 1) strengths.resize(3, strengths.front());
            if (strengths.size() != 3) return false;
            jitter = {strengths[0], strengths[1], strengths[2]};
            return true;
          },
          [&jitter] {
            if (jitter.brightness == jitter.contrast && jitter.brightness == jitter.saturation)
              return fmt::format("{}", jitter.brightness);
            return fmt::format("{},{},{}", jitter.brightness, jitter.contrast, jitter.saturation);
          }};
}

}  // namespace

OptionGroup augmentation_options(Augmentation& a) {
  using Filter = ResizedCropOptions::Filter;
  using Fill = ErasingOptions::Fill;
  return {
      "Augmentation, in this order",
      {integer_option("pad-crop", a.pad_crop, 0, 64, "random crops out of a border of so many pixels; 0: off"),
       choice_option("pad-mode", a.padding, {{"zeros", Padding::zeros}, {"reflect", Padding::reflect}},
                     "what pad-crop's border holds"),
       resized_crop_option(a.resized_crop),
       range_option("resized-crop-ratio", a.resized_crop.ratio_low, a.resized_crop.ratio_high, 1e-3F, 1e3F,
                    "width : height of resized-crop's parts"),
       choice_option("resized-crop-filter", a.resized_crop.filter,
                     {{"bilinear", Filter::bilinear}, {"bicubic", Filter::bicubic}, {"random", Filter::random}},
                     "antialiased; random: one of the others for each image"),
       switch_option("horizontal-flip", a.horizontal_flip, "flip half of the images, drawn at random"),
       switch_option("alternating-flip", a.alternating_flip,
                     "flips are drawn for the first epoch only, then every other epoch is the other way round"),
       parsed_option("randaugment", "N,M", a.rand_augment, parse_rand_augment,
                     "N of torchvision's 14 operations at magnitude M; off: none",
                     fmt::format("off, or operations from 1 to {} and magnitude from 0 to {}, such as 2,12",
                                 RandAugmentOptions::kMostOperations, RandAugmentOptions::kBins - 1)),
       parsed_option("auto-augment", "TEXT", a.timm_augment, parse_timm_augment,
                     "timm's 15 operations by timm's text, such as rand-m9-mstd0.5-inc1; off: none",
                     "off, or rand with any of -m0...10 (magnitude), -n1...16 (operations), -mstd0... (deviation), "
                     "-p0...1 (probability), -inc0 or -inc1, such as rand-m9-mstd0.5-inc1"),
       jitter_option(a.jitter),
       number_option("random-erasing", a.erasing.probability, 0.0F, 1.0F, "probability of covering a part; 0: off"),
       range_option("random-erasing-scale", a.erasing.scale_low, a.erasing.scale_high, 0.0F, 1.0F, "area of the part"),
       range_option("random-erasing-ratio", a.erasing.ratio_low, a.erasing.ratio_high, 1e-3F, 1e3F,
                    "height : width of the part"),
       choice_option("random-erasing-fill", a.erasing.fill, {{"constant", Fill::constant}, {"noise", Fill::noise}},
                     "the mean colour, or standard normal values"),
       integer_option("cutout", a.cutout, 0, 1024, "cover a square of so many pixels in each direction; 0: off")}};
}

}  // namespace convmixer
