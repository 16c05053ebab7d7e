/// Image files as a network sees them.
#pragma once

#include "convmixer/data/augment/image_shape.hpp"
#include "convmixer/data/dataset_options.hpp"
#include "convmixer/data/normalisation.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace convmixer {

/// What a network expects of images; a weights file says it (CheckpointInfo).
struct ImageReaderOptions {
  int image_size = 32;          ///< height and width in pixels, 1 to kLargestImageSize
  int channels = 3;             ///< 3: red, green and blue; 1: grey, of colours as PIL's convert("L") makes it
  Fit fit = Fit::crop;          ///< how images are made square
  Normalisation normalisation;  ///< a mean and a standard deviation for each channel
};

/// Reads PNG, JPEG and PPM files, just as a data set of the same files is read for evaluation: decoded (grey as three
/// equal colours), turned upright, made square, normalised; the values are the same to the last bit. Immutable: any
/// number of threads may use it.
class ImageReader {
 public:
  /// Throws Error (usage) for options that make no sense.
  explicit ImageReader(const ImageReaderOptions& options);
  ~ImageReader();
  ImageReader(ImageReader&& other) noexcept;
  ImageReader& operator=(ImageReader&& other) noexcept;
  ImageReader(const ImageReader&) = delete;
  ImageReader& operator=(const ImageReader&) = delete;

  /// Of every image that it reads.
  [[nodiscard]] const ImageShape& shape() const noexcept { return shape_; }

  /// Reads a file; `out` is f32 (C, H, W) and holds shape().bytes() values. Throws Error naming the file for one that
  /// can't be read or decoded, Error (usage) for an `out` of another size.
  void read(const std::filesystem::path& path, std::span<float> out) const;

  /// The same of a file's bytes in memory. Throws Error with the reason alone.
  void decode(std::span<const std::byte> file, std::span<float> out) const;

 private:
  struct Impl;
  ImageShape shape_;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace convmixer
