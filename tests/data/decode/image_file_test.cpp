#include "data/decode/image_file.hpp"

#include "convmixer/io/safetensors.hpp"
#include "support/error_of.hpp"
#include "support/golden_augment.hpp"
#include "support/image_bytes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace convmixer {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using namespace testing_support;

DecodedImage decode(const std::string& file) { return decode_image(std::as_bytes(std::span(file))); }

std::string refusal_of(const std::string& file) {
  const Error error = error_of([&] { (void)decode(file); });
  EXPECT_EQ(error.kind(), ErrorKind::failure);
  EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
  return error.what();
}

/// A 3 x 2 image whose bytes tell pixel and colour.
const std::vector<std::uint8_t> kSix{10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61, 62};
const std::vector<std::uint8_t> kSixPlanes{10, 20, 30, 40, 50, 60, 11, 21, 31, 41, 51, 61, 12, 22, 32, 42, 52, 62};

PngSource png(int colour_type, int bit_depth, std::vector<std::uint8_t> rows) {
  PngSource source;
  source.width = 3;
  source.height = 2;
  source.colour_type = colour_type;
  source.bit_depth = bit_depth;
  source.rows = std::move(rows);
  return source;
}

std::vector<std::uint8_t> three_times(const std::vector<std::uint8_t>& plane) {
  std::vector<std::uint8_t> planes;
  for (int colour = 0; colour < 3; ++colour) planes.insert(planes.end(), plane.begin(), plane.end());
  return planes;
}

TEST(Png, GivesThePlanesOfItsColours) {
  const DecodedImage image = decode(rgb_png(3, 2, kSix));
  EXPECT_EQ(image.width, 3);
  EXPECT_EQ(image.height, 2);
  EXPECT_EQ(image.pixels, kSixPlanes);
}

TEST(Png, InterlacedIsTheSame) {
  std::vector<std::uint8_t> rgb;
  for (int i = 0; i < 19 * 13 * 3; ++i) rgb.push_back(static_cast<std::uint8_t>(i * 7));
  PngSource source;
  source.width = 19;
  source.height = 13;
  source.rows = rgb;
  const DecodedImage plain = decode(png_bytes(source));
  source.interlaced = true;
  EXPECT_EQ(decode(png_bytes(source)).pixels, plain.pixels);
}

TEST(Png, GreyIsThreeEqualColours) {
  EXPECT_EQ(decode(png_bytes(png(0, 8, {1, 2, 3, 4, 5, 255}))).pixels, three_times({1, 2, 3, 4, 5, 255}));
}

TEST(Png, GreyOfFewerBitsIsSpreadOverTheBytes) {
  EXPECT_EQ(decode(png_bytes(png(0, 1, {0b10100000, 0b01000000}))).pixels, three_times({255, 0, 255, 0, 255, 0}));
  EXPECT_EQ(decode(png_bytes(png(0, 2, {0b00011000, 0b11000000}))).pixels, three_times({0, 85, 170, 255, 0, 0}));
  EXPECT_EQ(decode(png_bytes(png(0, 4, {0x01, 0xf0, 0x28, 0x00}))).pixels, three_times({0, 17, 255, 34, 136, 0}));
}

TEST(Png, Of16BitsGivesTheUpperByte) {
  EXPECT_EQ(decode(png_bytes(png(0, 16, {1, 255, 2, 0, 3, 128, 4, 0, 5, 0, 255, 255}))).pixels,
            three_times({1, 2, 3, 4, 5, 255}));  // Pillow 9.4 gives 255 for all of them
  std::vector<std::uint8_t> wide;
  for (const std::uint8_t byte : kSix) wide.insert(wide.end(), {byte, 200});
  EXPECT_EQ(decode(png_bytes(png(2, 16, wide))).pixels, kSixPlanes);
}

TEST(Png, TransparencyIsDroppedNotBlended) {
  std::vector<std::uint8_t> rgba;
  for (std::size_t i = 0; i < kSix.size(); i += 3)
    rgba.insert(rgba.end(), {kSix[i], kSix[i + 1], kSix[i + 2], static_cast<std::uint8_t>(i * 10)});
  EXPECT_EQ(decode(png_bytes(png(6, 8, rgba))).pixels, kSixPlanes);
  EXPECT_EQ(decode(png_bytes(png(4, 8, {1, 0, 2, 50, 3, 100, 4, 150, 5, 200, 6, 255}))).pixels,
            three_times({1, 2, 3, 4, 5, 6}));
}

