#include "convmixer/figures/png.hpp"

#include "convmixer/figures/canvas.hpp"
#include "data/decode/image_file.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

std::vector<std::uint8_t> decoded(const PngImage& image) {
  return decode_image(std::as_bytes(std::span(image.bytes))).pixels;
}

/// The colour type of a PNG file's header: 0 grey, 2 colours, 3 a palette.
int colour_type(const PngImage& image) { return image.bytes.at(25); }

TEST(Png, PlanesComeBackAsTheyWere) {
  const std::vector<std::uint8_t> planes{1, 2, 3, 4, 5, 6, /**/ 11, 12, 13, 14, 15, 16, /**/ 21, 22, 23, 24, 25, 255};
  const PngImage image = encode_png_planes(3, 3, 2, planes);
  EXPECT_EQ(image.width, 3);
  EXPECT_EQ(image.height, 2);
  EXPECT_EQ(decoded(image), planes);
}

TEST(Png, OfOneOrManyChannelsTheFirstIsGrey) {
  const std::vector<std::uint8_t> grey{0, 100, 200, 255, 0, 100, 200, 255, 0, 100, 200, 255};
  for (const int channels : {1, 2, 5}) {
    std::vector<std::uint8_t> planes(static_cast<std::size_t>(4 * channels), 7);
    std::copy_n(grey.begin(), 4, planes.begin());
    const PngImage image = encode_png_planes(channels, 2, 2, planes);
    EXPECT_EQ(decoded(image), grey) << channels;
    EXPECT_EQ(colour_type(image), 0) << channels;
  }
}

TEST(Png, FewColoursArePalettedAndManyAreNot) {
  Canvas canvas(300, 1, {10, 20, 30});
  EXPECT_EQ(colour_type(canvas.to_png()), 3);
  for (int x = 0; x < 255; ++x) canvas.set(x, 0, {static_cast<std::uint8_t>(x), 1, 2});
  const PngImage most = canvas.to_png();
  EXPECT_EQ(colour_type(most), 3);
  EXPECT_EQ(decoded(most).at(254), 254);
  EXPECT_EQ(decoded(most).at(255), 10);
  for (int x = 0; x < 300; ++x)
    canvas.set(x, 0, {static_cast<std::uint8_t>(x % 256), static_cast<std::uint8_t>(x / 256), 2});
  const PngImage more = canvas.to_png();
  EXPECT_EQ(colour_type(more), 2);
  EXPECT_EQ(decoded(more).at(299), 43);
  EXPECT_EQ(decoded(more).at(300 + 299), 1);
}

TEST(Png, DataUrisAreBase64WithItsPadding) {
  const auto uri = [](const char* bytes) { return data_uri({.width = 1, .height = 1, .bytes = bytes}); };
  EXPECT_EQ(uri("foobar"), "data:image/png;base64,Zm9vYmFy");  // RFC 4648, section 10
  EXPECT_EQ(uri("fooba"), "data:image/png;base64,Zm9vYmE=");
  EXPECT_EQ(uri("foob"), "data:image/png;base64,Zm9vYg==");
  EXPECT_EQ(uri("\xff\xfe\xfd"), "data:image/png;base64,//79");
  EXPECT_EQ(uri(""), "data:image/png;base64,");
}

TEST(Png, RefusesPixelsThatDontMakeAnImage) {
  const std::vector<std::uint8_t> pixels(12);
  EXPECT_EQ(error_of([&] { return encode_png(2, 3, pixels); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { return encode_png(0, 0, {}); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { return encode_png_planes(2, 2, 2, pixels); }).kind(), ErrorKind::usage);
}

}  // namespace
}  // namespace convmixer
