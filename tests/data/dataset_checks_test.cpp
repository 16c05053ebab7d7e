// Data sets of the user's own that aren't what they say of themselves, and indices that a data set hasn't.
#include "convmixer/data/dataset_report.hpp"
#include "convmixer/data/loader.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "data/sources/cifar_files.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;
using testing_support::TemporaryFolder;

/// Four black images of 5 x 5 pixels and two classes, unless told otherwise.
class Odd : public Dataset {
 public:
  [[nodiscard]] std::int64_t size() const override { return images; }
  [[nodiscard]] int channels() const override { return colours; }
  [[nodiscard]] int image_size() const override { return side; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return names; }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t /*index*/) const override { return pixels; }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override { return index == 2 ? third_label : 0; }

  std::int64_t images = 4;
  int colours = 3;
  int side = 5;
  std::vector<std::string> names{"a", "b"};
  std::vector<std::uint8_t> pixels = std::vector<std::uint8_t>(75);
  std::int32_t third_label = 1;
};

struct OddCase {
  std::string name;
  std::function<void(Odd&)> change;
  std::string message;
};

class OddDatasets : public testing::TestWithParam<OddCase> {
 protected:
  OddDatasets() { GetParam().change(dataset_); }

  template <typename Body>
  void expect_refusal(const Body& body) {
    EXPECT_EQ(std::string(error_of(body).what()), GetParam().message);
  }

  Odd dataset_;
};

TEST_P(OddDatasets, AreRefusedByLoaders) {
  ThreadPool pool(1);
  const LoaderOptions options{
      .batch_size = 4,
      .normalisation = {std::vector<float>(static_cast<std::size_t>(std::clamp(dataset_.colours, 0, 9)), 0.5F),
                        std::vector<float>(static_cast<std::size_t>(std::clamp(dataset_.colours, 0, 9)), 0.5F)}};
  expect_refusal([&] {
    Loader loader(dataset_, options, pool);
    loader.start(0);
    (void)loader.next();
  });
}

TEST_P(OddDatasets, AreRefusedByReportsAndPacking) {
  const TemporaryFolder folder;
  expect_refusal([&] { (void)examine(dataset_, dataset_); });
  expect_refusal([&] { pack(folder.path() / "packed", dataset_, dataset_); });
  EXPECT_TRUE(folder.names().empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, OddDatasets,
    testing::Values(OddCase{"WithoutImages", [](Odd& odd) { odd.images = 0; }, "the data set holds no images"},
                    OddCase{"OfANegativeSize", [](Odd& odd) { odd.images = -1; }, "the data set holds no images"},
                    OddCase{"OfMoreImagesThanCanBeOrdered", [](Odd& odd) { odd.images = std::int64_t{1} << 33; },
                            "the data set holds 8589934592 images, expected at most 4294967295"},
                    OddCase{"WithoutColours", [](Odd& odd) { odd.colours = 0; },
                            "the data set's images have 0 channels, expected 1 to 256"},
                    OddCase{"WithoutPixels", [](Odd& odd) { odd.side = 0; },
                            "the data set's images have 0 pixels in each direction, expected 1 to 16384"},
                    OddCase{"OfHugeImages", [](Odd& odd) { odd.side = std::numeric_limits<int>::max(); },
                            "the data set's images have 2147483647 pixels in each direction, expected 1 to 16384"},
                    OddCase{"WithoutClasses", [](Odd& odd) { odd.names.clear(); },
                            "the data set has no classes, expected at least one"},
                    OddCase{"WithShortImages", [](Odd& odd) { odd.pixels.pop_back(); },
                            "image 0 of the data set: found 74 bytes, expected 75"},
                    OddCase{"WithLongImages", [](Odd& odd) { odd.pixels.push_back(0); },
                            "image 0 of the data set: found 76 bytes, expected 75"},
                    OddCase{"WithALabelTooHigh", [](Odd& odd) { odd.third_label = 2; },
                            "image 2 of the data set: found label 2, expected 0 to 1"},
                    OddCase{"WithANegativeLabel", [](Odd& odd) { odd.third_label = -1; },
                            "image 2 of the data set: found label -1, expected 0 to 1"}),
    [](const auto& one) { return one.param.name; });

TEST(Dataset, MeasuresNoImagesButThoseThatItSaysItHas) {
  const auto refusal = [](const auto& change) {
    Odd odd;
    change(odd);
    return std::string(error_of([&] { (void)odd.normalisation(); }).what());
  };
  EXPECT_EQ(refusal([](Odd& odd) { odd.images = 0; }), "the data set holds no images");
  EXPECT_EQ(refusal([](Odd& odd) { odd.colours = 0; }), "the data set's images have 0 channels, expected 1 to 256");
  EXPECT_EQ(refusal([](Odd& odd) { odd.pixels.resize(80); }), "image 0 of the data set: found 80 bytes, expected 75");
}

TEST(Loader, RefusesABatchThatNoComputerHasRoomFor) {
  Odd odd;
  odd.side = 16384;
  odd.images = 1 << 20;
  ThreadPool pool(1);
  const Error error = error_of([&] {
    const Loader loader(odd, {.batch_size = 1 << 20, .normalisation = {{0.5F, 0.5F, 0.5F}, {1.0F, 1.0F, 1.0F}}}, pool);
  });
  EXPECT_STREQ(error.what(), "batch size 1048576: with images of 805306368 bytes no computer has room for it");
}

TEST(EpochOrder, IsRefusedForSizesAndEpochsThatThereAreNot) {
  EXPECT_STREQ(error_of([] { (void)epoch_order(-1, 1, 0); }).what(),
               "order of an epoch: -1 images, expected 0 to 4294967295");
  EXPECT_STREQ(error_of([] { (void)epoch_order(1, 1, -1); }).what(), "epoch: found -1, expected 0 to 4294967295");
}

TEST(Dataset, RefusesIndicesThatItHasNot) {
  const TemporaryFolder folder;
  testing_support::write_cifar10(folder, ".");
  DatasetOptions options{.name = "cifar10", .path = folder.path(), .allow_partial = true};
  const auto cifar = open_dataset(options, Split::train);
  options.limit = 3;
  const auto first = open_dataset(options, Split::train);
  const auto shapes = open_dataset({.name = "shapes", .limit = 3}, Split::train);
  const auto packed_path = folder.path() / "packed";
  pack(packed_path, *shapes, *shapes);
  const auto packed = open_dataset({.name = "packed", .path = packed_path}, Split::train);
  for (const Dataset* dataset : {cifar.get(), first.get(), shapes.get(), packed.get()}) {
    for (const std::int64_t index : {std::int64_t{-1}, dataset->size(), std::numeric_limits<std::int64_t>::max()}) {
      const std::string message = "image " + std::to_string(index) + " of a data set: it has " +
                                  std::to_string(dataset->size()) + ", counted from 0";
      EXPECT_EQ(std::string(error_of([&] { (void)dataset->image(index); }).what()), message);
      EXPECT_EQ(std::string(error_of([&] { (void)dataset->label(index); }).what()), message);
    }
  }
}

}  // namespace
}  // namespace convmixer
