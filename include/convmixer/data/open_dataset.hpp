/// Recognises the data set that lies at a path, and opens it.
#pragma once

#include "convmixer/data/dataset.hpp"
#include "convmixer/data/dataset_options.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace convmixer {

/// The name of the data set at a path, told by what is in it: CIFAR's archives and folders (data/sources/cifar.hpp), a
/// folder of class folders with PNG, JPEG and PPM files (train/CLASS/... and val/CLASS/... or test/CLASS/..., or
/// CLASS/... of which a tenth is set aside for the test), a packed file (data/sources/packed.hpp); "shapes" for no path
/// at all. Throws Error when it is none of these.
[[nodiscard]] std::string recognise_dataset(const std::filesystem::path& path);
/// The same for options.path; a folder whose splits are named is one of class folders.
[[nodiscard]] std::string recognise_dataset(const DatasetOptions& options);

/// Whether a data set of this name lies at a path, where others may lie too. Nothing is read but what tells.
[[nodiscard]] bool holds_dataset(const std::string& name, const std::filesystem::path& path);

/// Opens a split. options.limit takes the first images of CIFAR and shapes, whose order is random, and of folders and
/// packed files each class's first ones, as many as its share, at least one. Every record and image is checked; a
/// folder of images is decoded once and kept as a packed file. Throws Error naming the file, what was found and what
/// was expected; Error (usage) for an unknown name, a missing path, and a negative limit or image size.
[[nodiscard]] std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options, Split split);

}  // namespace convmixer
