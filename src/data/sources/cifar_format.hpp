/// What tells CIFAR-10 from CIFAR-100, and the binary version of each from the Python version.
#pragma once

#include "convmixer/data/dataset.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

inline constexpr int kCifarChannels = 3;
inline constexpr int kCifarImageSize = 32;
inline constexpr std::size_t kCifarImageBytes = std::size_t{kCifarChannels} * kCifarImageSize * kCifarImageSize;

enum class CifarVersion {
  binary,  ///< records of label bytes and pixels
  python,  ///< pickled dictionaries of labels and a numpy array
};

/// The files of one version as it was published.
struct CifarFiles {
  CifarVersion version = CifarVersion::binary;
  std::string_view archive;
  std::string_view subfolder;  ///< what the archive unpacks to
  std::vector<std::string_view> train;
  std::vector<std::string_view> test;

  [[nodiscard]] const std::vector<std::string_view>& of(Split split) const {
    return split == Split::train ? train : test;
  }
};

struct CifarFormat {
  std::string_view name;
  std::string_view dataset;  ///< one of kDatasetNames
  CifarFiles binary;
  CifarFiles python;
  std::int64_t train_images = 0;  ///< in each file of the split, as published
  std::int64_t test_images = 0;
  std::vector<int> label_ranges;             ///< a record begins with a byte for each, below this; the last is used, or
  std::vector<std::string_view> label_keys;  ///< of the pickled dictionary, one for each range
  std::vector<std::string> class_names;
  bool first_label = false;  ///< the first one

  [[nodiscard]] std::int64_t images_of(Split split) const { return split == Split::train ? train_images : test_images; }
  [[nodiscard]] std::size_t used_label() const { return first_label ? 0 : label_ranges.size() - 1; }
};

[[nodiscard]] const CifarFormat& cifar10_format();
[[nodiscard]] const CifarFormat& cifar100_format();
/// The same files by their coarse labels.
[[nodiscard]] const CifarFormat& cifar100_coarse_format();

}  // namespace convmixer
