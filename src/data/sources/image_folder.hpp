/// The images of a folder of class folders, listed.
#pragma once

#include "convmixer/data/dataset.hpp"
#include "convmixer/data/dataset_options.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace convmixer {

struct ListedImage {
  std::string path;  ///< below the folder, '/' between names
  std::int32_t label = 0;
  std::int64_t size = 0;      ///< bytes
  std::int64_t modified = 0;  ///< nanoseconds
};

struct ImageListing {
  std::vector<std::string> class_names;
  std::vector<ListedImage> train;  ///< by path
  std::vector<ListedImage> test;

  [[nodiscard]] const std::vector<ListedImage>& of(Split split) const { return split == Split::train ? train : test; }
};

/// True for a folder that has a folder for training and one for the test (see below), or whose class folders have an
/// image in them, by its name.
[[nodiscard]] bool looks_like_image_folder(const std::filesystem::path& folder);

/// Lists a folder that has
///   train/CLASS/*.png and test/CLASS/*.png (train: or training; test: the first there is of test, testing, val, valid,
///   validation), or
///   CLASS/*.png, or just train/CLASS/*.png: then in each class every tenth image, at least one, is for the test: those
///   whose name's XXH3 hash is lowest (below the class's folder; TestChoice::path: the data set's), so that neither a
///   class's new name nor files that come or go move the others.
/// Classes are numbered in the order of their names' bytes. Images may lie in further folders below their class's.
/// Files of other names than .png, .jpg, .jpeg, .gif, .bmp, .webp, .tif, .tiff in any case, and everything whose name
/// begins with a dot, are left out. Throws Error for a class without images, one that only the test has, and fewer than
/// two classes.
[[nodiscard]] ImageListing list_image_folder(const std::filesystem::path& folder,
                                             TestChoice test_choice = TestChoice::name);

}  // namespace convmixer
