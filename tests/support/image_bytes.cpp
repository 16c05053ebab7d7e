#include "support/image_bytes.hpp"

#include <gtest/gtest.h>

#include <cstdio>  // jpeglib.h needs it
#include <cstdlib>
#include <jpeglib.h>
#include <png.h>

namespace convmixer::testing_support {

namespace {

void append_png(png_structp png, png_bytep data, std::size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), size);
}

void set_png_chunks(png_structp png, png_infop info, const PngSource& source) {
  if (!source.palette.empty()) {
    std::vector<png_color> palette;
    for (std::size_t i = 0; i + 2 < source.palette.size(); i += 3)
      palette.push_back({source.palette[i], source.palette[i + 1], source.palette[i + 2]});
    png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  }
  if (!source.transparency.empty())
    png_set_tRNS(png, info, source.transparency.data(), static_cast<int>(source.transparency.size()), nullptr);
  if (source.gamma != 0.0) png_set_gAMA(png, info, source.gamma);
  if (!source.exif.empty()) {
    std::string copy = source.exif;
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(copy.size()), reinterpret_cast<png_bytep>(copy.data()));
  }
}

}  // namespace

std::string png_bytes(const PngSource& source) {
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &bytes, append_png, nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(source.width), static_cast<png_uint_32>(source.height),
               source.bit_depth, source.colour_type, source.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  set_png_chunks(png, info, source);
  png_write_info(png, info);
  std::vector<std::uint8_t> rows = source.rows;
  std::vector<png_bytep> pointers;
  for (int y = 0; y < source.height; ++y)
    pointers.push_back(rows.data() + static_cast<std::size_t>(y) * png_get_rowbytes(png, info));
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

std::string rgb_png(int width, int height, const std::vector<std::uint8_t>& rgb) {
  PngSource source;
  source.width = width;
  source.height = height;
  source.rows = rgb;
  return png_bytes(source);
}

std::string plain_png(int width, int height, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  std::vector<std::uint8_t> rgb;
  for (int i = 0; i < width * height; ++i) rgb.insert(rgb.end(), {red, green, blue});
  return rgb_png(width, height, rgb);
}

std::string jpeg_bytes(const JpegSource& source) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(source.width);
  info.image_height = static_cast<JDIMENSION>(source.height);
  info.input_components = source.channels;
  info.in_color_space = source.channels == 1 ? JCS_GRAYSCALE : source.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  if (source.ycck) jpeg_set_colorspace(&info, JCS_YCCK);
  jpeg_set_quality(&info, source.quality, TRUE);
  if (source.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  if (!source.exif.empty()) {
    const std::string marker = std::string("Exif\0\0", 6) + source.exif;
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(marker.data()),
                      static_cast<unsigned>(marker.size()));
  }
  std::vector<std::uint8_t> pixels = source.pixels;
  const auto stride = static_cast<std::size_t>(source.width * source.channels);
  for (int y = 0; y < source.height; ++y) {
    JSAMPROW row = pixels.data() + static_cast<std::size_t>(y) * stride;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string bytes(reinterpret_cast<const char*>(buffer), size);
  jpeg_destroy_compress(&info);
  std::free(buffer);  // jpeg_mem_dest's contract
  return bytes;
}

std::string exif_with_orientation(int orientation, bool big_endian) {
  const auto number = [&](unsigned value, int width) {
    std::string digits;
    for (int i = 0; i < width; ++i)
      digits.push_back(static_cast<char>(value >> (8 * (big_endian ? width - 1 - i : i))));
    return digits;
  };
  const auto entry = [&](unsigned tag, unsigned value) {
    return number(tag, 2) + number(3, 2) + number(1, 4) + number(value, 2) + number(0, 2);
  };
  return (big_endian ? "MM" : "II") + number(42, 2) + number(8, 4) + number(2, 2) + entry(0x0100, 640) +
         entry(0x0112, static_cast<unsigned>(orientation)) + number(0, 4);
}

}  // namespace convmixer::testing_support
