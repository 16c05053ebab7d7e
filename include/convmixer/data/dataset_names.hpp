/// The names of data sets, as options and configurations spell them, and what is known of each without its files.
#pragma once

#include "convmixer/data/normalisation.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace convmixer {

inline constexpr std::string_view kAutoDataset = "auto";  ///< whichever lies at the path: see recognise_dataset
inline constexpr std::string_view kCifar10Dataset = "cifar10";
inline constexpr std::string_view kCifar100Dataset = "cifar100";
inline constexpr std::string_view kCifar100CoarseDataset = "cifar100-coarse";  ///< the same images in 20 classes
inline constexpr std::string_view kFolderDataset = "folder";                   ///< of class folders with image files
inline constexpr std::string_view kPackedDataset = "packed";                   ///< a file of decoded images
inline constexpr std::string_view kShapesDataset = "shapes";                   ///< drawn, without files

/// All of them, in the order in which help lists them.
inline constexpr std::array kDatasetNames{kAutoDataset,   kCifar10Dataset, kCifar100Dataset, kCifar100CoarseDataset,
                                          kFolderDataset, kPackedDataset,  kShapesDataset};

/// The number of classes of a data set that is always the same; nothing for one whose files decide that.
[[nodiscard]] std::optional<int> known_classes(std::string_view name);

struct DatasetSize {
  std::int64_t train_images = 0;
  std::int64_t test_images = 0;
};
/// How many images CIFAR has; nothing for a data set whose files, or --train-images, decide that.
[[nodiscard]] std::optional<DatasetSize> known_size(std::string_view name);

/// The usual mean and standard deviation of a data set that is always the same. Throws Error (usage) for any other
/// name.
[[nodiscard]] Normalisation default_normalisation(std::string_view name);

}  // namespace convmixer
