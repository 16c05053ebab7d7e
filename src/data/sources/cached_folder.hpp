/// A folder of class folders with PNG or JPEG files, decoded once into a packed file.
#pragma once

#include "convmixer/data/dataset.hpp"
#include "convmixer/data/dataset_options.hpp"

#include <filesystem>
#include <memory>

namespace convmixer {

/// Opens a split of the folder options.path (image_folder.hpp says what it looks like), through a packed file
/// (packed.hpp) in the cache folder. That file is made, both splits at once and on all cores, when it isn't there, is
/// damaged, or when any image's path, size or times, the classes or a setting have changed since; the time of the last
/// change of an inode tells of new pixels under an old time and of rights that were given. Broken files are an Error
/// that names the first and counts them, or left out and told to options.note, unless that leaves a class without
/// images to train on. options.note is told of the listing's notes too.
[[nodiscard]] std::unique_ptr<Dataset> open_image_folder(const DatasetOptions& options, Split split);

/// The packed file that stands for the folder with these options.
[[nodiscard]] std::filesystem::path cache_file(const DatasetOptions& options);

}  // namespace convmixer
