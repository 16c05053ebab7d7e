/// Labelled images, held in memory or mapped from a file. `data/open_dataset.hpp` opens those that are known by name.
#pragma once

#include "convmixer/data/normalisation.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

enum class Split { train, test };

/// A finite list of labelled uint8 images of one size. Reading is thread-safe. What the functions give stays the same:
/// those who read a data set check images and labels against it.
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

  /// Pixels of image `index` as (C, H, W) planes, valid as long as the data set. Throws Error (usage)
  /// unless 0 <= index < size(), as check_index does.
  [[nodiscard]] virtual std::span<const std::uint8_t> image(std::int64_t index) const = 0;
  /// The class of image `index`, 0 <= label < classes(). Throws as image() does.
  [[nodiscard]] virtual std::int32_t label(std::int64_t index) const = 0;
  /// The file that image `index` comes from, as a path below the data set's folder; empty if the data set doesn't know.
  /// Throws as image() does.
  [[nodiscard]] virtual std::string file_name(std::int64_t index) const;
  /// What its images are usually normalised by: those of the training split, for either split. Measured on its own
  /// images where a data set doesn't know better, which throws Error for one without images, or whose images aren't of
  /// the size that it says.
  [[nodiscard]] virtual Normalisation normalisation() const;

  /// A line for each file that broke and so isn't among the images, with its path and the reason; those of both splits.
  /// None unless a data set knows of some.
  [[nodiscard]] virtual const std::vector<std::string>& left_out() const;
  [[nodiscard]] int classes() const { return static_cast<int>(class_names().size()); }

 protected:
  /// Throws Error (usage) naming the index and the number of images unless it is that of one.
  void check_index(std::int64_t index) const;
};

// What a data set gives, held against what it says of itself, for those who read data sets that may be anyone's.

/// Throws Error for a number of images, colours, pixels or classes that no data set can have.
void check_dataset(const Dataset& dataset);

/// Bytes of an image of a data set that check_dataset accepts.
[[nodiscard]] std::size_t image_bytes(const Dataset& dataset);

/// Image `index`. Throws Error unless it has so many bytes.
[[nodiscard]] std::span<const std::uint8_t> checked_image(const Dataset& dataset, std::int64_t index,
                                                          std::size_t bytes);

/// Its label. Throws Error unless it is one of so many classes.
[[nodiscard]] std::int32_t checked_label(const Dataset& dataset, std::int64_t index, std::int64_t classes);

}  // namespace convmixer
