/// The images that a command is given: files, folders, and paths on standard input.
#pragma once

#include "convmixer/data/dataset_options.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace convmixer::tool {

/// A file that isn't classified, and why, in a line that names it.
struct LeftOut {
  std::string path;
  std::string reason;
};

struct GivenImages {
  std::vector<std::string> paths;  ///< in the order in which they were given; a folder's sorted
  std::vector<LeftOut> left_out;   ///< what isn't there, if such files are to be skipped
};

/// How they are given.
struct ImageArguments {
  std::span<const std::string> words;  ///< files, folders, or "-" for paths on standard input
  bool null_separated = false;         ///< those end with a null byte each, not with their line
  BrokenFiles broken = BrokenFiles::refuse;
};

/// Lists them: the files themselves, whatever their names, and the images in folders (data/image_files.hpp). `note` is
/// told what was left out. Throws Error for a path that isn't there (unless that is to be skipped), for a
/// folder without images, and if there is no path at all; Error (usage) for "-" given twice.
[[nodiscard]] GivenImages list_given_images(const ImageArguments& arguments,
                                            const std::function<void(const std::string&)>& note);

}  // namespace convmixer::tool
