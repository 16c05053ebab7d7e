/// The image files in a folder and the folders below it, by their names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

namespace convmixer {

/// Files that are left out, counted by their names' endings.
using OtherFiles = std::map<std::string, std::int64_t>;

/// Calls found(path, name) for every file with an image's name (is_image_name); `name` is its path below what `name`
/// was given for the folder, '/' between names: as they are if that is empty. Links are followed. What begins with a
/// dot and the folders of runs are left out; other files are counted in `others`, once where links lead to a folder
/// without an image again, but for those that systems make for themselves. Throws Error for a folder that can't be
/// listed, and for more than 16 folders in one another: links may go in circles.
void walk_images(const std::filesystem::path& folder, const std::string& name,
                 const std::function<void(const std::filesystem::path& path, const std::string& name)>& found,
                 OtherFiles& others);

/// "left out 3 files, no images by their names: 2 .txt, 1 .md".
[[nodiscard]] std::string describe(const OtherFiles& others);

}  // namespace convmixer