TEST(Png, PalettesAreLookedUpWithAndWithoutTransparency) {
  PngSource source = png(3, 8, {0, 1, 2, 2, 1, 0});
  source.palette = {10, 11, 12, 20, 21, 22, 30, 31, 32};
  const std::vector<std::uint8_t> expected{10, 20, 30, 30, 20, 10, 11, 21, 31, 31, 21, 11, 12, 22, 32, 32, 22, 12};
  EXPECT_EQ(decode(png_bytes(source)).pixels, expected);
  source.transparency = {0, 128};
  EXPECT_EQ(decode(png_bytes(source)).pixels, expected);
  source.bit_depth = 2;
  source.rows = {0b00011000, 0b10010000};
  EXPECT_EQ(decode(png_bytes(source)).pixels, expected);
}

TEST(Png, GammaChangesNoPixel) {
  PngSource source = png(2, 8, kSix);
  source.gamma = 1.0;
  EXPECT_EQ(decode(png_bytes(source)).pixels, kSixPlanes);
}

TEST(Png, CutOffAnywhereBeforeItsEndIsRefused) {
  const std::string whole = rgb_png(3, 2, kSix);
  for (std::size_t size = 8; size < whole.size() - 12; ++size)
    EXPECT_THAT(refusal_of(whole.substr(0, size)), HasSubstr("PNG"));
}

TEST(Png, WithoutItsLastChunkIsWhole) {
  const std::string whole = rgb_png(3, 2, kSix);
  for (std::size_t missing = 1; missing <= 12; ++missing)
    EXPECT_EQ(decode(whole.substr(0, whole.size() - missing)).pixels, kSixPlanes) << missing;
  EXPECT_THAT(refusal_of(whole.substr(0, whole.size() - 13)), HasSubstr("cut off"));  // a checksum
  EXPECT_THAT(refusal_of(whole.substr(0, whole.size() - 12) + "junk"), HasSubstr("cut off"));
}

TEST(Png, WithAChangedByteOfItsDataIsRefused) {
  std::string damaged = rgb_png(3, 2, kSix);
  const std::size_t data = damaged.find("IDAT") + 8;
  damaged[data] = static_cast<char>(damaged[data] ^ 1);
  EXPECT_THAT(refusal_of(damaged), HasSubstr("damaged PNG"));
}

