// The image operations beside what torchvision 0.21 and PIL 11.1 made of the same images: not one byte may differ.
#include "support/golden_augment.hpp"

#include "data/augment/crop.hpp"
#include "data/augment/image_operation.hpp"
#include "data/augment/pixel_operations.hpp"
#include "data/augment/rand_augment.hpp"
#include "data/augment/resize.hpp"
#include "data/augment/timm_augment.hpp"
#include "support/golden_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <sstream>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::differences;
using testing_support::golden_files;
using testing_support::golden_folder_is_given;
using testing_support::golden_names;
using testing_support::GoldenAugment;
using testing_support::ImageStack;

constexpr std::array<const char*, RandAugment::kOperations> kRandAugment{
    "Identity", "ShearX",   "ShearY",    "TranslateX", "TranslateY", "Rotate",       "Brightness",
    "Color",    "Contrast", "Sharpness", "Posterize",  "Solarize",   "AutoContrast", "Equalize"};
constexpr std::array<const char*, TimmAugment::kOperations> kTimm{
    "AutoContrast", "Equalize",   "Invert",    "Rotate", "Posterize", "Solarize",      "SolarizeAdd",  "Color",
    "Contrast",     "Brightness", "Sharpness", "ShearX", "ShearY",    "TranslateXRel", "TranslateYRel"};

using Operation = std::function<void(const ConstImage&, const Image&)>;

template <std::size_t kSize>
int index_of(const std::array<const char*, kSize>& names, const std::string& name) {
  return static_cast<int>(std::find(names.begin(), names.end(), name) - names.begin());
}

std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::vector<std::uint8_t> bytes_of(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  for (const std::string& part : parts_of(text, ',')) bytes.push_back(static_cast<std::uint8_t>(std::stoi(part)));
  return bytes;
}

Operation rand_augment(const std::string& name, const ImageShape& shape) {
  const std::vector<std::string> parts = parts_of(name, '.');
  const RandAugment policy(std::stoi(parts.at(1).substr(3)), shape);
  const ImageOperation operation = policy.operation(index_of(kRandAugment, parts.at(0)), parts.at(2) == "neg");
  return [=](const ConstImage& image, const Image& out) {
    apply(operation, image, std::vector<std::uint8_t>(static_cast<std::size_t>(shape.channels), 0), out);
  };
}

Operation timm(const GoldenAugment& golden, const std::string& name, const ImageShape& shape) {
  TimmAugmentOptions options;
  options.increasing = golden.number(name, "increasing") == 1.0;
  const std::map<std::string, std::string> settings = golden.settings(name);
  const ImageOperation operation =
      TimmAugment(options, shape)
          .operation(index_of(kTimm, parts_of(name, '.').at(1)), golden.number(name, "magnitude"),
                     settings.at("negative") == "1",
                     settings.at("interpolation") == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear);
  const std::vector<std::uint8_t> fill = bytes_of(settings.at("fill"));
  return [=](const ConstImage& image, const Image& out) { apply(operation, image, fill, out); };
}

Operation adjust(const std::string& name) {
  const float factor = std::stof(name.substr(name.find('.') + 1));
  const auto with = [factor](auto* function) -> Operation {
    return [=](const ConstImage& image, const Image& out) { function(image, factor, out); };
  };
  if (name.starts_with("adjust_brightness.")) return with(adjust_brightness);
  if (name.starts_with("adjust_contrast.")) return with(adjust_contrast);
  if (name.starts_with("adjust_saturation.")) return with(adjust_saturation);
  if (name.starts_with("adjust_sharpness.")) return with(adjust_sharpness);
  return {};
}

Operation resized_crop(const GoldenAugment& golden, const std::string& name) {
  const auto number = [&](const char* key) { return static_cast<int>(golden.number(name, key)); };
  const Rectangle box{number("top"), number("left"), number("height"), number("width")};
  const bool is_cubic = golden.file().metadata(name).find("bicubic") != std::string::npos;
  const ResizeFilter filter = is_cubic ? ResizeFilter::bicubic : ResizeFilter::bilinear;
  return [=](const ConstImage& image, const Image& out) {
    const ResizeWeights horizontal(box.width, out.shape.width, filter);
    const ResizeWeights vertical(box.height, out.shape.height, filter);
    std::vector<std::uint8_t> working(resize_working_bytes(box.height, out.shape.width));
    resize(image, box, horizontal, vertical, working, out);
  };
}

