#include "convmixer/data/image_reader.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "data/augment/normaliser.hpp"
#include "data/decode/decoded_image.hpp"
#include "data/decode/image_file.hpp"
#include "data/sources/fit_image.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace convmixer {

namespace {

const ImageReaderOptions& checked(const ImageReaderOptions& options) {
  if (options.image_size < 1 || options.image_size > kLargestImageSize)
    fail_usage("image size: found {}, expected 1 to {}", options.image_size, kLargestImageSize);
  if (options.channels != 1 && options.channels != kColours)
    fail_usage("images of {}: files give 3, or 1 of grey", counted(options.channels, "channel"));
  if (std::ssize(options.normalisation.mean) != options.channels)
    fail_usage("normalisation: found {}, expected one for each of the images' {}",
               counted(options.normalisation.mean.size(), "mean"), counted(options.channels, "channel"));
  return options;
}

/// PIL's convert("L"): ITU-R 601-2 luma in 16-bit fixed point. Three equal colours are that grey.
void make_grey(DecodedImage& image) {
  const std::size_t plane = image.pixels.size() / kColours;
  const std::span<std::uint8_t> pixels(image.pixels);
  const std::span<std::uint8_t> red = pixels.first(plane);
  const std::span<std::uint8_t> green = pixels.subspan(plane, plane);
  const std::span<std::uint8_t> blue = pixels.last(plane);
  for (std::size_t i = 0; i < plane; ++i) {
    const unsigned luma = 19595U * red[i] + 38470U * green[i] + 7471U * blue[i] + 0x8000U;
    red[i] = green[i] = blue[i] = static_cast<std::uint8_t>(luma >> 16U);
  }
}

}  // namespace

struct ImageReader::Impl {
  Fit fit;
  Normaliser normaliser;
};

ImageReader::ImageReader(const ImageReaderOptions& options)
    : shape_{checked(options).channels, options.image_size, options.image_size},
      impl_(std::make_unique<const Impl>(Impl{options.fit, Normaliser(options.normalisation)})) {}

ImageReader::~ImageReader() = default;
ImageReader::ImageReader(ImageReader&& other) noexcept = default;
ImageReader& ImageReader::operator=(ImageReader&& other) noexcept = default;

void ImageReader::read(const std::filesystem::path& path, std::span<float> out) const {
  const MappedFile file(path);
  try {
    decode(file.bytes(), out);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::usage) throw;
    fail("{}: {}", path.string(), error.what());
  }
}

void ImageReader::decode(std::span<const std::byte> file, std::span<float> out) const {
  if (out.size() != shape_.bytes())
    fail_usage("an image's values: room for {}, expected {}", out.size(), shape_.bytes());
  DecodedImage image = decode_image(file);
  if (shape_.channels == 1) make_grey(image);
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(kColours) * shape_.plane());
  fit_image(image, shape_.height, impl_->fit, pixels);
  normalise_pixels(std::span(pixels).first(shape_.bytes()), impl_->normaliser, out);
}

}  // namespace convmixer
