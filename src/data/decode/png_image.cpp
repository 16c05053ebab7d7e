#include "data/decode/png_image.hpp"

#include "convmixer/core/error.hpp"
#include "data/decode/decoded_image.hpp"
#include "data/decode/exif_orientation.hpp"

#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>
#include <png.h>
#include <string_view>

namespace convmixer {

namespace {

/// What libpng's callbacks work on. libpng leaves a failed call by longjmp: nothing with a destructor may be alive
/// between read_png and a callback.
struct Source {
  std::span<const std::byte> rest;
  bool pixels_are_read = false;
  std::array<char, 200> message{};
  bool out_of_memory = false;
};

constexpr std::string_view kEndChunk("\0\0\0\0IEND\xae\x42\x60\x82", 12);
constexpr std::size_t kChunkHeader = 8;

/// A file may lack its last chunk, or some of it: that holds nothing.
void complete_end(Source& source) {
  const std::string_view rest(reinterpret_cast<const char*>(source.rest.data()), source.rest.size());
  if (source.pixels_are_read && kEndChunk.starts_with(rest)) source.rest = std::as_bytes(std::span(kEndChunk));
}

void on_read(png_structp png, png_bytep out, std::size_t count) {
  auto& source = *static_cast<Source*>(png_get_io_ptr(png));
  if (count == kChunkHeader) complete_end(source);
  if (count > source.rest.size()) png_error(png, "the file is cut off");
  std::memcpy(out, source.rest.data(), count);
  source.rest = source.rest.subspan(count);
}

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto& source = *static_cast<Source*>(png_get_error_ptr(png));
  std::snprintf(source.message.data(), source.message.size(), "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}

/// Deflate shrinks a row of equal bytes to no less than 1/1032 of it: a file smaller than that lacks its data, which is
/// better said before the memory for the pixels is asked for.
void check_size(png_structp png, png_infop info, std::size_t file_size) {
  constexpr std::int64_t kMostDeflated = 1032;
  const std::int64_t pixels = std::int64_t{png_get_image_width(png, info)} * png_get_image_height(png, info);
  if (pixels > kMostImagePixels) png_error(png, "too many pixels");
  const std::int64_t bits = pixels * png_get_bit_depth(png, info) * png_get_channels(png, info);
  if (bits / 8 / kMostDeflated > static_cast<std::int64_t>(file_size)) png_error(png, "the file is cut off");
}

/// Every kind of PNG as 8 bits of red, green and blue.
void set_conversions(png_structp png) {
  png_set_palette_to_rgb(png);
  png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  png_set_strip_alpha(png);
}

void read_exif(png_structp png, png_infop info, RawImage& image) {
  png_bytep exif = nullptr;
  png_uint_32 size = 0;
  if (png_get_eXIf_1(png, info, &size, &exif) == 0 || exif == nullptr) return;
  image.orientation = exif_orientation({reinterpret_cast<const std::byte*>(exif), size});
}

void read_pixels(png_structp png, png_infop info, Source& source, RawImage& image) {
  const std::size_t file_size = source.rest.size();
  png_read_info(png, info);
  check_size(png, info, file_size);
  set_conversions(png);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  image.width = static_cast<int>(png_get_image_width(png, info));
  image.height = static_cast<int>(png_get_image_height(png, info));
  const std::size_t row_bytes = 3 * static_cast<std::size_t>(image.width);
  if (png_get_rowbytes(png, info) != row_bytes) png_error(png, "an unknown kind of PNG");
  try {
    image.pixels.resize(row_bytes * static_cast<std::size_t>(image.height));
  } catch (const std::bad_alloc&) {  // must not pass through libpng's frames
    source.out_of_memory = true;
    return;
  }
  for (int pass = 0; pass < passes; ++pass)
    for (int y = 0; y < image.height; ++y)
      png_read_row(png, image.pixels.data() + row_bytes * static_cast<std::size_t>(y), nullptr);
  source.pixels_are_read = true;
  png_read_end(png, info);
  read_exif(png, info, image);
}

/// False when libpng gave up.
bool read_png(png_structp png, png_infop info, Source& source, RawImage& image) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_user_limits(png, kLongestImageSide, kLongestImageSide);
  png_set_read_fn(png, &source, on_read);
  read_pixels(png, info, source, image);
  return true;
}

}  // namespace

RawImage decode_png(std::span<const std::byte> file) {
  Source source{file};
  RawImage image;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, on_error, on_warning);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  const bool done = info != nullptr && read_png(png, info, source, image);
  png_destroy_read_struct(&png, &info, nullptr);
  if (source.out_of_memory) throw std::bad_alloc();
  if (!done) fail("damaged PNG: {}", source.message[0] != '\0' ? source.message.data() : "out of memory");
  return image;
}

}  // namespace convmixer
