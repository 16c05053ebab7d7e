#include "convmixer/figures/png.hpp"

#include "convmixer/figures/canvas.hpp"
#include "convmixer/figures/thumbnail.hpp"
#include "data/decode/image_file.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
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

TEST(Png, DataUrisAreReadBack) {
  for (const int width : {1, 2, 3}) {  // with each kind of padding
    const PngImage image = Canvas(width, 2, {1, 2, 3}).to_png();
    const auto back = png_of_data_uri(data_uri(image));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->bytes, image.bytes);
    EXPECT_EQ(back->width, width);
    EXPECT_EQ(back->height, 2);
  }
  const std::string good = data_uri(Canvas(1, 1, {1, 2, 3}).to_png());
  for (const std::string& bad : {std::string(), good.substr(1), good.substr(0, 40), good + "=", good + "\"><b>",
                                 std::string("data:image/png;base64,TWFu"),
                                 "data:image/png;base64," + std::string(80, 'Q'), std::string("javascript:alert(1)")})
    EXPECT_FALSE(png_of_data_uri(bad)) << bad;
}

TEST(Png, ThumbnailsAreTheImageItselfUnlessThatIsLarge) {
  std::vector<std::uint8_t> planes(3 * 8 * 8, 50);
  planes[5] = 250;
  const PngImage same = draw_thumbnail(3, 8, planes, 8);
  EXPECT_EQ(decoded(same), planes);
  const PngImage smaller = draw_thumbnail(3, 8, std::vector<std::uint8_t>(3 * 8 * 8, 50), 4);
  EXPECT_EQ(smaller.width, 4);
  EXPECT_EQ(decoded(smaller), std::vector<std::uint8_t>(3 * 4 * 4, 50));
  EXPECT_EQ(error_of([&] { return draw_thumbnail(3, 8, planes, 0); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { return draw_thumbnail(3, 9, planes, 4); }).kind(), ErrorKind::usage);
}

TEST(Png, RefusesPixelsThatDontMakeAnImage) {
  const std::vector<std::uint8_t> pixels(12);
  EXPECT_EQ(error_of([&] { return encode_png(2, 3, pixels); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { return encode_png(0, 0, {}); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { return encode_png_planes(2, 2, 2, pixels); }).kind(), ErrorKind::usage);
}

}  // namespace
}  // namespace convmixer
