#include "data/sources/decode_folder.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/core/threads.hpp"
#include "data/decode/decoded_image.hpp"
#include "data/decode/image_file.hpp"
#include "data/sources/fit_image.hpp"

#include <algorithm>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

std::size_t bytes_of_image(int image_size) {
  return std::size_t{kColours} * static_cast<std::size_t>(image_size) * static_cast<std::size_t>(image_size);
}

/// Messages name files as the user knows them.
std::string path_of(const ListedImage& image, const DatasetOptions& options) {
  return printable((options.path / image.path).string());
}

DecodedImage decode(const ListedImage& image, const DatasetOptions& options) {
  const MappedFile file(options.path / image.path);
  return decode_image(file.bytes());
}

std::vector<const ListedImage*> all_images(const ImageListing& listing) {
  std::vector<const ListedImage*> images;
  for (const Split split : {Split::train, Split::test})
    for (const ListedImage& image : listing.of(split)) images.push_back(&image);
  return images;
}

/// Decodes one image into its place. Returns why it is broken, or nothing.
std::string decode_to(const ListedImage& image, int image_size, const DatasetOptions& options,
                      std::span<std::uint8_t> out) {
  try {
    const DecodedImage decoded = decode(image, options);
    if (options.image_size == 0 && (decoded.width != image_size || decoded.height != image_size))
      fail_usage("{}: {} x {} pixels, others have {} x {}: give --image-size, to which all images are then resized",
                 path_of(image, options), decoded.width, decoded.height, image_size, image_size);
    fit_image(decoded, image_size, options.fit, out);
    return {};
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::usage) throw;
    const std::string path = path_of(image, options);
    const std::string reason = printable(error.what());
    return reason.starts_with(path) ? reason : fmt::format("{}: {}", path, reason);
  }
}

void refuse(const std::vector<std::string>& broken) {
  const std::size_t others = broken.size() - 1;
  fail("{}{}; broken-files = skip leaves such files out", broken.front(),
       others == 0 ? "" : fmt::format(" (and {} more broken file{})", others, others == 1 ? "" : "s"));
}

/// Left out are not so many that a class is empty without anybody noticing.
void check_every_class(const ImageListing& listing, const PackedSplit& train, const std::vector<std::string>& broken) {
  std::vector<bool> seen(listing.class_names.size(), false);
  for (const std::int32_t label : train.labels) seen[static_cast<std::size_t>(label)] = true;
  for (std::size_t i = 0; i < listing.train.size(); ++i) {
    const auto label = static_cast<std::size_t>(listing.train[i].label);
    if (!seen[label])
      fail("class '{}' has no image to train on that can be decoded: {}", printable(listing.class_names[label]),
           broken[i]);
  }
}

}  // namespace

int decoded_side(const ImageListing& listing, const DatasetOptions& options) {
  if (options.image_size > 0) return options.image_size;
  for (const ListedImage* image : all_images(listing)) {
    DecodedImage decoded;
    try {
      decoded = decode(*image, options);
    } catch (const Error&) {
      continue;  // named with all others later
    }
    if (decoded.width == decoded.height && decoded.width <= kLargestImageSize) return decoded.width;
    fail_usage("{}: {} x {} pixels: give --image-size, to which all images are then resized", path_of(*image, options),
               decoded.width, decoded.height);
  }
  fail("{}: not one of its {} images can be decoded", options.path.string(), all_images(listing).size());
}

DecodedFolder::DecodedFolder(const ImageListing& listing, const DatasetOptions& options, int image_size,
                             const fs::path& scratch_folder)
    : scratch_(scratch_folder, bytes_of_image(image_size) * all_images(listing).size()) {
  const std::vector<const ListedImage*> images = all_images(listing);
  const std::size_t bytes = bytes_of_image(image_size);
  const auto place = [&](std::size_t i) { return scratch_.bytes().subspan(i * bytes, bytes); };
  std::vector<std::string> broken(images.size());
  ThreadPool pool(choose_thread_count(options.threads).count);
  pool.parallel_for(std::ssize(images), [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    broken[at] = decode_to(*images[at], image_size, options, place(at));
  });
  for (const std::string& reason : broken)
    if (!reason.empty()) left_out_.push_back(reason);
  if (!left_out_.empty() && options.broken_files == BrokenFiles::refuse) refuse(left_out_);

  // The good ones move together; training images come first.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (!broken[i].empty()) continue;
    if (kept != i) std::ranges::copy(place(i), place(kept).begin());
    PackedSplit& split = splits_[i < listing.train.size() ? 0 : 1];
    split.labels.push_back(images[i]->label);
    split.files.push_back(images[i]->path);
    ++kept;
  }
  check_every_class(listing, splits_[0], broken);
  const std::size_t train = splits_[0].labels.size() * bytes;
  splits_[0].images = scratch_.bytes().first(train);
  splits_[1].images = scratch_.bytes().subspan(train, splits_[1].labels.size() * bytes);
}

}  // namespace convmixer
