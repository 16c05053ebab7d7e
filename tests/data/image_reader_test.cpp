#include "convmixer/data/image_reader.hpp"

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/data/loader.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "support/error_of.hpp"
#include "support/image_bytes.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;
using namespace testing_support;

constexpr int kSize = 12;
const Normalisation kNormalisation{{0.4F, 0.5F, 0.6F}, {0.2F, 0.25F, 0.3F}};

std::vector<std::uint8_t> pattern(int count, int factor) {
  std::vector<std::uint8_t> bytes;
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(i * factor + i / 7));
  return bytes;
}

std::string jpeg(int width, int height, int channels, int orientation) {
  JpegSource source;
  source.width = width;
  source.height = height;
  source.channels = channels;
  source.pixels = pattern(width * height * channels, 3);
  source.exif = exif_with_orientation(orientation);
  return jpeg_bytes(source);
}

std::string grey_png(int width, int height) {
  PngSource source;
  source.width = width;
  source.height = height;
  source.colour_type = 0;
  source.rows = pattern(width * height, 5);
  return png_bytes(source);
}

std::vector<float> read(const ImageReader& reader, const fs::path& path) {
  std::vector<float> values(reader.shape().bytes());
  reader.read(path, values);
  return values;
}

/// Class folders with all kinds of files, each split having the same two.
class ImageReaderTest : public testing::Test {
 protected:
  ImageReaderTest() {
    for (const char* split : {"train", "val"}) {
      write(split, "a/wide.png", rgb_png(31, 17, pattern(31 * 17 * 3, 11)));
      write(split, "a/exact.png", rgb_png(kSize, kSize, pattern(kSize * kSize * 3, 7)));
      write(split, "a/turned.jpg", jpeg(20, 33, 3, 6));
      write(split, "b/grey.png", grey_png(9, 14));
      write(split, "b/small.ppm", "P6 2 3 255\n" + std::string(18, '\x55'));
      write(split, "b/cmyk.jpg", jpeg(40, 40, 4, 1));
    }
  }
  void write(const std::string& split, const std::string& name, const std::string& bytes) const {
    folder_.write("photos/" + split + "/" + name, bytes);
  }
  /// All images of a split as an evaluation sees them.
  [[nodiscard]] std::vector<float> loaded(Fit fit) const {
    const auto dataset = open_dataset({.name = "folder",
                                       .path = folder_.path() / "photos",
                                       .image_size = kSize,
                                       .fit = fit,
                                       .cache = folder_.path() / "cache",
                                       .threads = 1},
                                      Split::test);
    ThreadPool pool(1);
    Loader loader(*dataset, {.batch_size = 6, .normalisation = kNormalisation}, pool);
    loader.start(0);
    const Batch* batch = loader.next();
    return {batch->images.begin(), batch->images.end()};
  }

  TemporaryFolder folder_;
};

TEST_F(ImageReaderTest, ReadsEveryFileToTheBitAsAFolderDataSetIsEvaluated) {
  for (const Fit fit : {Fit::crop, Fit::stretch}) {
    const ImageReader reader({.image_size = kSize, .fit = fit, .normalisation = kNormalisation});
    std::vector<float> all;
    for (const char* name : {"a/exact.png", "a/turned.jpg", "a/wide.png", "b/cmyk.jpg", "b/grey.png", "b/small.ppm"}) {
      const std::vector<float> values = read(reader, folder_.path() / "photos/val" / name);
      all.insert(all.end(), values.begin(), values.end());
    }
    EXPECT_EQ(all, loaded(fit));
  }
}

TEST_F(ImageReaderTest, GivesTheSameOnEveryThread) {
  const ImageReader reader({.image_size = kSize, .normalisation = kNormalisation});
  const fs::path path = folder_.path() / "photos/val/a/wide.png";
  const std::vector<float> expected = read(reader, path);
  std::vector<std::vector<float>> found(40);
  ThreadPool pool(4);
  pool.parallel_for(std::ssize(found),
                    [&](std::int64_t i) { found[static_cast<std::size_t>(i)] = read(reader, path); });
  EXPECT_TRUE(std::ranges::all_of(found, [&](const std::vector<float>& values) { return values == expected; }));
}

/// PIL: Image.new("RGB", (1, 1), (200, 100, 50)).convert("L").getpixel((0, 0)) == 124, and so on.
TEST_F(ImageReaderTest, MakesColoursGreyForANetworkOfOneChannel) {
  const ImageReader reader({.image_size = 1, .channels = 1, .normalisation = {{0.0F}, {1.0F}}});
  const auto grey_of = [&](std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
    return read(reader, folder_.write("colour.png", plain_png(1, 1, red, green, blue))).at(0) * 255.0F;
  };
  EXPECT_EQ(grey_of(200, 100, 50), 124.0F);
  EXPECT_EQ(grey_of(255, 0, 0), 76.0F);
  EXPECT_EQ(grey_of(0, 255, 0), 150.0F);
  EXPECT_EQ(grey_of(0, 0, 255), 29.0F);
  for (int grey = 0; grey < 256; ++grey) {
    const auto value = static_cast<std::uint8_t>(grey);
    const fs::path path = folder_.write("grey.png", plain_png(1, 1, value, value, value));
    EXPECT_EQ(read(reader, path), std::vector{static_cast<float>(grey) / 255.0F});
  }
}

TEST_F(ImageReaderTest, NamesAFileThatIsNoImageOrCutOrNotThere) {
  const ImageReader reader({.image_size = kSize, .normalisation = kNormalisation});
  const auto refusal = [&](const fs::path& path) {
    const Error error = error_of([&] { (void)read(reader, path); });
    EXPECT_EQ(error.kind(), ErrorKind::failure);
    EXPECT_THAT(error.what(), StartsWith(path.string() + ": "));
    return std::string(error.what());
  };
  EXPECT_THAT(refusal(folder_.write("text.png", "no image")), HasSubstr("no PNG, JPEG or PPM image"));
  EXPECT_THAT(refusal(folder_.write("empty.png", "")), HasSubstr("the file is empty"));
  const std::string whole = jpeg(20, 33, 3, 1);
  (void)refusal(folder_.write("cut.jpg", whole.substr(0, whole.size() / 2)));
  EXPECT_THAT(refusal(folder_.write("strip.png", plain_png(51, 1, 1, 2, 3))), HasSubstr("expected sides of at most"));
  EXPECT_THAT(refusal(folder_.path() / "none.png"), HasSubstr("No such file"));
  (void)refusal(folder_.path());
}

TEST(ImageReader, RefusesOptionsThatMakeNoSense) {
  const auto refusal = [](const ImageReaderOptions& options) {
    const Error error = error_of([&] { const ImageReader reader(options); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  EXPECT_EQ(refusal({.image_size = 0, .normalisation = kNormalisation}), "image size: found 0, expected 1 to 4096");
  EXPECT_EQ(refusal({.channels = 4, .normalisation = kNormalisation}),
            "images of 4 channels: files give 3, or 1 of grey");
  EXPECT_EQ(refusal({.channels = 1, .normalisation = kNormalisation}),
            "normalisation: found 3 means, expected one for each of the images' 1 channel");
  EXPECT_THAT(refusal({.normalisation = {{0.0F, 0.0F, 0.0F}, {1.0F, 0.0F, 1.0F}}}), HasSubstr("is not positive"));
  const ImageReader reader({.image_size = 2, .normalisation = kNormalisation});
  std::vector<float> few(11);
  EXPECT_STREQ(error_of([&] { reader.decode({}, few); }).what(), "an image's values: room for 11, expected 12");
}

}  // namespace
}  // namespace convmixer
