/// Image files that are named one by one, or lie in folders.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace convmixer {

/// The images in a folder and the folders below it.
struct ImageFolder {
  std::vector<std::string> paths;  ///< the folder's as it was given, then the file's below it, by which they are sorted
  std::string left_out;            ///< a line about files that are no images by their names; empty if there are none
};

/// Lists the files with an image's name: PNG, JPEG, PPM or another usual format, which readers then refuse by name.
/// What a data set of class folders leaves out is left out here as well: all whose name begins with a dot, folders of
/// runs, and files of other names, which are counted by their kinds. Throws Error for a folder that can't be listed or
/// has no image in it.
[[nodiscard]] ImageFolder list_images(const std::filesystem::path& folder);

/// Throws Error naming the path unless there is a file, or a link to one.
void require_file(const std::filesystem::path& path);

}  // namespace convmixer
