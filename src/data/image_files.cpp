#include "convmixer/data/image_files.hpp"

#include "convmixer/core/error.hpp"
#include "data/sources/class_folders.hpp"
#include "data/sources/walk_images.hpp"

#include <algorithm>
#include <system_error>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

/// Nothing waits for a reader or never ends: pipes and devices are passed over, as a data set does. What isn't there
/// (a link to nothing) is an image that can't be read.
bool may_be_read(const fs::path& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  return !fs::exists(status) || fs::is_regular_file(status);
}

}  // namespace

ImageFolder list_images(const fs::path& folder) {
  ImageFolder images;
  OtherFiles others;
  std::vector<std::string> names;
  walk_images(
      folder, "",
      [&](const fs::path& path, const std::string& name) {
        if (may_be_read(path)) names.push_back(name);
      },
      others);
  const std::string left_out = others.empty() ? "" : describe(others);
  if (names.empty()) {
    if (is_run_folder(folder)) fail("{}: the folder of a run, expected images or folders of images", folder.string());
    fail("{}: no image in this folder{}", folder.string(), left_out.empty() ? "" : ": " + left_out);
  }
  std::ranges::sort(names);
  for (const std::string& name : names) images.paths.push_back((folder / name).string());
  if (!left_out.empty()) images.left_out = fmt::format("{}: {}", folder.string(), left_out);
  return images;
}

void require_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) fail("{}: can't be opened: {}", path.string(), error.message());
  if (!fs::is_regular_file(status)) fail("{}: expected a file or a folder, found something else", path.string());
}

}  // namespace convmixer
