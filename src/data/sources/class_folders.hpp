/// What in a folder of images is a class, an image, or neither.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace convmixer {

/// What lies in a folder, hidden things left out, by name. Throws Error when it can't be listed.
[[nodiscard]] std::vector<std::filesystem::path> entries(const std::filesystem::path& folder);

[[nodiscard]] bool is_folder(const std::filesystem::path& path);

/// Device and inode: the same for all paths that lead to a folder, as links may. Zeros where nothing is there.
using FolderId = std::pair<dev_t, ino_t>;
[[nodiscard]] FolderId folder_id(const std::filesystem::path& folder);

/// True for the endings of formats that are read (.png, .jpg, .jpeg, .jpe, .jfif, .ppm, .pgm, .pnm in any case) and for
/// those of the other usual formats of photographs, which are then refused by name, not passed over.
[[nodiscard]] bool is_image_name(const std::filesystem::path& path);

/// True for the folder of a run: images in it, such as sheets of samples, are no images of a class.
[[nodiscard]] bool is_run_folder(const std::filesystem::path& folder);

/// True if there is an image in the folder or below, runs left out; in folders that deep at most.
[[nodiscard]] bool holds_images(const std::filesystem::path& folder, int deepest);

/// The folders of classes in a folder, by name: all but hidden ones, those that systems make for themselves (__MACOSX,
/// @eaDir, lost+found, ...), and those that hold runs or packed files and no image: `cd photos; convmixer train --data
/// .` puts its runs beside the classes.
[[nodiscard]] std::vector<std::filesystem::path> class_folders(const std::filesystem::path& folder);

/// Their names.
[[nodiscard]] std::vector<std::string> class_names(const std::filesystem::path& folder);

}  // namespace convmixer
