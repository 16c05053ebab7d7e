#include "data/decode/image_file.hpp"

#include "convmixer/core/error.hpp"
#include "data/decode/exif_orientation.hpp"
#include "data/decode/jpeg_image.hpp"
#include "data/decode/png_image.hpp"
#include "data/decode/pnm_image.hpp"

#include <array>
#include <string_view>

namespace convmixer {

namespace {

struct Signature {
  std::string_view bytes;
  std::string_view name;
};

// Formats that people have in such folders and that are not read.
constexpr std::array kOtherFormats{
    Signature{"GIF8", "a GIF"},       Signature{"BM", "a BMP"},
    Signature{"II*", "a TIFF"},       Signature{"MM", "a TIFF"},
    Signature{"RIFF", "a WebP"},      Signature{"P1", "a PBM"},
    Signature{"P2", "a PGM in text"}, Signature{"P3", "a PPM in text"},
    Signature{"P4", "a PBM"},         Signature{"\x89PNG", "a damaged PNG"},
    Signature{"<svg", "an SVG"},      Signature{"<?xml", "an SVG"},
};

[[noreturn]] void fail_unknown(std::string_view file) {
  if (file.empty()) fail("the file is empty");
  for (const Signature& signature : kOtherFormats)
    if (file.starts_with(signature.bytes)) fail("{} image, expected PNG, JPEG or binary PPM", signature.name);
  fail("no PNG, JPEG or PPM image");
}

}  // namespace

DecodedImage decode_image(std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return upright_planes(decode_png(file));
  if (text.starts_with("\xff\xd8\xff")) return upright_planes(decode_jpeg(file));
  if (text.starts_with("P5") || text.starts_with("P6")) return upright_planes(decode_pnm(file));
  fail_unknown(text);
}

}  // namespace convmixer
