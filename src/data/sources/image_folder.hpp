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
  std::int64_t size = 0;      ///< bytes; 0, as the times, of what can't be looked at, as a link to nothing
  std::int64_t modified = 0;  ///< nanoseconds
  std::int64_t changed = 0;   ///< its content, rights or name, in nanoseconds: no program can set this one back
};

struct ImageListing {
  std::vector<std::string> class_names;
  std::vector<ListedImage> train;  ///< by path
  std::vector<ListedImage> test;
  std::vector<std::string> notes;  ///< what a user should know: the choice of the splits, what was left out

  [[nodiscard]] const std::vector<ListedImage>& of(Split split) const { return split == Split::train ? train : test; }
};

/// True for a folder that has a folder for training and one for the test (see below), or whose class folders have an
/// image in them, by its name.
[[nodiscard]] bool looks_like_image_folder(const std::filesystem::path& folder);

/// Lists the folder options.path, which has
///   train/CLASS/*.png and val/CLASS/*.png, by these or other names that split_folders knows or is told, or
///   CLASS/*.png, or just train/CLASS/*.png: then in each class every tenth image, at least one, is for the test: those
///   whose name's XXH3 hash is lowest (below the class's folder; TestChoice::path: the data set's), so that neither a
///   class's new name nor files that come or go move the others.
/// A folder that holds the test's images, or is left alone for its usual name (SplitFolders::others), is no class.
/// Classes are numbered in the order of their names' bytes. Images may lie in further folders below their class's.
/// Everything whose name begins with a dot is left out, and what has no image's name (is_image_name) is counted in a
/// note. Throws Error for a class without images, one that only the test has, and fewer than two classes.
[[nodiscard]] ImageListing list_image_folder(const DatasetOptions& options);

}  // namespace convmixer
