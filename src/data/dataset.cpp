#include "convmixer/data/dataset.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "data/colour_statistics.hpp"

#include <limits>

namespace convmixer {

void Dataset::check_index(std::int64_t index) const {
  if (index < 0 || index >= size()) fail_usage("image {} of a data set: it has {}, counted from 0", index, size());
}

std::string Dataset::file_name(std::int64_t index) const {
  check_index(index);
  return {};
}

const std::vector<std::string>& Dataset::left_out() const {
  static const std::vector<std::string> none;
  return none;
}

Normalisation Dataset::normalisation() const {
  check_dataset(*this);
  ColourStatistics statistics(channels());
  const std::size_t bytes = image_bytes(*this);
  for (std::int64_t i = 0; i < size(); ++i) statistics.add(checked_image(*this, i, bytes), image_size());
  return statistics.normalisation();
}

void check_dataset(const Dataset& dataset) {
  constexpr std::int64_t kMostImages = std::numeric_limits<std::uint32_t>::max();  // as their order is drawn
  constexpr int kMostChannels = 1 << 8;
  constexpr int kLargestSide = 1 << 14;
  if (dataset.size() < 1) fail("the data set holds no images");
  if (dataset.size() > kMostImages)
    fail("the data set holds {}, expected at most {}", counted(dataset.size(), "image"), kMostImages);
  if (dataset.channels() < 1 || dataset.channels() > kMostChannels)
    fail("the data set's images have {}, expected 1 to {}", counted(dataset.channels(), "channel"), kMostChannels);
  if (dataset.image_size() < 1 || dataset.image_size() > kLargestSide)
    fail("the data set's images have {} in each direction, expected 1 to {}", counted(dataset.image_size(), "pixel"),
         kLargestSide);
  if (dataset.classes() < 1) fail("the data set has no classes, expected at least one");
}

std::size_t image_bytes(const Dataset& dataset) {
  const auto side = static_cast<std::size_t>(dataset.image_size());
  return static_cast<std::size_t>(dataset.channels()) * side * side;
}

std::span<const std::uint8_t> checked_image(const Dataset& dataset, std::int64_t index, std::size_t bytes) {
  const std::span<const std::uint8_t> image = dataset.image(index);
  if (image.size() != bytes)
    fail("image {} of the data set: found {}, expected {}", index, counted(image.size(), "byte"), bytes);
  return image;
}

std::int32_t checked_label(const Dataset& dataset, std::int64_t index, std::int64_t classes) {
  const std::int32_t label = dataset.label(index);
  if (label < 0 || label >= classes)
    fail("image {} of the data set: found label {}, expected 0 to {}", index, label, classes - 1);
  return label;
}

}  // namespace convmixer
