/// Labelled images, held in memory or mapped from a file. `data/open_dataset.hpp` opens those that are known by name.
#pragma once

#include "convmixer/data/normalisation.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

enum class Split { train, test };

/// A finite list of labelled uint8 images of one size. Reading is thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;

  /// Number of images.
  [[nodiscard]] virtual std::int64_t size() const = 0;
  /// Planes of an image, 3 for red, green and blue.
  [[nodiscard]] virtual int channels() const = 0;
  /// Height and width in pixels.
  [[nodiscard]] virtual int image_size() const = 0;
  /// By label; there are classes() of them.
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const = 0;

  /// Pixels of image `index` as (C, H, W) planes, valid as long as the data set; 0 <= index < size().
  [[nodiscard]] virtual std::span<const std::uint8_t> image(std::int64_t index) const = 0;
  /// The class of image `index`, 0 <= label < classes().
  [[nodiscard]] virtual std::int32_t label(std::int64_t index) const = 0;
  /// What its images are usually normalised by: those of the training split, for either split. Measured on its own
  /// images where a data set doesn't know better.
  [[nodiscard]] virtual Normalisation normalisation() const;

  [[nodiscard]] int classes() const { return static_cast<int>(class_names().size()); }
};

}  // namespace convmixer