/// A PNG that says it has so many pixels.
std::string png_claiming(unsigned width, unsigned height) {
  std::string file = rgb_png(3, 2, kSix);
  const auto big_endian = [](unsigned value) {
    return std::string{static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
                       static_cast<char>(value)};
  };
  file.replace(16, 8, big_endian(width) + big_endian(height));
  // CRC-32 of the chunk's name and data, as the PNG specification has it in its appendix.
  std::uint32_t crc = 0xffffffffU;
  for (std::size_t i = 12; i < 29; ++i) {
    crc ^= static_cast<std::uint8_t>(file[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? 0xedb88320U ^ (crc >> 1) : crc >> 1;
  }
  file.replace(29, 4, big_endian(~crc));
  return file;
}

TEST(Png, ClaimingAHugeSizeIsRefusedBeforeItTakesMemory) {
  EXPECT_EQ(decode(png_claiming(3, 2)).pixels, kSixPlanes);
  EXPECT_THAT(refusal_of(png_claiming(65536, 2)), HasSubstr("damaged PNG"));
  EXPECT_THAT(refusal_of(png_claiming(60000, 60000)), HasSubstr("too many pixels"));
  EXPECT_THAT(refusal_of(png_claiming(9000, 9000)), HasSubstr("the file is cut off"));
  EXPECT_THAT(refusal_of(png_claiming(0, 2)), HasSubstr("damaged PNG"));
}

/// A smooth image, which JPEG keeps well.
JpegSource smooth(int width, int height, int channels = 3) {
  JpegSource source;
  source.width = width;
  source.height = height;
  source.channels = channels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        source.pixels.push_back(static_cast<std::uint8_t>(40 + 3 * x + 2 * y * (c + 1) + 10 * c));
  return source;
}

void expect_near(const DecodedImage& image, const JpegSource& source, int tolerance) {
  ASSERT_EQ(image.width, source.width);
  ASSERT_EQ(image.height, source.height);
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < source.width * source.height; ++i) {
      const int expected =
          source.pixels[static_cast<std::size_t>(i * source.channels + std::min(c, source.channels - 1))];
      const int found = image.pixels[static_cast<std::size_t>(c * source.width * source.height + i)];
      ASSERT_LE(std::abs(found - expected), tolerance) << "colour " << c << ", pixel " << i;
    }
}

TEST(Jpeg, GivesThePlanesOfItsColours) { expect_near(decode(jpeg_bytes(smooth(21, 17))), smooth(21, 17), 4); }

TEST(Jpeg, GivesThePixelsThatPilGives) {
  const SafetensorsFile golden(CONVMIXER_SOURCE_DIR "/tests/golden/decoded.safetensors");
  for (const std::string name : {"444", "422", "420", "420_progressive", "grey"}) {
    const SafetensorsFile::Entry& pixels = golden.tensor("pixels." + name);
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(pixels.bytes.data());
    const DecodedImage image = decode_image(golden.tensor("file." + name).bytes);
    EXPECT_EQ((Shape{3, image.height, image.width}), pixels.shape) << name;
    EXPECT_EQ(differences(image.pixels, {begin, begin + pixels.bytes.size()}), 0) << name;
  }
}

TEST(Jpeg, ProgressiveIsReadToo) {
  JpegSource source = smooth(21, 17);
  source.progressive = true;
  expect_near(decode(jpeg_bytes(source)), source, 4);
}

TEST(Jpeg, GreyIsThreeEqualColours) {
  const DecodedImage image = decode(jpeg_bytes(smooth(9, 10, 1)));
  expect_near(image, smooth(9, 10, 1), 2);
  EXPECT_TRUE(std::equal(image.pixels.begin(), image.pixels.begin() + 90, image.pixels.begin() + 90));
}

TEST(Jpeg, CmykBecomesRgbAsInPil) {
  // PIL 11 gives (51, 102, 26) for Adobe's inverted (102, 204, 51, 128): c * k / 255.
  JpegSource source;
  source.width = 16;
  source.height = 16;
  source.channels = 4;
  for (int i = 0; i < 256; ++i) source.pixels.insert(source.pixels.end(), {102, 204, 51, 128});
  for (const bool ycck : {false, true}) {
    source.ycck = ycck;
    const DecodedImage image = decode(jpeg_bytes(source));
    EXPECT_NEAR(image.pixels[0], 51, ycck ? 1 : 0);
    EXPECT_NEAR(image.pixels[256], 102, ycck ? 1 : 0);
    EXPECT_NEAR(image.pixels[512], 26, ycck ? 1 : 0);
  }
}

TEST(Jpeg, CutOffIsRefusedWherePilWouldFillInGrey) {
  JpegSource source = smooth(64, 48);
  for (const bool progressive : {false, true}) {
    source.progressive = progressive;
    const std::string whole = jpeg_bytes(source);
    for (std::size_t size = 3; size < whole.size(); size += 11)
      EXPECT_THAT(refusal_of(whole.substr(0, size)), HasSubstr("damaged JPEG"));
    if (source.progressive) {  // the next scan could be missing as well
      EXPECT_THAT(refusal_of(whole.substr(0, whole.size() - 2)), HasSubstr("the file is cut off"));
    }
  }
}

TEST(Jpeg, WithoutItsEndMarkerIsWholeWhereOneScanHoldsAll) {
  for (const int channels : {1, 3, 4}) {
    const std::string whole = jpeg_bytes(smooth(33, 21, channels));
    const std::string without = whole.substr(0, whole.size() - 2);
    EXPECT_EQ(decode(without).pixels, decode(whole).pixels);
    EXPECT_EQ(decode(without + "\xff").pixels, decode(whole).pixels);
    EXPECT_EQ(decode(without + std::string(16, '\0')).pixels, decode(whole).pixels);  // as some cameras fill up files
    EXPECT_THAT(refusal_of(whole.substr(0, whole.size() - 12)), HasSubstr("the file is cut off"));
  }
}

TEST(Jpeg, BytesAfterItsEndDontMatter) {
  const std::string whole = jpeg_bytes(smooth(8, 8));
  EXPECT_EQ(decode(whole + "trailer of a phone").pixels, decode(whole).pixels);
}

TEST(Jpeg, ClaimingAHugeSizeIsRefusedBeforeItTakesMemory) {
  std::string file = jpeg_bytes(smooth(8, 8));
  const std::size_t frame = file.find("\xff\xc0");
  file.replace(frame + 5, 4, "\x27\x10\x27\x10");  // 10,000 x 10,000
  EXPECT_THAT(refusal_of(file), HasSubstr("the file is cut off"));
  file.replace(frame + 5, 4, "\xf0\xf0\xf0\xf0");
  EXPECT_THAT(refusal_of(file), HasSubstr("too many pixels"));
}

/// What a viewer shows of a 3 x 2 image with each orientation, by the number of its pixel; from Exif 2.32, figure 8:
/// orientation 6, for one, is shot with the camera's right side down, its first row is the right column.
struct Upright {
  int orientation;
  int width;
  std::vector<std::uint8_t> red;
};
const std::vector<Upright> kUpright{{1, 3, {10, 20, 30, 40, 50, 60}}, {2, 3, {30, 20, 10, 60, 50, 40}},
                                    {3, 3, {60, 50, 40, 30, 20, 10}}, {4, 3, {40, 50, 60, 10, 20, 30}},
                                    {5, 2, {10, 40, 20, 50, 30, 60}}, {6, 2, {40, 10, 50, 20, 60, 30}},
                                    {7, 2, {60, 30, 50, 20, 40, 10}}, {8, 2, {30, 60, 20, 50, 10, 40}}};

TEST(Pnm, OfGreyAndColourIsRead) {
  EXPECT_EQ(decode("P6 1 2 255\n" + std::string("\1\2\3\4\5\6")).pixels, (std::vector<std::uint8_t>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(decode("P5\n# by hand\n2 1#!\n255 \7\x20trailing").pixels,
            (std::vector<std::uint8_t>{7, 32, 7, 32, 7, 32}));
  // Pillow 9.4 gives these for largest values of 15 and 2.
  EXPECT_EQ(decode("P5 3 1 15\n\1\7\x0f").pixels,
            (std::vector<std::uint8_t>{17, 119, 255, 17, 119, 255, 17, 119, 255}));
  EXPECT_EQ(decode("P5 1 1 2\n\1").pixels, (std::vector<std::uint8_t>{128, 128, 128}));
}

TEST(Pnm, ThatIsDamagedOrOfAnotherKindSaysSo) {
  for (const char* file : {"P6", "P6 2", "P6 2 2", "P6 2 2 255", "P6 2 2 255\n12345678901", "P62x2", "P6 0 1 255\n",
                           "P5 100000 100000 255\n1", "P5 99999999999999999999 1 255\n1", "P5 2 -2 255\n1234", "P6 #"})
    EXPECT_THAT(refusal_of(file), HasSubstr("damaged PPM")) << file;
  EXPECT_THAT(refusal_of("P6 1 1 65535\n123456"), HasSubstr("values up to 65535, expected 1 to 255"));
  EXPECT_THAT(refusal_of("P3 1 1 255\n1 2 3"), HasSubstr("a PPM in text image, expected PNG, JPEG or binary PPM"));
}

TEST(Exif, OrientationTurnsAPngUpright) {
  for (const Upright& upright : kUpright) {
    PngSource source = png(2, 8, kSix);
    source.exif = exif_with_orientation(upright.orientation, upright.orientation % 2 == 0);
    const DecodedImage image = decode(png_bytes(source));
    EXPECT_EQ(image.width, upright.width);
    EXPECT_EQ(std::vector(image.pixels.begin(), image.pixels.begin() + 6), upright.red) << upright.orientation;
  }
}

TEST(Exif, OrientationTurnsAJpegUpright) {
  JpegSource source = smooth(32, 16);
  const DecodedImage plain = decode(jpeg_bytes(source));
  source.exif = exif_with_orientation(6);
  const DecodedImage turned = decode(jpeg_bytes(source));
  ASSERT_EQ(turned.width, 16);
  ASSERT_EQ(turned.height, 32);
  EXPECT_EQ(turned.pixels[15], plain.pixels[0]);                              // first pixel: top right
  EXPECT_EQ(turned.pixels[0], plain.pixels[32 * 15]);                         // bottom left: top left
  EXPECT_EQ(turned.pixels[512 + 16 * 31], plain.pixels[512 + 32 * 15 + 31]);  // bottom right: bottom left, green
}

TEST(Exif, DamagedOrUnknownMeansUpright) {
  const std::string good = exif_with_orientation(6);
  std::vector<std::string> bad{exif_with_orientation(0), exif_with_orientation(9), "", "II", "XX" + good.substr(2)};
  for (std::size_t size = 0; size < good.size() - 10; ++size) bad.push_back(good.substr(0, size));
  for (const std::string& exif : bad) {
    JpegSource source = smooth(32, 16);
    source.exif = exif.empty() ? " " : exif;
    EXPECT_EQ(decode(jpeg_bytes(source)).width, 32);
  }
}

TEST(ImageFile, IsToldByItsContent) {
  EXPECT_THAT(refusal_of("GIF89a..."), HasSubstr("a GIF image, expected PNG, JPEG or binary PPM"));
  EXPECT_THAT(refusal_of("BM......"), HasSubstr("a BMP image"));
  EXPECT_THAT(refusal_of(std::string("RIFF\0\0\0\0WEBP", 12)), HasSubstr("a WebP image"));
  EXPECT_THAT(refusal_of(""), HasSubstr("the file is empty"));
  EXPECT_THAT(refusal_of("some text"), HasSubstr("no PNG, JPEG or PPM image"));
  EXPECT_THAT(refusal_of("\x89PNG\n"), HasSubstr("a damaged PNG image"));
}

}  // namespace
}  // namespace convmixer
