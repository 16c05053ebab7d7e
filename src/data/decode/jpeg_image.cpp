#include "data/decode/jpeg_image.hpp"

#include "convmixer/core/error.hpp"
#include "data/decode/decoded_image.hpp"
#include "data/decode/exif_orientation.hpp"

#include <array>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it
#include <cstring>
#include <jerror.h>
#include <jpeglib.h>
#include <new>
#include <string_view>

namespace convmixer {

namespace {

constexpr int kMostScans = 500;  // of a progressive file; libjpeg-turbo's own limit for untrusted ones
constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr unsigned kLongestMarker = 0xffff;

/// libjpeg leaves a failed call by longjmp: nothing with a destructor may be alive between read_jpeg and a callback.
struct Decoder {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump{};
  std::array<char, JMSG_LENGTH_MAX> message{};
  bool reads_its_only_scan = false;
  bool out_of_memory = false;
};

Decoder& decoder_of(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }

[[noreturn]] void give_up(j_common_ptr info, const char* message) {
  Decoder& decoder = decoder_of(info);
  std::snprintf(decoder.message.data(), decoder.message.size(), "%s", message);
  std::longjmp(decoder.jump, 1);
}

[[noreturn]] void on_error(j_common_ptr info) {
  std::array<char, JMSG_LENGTH_MAX> message{};
  info->err->format_message(info, message.data());
  give_up(info, message.data());
}

/// Warnings (level -1) that say pixels were lost are errors here; the rest, such as bytes between markers, cost
/// nothing. The end of the file costs nothing either where one scan holds everything: if that lacks bits, another
/// warning says so, and else nothing but the end marker is missing. Of several scans the next could be.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
      if (!decoder_of(info).reads_its_only_scan) give_up(info, "the file is cut off");
      return;
    case JWRN_HIT_MARKER:
      give_up(info, "the file is cut off");
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
      on_error(info);
    default:
      return;
  }
}

void on_progress(j_common_ptr info) {
  const auto* decompress = reinterpret_cast<const jpeg_decompress_struct*>(info);
  if (decompress->input_scan_number > kMostScans) give_up(info, "too many scans");
}

/// Each 8 x 8 block takes at least a bit, except in arithmetic coding, which nobody uses: a smaller file lacks its
/// data, which is better said before the memory for the pixels is asked for.
void check_size(j_decompress_ptr info, std::size_t file_size) {
  const auto common = reinterpret_cast<j_common_ptr>(info);
  const std::int64_t pixels = std::int64_t{info->image_width} * info->image_height;
  if (pixels > kMostImagePixels) give_up(common, "too many pixels");
  if (info->arith_code != FALSE) give_up(common, "arithmetic coding is not supported");
  if (pixels / 64 / 8 > static_cast<std::int64_t>(file_size)) give_up(common, "the file is cut off");
}

int orientation_of(const jpeg_decompress_struct& info) {
  constexpr std::string_view kExif("Exif\0\0", 6);
  for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (marker->marker != kExifMarker || !data.starts_with(kExif)) continue;
    return exif_orientation(std::as_bytes(std::span(data)).subspan(kExif.size()));
  }
  return 1;
}

/// a * b / 255, rounded, as PIL does it.
std::uint8_t times(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return static_cast<std::uint8_t>(((product >> 8) + product) >> 8);
}

/// A row of cyan, magenta, yellow and black, inverted as Adobe's programs write them, in place to red, green and blue.
/// PIL reads every CMYK file so.
void cmyk_row_to_rgb(const std::uint8_t* cmyk, int width, std::uint8_t* rgb) {
  for (int x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const unsigned white = cmyk[3];
    for (int colour = 0; colour < 3; ++colour)
      rgb[colour] = static_cast<std::uint8_t>(white - times(255U - cmyk[colour], white));
  }
}

/// `row` has room for a row of four bytes a pixel.
void read_rows(j_decompress_ptr info, RawImage& image, std::uint8_t* row) {
  const bool is_cmyk = info->out_color_space == JCS_CMYK;
  while (info->output_scanline < info->output_height) {
    std::uint8_t* const rgb = image.pixels.data() + 3 * static_cast<std::size_t>(image.width) *
                                                        static_cast<std::size_t>(info->output_scanline);
    JSAMPROW target = is_cmyk ? row : rgb;
    jpeg_read_scanlines(info, &target, 1);
    if (is_cmyk) cmyk_row_to_rgb(row, image.width, rgb);
  }
}

/// False when libjpeg gave up.
bool read_jpeg(Decoder& decoder, std::span<const std::byte> file, RawImage& image, std::vector<std::uint8_t>& row) {
  j_decompress_ptr info = &decoder.info;
  if (setjmp(decoder.jump) != 0) return false;
  jpeg_create_decompress(info);
  info->progress = &decoder.progress;
  jpeg_mem_src(info, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_save_markers(info, kExifMarker, kLongestMarker);
  jpeg_read_header(info, TRUE);
  check_size(info, file.size());
  const bool is_cmyk = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
  info->out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(info);
  image.width = static_cast<int>(info->output_width);
  image.height = static_cast<int>(info->output_height);
  image.orientation = orientation_of(*info);
  try {
    image.pixels.resize(3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
    row.resize(4 * static_cast<std::size_t>(image.width));
  } catch (const std::bad_alloc&) {
    decoder.out_of_memory = true;
    return false;
  }
  decoder.reads_its_only_scan = jpeg_has_multiple_scans(info) == FALSE;
  read_rows(info, image, row.data());
  jpeg_finish_decompress(info);
  return true;
}

}  // namespace

RawImage decode_jpeg(std::span<const std::byte> file) {
  Decoder decoder;
  decoder.info.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = on_error;
  decoder.errors.emit_message = on_message;
  decoder.info.client_data = &decoder;
  decoder.progress.progress_monitor = on_progress;
  RawImage image;
  std::vector<std::uint8_t> row;
  const bool done = read_jpeg(decoder, file, image, row);
  jpeg_destroy_decompress(&decoder.info);
  if (decoder.out_of_memory) throw std::bad_alloc();
  if (!done) fail("damaged JPEG: {}", decoder.message.data());
  return image;
}

}  // namespace convmixer
