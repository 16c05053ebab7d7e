#include "data/sources/image_folder.hpp"

#include "convmixer/core/error.hpp"
#include "data/sources/class_folders.hpp"
#include "data/sources/split_folders.hpp"
#include "data/sources/walk_images.hpp"

#include <algorithm>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <xxhash.h>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kTestShare = 10;

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

/// Adds the images in a class's folder; `path` is the folder's, below the data set's.
void list_class(const fs::path& folder, const std::string& path, std::int32_t label, std::vector<ListedImage>& images,
                OtherFiles& others) {
  const auto add = [&](const fs::path& file, const std::string& name) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) {  // a link to nothing: a broken file like others, to whoever reads it
      images.push_back({.path = name, .label = label});
    } else if (S_ISREG(status.st_mode)) {
      images.push_back({name, label, status.st_size, nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)});
    }
  };
  walk_images(folder, path, add, others);
}

/// Images of the classes in `below`, a folder in `folder` or, if empty, that itself.
std::vector<ListedImage> list_classes(const fs::path& folder, const std::string& below,
                                      const std::vector<std::string>& names, OtherFiles& others) {
  std::vector<ListedImage> images;
  for (std::size_t label = 0; label < names.size(); ++label) {
    const std::string path = below.empty() ? names[label] : below + "/" + names[label];
    if (is_folder(folder / path)) list_class(folder / path, path, static_cast<std::int32_t>(label), images, others);
  }
  return images;
}

/// Whether a path below `folder` leads to another folder or through it.
bool leads_through(const fs::path& folder, const std::string& path, const fs::path& other) {
  fs::path at = folder;
  for (const fs::path& part : fs::path(path).lexically_normal()) {
    at /= part;
    std::error_code ignored;
    if (fs::equivalent(at, other, ignored)) return true;
  }
  return false;
}

/// Takes the folder that holds this split out of the classes. True if it was there.
bool remove_split(const fs::path& folder, const SplitFolders& split, const std::string& held_out,
                  std::vector<std::string>& classes) {
  const auto holds_it = [&](const std::string& name) {
    return leads_through(folder, held_out, folder / split.train / name);
  };
  return std::erase_if(classes, holds_it) > 0;
}

void check_test_classes(const fs::path& folder, const SplitFolders& split, const std::vector<std::string>& classes) {
  for (const std::string& name : class_names(folder / split.test)) {
    if (std::ranges::find(classes, name) == classes.end())
      fail("{}: class '{}' is in {}, but not in {}; --test-folder names another folder for the test", folder.string(),
           name, split.test, split.train.empty() ? "the others" : split.train);
  }
}

void check_every_class(const fs::path& folder, const ImageListing& listing) {
  if (listing.class_names.size() < 2)
    fail("{}: found {} class folder{}, expected at least 2 with images", folder.string(), listing.class_names.size(),
         listing.class_names.size() == 1 ? "" : "s");
  std::vector<bool> seen(listing.class_names.size(), false);
  for (const ListedImage& image : listing.train) seen[static_cast<std::size_t>(image.label)] = true;
  const auto missing = std::ranges::find(seen, false);
  if (missing != seen.end())
    fail("{}: class '{}' has no images to train on", folder.string(),
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
  const SplitFolders split = split_folders({.path = folder});
  if (!split.test.empty()) return true;
  return std::ranges::any_of(class_folders(folder / split.train),
                             [](const fs::path& of_class) { return holds_images(of_class, 1); });
}

ImageListing list_image_folder(const DatasetOptions& options) {
  const fs::path& folder = options.path;
  const SplitFolders split = split_folders(options);
  ImageListing listing;
  listing.notes = split.notes;
  OtherFiles others;
  listing.class_names = class_names(folder / split.train);
  remove_split(folder, split, split.test, listing.class_names);
  for (const std::string& other : split.others) {
    // Images without labels, or a class like the one beside it.
    if (listing.class_names.size() <= 2 && class_folders(folder / other).empty()) continue;
    const bool was_there = remove_split(folder, split, other, listing.class_names);
    if (was_there && !options.test_folder.empty())  // else the notes name it
      listing.notes.push_back(
          fmt::format("{}: {} is left alone: its name is that of a test, not of a class", folder.string(), other));
  }
  listing.train = list_classes(folder, split.train, listing.class_names, others);
  if (split.test.empty()) {
    split_off_test(listing, split.train, options.test_choice);
  } else {
    check_test_classes(folder, split, listing.class_names);
    listing.test = list_classes(folder, split.test, listing.class_names, others);
  }
  check_every_class(folder, listing);
  if (!others.empty()) listing.notes.push_back(fmt::format("{}: {}", folder.string(), describe(others)));
  std::ranges::sort(listing.train, {}, &ListedImage::path);
  std::ranges::sort(listing.test, {}, &ListedImage::path);
  return listing;
}

}  // namespace convmixer
