#include "data/sources/image_folder.hpp"

#include "convmixer/core/error.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <xxhash.h>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 2> kTrainFolders{"train", "training"};
constexpr std::array<std::string_view, 5> kTestFolders{"test", "testing", "val", "valid", "validation"};
constexpr std::array<std::string_view, 3> kReadableEndings{".png", ".jpg", ".jpeg"};
// Images by their names that are listed so that they can be refused by name, not passed over.
constexpr std::array<std::string_view, 5> kOtherEndings{".gif", ".bmp", ".webp", ".tif", ".tiff"};
constexpr int kDeepest = 16;  // folders below a class: links may go in circles
constexpr std::size_t kTestShare = 10;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool has_ending(const fs::path& path, auto endings) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(endings, ending) != endings.end();
}

bool is_image_name(const fs::path& path) {
  return has_ending(path, kReadableEndings) || has_ending(path, kOtherEndings);
}

/// What lies in a folder, hidden things left out, by name.
std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  try {
    for (const auto& entry : fs::directory_iterator(folder))
      if (!entry.path().filename().string().starts_with('.')) found.push_back(entry.path());
  } catch (const fs::filesystem_error& error) {
    fail("{}: can't be listed: {}", folder.string(), error.code().message());
  }
  std::ranges::sort(found, {}, [](const fs::path& path) { return path.filename().string(); });
  return found;
}

std::vector<fs::path> class_folders(const fs::path& folder) {
  std::vector<fs::path> folders = entries(folder);
  std::erase_if(folders, [](const fs::path& path) { return !is_folder(path); });
  return folders;
}

/// Where the class folders of the splits are.
struct Layout {
  std::string train;  ///< empty: in the data set's folder itself
  std::string test;   ///< empty: no folder of its own
};

std::string first_present(const fs::path& folder, auto names) {
  const auto found = std::ranges::find_if(names, [&](std::string_view name) { return is_folder(folder / name); });
  return found == names.end() ? std::string() : std::string(*found);
}

Layout layout_of(const fs::path& folder) {
  Layout split{first_present(folder, kTrainFolders), first_present(folder, kTestFolders)};
  if (!split.train.empty() && !split.test.empty()) return split;
  // Without a test folder, "train" is a class like others unless it stands alone.
  return {split.train.empty() || class_folders(folder).size() > 1 ? "" : split.train, ""};
}

/// Adds the images in a class's folder; `path` is the folder's, below the data set's.
void list_class(const fs::path& folder, const std::string& path, std::int32_t label, int depth,
                std::vector<ListedImage>& images) {
  for (const fs::path& entry : entries(folder)) {
    const std::string below = path + "/" + entry.filename().string();
    if (is_folder(entry)) {
      if (depth == kDeepest) fail("{}: more than {} folders deep", entry.string(), kDeepest);
      list_class(entry, below, label, depth + 1, images);
      continue;
    }
    if (!is_image_name(entry)) continue;
    struct stat status {};
    if (::stat(entry.c_str(), &status) != 0)  // a link to nothing
      fail("{}: can't be read: {}", entry.string(), std::generic_category().message(errno));
    if (!S_ISREG(status.st_mode)) continue;
    images.push_back(
        {below, label, status.st_size, std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec});
  }
}

/// Images of the classes in `below`, a folder in `folder` or, if empty, that itself.
std::vector<ListedImage> list_classes(const fs::path& folder, const std::string& below,
                                      const std::vector<std::string>& class_names) {
  std::vector<ListedImage> images;
  for (std::size_t label = 0; label < class_names.size(); ++label) {
    const std::string path = below.empty() ? class_names[label] : below + "/" + class_names[label];
    if (is_folder(folder / path)) list_class(folder / path, path, static_cast<std::int32_t>(label), 0, images);
  }
  return images;
}

std::vector<std::string> names_of(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders) names.push_back(folder.filename().string());
  return names;
}

void check_test_classes(const fs::path& folder, const Layout& layout, const std::vector<std::string>& class_names) {
  for (const std::string& name : names_of(class_folders(folder / layout.test))) {
    if (std::ranges::find(class_names, name) == class_names.end())
      fail("{}: class '{}' is in {}, but not in {}", folder.string(), name, layout.test, layout.train);
  }
}

void check_every_class(const fs::path& folder, const ImageListing& listing) {
  if (listing.class_names.size() < 2)
    fail("{}: found {} class folder{}, expected at least 2 with PNG or JPEG images", folder.string(),
         listing.class_names.size(), listing.class_names.size() == 1 ? "" : "s");
  std::vector<bool> seen(listing.class_names.size(), false);
  for (const ListedImage& image : listing.train) seen[static_cast<std::size_t>(image.label)] = true;
  const auto missing = std::ranges::find(seen, false);
  if (missing != seen.end())
    fail("{}: class '{}' has no PNG or JPEG images to train on", folder.string(),
         listing.class_names[static_cast<std::size_t>(missing - seen.begin())]);
}

/// Moves each class's test images from `train` to `test`; the classes are in `below`.
void split_off_test(ImageListing& listing, const std::string& below, TestChoice choice) {
  const auto hash = [&](const ListedImage& image) {
    const std::size_t to_class = below.empty() ? 0 : below.size() + 1;
    const std::size_t to_name = to_class + listing.class_names[static_cast<std::size_t>(image.label)].size() + 1;
    const std::string_view name = std::string_view(image.path).substr(choice == TestChoice::path ? 0 : to_name);
    return XXH3_64bits(name.data(), name.size());
  };
  std::vector<ListedImage> train;
  for (std::size_t begin = 0; begin < listing.train.size();) {
    std::size_t end = begin;
    while (end < listing.train.size() && listing.train[end].label == listing.train[begin].label) ++end;
    std::vector<ListedImage> images(listing.train.begin() + static_cast<std::ptrdiff_t>(begin),
                                    listing.train.begin() + static_cast<std::ptrdiff_t>(end));
    std::ranges::sort(images, {}, hash);
    const std::size_t count = images.size() < 2 ? 0 : std::max<std::size_t>(images.size() / kTestShare, 1);
    const auto middle = images.begin() + static_cast<std::ptrdiff_t>(count);
    listing.test.insert(listing.test.end(), images.begin(), middle);
    train.insert(train.end(), middle, images.end());
    begin = end;
  }
  listing.train = std::move(train);
}

}  // namespace

bool looks_like_image_folder(const fs::path& folder) {
  const Layout layout = layout_of(folder);
  if (!layout.test.empty()) return true;
  for (const fs::path& of_class : class_folders(folder / layout.train)) {
    for (const fs::path& entry : entries(of_class))
      if (has_ending(entry, kReadableEndings)) return true;
  }
  return false;
}

ImageListing list_image_folder(const fs::path& folder, TestChoice test_choice) {
  const Layout layout = layout_of(folder);
  ImageListing listing;
  listing.class_names = names_of(class_folders(folder / layout.train));
  listing.train = list_classes(folder, layout.train, listing.class_names);
  if (layout.test.empty()) {
    split_off_test(listing, layout.train, test_choice);
  } else {
    check_test_classes(folder, layout, listing.class_names);
    listing.test = list_classes(folder, layout.test, listing.class_names);
  }
  check_every_class(folder, listing);
  std::ranges::sort(listing.train, {}, &ListedImage::path);
  std::ranges::sort(listing.test, {}, &ListedImage::path);
  return listing;
}

}  // namespace convmixer