Operation pad_crop(const GoldenAugment& golden, const std::string& name) {
  const auto number = [&](const char* key) { return static_cast<int>(golden.number(name, key)); };
  const int top = number("top") - number("padding");
  const int left = number("left") - number("padding");
  const Padding padding = golden.settings(name).at("mode") == "reflect" ? Padding::reflect : Padding::zeros;
  return [=](const ConstImage& image, const Image& out) {
    crop(image, top, left, padding, /*flip=*/false, out);
    std::vector<std::uint8_t> both(out.shape.bytes());  // cropped and flipped at once
    crop(image, top, left, padding, /*flip=*/true, {out.shape, both});
    flip_horizontally({out.shape, both});
    EXPECT_TRUE(std::equal(both.begin(), both.end(), out.pixels));
  };
}

/// The operation that a case names; none if there is no such operation.
Operation operation_of(const GoldenAugment& golden, const std::string& name, const ImageShape& shape) {
  if (name.find(".bin") != std::string::npos) return rand_augment(name, shape);
  if (name.starts_with("timm.")) return timm(golden, name, shape);
  if (name.starts_with("adjust_")) return adjust(name);
  if (name.starts_with("resized_crop.")) return resized_crop(golden, name);
  if (name.starts_with("pad_crop.")) return pad_crop(golden, name);
  if (name == "hflip") {
    return [](const ConstImage& image, const Image& out) { crop(image, 0, 0, Padding::zeros, /*flip=*/true, out); };
  }
  return {};
}

class GoldenAugmentFile : public testing::TestWithParam<std::filesystem::path> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenAugmentFile);

TEST_P(GoldenAugmentFile, EveryOperationGivesEveryByteThatTorchvisionGives) {
  const GoldenAugment golden(GetParam());
  const ImageStack images = golden.images();
  std::map<std::string, int> differing;
  int compared = 0;
  for (const std::string& name : golden.names("")) {
    if (name == "images") continue;
    const Operation operation = operation_of(golden, name, images.shape);
    ASSERT_TRUE(operation) << "no operation of the name " << name;
    const ImageStack expected = golden.stack(name);
    ASSERT_EQ(expected.images.size(), images.images.size()) << name;
    for (std::size_t n = 0; n < images.images.size(); ++n) {
      std::vector<std::uint8_t> found(expected.shape.bytes());
      operation({images.shape, images.images[n]}, {expected.shape, found});
      if (const int count = differences(found, expected.images[n]); count > 0) differing[name] += count;
      ++compared;
    }
  }
  EXPECT_THAT(differing, IsEmpty());
  EXPECT_GT(compared, 0);
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenAugmentFile, testing::ValuesIn(golden_files("augment")),
                         [](const auto& file) { return file.param.stem().string(); });

TEST(GoldenAugmentFiles, HoldEveryOperationOfBothPolicies) {
  if (golden_folder_is_given()) GTEST_SKIP() << "about the files of tests/golden";
  EXPECT_THAT(golden_names("augment"), ElementsAre("augment", "augment_13x9x3", "augment_5x7x1"));
  std::set<std::string> seen;
  for (const std::filesystem::path& path : golden_files("augment")) {
    for (const std::string& name : GoldenAugment(path).names("")) {
      const std::vector<std::string> parts = parts_of(name, '.');
      seen.insert(parts.at(0) == "timm" ? parts.at(0) + "." + parts.at(1) : parts.at(0));
    }
  }
  for (const char* name : kRandAugment) EXPECT_TRUE(seen.contains(name)) << name;
  for (const char* name : kTimm) EXPECT_TRUE(seen.contains(std::string("timm.") + name)) << name;
  for (const char* name : {"resized_crop", "pad_crop", "hflip", "adjust_sharpness"}) EXPECT_TRUE(seen.contains(name));
}

}  // namespace
}  // namespace convmixer
